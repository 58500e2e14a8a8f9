"""Deformable attention: the sampling core against stored numbers and a loop, the start of its weights."""

import flax.linen as nn
import jax
import jax.numpy as jnp
import numpy as np
import pytest

from tarvis_jax.models.deformable_attention import DeformableAttention, reference_points, sample_levels
from tests.parity import ROUNDING


@pytest.fixture
def stored(helpers):
    keys = ("value", "locations_xy", "weights", "shapes", "out")
    value, points, weights, shapes, out = (helpers[f"deform_{key}"] for key in keys)
    return value, points, weights, tuple(map(tuple, shapes.tolist())), out


def test_reference_points(helpers, stored):
    points = reference_points(stored[3])
    expected = helpers["reference_points_xy"][0]
    for level in range(expected.shape[1]):
        np.testing.assert_allclose(points, expected[:, level], rtol=0, atol=ROUNDING)


@pytest.mark.parametrize("frames_axis", [0, 1], ids=["b=1", "t=1"])
def test_sampling_core_matches_the_original(stored, frames_axis):
    value, points, weights, shapes, expected = stored
    out = sample_levels(*(jnp.expand_dims(x, frames_axis) for x in (value, points, weights)), shapes)
    np.testing.assert_allclose(out.reshape(expected.shape), expected, rtol=0, atol=ROUNDING)


def _bilinear(plane, x, y):
    """Value of plane [h, w] at (x, y) in pixels, cell (i, j) centred at (j + 0.5, i + 0.5), zero around it."""
    height, width = plane.shape
    total = 0.0
    for i in range(height):
        for j in range(width):
            total += plane[i, j] * max(0.0, 1 - abs(x - 0.5 - j)) * max(0.0, 1 - abs(y - 0.5 - i))
    return total


def test_sampling_core_and_gradients_match_a_loop():
    shapes, rng = ((2, 3), (1, 2)), np.random.default_rng(0)
    value = rng.normal(size=(1, 1, 8, 1, 1)).astype(np.float32)
    points = rng.uniform(-0.4, 1.4, size=(1, 1, 5, 1, 2, 3, 2)).astype(np.float32)
    weights = rng.normal(size=(1, 1, 5, 1, 2, 3)).astype(np.float32)

    def loop(value, points, weights):
        planes = [value.reshape(-1)[:6].reshape(2, 3), value.reshape(-1)[6:].reshape(1, 2)]
        total = 0.0
        for q in range(5):
            for level, plane in enumerate(planes):
                for p in range(3):
                    x, y = points[0, 0, q, 0, level, p] * np.array(plane.shape[::-1])
                    total += (q + 1) * weights[0, 0, q, 0, level, p] * _bilinear(plane, x, y)
        return total

    def core(value, points, weights):
        out = sample_levels(value, points, weights, shapes)
        return (out * jnp.arange(1.0, 6.0).reshape(1, 1, 5, 1, 1)).sum()

    inputs = (value, points, weights)
    np.testing.assert_allclose(core(*inputs), loop(*(x.astype(np.float64) for x in inputs)), rtol=1e-5)
    gradients = jax.grad(core, argnums=(0, 1, 2))(*inputs)
    for argument, gradient in enumerate(gradients):
        for index in list(np.ndindex(gradient.shape))[::3]:
            moved = []
            for step in (-1e-6, 1e-6):
                shifted = [x.astype(np.float64) for x in inputs]
                shifted[argument][index] += step
                moved.append(loop(*shifted))
            np.testing.assert_allclose(gradient[index], (moved[1] - moved[0]) / 2e-6, rtol=1e-3, atol=1e-4)


def test_random_start_looks_around_every_cell():
    """At first all points weigh the same and head 0 looks to the right, 1 to 4 cells far."""
    shapes = ((2, 2), (4, 4), (8, 8))
    x = jnp.zeros((1, 1, 84, 64))
    params = jax.tree.map(np.asarray, nn.unbox(DeformableAttention(8).init(jax.random.key(0), x, x, shapes)))["params"]
    assert not params["sampling_offsets"]["kernel"].any()
    assert not params["attention_weights"]["kernel"].any() and not params["attention_weights"]["bias"].any()
    offsets = params["sampling_offsets"]["bias"].reshape(8, 3, 4, 2)
    np.testing.assert_allclose(offsets[0, 1], [[1, 0], [2, 0], [3, 0], [4, 0]], atol=1e-6)
    np.testing.assert_allclose(offsets[3, 2], [[-1, 1], [-2, 2], [-3, 3], [-4, 4]], atol=1e-6)
