"""Sampling maps at points, and choosing the points where a prediction is least certain.

A point is (x, y) in 0..1 from the outer corner of the first pixel to that of the last (no aligned corners); what lies outside
the map counts as 0. Drawing random points is separate from choosing among them.
"""

import zlib

import jax
import jax.numpy as jnp


class PointDraws:
    """Uniform random points of every prediction stage, a function of (key, stage, name)."""

    def __init__(self, key: jax.Array):
        self.key = key

    def uniform(self, stage: jax.Array, name: str, shape: tuple[int, ...]) -> jax.Array:
        """float32 of the given shape in [0, 1); `stage` counts the prediction stages from 0 and may be traced."""
        key = jax.random.fold_in(self.key, zlib.crc32(name.encode()))
        return jax.random.uniform(jax.random.fold_in(key, stage), shape)


def pixel_coordinates(points: jax.Array, size: tuple[int, int]) -> tuple[jax.Array, jax.Array]:
    """Points [..., 2] in 0..1 as (x, y) in pixels, whole numbers at pixel centres.

    The way over -1..1 is the original's; the class labels of `sample_bilinear` depend on its rounding.
    """
    h, w = size
    centred = 2 * points - 1
    return (centred[..., 0] + 1) * (w / 2) - 0.5, (centred[..., 1] + 1) * (h / 2) - 0.5


def gather_pixels(maps: jax.Array, x: jax.Array, y: jax.Array) -> tuple[jax.Array, jax.Array]:
    """Values of maps at whole pixel coordinates.

    Args:
        maps: [*lead, h, w, *rest].
        x: int32 [*lead, p].
        y: int32 [*lead, p].

    Returns:
        Values [*lead, p, *rest], and bool [*lead, p], whether the pixel lies inside the map; where it does not, the value is
        that of some other pixel.
    """
    lead = x.ndim - 1
    h, w = maps.shape[lead : lead + 2]
    inside = (x >= 0) & (x < w) & (y >= 0) & (y < h)
    index = jnp.clip(y, 0, h - 1) * w + jnp.clip(x, 0, w - 1)
    rows = maps.reshape(-1, h * w, *maps.shape[lead + 2 :])
    values = jax.vmap(lambda row, i: row[i])(rows, index.reshape(-1, index.shape[-1]))
    return values.reshape(*index.shape, *maps.shape[lead + 2 :]), inside


def bilinear_corners(maps: jax.Array, points: jax.Array) -> tuple[jax.Array, jax.Array]:
    """The four pixels around each point and their weights.

    Args:
        maps: [*lead, h, w, *rest].
        points: float32 [*lead, p, 2].

    Returns:
        Values [*lead, p, 4, *rest] and float32 weights [*lead, p, 4]; pixels outside the map have weight 0 and any value.
    """
    lead = points.ndim - 2
    x, y = pixel_coordinates(points, maps.shape[lead : lead + 2])
    left, top = jnp.floor(x), jnp.floor(y)
    to_right, to_bottom = x - left, y - top
    to_left, to_top = 1 - to_right, 1 - to_bottom
    weights = jnp.stack([to_left * to_top, to_right * to_top, to_left * to_bottom, to_right * to_bottom], axis=-1)
    columns = jnp.stack([left, left + 1, left, left + 1], axis=-1).astype(jnp.int32)
    rows = jnp.stack([top, top, top + 1, top + 1], axis=-1).astype(jnp.int32)
    flat = (*points.shape[:-2], -1)
    values, inside = gather_pixels(maps, columns.reshape(flat), rows.reshape(flat))
    values = values.reshape(*weights.shape, *maps.shape[lead + 2 :])
    return values, jnp.where(inside.reshape(weights.shape), weights, 0.0)


def weigh_corners(values: jax.Array, weights: jax.Array) -> jax.Array:
    """Sum over the corners: values [*lead, p, 4, *rest] of any type and weights [*lead, p, 4] to float32 [*lead, p, *rest]."""
    corner_axis = weights.ndim - 1
    weights = weights.reshape(*weights.shape, *(1,) * (values.ndim - weights.ndim))
    return jnp.sum(values.astype(jnp.float32) * weights, axis=corner_axis)


def sample_bilinear(maps: jax.Array, points: jax.Array) -> jax.Array:
    """Bilinear values of maps [*lead, h, w, *rest] at points [*lead, p, 2], float32 [*lead, p, *rest]."""
    return weigh_corners(*bilinear_corners(maps, points))


def sample_nearest(maps: jax.Array, points: jax.Array) -> jax.Array:
    """Nearest values of maps [*lead, h, w, *rest] at points [*lead, p, 2], of the maps' type [*lead, p, *rest].

    Halves round to the even pixel, as in the original.
    """
    lead = points.ndim - 2
    x, y = pixel_coordinates(points, maps.shape[lead : lead + 2])
    values, inside = gather_pixels(maps, jnp.round(x).astype(jnp.int32), jnp.round(y).astype(jnp.int32))
    inside = inside.reshape(*inside.shape, *(1,) * (values.ndim - inside.ndim))
    return jnp.where(inside, values, jnp.zeros((), values.dtype))


def select_uncertain(candidates: jax.Array, uncertainty: jax.Array, random: jax.Array, count: int) -> jax.Array:
    """The most uncertain candidates, in descending order, followed by the random points (facts of the original, section 8).

    Args:
        candidates: [..., m, 2], oversampled points.
        uncertainty: [..., m].
        random: [..., r, 2].
        count: number p of points in the end, r of them random.

    Returns:
        [..., p, 2].
    """
    _, best = jax.lax.top_k(uncertainty, count - random.shape[-2])
    chosen = jnp.take_along_axis(candidates, best[..., None], axis=-2)
    return jnp.concatenate([chosen, random], axis=-2)


def binary_uncertainty(logits: jax.Array) -> jax.Array:
    """Of binary logits [...]: highest where they are 0."""
    return -jnp.abs(logits)


def class_uncertainty(logits: jax.Array) -> jax.Array:
    """Of class logits [..., k]: second largest minus largest, [...]."""
    largest = jnp.max(logits, axis=-1)
    channels = jax.lax.broadcasted_iota(jnp.int32, logits.shape, logits.ndim - 1)
    others = jnp.where(channels == jnp.argmax(logits, axis=-1)[..., None], -jnp.inf, logits)
    return jnp.max(others, axis=-1) - largest
