"""Swin blocks against their definition, token by token, and stochastic depth."""

import math
from functools import partial

import flax.linen as nn
import jax
import jax.numpy as jnp
import numpy as np
import pytest

from tarvis_jax.models.backbones import make_backbone
from tarvis_jax.models.swin import Swin, SwinBlock, relative_position_index


def randomized(module, x, seed=0):
    """Variables of the module with every entry drawn at random."""
    made = nn.unbox(jax.eval_shape(module.init, jax.random.key(0), x))
    rng = np.random.default_rng(seed)
    return jax.tree.map(lambda leaf: rng.normal(0, 0.5, leaf.shape).astype(np.float32), made)


def layer_norm(x, params):
    centred = x - x.mean(axis=-1, keepdims=True)
    return centred / np.sqrt((centred**2).mean(axis=-1, keepdims=True) + 1e-5) * params["scale"] + params["bias"]


def linear(x, params):
    return x @ params["kernel"] + params["bias"]


def gelu(x):
    return 0.5 * x * (1 + np.vectorize(math.erf)(x / math.sqrt(2)))


def mlp_branch(x, params):
    return linear(gelu(linear(layer_norm(x, params["norm2"]), params["mlp"]["linear1"])), params["mlp"]["linear2"])


def attention_branch(x, params, heads, window, shift):
    """The attention branch of a map [h, w, c], one token after the other.

    The map is filled up with zeros to whole windows and rolled by `shift`. A token sees the tokens of its window; one that was
    rolled round from the other end of an axis and one that was not have 100 subtracted from their logit.
    """
    h, w, c = x.shape
    rows, columns = math.ceil(h / window) * window, math.ceil(w / window) * window
    filled = np.zeros((rows, columns, c))
    filled[:h, :w] = layer_norm(x, params["norm1"])
    qkv = linear(filled, params["attn"]["qkv"]).reshape(rows, columns, 3, heads, c // heads)
    result = np.zeros((h, w, c))
    for y, x_ in np.ndindex(h, w):
        at = ((y - shift) % rows, (x_ - shift) % columns)  # on the rolled map
        first = [n // window * window for n in at]
        logits, values = [], []
        for ky, kx in np.ndindex(window, window):
            key = (first[0] + ky, first[1] + kx)
            source = ((key[0] + shift) % rows, (key[1] + shift) % columns)
            came_round = [[n >= size - shift for n, size in zip(p, (rows, columns), strict=True)] for p in (at, key)]
            offset = (at[0] - key[0] + window - 1) * (2 * window - 1) + at[1] - key[1] + window - 1
            products = (qkv[y, x_, 0] * qkv[source][1]).sum(axis=-1) / math.sqrt(c // heads)
            logits.append(products + params["attn"]["bias_table"][offset] - 100 * (came_round[0] != came_round[1]))
            values.append(qkv[source][2])
        weights = np.exp(logits - np.max(logits, axis=0))
        weights /= weights.sum(axis=0)
        result[y, x_] = np.einsum("kh,khd->hd", weights, np.array(values)).reshape(c)
    return linear(result, params["attn"]["proj"])


@pytest.mark.parametrize("shift", [False, True])
@pytest.mark.parametrize(
    ("window", "height", "width"),
    [(12, 6, 10), (12, 13, 15), (12, 24, 30), (7, 4, 6), (7, 14, 21)],  # below a window, padded, exact; odd numbers of windows
)
def test_block_is_the_definition(window, height, width, shift):
    shift = window // 2 if shift else 0
    block = SwinBlock(heads=2, window=window, shift=shift)
    x = np.random.default_rng(1).normal(size=(2, height, width, 8)).astype(np.float32)
    variables = randomized(block, jnp.asarray(x))
    params = jax.tree.map(lambda leaf: leaf.astype(np.float64), variables["params"])
    with jax.default_matmul_precision("highest"):
        found = jax.jit(block.apply)(variables, x)
    expected = x[1] + attention_branch(x[1].astype(np.float64), params, 2, window, shift)
    expected += mlp_branch(expected, params)
    np.testing.assert_allclose(found[1], expected, atol=2e-4 * np.std(expected))


def test_relative_position_index():
    """The definition for one pair, and what it must have: int64, every row used, a row for each offset alone."""
    index = relative_position_index(7)
    assert index.dtype == np.int64 and index.shape == (49, 49)
    query, key = (2, 5), (6, 1)
    assert index[query[0] * 7 + query[1], key[0] * 7 + key[1]] == (2 - 6 + 6) * 13 + (5 - 1 + 6)
    assert set(index.ravel()) == set(range(169))
    offsets = {(row, a // 7 - b // 7, a % 7 - b % 7) for (a, b), row in np.ndenumerate(index)}
    assert len(offsets) == 169


def test_dropped_paths():
    """In training each branch of each image is left out, or divided by the share of images that keep it."""
    images, rate = 64, 0.4
    block = SwinBlock(heads=1, window=2, drop_path=rate)
    x = np.repeat(np.random.default_rng(0).normal(size=(1, 2, 2, 4)), images, axis=0).astype(np.float32)
    variables = randomized(block, jnp.asarray(x))
    params = jax.tree.map(lambda leaf: leaf.astype(np.float64), variables["params"])
    found = np.asarray(block.apply(variables, x, train=True, rngs={"drop_path": jax.random.key(0)}))
    first = x[0].astype(np.float64)
    middles = (first, first + attention_branch(first, params, 1, 2, 0) / (1 - rate))
    outcomes = np.array([end for middle in middles for end in (middle, middle + mlp_branch(middle, params) / (1 - rate))])
    distances = np.abs(found[:, None] - outcomes[None]).max(axis=(2, 3, 4))
    assert (distances.min(axis=1) < 1e-4 * np.std(outcomes)).all()
    counts = np.bincount(distances.argmin(axis=1), minlength=4)  # neither branch, the second, the first, both
    shares = np.outer((rate, 1 - rate), (rate, 1 - rate)).ravel()
    np.testing.assert_allclose(counts / images, shares, atol=4 * np.sqrt(0.25 / images))
    assert not np.array_equal(found, block.apply(variables, x, train=True, rngs={"drop_path": jax.random.key(1)}))


def test_rates_rise_linearly_and_only_in_training():
    rates = []

    def record(next_function, args, kwargs, context):
        if isinstance(context.module, nn.Dropout):
            rates.append((context.module.rate, context.module.deterministic))
        return next_function(*args, **kwargs)

    for train in (True, False):
        with nn.intercept_methods(record):
            module = make_backbone("swin_tiny")
            jax.eval_shape(lambda x, t=train, m=module: m.init(jax.random.key(0), x, train=t), jnp.zeros((1, 32, 32, 3)))
    expected = np.repeat(0.3 * np.arange(12) / 11, 2)
    np.testing.assert_allclose([rate for rate, _ in rates], np.tile(expected, 2))
    assert [deterministic for _, deterministic in rates] == [False] * 24 + [True] * 24


def test_training_without_dropped_paths_is_evaluation():
    module = Swin(8, (1, 2, 1, 1), (1, 1, 1, 1), window=3, drop_path=0.0)
    images = jax.random.normal(jax.random.key(0), (1, 32, 64, 3))
    variables = randomized(module, images)
    expected = jax.jit(module.apply)(variables, images)
    for x, y in zip(jax.jit(partial(module.apply, train=True))(variables, images), expected, strict=True):
        np.testing.assert_array_equal(x, y)
