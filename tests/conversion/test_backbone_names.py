"""Name tables of Swin and ConvNeXt: every tensor finds its place and comes back unchanged."""

import flax.linen as nn
import jax
import jax.numpy as jnp
import numpy as np
import pytest
from flax import traverse_util

from tarvis_jax.conversion import names
from tarvis_jax.models.backbones import make_backbone
from tests.conversion.states import manifest


def random_array(rng, shape):
    return rng.random(shape, np.float32)


@pytest.mark.parametrize("stage", ["pretrain", "finetune"])
@pytest.mark.parametrize("backbone", ["swin_tiny", "swin_large"])
def test_models_with_a_swin_come_back_bit_for_bit(shared, backbone, stage):
    rng = np.random.default_rng(0)
    rows = [row for row in manifest(shared, backbone, stage) if not names.is_constant(row["name"])]
    before = {row["name"]: random_array(rng, row["shape"]) for row in rows}
    variables = names.variables_from_torch(before)
    assert len(traverse_util.flatten_dict(variables["params"])) == len(before)  # no two in one place; no buffers
    after = names.torch_from_variables(variables)
    assert after.keys() == before.keys()
    for name, array in before.items():
        assert np.array_equal(after[name], array), name


@pytest.mark.parametrize("name", ["convnext_tiny", "convnext_base"])
def test_convnext_comes_back_bit_for_bit(name):
    made = nn.unbox(jax.eval_shape(make_backbone(name).init, jax.random.key(0), jnp.zeros((1, 64, 64, 3))))
    rng = np.random.default_rng(0)
    before = {"params": {"backbone": jax.tree.map(lambda leaf: random_array(rng, leaf.shape), made["params"])}, "buffers": {}}
    state = names.torch_from_variables(before)
    assert len(state) == len(jax.tree.leaves(before))
    jax.tree.map(np.testing.assert_array_equal, names.variables_from_torch(state), before)


@pytest.mark.parametrize("backbone", ["swin_tiny", "convnext_tiny"])
def test_no_two_rules_claim_the_same_tensor(backbone):
    made = nn.unbox(jax.eval_shape(make_backbone(backbone).init, jax.random.key(0), jnp.zeros((1, 64, 64, 3))))
    empty = jax.tree.map(lambda leaf: np.broadcast_to(np.float32(0), leaf.shape), made["params"])
    for name in names.torch_from_variables({"params": {"backbone": empty}}):
        assert sum(bool(rule.torch_pattern.fullmatch(name)) for rule in names._TRANSLATIONS) == 1, name
