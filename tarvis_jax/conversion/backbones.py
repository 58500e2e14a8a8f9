"""ImageNet weights of a backbone, in the forms in which they are published."""

import re
from collections.abc import Mapping
from pathlib import Path
from typing import Any

import numpy as np

from tarvis_jax.config import ModelConfig, closest
from tarvis_jax.conversion.files import read_torch
from tarvis_jax.conversion.names import variables_from_torch
from tarvis_jax.conversion.pickles import read_pickle
from tarvis_jax.conversion.recognise import BACKBONE, recognise_backbone
from tarvis_jax.conversion.state_dict import checked_weights, find_state_dict
from tarvis_jax.conversion.template import state_template
from tarvis_jax.errors import UserError
from tarvis_jax.models.backbones import BACKBONES

_READERS = {".pth": read_torch, ".pkl": read_pickle}

# What the published files hold besides the backbone: classifiers, counters of batch norms, masks that follow from sizes.
_SURPLUS = re.compile(r"stem\.fc\..*|fc\..*|head\..*|norm\..*|.*\.num_batches_tracked|layers\..*\.attn_mask")
# Norms of the stages' outputs, which classifiers do not have: Swin's and ConvNeXt's.
_OUTPUT_NORM = re.compile(r"backbone\.backbone\.norm\d\..*|backbone\.norm_layers\..*")

_TORCHVISION = (  # name of a ResNet's part there -> in detectron2 and in the original
    (r"^(conv1|bn1)\.", r"stem.\1."),
    (r"^layer(\d)\.", lambda match: f"res{int(match[1]) + 1}."),
    (r"\bbn(\d)\.", r"conv\1.norm."),
    (r"\bdownsample\.0\.", "shortcut."),
    (r"\bdownsample\.1\.", "shortcut.norm."),
)


def import_backbone(source: Path, name: str) -> dict[str, Any]:
    """Reads ImageNet weights.

    Args:
        source: .pkl of detectron2, or .pth of torchvision (ResNet), of Swin's or ConvNeXt's authors.
        name: the backbone that it should hold.

    Returns:
        {"params": {"backbone": ...}, "buffers": ...} of a model with that backbone.

    Raises:
        UserError: the file cannot be read or does not hold that backbone.
    """
    if name not in BACKBONES:
        raise UserError(f"--backbone={name}: no such backbone; {closest(name, BACKBONES)}")
    if source.suffix not in _READERS:
        raise UserError(f"{source}: expected a file named *{' or *'.join(_READERS)}")
    state = _with_names_of_the_original(find_state_dict(_READERS[source.suffix](source), source), source)
    found = recognise_backbone(state, source)
    if found != name:
        raise UserError(f"{source}: holds a {found}, not a {name}; expected --backbone={found} or another file")
    expected = _expected_entries(name)
    state = {BACKBONE + part: array for part, array in state.items()}
    state |= {entry: _identity(entry, array) for entry, array in expected.items() if _OUTPUT_NORM.fullmatch(entry)}
    return variables_from_torch(checked_weights(state, expected, source, f"the backbone {name}"))


def _with_names_of_the_original(state: Mapping[str, np.ndarray], source: Path) -> dict[str, np.ndarray]:
    """The backbone's tensors by the original's names after `BACKBONE`."""
    if any("_branch" in name for name in state):
        raise UserError(
            f"{source}: a ResNet with Caffe2's names, whose weights expect BGR images; expected detectron2's conversion of "
            "torchvision's weights (its folder ImageNetPretrained/torchvision) or torchvision's own file"
        )
    state = {name: array for name, array in state.items() if not _SURPLUS.fullmatch(name)}
    if "layer1.0.conv1.weight" not in state:
        return state
    return {_renamed(name): array for name, array in state.items()}


def _renamed(name: str) -> str:
    for pattern, replacement in _TORCHVISION:
        name = re.sub(pattern, replacement, name)
    return name


def _expected_entries(backbone: str) -> dict[str, np.ndarray]:
    """The part of the original's state dict that is the backbone's."""
    shortest = ModelConfig(backbone=backbone, neck_layers=1, decoder_layers=1, object_encoder_layers=1)
    prefixes = (BACKBONE, "backbone.norm_layers.")
    return {entry: array for entry, array in state_template(shortest).items() if entry.startswith(prefixes)}


def _identity(name: str, array: np.ndarray) -> np.ndarray:
    """A norm's weight or bias that changes nothing."""
    return np.full(array.shape, name.endswith(".weight"), np.float32)
