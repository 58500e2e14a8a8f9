"""ResNet backbones: the original's numbers, and random networks."""

import flax.linen as nn
import jax
import jax.numpy as jnp
import numpy as np
import pytest

from tarvis_jax.config import ConfigError
from tarvis_jax.models.backbones import BACKBONES, make_backbone, normalize_images
from tests.parity import assert_close_to_reference

CHANNEL_STRIDE = 16  # of the stored maps


@pytest.mark.parametrize("stage", [2, 3, 4, 5])
def test_resnet50_matches_the_original(stored_vis, reference_maps, stage):
    actual = reference_maps[stage - 2][0, ..., ::CHANNEL_STRIDE]
    assert_close_to_reference(np.moveaxis(actual, -1, 1), stored_vis[f"backbone_res{stage}"], f"res{stage}")


def test_reference_weights_are_all_used(reference_variables):
    made = nn.unbox(jax.eval_shape(make_backbone("resnet50").init, jax.random.key(0), jnp.zeros((1, 64, 64, 3))))
    stored = {collection: tree["backbone"] for collection, tree in reference_variables.items()}
    assert jax.tree.map(jnp.shape, made) == jax.tree.map(jnp.shape, stored)


@pytest.mark.parametrize(("name", "tensors"), [("resnet50", 265), ("resnet101", 520)])
def test_number_of_tensors(name, tensors):
    made = jax.eval_shape(make_backbone(name).init, jax.random.key(0), jnp.zeros((1, 64, 64, 3)))
    assert len(jax.tree.leaves(made)) == tensors


@pytest.mark.parametrize("name", BACKBONES)
def test_shapes_and_logical_axes(name):
    module = make_backbone(name, jnp.bfloat16)
    maps, variables = jax.eval_shape(lambda x: module.init_with_output(jax.random.key(0), x), jnp.zeros((2, 64, 96, 3)))
    assert [x.shape[:3] for x in maps] == [(2, 16, 24), (2, 8, 12), (2, 4, 6), (2, 2, 3)]
    assert all(x.dtype == jnp.bfloat16 for x in maps)
    assert all(x.dtype == jnp.float32 for x in jax.tree.leaves(variables))
    boxes = jax.tree.leaves(variables["params"], is_leaf=lambda x: isinstance(x, nn.LogicallyPartitioned))
    assert {box.names for box in boxes} == {(None, None, "in", "out")}


@pytest.mark.parametrize("name", ["tiny", "resnet50"])
def test_random_network_keeps_its_scale(name):
    """The maps of a random network stay within a factor of ten of each other, the first to the last."""
    images = jax.random.normal(jax.random.key(0), (1, 64, 64, 3))
    maps = jax.jit(lambda x: make_backbone(name).init_with_output(jax.random.key(1), x)[0])(images)
    scales = [float(jnp.sqrt((x**2).mean())) for x in maps]
    assert all(np.isfinite(scales)) and 0.1 < scales[-1] / scales[0] < 10, scales


def test_normalised_images_have_the_stated_statistics():
    mean, std = np.array([123.675, 116.28, 103.53]), np.array([58.395, 57.12, 57.375])
    images = np.random.default_rng(0).integers(0, 256, (2, 3, 4, 3), np.uint8)
    np.testing.assert_allclose(normalize_images(jnp.asarray(images), "resnet50"), (images - mean) / std, rtol=1e-5, atol=1e-6)


def test_unknown_backbone_names_the_closest():
    with pytest.raises(ConfigError, match=r"backbone='resnet5'.*did you mean resnet50"):
        make_backbone("resnet5")
