"""Which model a state dict of the original is: read from the names and shapes of its tensors, never guessed."""

import re
from collections.abc import Callable, Iterable, Mapping, Sequence
from pathlib import Path
from typing import NamedTuple

import flax.linen as nn
import numpy as np

from data import categories
from tarvis_jax.config import ConfigError, ModelConfig, closest
from tarvis_jax.errors import UserError
from tarvis_jax.models.backbones import BACKBONES, make_backbone
from tarvis_jax.models.convnext import ConvNeXt
from tarvis_jax.models.resnet import ResNet
from tarvis_jax.models.swin import Swin

BACKBONE = "backbone.backbone."  # in front of the names of a backbone's tensors
STAGES = ("pretrain", "finetune")

_CLASSES = "embedding_container._semantic_queries"
_ROWS_PER_HEAD = 3 * 4 * 2  # of `sampling_offsets`: levels, points, (x, y)
_LARGEST_GRID = 64  # cells along a side; images of 64 pixels have no more


class _Family(NamedTuple):
    """A kind of backbone: its module, the original's names of its first weight and of its blocks, its first width."""

    module: type[nn.Module]
    first: str
    block: str
    width: Callable[[nn.Module], int]


_FAMILIES = (
    _Family(ResNet, "stem.conv1.weight", r"res(\d)\.(\d+)\.", lambda module: module.stem_width),
    _Family(Swin, "patch_embed.proj.weight", r"layers\.(\d)\.blocks\.(\d+)\.", lambda module: module.width),
    _Family(ConvNeXt, "downsample_layers.0.0.weight", r"stages\.(\d)\.(\d+)\.", lambda module: module.widths[0]),
)


class _Signature(NamedTuple):
    """What tells one backbone from another."""

    family: str
    width: int
    depths: tuple[int, ...]

    def __str__(self) -> str:
        return f"a {self.family} of width {self.width} with {'-'.join(map(str, self.depths))} blocks"


def recognise_backbone(state: Mapping[str, np.ndarray], source: Path) -> str:
    """The name of the backbone whose tensors these are, by the original's names after `BACKBONE`.

    Raises:
        UserError: no backbone of this version.
    """
    family = next((family for family in _FAMILIES if family.first in state), None)
    if family is None:
        known = ", ".join(f"{family.first} ({family.module.__name__})" for family in _FAMILIES)
        raise UserError(f"{source}: no backbone is recognised; expected one of the tensors {known}")
    width = next(iter(state[family.first].shape), 0)
    found = _Signature(family.module.__name__, width, _depths(state, family.block))
    known = {_signature_of(name): name for name in BACKBONES}
    if found not in known:
        raise UserError(f"{source}: its backbone is {found}; known: {', '.join(f'{known[s]} is {s}' for s in known)}")
    return known[found]


def _signature_of(name: str) -> _Signature:
    module = make_backbone(name)
    family = next(family for family in _FAMILIES if isinstance(module, family.module))
    return _Signature(family.module.__name__, family.width(module), tuple(module.depths))


def _depths(names: Iterable[str], pattern: str) -> tuple[int, ...]:
    """Numbers of blocks of the stages."""
    found = [re.match(pattern, name) for name in names]
    blocks = {(match[1], int(match[2])) for match in found if match}
    return tuple(_consecutive(block for of, block in blocks if of == stage) for stage in sorted({stage for stage, _ in blocks}))


def _consecutive(numbers: Iterable[int]) -> int:
    """How many of 0, 1, 2, ... are there before the first that is not."""
    numbers, count = set(numbers), 0
    while count in numbers:
        count += 1
    return count


def recognise_model(state: Mapping[str, np.ndarray], datasets: Sequence[str], source: Path) -> ModelConfig:
    """The model whose state dict this is.

    Where a tensor that would tell a size is missing, the published size is assumed; comparing the names finds it then.

    Args:
        state: arrays by the original's names.
        datasets: whose classes have queries; empty if they are those of pretraining or fine-tuning.
        source: the file, for errors.

    Raises:
        UserError: no such model, or the classes do not fit the datasets.
    """

    def size(name: str, axis: int, default: int) -> int:
        return state[name].shape[axis] if name in state and state[name].ndim > axis else default

    def layers(pattern: str) -> int:
        found = (re.match(pattern, name) for name in state)
        return _consecutive(int(match[1]) for match in found if match)

    if _CLASSES not in state:
        raise UserError(
            f"{source}: no checkpoint of TarViS: {_CLASSES} is not among its {len(state)} tensors, of which {min(state)} comes "
            "first by name; ImageNet weights are read by the command backbone"
        )
    usual, encoder = ModelConfig(), "backbone.fpn.transformer.encoder.layers.0."
    backbone = {name.removeprefix(BACKBONE): array for name, array in state.items() if name.startswith(BACKBONE)}
    sizes = {
        "backbone": recognise_backbone(backbone, source),
        "width": size("embedding_container._vos_queries", 1, usual.width),
        "heads": size(encoder + "self_attn.sampling_offsets.bias", 0, usual.heads * _ROWS_PER_HEAD) // _ROWS_PER_HEAD,
        "neck_layers": layers(r"backbone\.fpn\.transformer\.encoder\.layers\.(\d+)\."),
        "neck_hidden": size(encoder + "linear1.weight", 0, usual.neck_hidden),
        "decoder_layers": layers(r"decoder\.transformer_\w+_layers\.(\d+)\."),
        "decoder_hidden": size("decoder.transformer_ffn_layers.0.linear1.weight", 0, usual.decoder_hidden),
        "object_encoder_layers": layers(r"vos_query_extractor\.\w+_layers\.(\d+)\."),
        "instance_queries": size("embedding_container._instance_queries", 0, usual.instance_queries + 1) - 1,
        "background_grid": _background_grid(state, usual.background_grid),
        "vocabulary": recognise_vocabulary(size(_CLASSES, 0, 0), datasets, source),
    }
    try:
        return ModelConfig(**sizes)
    except ConfigError as error:
        raise UserError(f"{source}: no TarViS model: {error}") from error


def _background_grid(state: Mapping[str, np.ndarray], default: int) -> int:
    """Cells along the side of a square grid; the default for any other, which does not have the expected value then."""
    grid = state.get("vos_query_extractor.bg_grid_size", np.zeros(0))
    square = grid.shape == (2,) and grid[0] == grid[1] and 1 <= grid[0] <= _LARGEST_GRID
    return int(grid[0]) if square else default


def recognise_vocabulary(rows: int, datasets: Sequence[str], source: Path) -> tuple[tuple[str, int], ...]:
    """(dataset, number of classes), sorted, for a table of semantic queries with `rows` rows; see `recognise_model`."""
    if datasets:
        vocabulary = tuple((name, _number_of_classes(name)) for name in sorted(set(datasets)))
        if _rows_of(vocabulary) != rows:
            counts = " + ".join(f"{count} ({name})" for name, count in vocabulary)
            raise UserError(f"--datasets: 1 + {counts} = {_rows_of(vocabulary)} semantic queries; {source} has {rows}")
        return vocabulary
    by_rows = {_rows_of(categories.vocabulary(stage)): stage for stage in STAGES}
    if rows not in by_rows:
        known = " or ".join(f"{count} ({stage})" for count, stage in by_rows.items())
        raise UserError(
            f"{source}: {_CLASSES} has {rows} rows, expected {known}; if the model has classes of other datasets, name them by "
            "--datasets=a,b,c"
        )
    return categories.vocabulary(by_rows[rows])


def _rows_of(vocabulary: Iterable[tuple[str, int]]) -> int:
    """Rows of the semantic queries: one that all classes share, and one a class."""
    return 1 + sum(count for _, count in vocabulary)


def _number_of_classes(dataset: str) -> int:
    known = {name: len(categories.load(name)) for name in categories.DATASETS}
    if not known.get(dataset):
        raise UserError(f"--datasets: no classes of {dataset!r}; {closest(dataset, [name for name in known if known[name]])}")
    return known[dataset]
