"""Sampling maps at points, and choosing the points where a prediction is least certain.

A point is (x, y) in 0..1 from the outer corner of the first pixel to that of the last (no aligned corners); what lies outside
the map counts as 0. Drawing random points is separate from choosing among them.
"""

import zlib
from collections.abc import Callable, Iterator

import jax
import jax.numpy as jnp
from jax.sharding import Mesh

from tarvis_jax.losses.sharding import on_own_rows


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


def _corners(maps: jax.Array, points: jax.Array) -> Iterator[tuple[jax.Array, jax.Array]]:
    """The four pixels [*lead, p, *rest] around each point and their weights [*lead, p], 0 outside the map, one by one."""
    lead = points.ndim - 2
    x, y = pixel_coordinates(points, maps.shape[lead : lead + 2])
    left, top = jnp.floor(x), jnp.floor(y)
    to_right, to_bottom = x - left, y - top
    for down, right in ((0, 0), (0, 1), (1, 0), (1, 1)):  # one gather each, which a compiler fuses with the sum
        weight = (to_right if right else 1 - to_right) * (to_bottom if down else 1 - to_bottom)
        pixels, inside = gather_pixels(maps, (left + right).astype(jnp.int32), (top + down).astype(jnp.int32))
        yield pixels, jnp.where(inside, weight, 0.0)


def sample_bilinear(
    maps: jax.Array, points: jax.Array, read: Callable[[jax.Array], jax.Array] = lambda pixels: pixels
) -> jax.Array:
    """Weighted sums over the four pixels around each point.

    Args:
        maps: [*lead, h, w, *rest].
        points: float32 [*lead, p, 2].
        read: what is averaged, as a function of pixels [*lead, p, *rest]: [*lead, p, *any].

    Returns:
        float32 [*lead, p, *any].
    """
    total = None
    for pixels, weight in _corners(maps, points):
        values = read(pixels).astype(jnp.float32)
        part = values * weight.reshape(*weight.shape, *(1,) * (values.ndim - weight.ndim))
        total = part if total is None else total + part
    return total


def sample_truncated(maps: jax.Array, points: jax.Array, read: Callable[[jax.Array], jax.Array]) -> jax.Array:
    """Bilinear means of whole numbers, truncated, as the original does with class labels.

    Within a region of one label, float32 weights may add up to less than 1, and the point then gets the label below. Which
    points do depends on every rounding: the original rounds once a corner (fused multiply-add). Products of a short number and
    half a weight's digits are exact, so that here no compiler can round otherwise.

    Args:
        maps: [*lead, h, w].
        points: float32 [*lead, p, 2].
        read: whole numbers below 4096 as a function of pixels, [*lead, p] to [*lead, p].

    Returns:
        int32 [*lead, p].
    """
    total = jnp.zeros(points.shape[:-1])
    for pixels, weight in _corners(maps, points):
        values = read(pixels).astype(jnp.float32)
        bits = jax.lax.bitcast_convert_type(weight, jnp.uint32)
        leading = jax.lax.bitcast_convert_type(bits & jnp.uint32(0xFFFFF000), jnp.float32)
        total = _add_both(total, values * leading, values * (weight - leading))
    return total.astype(jnp.int32)


def _add_both(total: jax.Array, large: jax.Array, small: jax.Array) -> jax.Array:
    """total + large + small, rounded once: the rounding error of the first sum is itself a float and joins the second."""
    first = total + large
    part = first - total
    error = (total - (first - part)) + (large - part)
    return first + (error + small)


def sample_nearest(maps: jax.Array, points: jax.Array) -> jax.Array:
    """Nearest values of maps [*lead, h, w, *rest] at points [*lead, p, 2], of the maps' type [*lead, p, *rest].

    Halves round to the even pixel, as in the original.
    """
    lead = points.ndim - 2
    x, y = pixel_coordinates(points, maps.shape[lead : lead + 2])
    values, inside = gather_pixels(maps, jnp.round(x).astype(jnp.int32), jnp.round(y).astype(jnp.int32))
    inside = inside.reshape(*inside.shape, *(1,) * (values.ndim - inside.ndim))
    return jnp.where(inside, values, jnp.zeros((), values.dtype))


def select_uncertain(
    candidates: jax.Array, uncertainty: jax.Array, random: jax.Array, count: int, mesh: Mesh | None = None
) -> jax.Array:
    """The most uncertain candidates, in descending order, followed by the random points (facts of the original, section 8).

    Args:
        candidates: [b, ..., m, 2], oversampled points.
        uncertainty: [b, ..., m].
        random: [b, ..., r, 2].
        count: number p of points in the end, r of them random.
        mesh: axes "data" and "fsdp", over which the batch is split; None on one device.

    Returns:
        [b, ..., p, 2].
    """

    def most_uncertain(candidates: jax.Array, uncertainty: jax.Array) -> jax.Array:
        _, best = jax.lax.top_k(uncertainty, count - random.shape[-2])
        return jnp.take_along_axis(candidates, best[..., None], axis=-2)

    chosen = on_own_rows(most_uncertain, mesh, (0, 0), 0)(candidates, uncertainty)  # else top_k gathers the global batch
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
