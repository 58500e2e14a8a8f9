"""Multi-scale deformable attention (Zhu et al., 2021): every query reads a few points of every level, where it chooses."""

import math
from collections.abc import Sequence

import flax.linen as nn
import jax
import jax.numpy as jnp
import numpy as np

from tarvis_jax.models.layers import Dense, xavier_uniform

Shapes = Sequence[tuple[int, int]]  # (h, w) of the levels, in the order of their tokens


def reference_points(shapes: Shapes) -> np.ndarray:
    """Centres (x, y) in 0..1 of the cells of all levels, row after row: float32 [s, 2], s tokens in all."""
    grids = []
    for height, width in shapes:
        y, x = np.meshgrid((np.arange(height) + 0.5) / height, (np.arange(width) + 0.5) / width, indexing="ij")
        grids.append(np.stack([x, y], axis=-1).reshape(-1, 2))
    return np.concatenate(grids).astype(np.float32)


def _corners(points: jax.Array, shapes: Shapes) -> tuple[jax.Array, jax.Array]:
    """Tokens and bilinear weights of the four cells around every point; cells outside of their level weigh 0.

    Args:
        points: float32 [q, heads, levels, p, 2], (x, y) in 0..1 of the level.
        shapes: (h, w) per level.

    Returns:
        int32 and float32 [q, heads, levels, p, 4].
    """
    sizes = np.array([(w, h) for h, w in shapes], np.int32)
    starts = np.cumsum([0] + [h * w for h, w in shapes[:-1]], dtype=np.int32)[None, None, :, None, None]
    per_level = sizes[None, None, :, None, :]
    position = points * per_level.astype(np.float32) - 0.5
    first = jnp.floor(position)
    fraction = position - first
    steps = np.array([(0, 0), (1, 0), (0, 1), (1, 1)], np.int32)[None, None, None, None]
    cell = first.astype(jnp.int32)[..., None, :] + steps  # [q, heads, levels, p, 4, 2]
    inside = jnp.all((cell >= 0) & (cell < per_level[..., None, :]), axis=-1)
    share = jnp.where(steps == 1, fraction[..., None, :], 1 - fraction[..., None, :])
    cell = jnp.clip(cell, 0, per_level[..., None, :] - 1)
    token = starts + cell[..., 1] * sizes[:, 0][None, None, :, None, None] + cell[..., 0]
    return token, jnp.where(inside, share[..., 0] * share[..., 1], 0.0)


def _sample_frame(value: jax.Array, points: jax.Array, weights: jax.Array, shapes: Shapes) -> jax.Array:
    """One frame of `sample_levels`: value [s, heads, d], points [q, heads, levels, p, 2] to [q, heads, d]."""
    tokens, heads, channels = value.shape
    queries = points.shape[0]
    token, share = _corners(points, shapes)
    head = np.arange(heads, dtype=np.int32)[None, :, None, None, None]
    row = (token * heads + head).reshape(queries, heads, -1)
    share = (share * weights[..., None]).reshape(queries, heads, -1)
    # One flat gather of all corners was the fastest of several formulations on a CPU, forward and backward.
    corners = value.reshape(tokens * heads, channels).at[row].get(mode="promise_in_bounds")
    return jnp.einsum("qhk,qhkd->qhd", share, corners)


def sample_levels(value: jax.Array, points: jax.Array, weights: jax.Array, shapes: Shapes) -> jax.Array:
    """Weighted sum of bilinear samples: zero outside of the map, cell centres at half-integer positions.

    Frames are processed one after the other and once more in the backward pass: all at once needs several times the memory.

    Args:
        value: float32 [b, t, s, heads, d], the tokens of all levels of a frame in a row.
        points: float32 [b, t, q, heads, levels, p, 2], (x, y) in 0..1 of the level, possibly outside.
        weights: float32 [b, t, q, heads, levels, p].
        shapes: (h, w) per level, s = sum of h * w.

    Returns:
        float32 [b, t, q, heads, d].
    """

    @jax.checkpoint
    def sample(frame):
        return jax.vmap(lambda v, x, w: _sample_frame(v, x, w, shapes))(*frame)

    # Time is looped over rather than (b, t) together: b may be split over devices.
    frames_first = [jnp.moveaxis(x, 1, 0) for x in (value, points, weights)]
    return jnp.moveaxis(jax.lax.map(sample, tuple(frames_first)), 0, 1)


def _star_bias(heads: int, levels: int, points: int):
    """Start of the offsets: head i looks into direction 2 pi i / heads, point j at the distance of j cells, from 1 on."""
    angles = 2 * math.pi * np.arange(heads) / heads
    directions = np.stack([np.cos(angles), np.sin(angles)], axis=-1)
    directions = directions / np.abs(directions).max(axis=-1, keepdims=True)
    offsets = directions[:, None, None, :] * np.arange(1, points + 1)[None, None, :, None]
    values = np.broadcast_to(offsets, (heads, levels, points, 2)).reshape(-1)

    def init(key, shape, dtype=jnp.float32):
        return jnp.asarray(values, dtype).reshape(shape)

    return init


class DeformableAttention(nn.Module):
    """Deformable self-attention within every frame, computed in float32 throughout."""

    heads: int
    points: int = 4

    @nn.compact
    def __call__(self, query: jax.Array, value: jax.Array, shapes: Shapes) -> jax.Array:
        """Reads value around every query's own cell.

        Args:
            query: [b, t, s, c], one query per token.
            value: [b, t, s, c].
            shapes: (h, w) per level, s = sum of h * w.

        Returns:
            float32 [b, t, s, c].
        """
        query, value = query.astype(jnp.float32), value.astype(jnp.float32)
        *batch, width = query.shape
        layout = (self.heads, len(shapes), self.points)
        zeros = nn.initializers.zeros
        value = Dense(width, xavier_uniform, zeros, name="value_proj")(value).reshape(*batch, self.heads, width // self.heads)
        with jax.default_matmul_precision("highest"):  # an offset counts in cells: reduced precision would move the points
            offsets = Dense(2 * math.prod(layout), zeros, _star_bias(*layout), name="sampling_offsets")(query)
        logits = Dense(math.prod(layout), zeros, zeros, name="attention_weights")(query)
        weights = jax.nn.softmax(logits.reshape(*batch, self.heads, -1), axis=-1).reshape(*batch, *layout)

        sizes = np.array([(w, h) for h, w in shapes], np.float32)[None, None, None, None, :, None, :]
        centres = reference_points(shapes)[None, None, :, None, None, None, :]
        points = centres + offsets.reshape(*batch, *layout, 2) / sizes
        sampled = sample_levels(value, points, weights, shapes).reshape(query.shape)
        return Dense(width, xavier_uniform, zeros, name="output_proj")(sampled)
