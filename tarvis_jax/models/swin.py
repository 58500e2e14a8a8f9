"""Swin transformer (Liu et al., 2021): attention within windows, which move by half a window in every other block."""

from collections.abc import Sequence
from functools import partial

import flax.linen as nn
import jax
import jax.numpy as jnp
import numpy as np

from tarvis_jax.models.layers import Dense, FeedForward, attend, conv, fan_in_bias, gelu, layer_norm, normal_002, uniform_fan_in

PATCH = 4  # pixels
MLP_RATIO = 4
OTHER_REGION = -100.0  # added to the attention logits of tokens that meet in a window only because the map was rolled

linear = partial(Dense, kernel_init=normal_002, bias_init=nn.initializers.zeros)


def relative_position_index(window: int) -> np.ndarray:
    """Row of the bias table for every pair of tokens of a window, int64 [window**2, window**2], query first.

    Tokens count row after row. The row for a query at (y, x) and a key at (y', x') is
    (y - y' + window - 1) * (2 * window - 1) + (x - x' + window - 1).
    """
    tokens = np.stack(np.divmod(np.arange(window**2, dtype=np.int64), window))  # y, x
    dy, dx = tokens[:, :, None] - tokens[:, None, :] + window - 1
    return dy * (2 * window - 1) + dx


def split_windows(x: jax.Array, window: int) -> jax.Array:
    """Cuts maps [n, h, w, c], whose sides are multiples of the window's, into windows [n, m, window**2, c], row after row."""
    n, h, w, c = x.shape
    x = x.reshape(n, h // window, window, w // window, window, c).transpose(0, 1, 3, 2, 4, 5)
    return x.reshape(n, -1, window**2, c)


def join_windows(windows: jax.Array, height: int, width: int) -> jax.Array:
    """Undoes `split_windows` for maps of the given size."""
    n, _, tokens, c = windows.shape
    window = int(tokens**0.5)
    x = windows.reshape(n, height // window, width // window, window, window, c).transpose(0, 1, 3, 2, 4, 5)
    return x.reshape(n, height, width, c)


def region_mask(height: int, width: int, window: int, shift: int) -> jax.Array:
    """Attention mask of a map that was rolled up and left by `shift`: what came round stays apart from what was there.

    Args:
        height: of the map, a multiple of the window.
        width: of the map, likewise.
        window: side of a window.
        shift: above 0.

    Returns:
        float32 [m, window**2, window**2] for the m windows: 0 or `OTHER_REGION`.
    """
    rows, columns = (np.digitize(np.arange(size), [size - window, size - shift]) for size in (height, width))
    regions = jnp.asarray((3 * rows[:, None] + columns)[None, :, :, None], jnp.int32)
    regions = split_windows(regions, window)[0, :, :, 0]
    return jnp.where(regions[:, :, None] == regions[:, None, :], 0.0, OTHER_REGION)


class WindowAttention(nn.Module):
    """Attention among the tokens of every window, with a learned bias for every relative position and head."""

    heads: int
    window: int
    dtype: jnp.dtype = jnp.float32

    @nn.compact
    def __call__(self, x: jax.Array, mask: jax.Array) -> jax.Array:
        """Windows x [n, m, s, c] of s tokens and a mask [m or 1, s, s], added to the logits, to windows of x's shape."""
        n, m, s, c = x.shape
        init = nn.with_logical_partitioning(normal_002, ("rows", "out"))
        table = self.param("bias_table", init, ((2 * self.window - 1) ** 2, self.heads), jnp.float32)
        bias = table[relative_position_index(self.window).astype(np.int32)].transpose(2, 0, 1)
        qkv = linear(3 * c, dtype=self.dtype, name="qkv")(x).reshape(n, m, s, 3, self.heads, c // self.heads)
        query, key, value = (qkv[:, :, :, i] for i in range(3))
        y = jax.vmap(attend, in_axes=(0, 0, 0, None))(query, key, value, _sum_of_biases(bias, mask))
        return linear(c, dtype=self.dtype, name="proj")(y.reshape(x.shape))


def _sum_of_biases(bias: jax.Array, mask: jax.Array) -> jax.Array:
    """Bias by head [h, s, s] and mask by window [m, s, s]: [m, h, s, s]."""
    shape = (len(mask), *bias.shape)
    return jnp.broadcast_to(bias[None], shape) + jnp.broadcast_to(mask[:, None], shape)


class SwinBlock(nn.Module):
    """Window attention and a feed-forward block, each after a norm and around a shortcut: [n, h, w, c] to [n, h, w, c].

    Attributes:
        heads: of the attention.
        window: side of a window in tokens.
        shift: by how many tokens the map is rolled up and left before it is cut; 0 in every other block.
        drop_path: share of images whose shortcut is taken alone in training, drawn for each of the two branches.
    """

    heads: int
    window: int
    shift: int = 0
    drop_path: float = 0.0
    dtype: jnp.dtype = jnp.float32

    @nn.compact
    def __call__(self, x: jax.Array, *, train: bool = False) -> jax.Array:
        drop = partial(nn.Dropout, self.drop_path, (1, 2, 3), deterministic=not train, rng_collection="drop_path")
        x = x + drop()(self._attention(layer_norm("norm1", self.dtype)(x)))
        mlp = FeedForward(MLP_RATIO * x.shape[-1], self.dtype, gelu, normal_002, nn.initializers.zeros, name="mlp")
        return x + drop()(mlp(layer_norm("norm2", self.dtype)(x)))

    def _attention(self, x: jax.Array) -> jax.Array:
        """Attention within windows of a map that is filled up with zeros, which take part like all tokens."""
        height, width = x.shape[1:3]
        y = jnp.pad(x, ((0, 0), (0, -height % self.window), (0, -width % self.window), (0, 0)))
        padded = y.shape[1:3]
        mask = region_mask(*padded, self.window, self.shift) if self.shift else jnp.zeros((1, 1, 1))
        windows = split_windows(jnp.roll(y, (-self.shift, -self.shift), (1, 2)), self.window)
        windows = WindowAttention(self.heads, self.window, self.dtype, name="attn")(windows, mask)
        y = jnp.roll(join_windows(windows, *padded), (self.shift, self.shift), (1, 2))
        return y[:, :height, :width]


class PatchMerging(nn.Module):
    """Halves a map and doubles its channels: [n, h, w, c] with even h and w to [n, h / 2, w / 2, 2 * c]."""

    dtype: jnp.dtype = jnp.float32

    @nn.compact
    def __call__(self, x: jax.Array) -> jax.Array:
        n, h, w, c = x.shape
        # The four tokens of a patch lie column after column.
        x = x.reshape(n, h // 2, 2, w // 2, 2, c).transpose(0, 1, 3, 4, 2, 5).reshape(n, h // 2, w // 2, 4 * c)
        x = layer_norm("norm", self.dtype)(x)
        return linear(2 * c, use_bias=False, dtype=self.dtype, name="reduction")(x)


class Swin(nn.Module):
    """Four stages of blocks; every stage after the first halves the map and doubles the channels.

    Attributes:
        width: channels c of the first stage.
        depths: number of blocks of each stage.
        heads: attention heads of each stage.
        window: side of a window in tokens.
        drop_path: of the last block; it rises linearly from 0 in the first.
    """

    width: int = 96
    depths: Sequence[int] = (2, 2, 6, 2)
    heads: Sequence[int] = (3, 6, 12, 24)
    window: int = 7
    drop_path: float = 0.3
    dtype: jnp.dtype = jnp.float32

    @nn.compact
    def __call__(self, images: jax.Array, *, train: bool = False) -> tuple[jax.Array, ...]:
        """Maps normalised images [n, h, w, 3], h and w multiples of 32, to (res2, res3, res4, res5).

        Args:
            images: the frames.
            train: whether blocks are dropped at random, for every image on its own; needs a random key "drop_path".

        Returns:
            Maps [n, h / s, w / s, c * s / 4] for the strides s = 4, 8, 16, 32, normalised. Later stages go on from the
            maps before that norm.
        """
        rates = np.linspace(0, self.drop_path, sum(self.depths)).tolist()
        x = self._embed_patches(images)
        outputs = []
        for stage, (depth, heads) in enumerate(zip(self.depths, self.heads, strict=True)):
            if stage:
                x = PatchMerging(self.dtype, name=f"downsample_{stage - 1}")(x)
            for i in range(depth):
                shift, rate = (self.window // 2 if i % 2 else 0), rates[sum(self.depths[:stage]) + i]
                x = SwinBlock(heads, self.window, shift, rate, self.dtype, name=f"layers_{stage}_{i}")(x, train=train)
            outputs.append(layer_norm(f"norm{stage}", self.dtype)(x))
        return tuple(outputs)

    def _embed_patches(self, images: jax.Array) -> jax.Array:
        """Tokens of patches of 4 x 4 pixels, [n, h / 4, w / 4, c]."""
        init = {"kernel_init": uniform_fan_in, "bias_init": fan_in_bias(3 * PATCH**2)}
        embed = conv(self.width, PATCH, stride=PATCH, use_bias=True, **init, dtype=self.dtype, name="patch_embed")
        return layer_norm("patch_norm", self.dtype)(embed(images.astype(self.dtype)))
