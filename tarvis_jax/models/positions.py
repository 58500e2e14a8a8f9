"""Sine embeddings of positions in the plane and in space-time.

Every embedding is a function of static sizes, made of one-dimensional tables that are constants of the compiled program.
"""

import jax
import jax.numpy as jnp
import numpy as np

TEMPERATURE = 10_000.0
EPSILON = 1e-6  # of the division by the last position


def _sine_table(length: int, channels: int, *, normalize: bool) -> np.ndarray:
    """Sines (even channels) and cosines (odd channels) of the positions 1..length, float32 [length, channels].

    Normalised positions run up to 2 pi, others are the plain index.
    """
    positions = np.arange(1, length + 1, dtype=np.float64)
    if normalize:
        positions = positions / (length + EPSILON) * 2 * np.pi
    pair = np.arange(channels) // 2
    angles = positions[:, None] / TEMPERATURE ** (2 * pair / channels)
    return np.where(np.arange(channels) % 2 == 0, np.sin(angles), np.cos(angles)).astype(np.float32)


def sine_2d(height: int, width: int, channels: int, *, normalize: bool = True) -> jax.Array:
    """Embedding of the cells of a map: the first half of the channels for y, the second for x.

    Args:
        height: h.
        width: w.
        channels: c, even.
        normalize: whether positions are relative to the map's size (temporal neck) or indices (object encoder).

    Returns:
        float32 [h, w, c].
    """
    half = channels // 2
    y = _sine_table(height, half, normalize=normalize)[:, None, :]
    x = _sine_table(width, half, normalize=normalize)[None, :, :]
    shape = (height, width, half)
    return jnp.concatenate([jnp.broadcast_to(y, shape), jnp.broadcast_to(x, shape)], axis=-1)


def sine_3d(frames: int, height: int, width: int, channels: int, lengths: jax.Array | None = None) -> jax.Array:
    """Embedding of the cells of clips: the normalised `sine_2d` plus an embedding of time over all channels.

    Args:
        frames: t.
        height: h.
        width: w.
        channels: c, even.
        lengths: int32 [b], the true number of frames of each clip, by which its time is normalised; None if all are whole.

    Returns:
        float32 [b, t, h, w, c], b = 1 without lengths; anything in frames from a clip's length on.
    """
    time = _sine_time(frames, channels, lengths)[:, :, None, None, :]
    shape = (len(time), frames, height, width, channels)
    return jnp.broadcast_to(sine_2d(height, width, channels)[None, None], shape) + jnp.broadcast_to(time, shape)


def _sine_time(frames: int, channels: int, lengths: jax.Array | None) -> jax.Array:
    """Embedding of a clip's frames, float32 [b, t, c]."""
    if lengths is None:
        return jnp.asarray(_sine_table(frames, channels, normalize=True))[None]
    tables = np.zeros((frames, frames, channels), np.float32)  # one for every length
    for length in range(1, frames + 1):
        tables[length - 1, :length] = _sine_table(length, channels, normalize=True)
    return jnp.asarray(tables)[jnp.clip(lengths, 1, frames) - 1]
