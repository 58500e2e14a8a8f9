"""Layers that every part of the model shares: projections, norms, attention, feed-forward blocks.

Every weight names its logical axes, which `training/sharding.py` maps to the mesh: "in" and "out" are the channels that a
matrix reads and writes, "rows" counts the entries of a table. Vectors are not split and carry no names.
"""

from collections.abc import Callable, Sequence
from functools import partial

import flax.linen as nn
import jax
import jax.numpy as jnp
from jax.nn.initializers import Initializer

NORM_EPSILON = 1e-5

uniform_fan_in = nn.initializers.variance_scaling(1 / 3, "fan_in", "uniform")  # +-1/sqrt(fan_in)
xavier_uniform = nn.initializers.xavier_uniform()
kaiming_uniform = nn.initializers.variance_scaling(1.0, "fan_in", "uniform")  # a = 1: gain 1
# Swin's and ConvNeXt's matrices; their originals cut the normal distribution at +-2, that is at 100 standard deviations.
normal_002 = nn.initializers.normal(0.02)

gelu = partial(jax.nn.gelu, approximate=False)


def fan_in_bias(fan_in: int) -> Initializer:
    """Uniform in +-1/sqrt(fan_in), the usual start of a linear layer's bias."""
    bound = fan_in**-0.5

    def init(key, shape, dtype=jnp.float32):
        return jax.random.uniform(key, shape, dtype, -bound, bound)

    return init


class Dense(nn.Module):
    """Linear layer over the last axis: [..., in] to [..., features]."""

    features: int
    kernel_init: Initializer = uniform_fan_in
    bias_init: Initializer | None = None
    use_bias: bool = True
    dtype: jnp.dtype = jnp.float32

    @nn.compact
    def __call__(self, x: jax.Array) -> jax.Array:
        width = x.shape[-1]
        kernel_init = nn.with_logical_partitioning(self.kernel_init, ("in", "out"))
        kernel = self.param("kernel", kernel_init, (width, self.features), jnp.float32)
        y = x.astype(self.dtype) @ kernel.astype(self.dtype)
        if not self.use_bias:
            return y
        bias = self.param("bias", self.bias_init or fan_in_bias(width), (self.features,), jnp.float32)
        return y + bias.astype(self.dtype).reshape((1,) * (y.ndim - 1) + (-1,))


def conv(
    features: int,
    size: int = 1,
    *,
    name: str,
    stride: int = 1,
    groups: int = 1,
    use_bias: bool = False,
    kernel_init: Initializer = kaiming_uniform,
    bias_init: Initializer = nn.initializers.zeros,
    dtype: jnp.dtype = jnp.float32,
) -> nn.Conv:
    """2-D convolution [n, h, w, in] to [n, h', w', features].

    An odd size is zero padded by (size - 1) / 2 on every side. An even size cuts patches and pads nothing.
    """
    return nn.Conv(
        features,
        (size, size),
        strides=stride,
        padding=size // 2 if size % 2 else 0,
        feature_group_count=groups,
        use_bias=use_bias,
        kernel_init=nn.with_logical_partitioning(kernel_init, (None, None, "in", "out")),
        bias_init=bias_init,
        dtype=dtype,
        name=name,
    )


class LayerNorm(nn.LayerNorm):
    """Layer norm in float32 with its result in `output_dtype`; flax's own option for that needs implicit promotion."""

    output_dtype: jnp.dtype = jnp.float32

    def __call__(self, x: jax.Array) -> jax.Array:
        return super().__call__(x.astype(jnp.float32)).astype(self.output_dtype)


class GroupNorm(nn.GroupNorm):
    """Group norm in float32 with its result in `output_dtype`, for the same reason."""

    output_dtype: jnp.dtype = jnp.float32

    def __call__(self, x: jax.Array) -> jax.Array:
        return super().__call__(x.astype(jnp.float32)).astype(self.output_dtype)


def layer_norm(name: str, dtype: jnp.dtype = jnp.float32, epsilon: float = NORM_EPSILON) -> LayerNorm:
    """Layer norm over the channels; statistics in float32."""
    return LayerNorm(epsilon=epsilon, output_dtype=dtype, use_fast_variance=False, name=name)


def group_norm(name: str, dtype: jnp.dtype = jnp.float32) -> GroupNorm:
    """Group norm with 32 groups over [n, h, w, c], one set of statistics per image; statistics in float32."""
    return GroupNorm(num_groups=32, epsilon=NORM_EPSILON, output_dtype=dtype, use_fast_variance=False, name=name)


class MultiHeadAttention(nn.Module):
    """Multi-head attention whose query, key and value projections lie in one [c, 3c] matrix, in that order."""

    heads: int
    dtype: jnp.dtype = jnp.float32

    @nn.compact
    def __call__(self, query: jax.Array, key: jax.Array, value: jax.Array, *, bias: jax.Array | None = None) -> jax.Array:
        """Attends from query [b, q, c] to key and value [b, s, c].

        Args:
            query: [b, q, c].
            key: [b, s, c].
            value: [b, s, c].
            bias: float32, broadcastable to [b, heads, q, s], added to the logits; a large negative number blocks a key.

        Returns:
            [b, q, c].
        """
        width = query.shape[-1]
        kernel_init = nn.with_logical_partitioning(xavier_uniform, ("in", "out"))
        kernel = self.param("in_proj_kernel", kernel_init, (width, 3 * width), jnp.float32).astype(self.dtype)
        offsets = self.param("in_proj_bias", nn.initializers.zeros, (3 * width,), jnp.float32).astype(self.dtype)

        def project(x: jax.Array, part: int) -> jax.Array:
            columns = slice(part * width, (part + 1) * width)
            y = x.astype(self.dtype) @ kernel[:, columns] + offsets[columns].reshape((1,) * (x.ndim - 1) + (-1,))
            return y.reshape(*x.shape[:-1], self.heads, width // self.heads)

        out = attend(project(query, 0), project(key, 1), project(value, 2), bias)
        out = out.reshape(*query.shape[:-1], width)
        return Dense(width, xavier_uniform, nn.initializers.zeros, dtype=self.dtype, name="out_proj")(out)


def attend(query: jax.Array, key: jax.Array, value: jax.Array, bias: jax.Array | None) -> jax.Array:
    """Softmax attention; query [b, q, h, d], key and value [b, s, h, d], bias [b, h, q, s] or broadcastable."""
    logits = jnp.einsum("bqhd,bshd->bhqs", query * query.shape[-1] ** -0.5, key, preferred_element_type=jnp.float32)
    if bias is not None:
        logits = logits + jnp.broadcast_to(bias, logits.shape)
    weights = jax.nn.softmax(logits, axis=-1).astype(value.dtype)
    return jnp.einsum("bhqs,bshd->bqhd", weights, value)


class FeedForward(nn.Module):
    """Two linear layers with a nonlinearity between them: c -> hidden -> c.

    The defaults are those of the original's neck, object encoder and decoder.
    """

    hidden: int
    dtype: jnp.dtype = jnp.float32
    activation: Callable[[jax.Array], jax.Array] = jax.nn.relu
    kernel_init: Initializer = xavier_uniform
    bias_init: Initializer | None = None

    @nn.compact
    def __call__(self, x: jax.Array) -> jax.Array:
        linear = partial(Dense, kernel_init=self.kernel_init, bias_init=self.bias_init, dtype=self.dtype)
        y = self.activation(linear(self.hidden, name="linear1")(x))
        return linear(x.shape[-1], name="linear2")(y)


class MLP(nn.Module):
    """Linear layers of the given widths with a ReLU after each but the last."""

    widths: Sequence[int]
    dtype: jnp.dtype = jnp.float32

    @nn.compact
    def __call__(self, x: jax.Array) -> jax.Array:
        for i, width in enumerate(self.widths):
            x = Dense(width, dtype=self.dtype, name=f"layers_{i}")(x)
            x = jax.nn.relu(x) if i + 1 < len(self.widths) else x
        return x
