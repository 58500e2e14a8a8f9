"""Where a run's first weights come from."""

import logging
from pathlib import Path
from typing import Any

import jax
import optax
from jax.sharding import Mesh

from tarvis_jax.checkpoints import find_step_folder, read_checkpoint_config, read_model_config, read_weights
from tarvis_jax.config import TrainConfig, as_dict, require
from tarvis_jax.models.tarvis import TarViS
from tarvis_jax.training.carry_over import carry_over
from tarvis_jax.training.checkpoints import CheckpointStore
from tarvis_jax.training.state import TrainState, initial_state

logger = logging.getLogger(__name__)

_BRANCH_ENDS = {"out_proj", "output_proj", "linear2"}  # of attention, deformable attention, feed-forward blocks


def starting_state(
    model: TarViS, optimizer: optax.GradientTransformation, config: TrainConfig, mesh: Mesh, store: CheckpointStore
) -> TrainState:
    """The first that applies: the workdir's newest checkpoint, `init_from`, `backbone_from`, random weights.

    Raises:
        ConfigError: a checkpoint that does not exist or does not fit the model.
    """
    latest = store.latest_step()
    if latest is not None:
        _check_same_model(store.read_config(latest), config)
        logger.info("going on after step %d of this workdir", latest)
        return store.restore(latest, initial_state(model, optimizer, mesh, config.data.seed))
    whole = _folder_of_same_backbone("init_from", config.init_from, config)
    backbone = _folder_of_same_backbone("backbone_from", config.backbone_from, config)
    state = initial_state(model, optimizer, mesh, config.data.seed)
    if whole:
        return _with_weights(state, whole, config)
    state = state.replace(params=scale_branches(state.params, config.branch_start))
    if backbone:
        return _with_backbone(state, backbone)
    frozen = ", the backbone's batch norms are frozen at the identity and never adapt" if state.buffers else ""
    logger.warning(
        "all weights start at random%s: expect to train far longer than from ImageNet weights, or to stay below the published "
        "numbers (config.backbone_from, config.init_from)",
        frozen,
    )
    return state


def scale_branches(params: Any, factor: float) -> Any:
    """Random weights with the last matrix of every residual branch outside the backbone times `factor`.

    Near 0 all layers of attention and feed-forward blocks start as the identity, so that what the features say of an object
    reaches the mask head. At the original's start (1) the objects' mask embeddings hardly differ: random layers add as much as
    they are given, and the norms after them shrink the sum.
    """

    def scale(path: tuple[Any, ...], x: jax.Array) -> jax.Array:
        names = [entry.key for entry in path]
        return x * factor if names[0] != "backbone" and names[-2] in _BRANCH_ENDS else x

    return jax.tree_util.tree_map_with_path(scale, params)


def _check_same_model(saved: dict[str, Any], config: TrainConfig) -> None:
    """A run goes on with the model that it began with; other settings may change, and are named."""
    wanted = as_dict(config)
    differing = [key for key, value in wanted["model"].items() if saved["model"].get(key) != value]
    changes = "; ".join(f"config.model.{key} is {wanted['model'][key]}, was {saved['model'].get(key)}" for key in differing)
    require(not differing, f"the checkpoint in this workdir is of another model: {changes}; use another --workdir")
    for section in ("data", "optimizer", "loss"):
        for key, value in wanted[section].items():
            if key not in ("workers", "data_root") and saved[section].get(key) != value:
                logger.warning("config %s.%s is now %s, the checkpoint had %s", section, key, value, saved[section].get(key))


def _folder_of_same_backbone(key: str, path: str, config: TrainConfig) -> Path | None:
    """The step's folder that a setting names, None if it is empty."""
    if not path:
        return None
    folder = find_step_folder(Path(path))
    saved, wanted = read_checkpoint_config(folder)["model"]["backbone"], config.model.backbone
    require(
        saved == wanted, f"config.{key}={path}: holds a model with backbone {saved}, expected {wanted}; choose that variant"
    )
    return folder


def _with_weights(state: TrainState, folder: Path, config: TrainConfig) -> TrainState:
    """All weights of a step's folder; class queries are carried over where it was trained on other datasets."""
    old, new = read_model_config(folder).vocabulary, config.model.vocabulary
    table = state.params["queries"]["semantic_table"]
    old_table = jax.ShapeDtypeStruct((1 + sum(count for _, count in old), table.shape[1]), table.dtype, sharding=table.sharding)
    expected = {"params": _with_semantic_table(state.params, old_table), "buffers": state.buffers}
    weights = read_weights(folder, expected)
    params = weights["params"]
    if old != new:
        params = _with_semantic_table(params, carry_over(params["queries"]["semantic_table"], old, table, new))
    logger.info("weights from %s", folder)
    return state.replace(params=params, buffers=weights["buffers"])


def _with_semantic_table(params: Any, table: Any) -> Any:
    return {**params, "queries": {**params["queries"], "semantic_table": table}}


def _with_backbone(state: TrainState, folder: Path) -> TrainState:
    variables = {"params": state.params, "buffers": state.buffers}  # a Swin has no buffers
    expected = {name: {"backbone": tree["backbone"]} for name, tree in variables.items() if "backbone" in tree}
    weights = read_weights(folder, expected, partial=True)
    logger.info("backbone weights from %s", folder)
    return state.replace(**{name: {**variables[name], **tree} for name, tree in weights.items()})
