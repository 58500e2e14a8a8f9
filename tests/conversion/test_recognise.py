"""Models are recognised from names and shapes alone."""

import dataclasses
from pathlib import Path

import numpy as np
import pytest

from data import categories
from tarvis_jax.config import ModelConfig
from tarvis_jax.conversion.recognise import BACKBONE, recognise_backbone, recognise_model, recognise_vocabulary
from tarvis_jax.errors import UserError
from tests.conversion.states import SMALL, manifest, random_state

FILE = Path("weights.pth")
RESNET = ("stem.conv1.weight", "res{stage}.{block}.conv1.weight", 2)
SWIN = ("patch_embed.proj.weight", "layers.{stage}.blocks.{block}.norm1.weight", 0)
CONVNEXT = ("downsample_layers.0.0.weight", "stages.{stage}.{block}.gamma", 0)
PUBLISHED = {  # names, width of the first layer, blocks of the stages
    "resnet50": (RESNET, 64, (3, 4, 6, 3)),
    "resnet101": (RESNET, 64, (3, 4, 23, 3)),
    "swin_tiny": (SWIN, 96, (2, 2, 6, 2)),
    "swin_small": (SWIN, 96, (2, 2, 18, 2)),
    "swin_base": (SWIN, 128, (2, 2, 18, 2)),
    "swin_large": (SWIN, 192, (2, 2, 18, 2)),
    "convnext_tiny": (CONVNEXT, 96, (3, 3, 9, 3)),
    "convnext_small": (CONVNEXT, 96, (3, 3, 27, 3)),
    "convnext_base": (CONVNEXT, 128, (3, 3, 27, 3)),
    "convnext_large": (CONVNEXT, 192, (3, 3, 27, 3)),
    "convnext_xlarge": (CONVNEXT, 256, (3, 3, 27, 3)),
}


def _names_of_a_backbone(names, width, depths):
    (first, block, start) = names
    blocks = [block.format(stage=start + s, block=b) for s, depth in enumerate(depths) for b in range(depth)]
    return {first: np.zeros((width, 3, 7, 7)), **{name: np.zeros(1) for name in blocks}}


@pytest.mark.parametrize("backbone", PUBLISHED)
def test_backbones(backbone):
    assert recognise_backbone(_names_of_a_backbone(*PUBLISHED[backbone]), FILE) == backbone


def test_other_backbones_are_not_guessed():
    with pytest.raises(UserError, match=r"h: its backbone is a Swin of width 96 with 2-2-4-2 blocks; known: .*swin_tiny"):
        recognise_backbone(_names_of_a_backbone(SWIN, 96, (2, 2, 4, 2)), FILE)
    with pytest.raises(UserError, match=r"no backbone is recognised; expected .*stem\.conv1\.weight \(ResNet\)"):
        recognise_backbone({"vit.patch_embed.weight": np.zeros(1)}, FILE)


@pytest.mark.parametrize("backbone", ["resnet50", "swin_tiny", "swin_large"])
@pytest.mark.parametrize("stage", ["pretrain", "finetune"])
def test_the_originals_models(shared, backbone, stage):
    state = {e["name"]: np.broadcast_to(np.float32(0), e["shape"]) for e in manifest(shared, backbone, stage)}
    state["vos_query_extractor.bg_grid_size"] = np.int64([4, 4])
    assert recognise_model(state, (), FILE) == ModelConfig(backbone=backbone, vocabulary=categories.vocabulary(stage))


def test_every_size():
    other = dataclasses.replace(SMALL, background_grid=3)
    for config in (SMALL, other):
        assert recognise_model(random_state(config), (), FILE) == config


def test_missing_tensors_leave_the_other_sizes():
    state = random_state(SMALL)
    del state["decoder.transformer_ffn_layers.1.linear1.weight"], state["embedding_container._instance_queries"]
    assert recognise_model(state, (), FILE) == dataclasses.replace(SMALL, instance_queries=128)


def test_sizes_that_no_model_has():
    state = random_state(SMALL)
    state["embedding_container._vos_queries"] = np.zeros((1, 33), np.float32)
    with pytest.raises(UserError, match=r"weights\.pth: no TarViS model: config\.model\.width=33"):
        recognise_model(state, (), FILE)


def test_vocabularies():
    assert recognise_vocabulary(383, (), FILE) == categories.vocabulary("pretrain")
    assert recognise_vocabulary(228, (), FILE) == categories.vocabulary("finetune")
    assert recognise_vocabulary(1 + 25 + 133, ("ovis", "coco"), FILE) == (("coco", 133), ("ovis", 25))


def test_other_vocabularies_are_not_guessed():
    with pytest.raises(UserError, match=r"has 41 rows, expected 383 \(pretrain\) or 228 \(finetune\); .*--datasets=a,b,c"):
        recognise_vocabulary(41, (), FILE)
    with pytest.raises(UserError, match=r"--datasets: 1 \+ 133 \(coco\) \+ 25 \(ovis\) = 159 .*; weights\.pth has 41"):
        recognise_vocabulary(41, ("ovis", "coco"), FILE)
    for name in ("davis", "kitti"):
        with pytest.raises(UserError, match=rf"no classes of '{name}'; .*kitti_step"):
            recognise_vocabulary(41, (name,), FILE)


def test_the_prefix_of_backbones(shared):
    stored = [entry["name"] for entry in manifest(shared, "swin_tiny", "finetune")]
    assert sum(name.startswith(BACKBONE) for name in stored) == 189
