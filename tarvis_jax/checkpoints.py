"""A CHECKPOINT on the disk: the weights of a model, and the config that says which model it is.

A CHECKPOINT is a workdir (its newest step), one step's folder, or what `convert` wrote. A folder of weights holds `weights`
(params, buffers) and `config`, and in a training run `optimizer`.
"""

import dataclasses
import json
import shutil
from collections.abc import Mapping
from pathlib import Path
from typing import Any

import flax.linen as nn
import jax
import numpy as np
import orbax.checkpoint as ocp

from tarvis_jax.config import FORMAT_VERSION, ConfigError, ModelConfig, closest, require
from tarvis_jax.models.tarvis import TarViS

CHECKPOINTS = "checkpoints"  # folder of a workdir
BACKBONE_ALONE = "backbone"  # config["part"] of a folder with the weights of a backbone alone


def find_step_folder(path: Path) -> Path:
    """The step's folder that a CHECKPOINT names: itself, or the newest complete step of a workdir.

    Raises:
        ConfigError: there is no checkpoint.
    """
    require(path.is_dir(), f"{path}: no such folder; expected a workdir or one step's checkpoint folder")
    if (path / "weights").is_dir():
        return path
    steps = [d for d in (path / CHECKPOINTS).glob("*") if d.name.isdigit() and (d / "weights").is_dir()]
    require(bool(steps), f"{path}: holds no complete checkpoint; expected {CHECKPOINTS}/STEP/ in it, or a folder with weights/")
    return max(steps, key=lambda d: int(d.name))


def read_checkpoint_config(folder: Path) -> dict[str, Any]:
    """The config that a step's folder was saved with (TrainConfig as nested dicts).

    Raises:
        ConfigError: no config, or one of a later format than this version reads.
    """
    file = folder / "config" / "metadata"
    try:
        saved = json.loads(file.read_text())
    except (OSError, json.JSONDecodeError) as error:
        raise ConfigError(f"{file}: not a readable checkpoint config ({error}); expected JSON") from error
    version = saved.get("format_version")
    require(
        isinstance(version, int) and 1 <= version <= FORMAT_VERSION,
        f"{file}: format_version {version}; this version reads 1 to {FORMAT_VERSION}, please update tarvis_jax",
    )
    return saved["config"]


def read_model_config(folder: Path) -> ModelConfig:
    """The model whose weights a step's folder holds.

    Raises:
        ConfigError: no config that this version reads, or a backbone alone.
    """
    saved = read_checkpoint_config(folder)
    require(
        saved.get("part") != BACKBONE_ALONE,
        f"{folder}: holds the weights of a backbone alone, which only config.backbone_from of a training run takes",
    )
    values, known = saved["model"], [field.name for field in dataclasses.fields(ModelConfig)]
    for key in values:
        require(key in known, f"{folder}: its model has a setting {key!r} that this version lacks; {closest(key, known)}")
    vocabulary = tuple((name, count) for name, count in values.get("vocabulary", ()))
    return ModelConfig(**{**values, "vocabulary": vocabulary})


def require_no_checkpoint(folder: Path, *, overwrite: bool) -> None:
    """Raises `ConfigError` unless `save_weights` may write the folder: it is not there, or empty, or to be overwritten."""
    if not folder.exists() or (folder.is_dir() and not any(folder.iterdir())):
        return
    require(overwrite, f"{folder}: exists already; choose another --output or pass --overwrite")
    converted = (folder / "weights").is_dir() and not (folder / "optimizer").exists()
    require(converted, f"{folder}: is no converted checkpoint, so it is not overwritten; choose another --output")


def save_weights(folder: Path, weights: Any, config: Mapping[str, Any]) -> None:
    """Saves weights outside a training run, in a folder that reads like a step's. It gets its name when it is complete.

    Args:
        folder: replaced if it exists; see `require_no_checkpoint`.
        weights: {"params": ..., "buffers": ...}, or part of it.
        config: {"model": `ModelConfig` as a dict, ...}.
    """
    folder = folder.absolute()
    unfinished = folder.with_name(folder.name + ".unfinished")
    with ocp.Checkpointer(ocp.CompositeCheckpointHandler()) as checkpointer:
        checkpointer.save(
            unfinished,
            args=ocp.args.Composite(
                weights=ocp.args.StandardSave(weights),
                config=ocp.args.JsonSave({"format_version": FORMAT_VERSION, "config": config}),
            ),
            force=True,
        )
    if folder.exists():
        shutil.rmtree(folder)
    unfinished.rename(folder)


def read_weights(folder: Path, expected: Any, *, partial: bool = False) -> Any:
    """The weights of a step's folder, placed as the arrays of `expected`: {"params": ..., "buffers": ...}.

    Args:
        folder: a step's folder.
        expected: arrays that give names, shapes, types and placement; numpy's stay numpy's.
        partial: whether the folder may hold more than is expected.

    Raises:
        ConfigError: names or shapes differ; the line names the first three.
    """
    item = (folder / "weights").absolute()
    handler = ocp.PyTreeCheckpointHandler()
    _check_same_arrays(item, handler.metadata(item).tree, expected, partial)
    abstract = abstract_arrays(expected)
    restore_args = ocp.checkpoint_utils.construct_restore_args(abstract)
    return handler.restore(item, args=ocp.args.PyTreeRestore(abstract, restore_args, partial_restore=True))


def _check_same_arrays(item: Path, found: Any, expected: Any, partial: bool) -> None:
    found, expected = _shapes(found), _shapes(expected)
    missing = [f"{name} {expected[name]} is missing" for name in expected if name not in found]
    extra = [f"{name} {found[name]} is unexpected" for name in found if name not in expected and not partial]
    both = [name for name in expected if name in found and found[name] != expected[name]]
    wrong = [f"{name} has shape {found[name]}, expected {expected[name]}" for name in both]
    problems = missing + wrong + extra
    require(not problems, f"{item}: does not fit the model in {len(problems)} arrays: {'; '.join(problems[:3])}")


def _shapes(tree: Any) -> dict[str, tuple[int, ...]]:
    leaves = jax.tree_util.tree_leaves_with_path(tree)
    return {jax.tree_util.keystr(path, simple=True, separator="/"): tuple(leaf.shape) for path, leaf in leaves}


def abstract_arrays(tree: Any) -> Any:
    """Shapes, types and placement of a tree of arrays."""
    return jax.tree.map(ocp.utils.to_shape_dtype_struct, tree)


def empty_variables(config: ModelConfig) -> dict[str, Any]:
    """{"params": nested dict, "buffers": nested dict} of a model: zeros of the right shapes that take no memory."""
    model = TarViS(config)
    variables = nn.unbox(jax.eval_shape(lambda: model.init(jax.random.key(0), method="initialise")))
    zeros = jax.tree.map(lambda leaf: np.broadcast_to(np.zeros((), leaf.dtype), leaf.shape), variables)
    return {"params": {}, "buffers": {}} | zeros
