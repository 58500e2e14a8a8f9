"""The state dict that the original expects: names, order, shapes, types and constants."""

import jax
import numpy as np
import pytest

from data import categories
from tarvis_jax.checkpoints import empty_variables
from tarvis_jax.config import ModelConfig
from tarvis_jax.conversion.template import state_template
from tests.conversion.states import SMALL, manifest


@pytest.mark.parametrize(
    ("backbone", "stage"),
    [
        ("resnet50", "finetune"),
        ("swin_tiny", "pretrain"),
        *(pytest.param(*rest, marks=pytest.mark.slow) for rest in (("resnet50", "pretrain"), ("swin_tiny", "finetune"))),
        *(pytest.param("swin_large", stage, marks=pytest.mark.slow) for stage in ("pretrain", "finetune")),
    ],
)
def test_names_order_shapes_and_types_are_the_originals(shared, backbone, stage):
    template = state_template(ModelConfig(backbone=backbone, vocabulary=categories.vocabulary(stage)))
    found = [(name, list(array.shape), str(array.dtype)) for name, array in template.items()]
    assert found == [(entry["name"], entry["shape"], entry["dtype"]) for entry in manifest(shared, backbone, stage)]


@pytest.mark.slow
@pytest.mark.parametrize(
    ("backbone", "entries"),
    [("resnet101", 1018), ("swin_small", 855), ("swin_base", 855), ("convnext_tiny", 684), ("convnext_xlarge", 846)],
)
def test_numbers_of_entries_of_the_other_backbones(backbone, entries):
    assert len(state_template(ModelConfig(backbone=backbone, vocabulary=categories.vocabulary("finetune")))) == entries


def test_convnext_follows_the_same_principle():
    """Own tensors first, then parts in the order in which data runs through them; statistics on the scale 0..1."""
    template = state_template(ModelConfig(backbone="convnext_tiny", vocabulary=categories.vocabulary("finetune")))
    block = "backbone.backbone.stages.3.2."
    modules = ("dwconv", "norm", "pwconv1", "pwconv2")
    tensors = ["gamma", *(f"{module}.{tensor}" for module in modules for tensor in ("weight", "bias"))]
    assert [name for name in template if name.startswith(block)] == [block + tensor for tensor in tensors]
    depth = {"backbone.backbone": 3, "backbone.norm_layers": 2, "backbone.fpn": 2}
    parents = {name: ".".join(name.split(".")[:2]) for name in template}
    parts = dict.fromkeys(".".join(name.split(".")[: depth.get(parents[name], 1)]) for name in template)
    assert list(parts) == [
        "pixel_mean",
        "pixel_std",
        "backbone.backbone.downsample_layers",
        "backbone.backbone.stages",
        "backbone.norm_layers",
        "backbone.fpn",
        "embedding_container",
        "decoder",
        "vos_query_extractor",
    ]
    np.testing.assert_array_equal(template["pixel_mean"], np.float32([0.485, 0.456, 0.406]))
    np.testing.assert_array_equal(template["pixel_std"], np.float32([0.229, 0.224, 0.225]))


def test_constants():
    template = state_template(SMALL)
    np.testing.assert_array_equal(template["pixel_mean"], np.float32([123.675, 116.28, 103.53]))
    np.testing.assert_array_equal(template["pixel_std"], np.float32([58.395, 57.12, 57.375]))
    np.testing.assert_array_equal(template["vos_query_extractor.bg_grid_size"], np.int64([4, 4]))


def test_index_tables_of_swin():
    """Row (dy + w - 1)(2w - 1) + (dx + w - 1) for the offset of query minus key."""
    template = state_template(ModelConfig(backbone="swin_tiny", vocabulary=(("ovis", 25),)))
    table = template["backbone.backbone.layers.2.blocks.5.attn.relative_position_index"]
    for query, key in ((0, 0), (0, 48), (48, 0), (3, 17), (30, 8)):
        dy, dx = query // 7 - key // 7, query % 7 - key % 7
        assert table[query, key] == (dy + 6) * 13 + dx + 6


def test_empty_variables_take_no_memory():
    leaves = jax.tree.leaves(empty_variables(SMALL))
    assert len(leaves) > 100
    assert all(not any(leaf.strides) for leaf in leaves)
