"""Attention masks: the original's numbers, and the resize of features instead of logits."""

import jax
import jax.numpy as jnp
import numpy as np
import pytest

from tarvis_jax.models.attention_masks import attention_bias, mask_bias, shrink
from tarvis_jax.models.layers import MultiHeadAttention
from tests.parity import ROUNDING


@pytest.mark.parametrize(("factor", "name"), [(2, "16x24"), (4, "8x12"), (8, "4x6")])
def test_shrinking_resizes_as_the_original(helpers, factor, name):
    logits = np.moveaxis(helpers["attnmask_logits"], 1, -1)  # the queries as if they were channels
    actual = jax.nn.sigmoid(shrink(jnp.asarray(logits), factor))
    np.testing.assert_allclose(np.moveaxis(actual, -1, 1), helpers[f"attnmask_prob_{name}"], rtol=0, atol=ROUNDING)


def test_bias_is_that_of_resized_logits():
    keys = jax.random.split(jax.random.key(0), 2)
    embeddings, features = jax.random.normal(keys[0], (2, 5, 16)), jax.random.normal(keys[1], (2, 3, 16, 24, 16))
    logits = jnp.einsum("bqc,bthwc->bqthw", embeddings, features)
    resized = jax.image.resize(logits, (2, 5, 3, 4, 6), "bilinear", antialias=False)
    bias = np.asarray(mask_bias(embeddings, shrink(features, 4)))
    assert bias.shape == (2, 1, 5, 72)
    np.testing.assert_array_equal(bias.reshape(2, 5, 3, 4, 6) == 0, resized >= 0)


def test_empty_masks_see_everything_and_zero_logits_are_visible():
    features = jnp.ones((1, 1, 2, 2, 1)).at[0, 0, 0, 0].set(0)
    bias = mask_bias(jnp.array([[[-1.0], [1.0]]]), features)
    np.testing.assert_array_equal(bias[0, 0, 0] == 0, [True, False, False, False])
    assert not bias[0, 0, 1].any()
    assert not mask_bias(-jnp.ones((1, 1, 1)), jnp.ones((1, 1, 2, 2, 1))).any()


def test_no_gradient_flows_through_masks():
    embeddings, features = jnp.ones((1, 2, 3)), jax.random.normal(jax.random.key(0), (1, 1, 2, 2, 3))
    gradients = jax.grad(lambda x: mask_bias(*x).sum())((embeddings, features))
    assert not any(x.any() for x in jax.tree.leaves(gradients))


def test_masked_attention_matches_the_original(helpers, make_weight):
    prefix, width = "helpers.hard_masked._attn.", 256
    weights = {
        "in_proj_kernel": make_weight(prefix + "in_proj_weight", (3 * width, width)).T,
        "in_proj_bias": make_weight(prefix + "in_proj_bias", (3 * width,)),
        "out_proj": {
            "kernel": make_weight(prefix + "out_proj.weight", (width, width)).T,
            "bias": make_weight(prefix + "out_proj.bias", (width,)),
        },
    }
    visible = jnp.asarray(helpers["attnmask_prob_4x6"].reshape(1, 1, 3, -1) >= 0.5)
    visible |= ~visible.any(axis=-1, keepdims=True)
    inputs = [helpers[f"hardattn_{name}"] for name in ("query", "key", "value")]
    with jax.default_matmul_precision("highest"):
        actual = MultiHeadAttention(heads=8).apply({"params": weights}, *inputs, bias=attention_bias(visible))
    np.testing.assert_allclose(actual, helpers["hardattn_out"], rtol=0, atol=ROUNDING)
