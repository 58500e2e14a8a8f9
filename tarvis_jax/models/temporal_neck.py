"""Temporal neck: mixes the scales within every frame and the frames within windows, then adds the finest map."""

from collections.abc import Sequence
from typing import NamedTuple

import flax.linen as nn
import jax
import jax.numpy as jnp
import numpy as np

from tarvis_jax.config import ModelConfig
from tarvis_jax.models.attention_masks import attention_bias, frames_in_use
from tarvis_jax.models.deformable_attention import DeformableAttention, Shapes
from tarvis_jax.models.layers import FeedForward, MultiHeadAttention, conv, group_norm, layer_norm, xavier_uniform
from tarvis_jax.models.positions import sine_2d, sine_3d

WINDOW_SIDES = (2, 4, 8)  # in tokens at the strides 32, 16, 8: a window covers 64 x 64 pixels of the image
TOKENS_AT_ONCE = 500  # in a window; if there are more, rows of windows are attended one after the other


class NeckOutput(NamedTuple):
    """Features [b, t, h / s, w / s, c] at the stride s of their name; those of stride 4 make the masks."""

    stride32: jax.Array
    stride16: jax.Array
    stride8: jax.Array
    stride4: jax.Array


def to_tokens(levels: Sequence[jax.Array]) -> jax.Array:
    """Levels [b, t, h, w, c] as one row of tokens [b, t, s, c]: level after level, row after row."""
    return jnp.concatenate([x.reshape(*x.shape[:2], -1, x.shape[-1]) for x in levels], axis=2)


def from_tokens(tokens: jax.Array, shapes: Shapes) -> list[jax.Array]:
    """Undoes `to_tokens` for levels of the given (h, w)."""
    parts = _split(tokens, [h * w for h, w in shapes], axis=2)
    return [x.reshape(*x.shape[:2], *shape, x.shape[-1]) for x, shape in zip(parts, shapes, strict=True)]


def to_windows(levels: Sequence[jax.Array]) -> jax.Array:
    """Cuts levels [b, t, h, w, c] into windows that span all frames and levels.

    Returns:
        [b, rows, columns, n, c], n tokens in a window: level after level, within a level frame after frame.
    """
    windows = []
    for x, side in zip(levels, WINDOW_SIDES, strict=True):
        b, t, h, w, c = x.shape
        x = x.reshape(b, t, h // side, side, w // side, side, c).transpose(0, 2, 4, 1, 3, 5, 6)
        windows.append(x.reshape(b, h // side, w // side, t * side * side, c))
    return jnp.concatenate(windows, axis=3)


def from_windows(windows: jax.Array, frames: int) -> list[jax.Array]:
    """Undoes `to_windows` for levels of the given number of frames."""
    b, rows, columns, _, c = windows.shape
    levels = []
    for x, side in zip(_split(windows, [frames * side**2 for side in WINDOW_SIDES], axis=3), WINDOW_SIDES, strict=True):
        x = x.reshape(b, rows, columns, frames, side, side, c).transpose(0, 3, 1, 4, 2, 5, 6)
        levels.append(x.reshape(b, frames, rows * side, columns * side, c))
    return levels


def _split(x: jax.Array, sizes: Sequence[int], axis: int) -> list[jax.Array]:
    return jnp.split(x, [sum(sizes[:i]) for i in range(1, len(sizes))], axis)


class DeformableLayer(nn.Module):
    """Deformable attention over the levels of every frame, then a feed-forward block; norms follow the sums."""

    heads: int
    hidden: int
    dtype: jnp.dtype = jnp.float32

    @nn.compact
    def __call__(self, x: jax.Array, positions: jax.Array, shapes: Shapes) -> jax.Array:
        """Tokens x [b, t, s, c] and positions [1, 1, s, c] to tokens [b, t, s, c]."""
        y = DeformableAttention(self.heads, name="self_attn")(x + positions, x, shapes)
        x = layer_norm("norm1", self.dtype)(x + y.astype(self.dtype))
        y = FeedForward(self.hidden, self.dtype, name="ffn")(x)
        return layer_norm("norm2", self.dtype)(x + y)


class TemporalLayer(nn.Module):
    """Full attention within every window, then a feed-forward block; norms follow the sums."""

    heads: int
    hidden: int
    dtype: jnp.dtype = jnp.float32

    @nn.compact
    def __call__(self, x: jax.Array, positions: jax.Array, bias: jax.Array | None = None) -> jax.Array:
        """Attends within windows.

        Args:
            x: windows [b, rows, columns, n, c].
            positions: [b or 1, rows, columns, n, c].
            bias: float32 [b, n], added to the logits of a window's tokens as keys; None for nothing.

        Returns:
            Windows of x's shape.
        """
        attention = MultiHeadAttention(self.heads, self.dtype, name="self_attn")
        attend = _attend_rows if x.shape[3] > TOKENS_AT_ONCE else _attend
        x = layer_norm("norm1", self.dtype)(x + attend(attention, x + positions, x, bias))
        y = FeedForward(self.hidden, self.dtype, name="ffn")(x)
        return layer_norm("norm2", self.dtype)(x + y)


def _attend(attention: MultiHeadAttention, query: jax.Array, value: jax.Array, bias: jax.Array | None) -> jax.Array:
    """Attention within windows [b, ..., n, c] with a bias [b, n] of the keys; the queries are the keys as well."""
    query, windows = (x.reshape(-1, *x.shape[-2:]) for x in (query, value))
    if bias is not None:
        bias = jnp.repeat(bias, len(windows) // len(bias), axis=0)[:, None, None]
    return attention(query, query, windows, bias=bias).reshape(value.shape)


def _attend_rows(attention: MultiHeadAttention, query: jax.Array, value: jax.Array, bias: jax.Array | None) -> jax.Array:
    """`_attend` row by row: the attention weights of all windows of a long clip would not fit into memory."""

    def attend_row(module, carry, row):
        return carry, _attend(module, *row, bias)

    scan = nn.scan(attend_row, variable_broadcast="params", split_rngs={"params": False}, in_axes=1, out_axes=1)
    return scan(attention, (), (query, value))[1]


class TemporalNeck(nn.Module):
    """Turns the backbone's maps of a clip into features of equal width at four strides."""

    config: ModelConfig
    dtype: jnp.dtype = jnp.float32

    @nn.compact
    def __call__(
        self, res2: jax.Array, res3: jax.Array, res4: jax.Array, res5: jax.Array, lengths: jax.Array | None = None
    ) -> NeckOutput:
        """Mixes the maps of a clip; h x w is the size of the images.

        Args:
            res2: [b, t, h / 4, w / 4, c2].
            res3: [b, t, h / 8, w / 8, c3].
            res4: [b, t, h / 16, w / 16, c4].
            res5: [b, t, h / 32, w / 32, c5].
            lengths: int32 [b], the true number of frames of each clip: the frames from there on may hold anything finite, and
                so do their features, but no other frame sees them. None if all clips are whole.

        Raises:
            ValueError: h or w is not a multiple of 64, the side of a window, or the maps do not fit together.
        """
        _check_shapes(res2, res3, res4, res5)
        levels = self._encode([self._project(x, i) for i, x in enumerate((res5, res4, res3))], lengths)
        return NeckOutput(*levels, stride4=self._mask_features(res2, levels[-1]))

    def _project(self, x: jax.Array, level: int) -> jax.Array:
        """Brings a backbone map [b, t, h, w, in] to the neck's width."""
        y = x.reshape(-1, *x.shape[2:]).astype(self.dtype)
        name = f"input_proj_{level}"
        y = conv(self.config.width, name=name, use_bias=True, kernel_init=xavier_uniform, dtype=self.dtype)(y)
        return group_norm(f"input_norm_{level}", self.dtype)(y).reshape(*x.shape[:-1], -1)

    def _encode(self, levels: list[jax.Array], lengths: jax.Array | None) -> list[jax.Array]:
        """Alternates layers within frames and within windows on levels [b, t, h, w, c], from stride 32 to stride 8."""
        config, frames = self.config, levels[0].shape[1]
        shapes = tuple(x.shape[2:4] for x in levels)
        sines = [sine_2d(*shape, config.width)[None, None] for shape in shapes]
        in_plane = to_tokens(self._positions("level_embed", sines))
        sines = [sine_3d(frames, *shape, config.width, lengths) for shape in shapes]
        in_clip = to_windows(self._positions("level_embed_3d", sines))
        bias = None if lengths is None else _window_bias(frames, lengths)
        options = (config.heads, config.neck_hidden, self.dtype)
        for i in range(config.neck_layers):
            tokens = DeformableLayer(*options, name=f"deformable_{i}")(to_tokens(levels), in_plane, shapes)
            windows = to_windows(from_tokens(tokens, shapes))
            levels = from_windows(TemporalLayer(*options, name=f"temporal_{i}")(windows, in_clip, bias), frames)
        return levels

    def _positions(self, name: str, sines: list[jax.Array]) -> list[jax.Array]:
        """Sine embeddings [b, t, h, w, c] plus a learned vector for each level, of the same shapes."""
        init = nn.with_logical_partitioning(nn.initializers.normal(1.0), ("rows", "out"))
        table = self.param(name, init, (len(sines), self.config.width), jnp.float32)
        return [(x + row.reshape(1, 1, 1, 1, -1)).astype(self.dtype) for x, row in zip(sines, table, strict=True)]

    def _mask_features(self, res2: jax.Array, stride8: jax.Array) -> jax.Array:
        """Adds res2 [b, t, h, w, c2] to the finest level [b, t, h / 2, w / 2, c]: features [b, t, h, w, c]."""
        config, dtype = self.config, self.dtype
        lateral = conv(config.width, name="adapter_1", dtype=dtype)(res2.reshape(-1, *res2.shape[2:]).astype(dtype))
        lateral = group_norm("adapter_1_norm", dtype)(lateral)
        y = lateral + jax.image.resize(stride8.reshape(-1, *stride8.shape[2:]), lateral.shape, "bilinear")
        y = nn.relu(group_norm("layer_1_norm", dtype)(conv(config.width, 3, name="layer_1", dtype=dtype)(y)))
        y = conv(config.width, name="mask_features", use_bias=True, dtype=dtype)(y)
        return y.reshape(*res2.shape[:-1], -1)


def _window_bias(frames: int, lengths: jax.Array) -> jax.Array:
    """Attention bias [b, n] that hides the frames from each clip's length on, for the n tokens of a window."""
    frame_of_token = np.concatenate([np.repeat(np.arange(frames), side**2) for side in WINDOW_SIDES])
    return attention_bias(frames_in_use(frames, lengths)[:, frame_of_token])


def _check_shapes(res2: jax.Array, res3: jax.Array, res4: jax.Array, res5: jax.Array) -> None:
    b, t, h, w, _ = res5.shape
    if h % 2 or w % 2:
        raise ValueError(f"res5 {res5.shape}: expected even height and width; pad the images to a multiple of 64 pixels")
    for name, x, factor in (("res4", res4, 2), ("res3", res3, 4), ("res2", res2, 8)):
        expected = (b, t, factor * h, factor * w)
        if x.shape[:4] != expected:
            raise ValueError(f"{name} {x.shape}: expected {expected} in front of the channels, for res5 of {res5.shape}")
