"""The blocks of the object encoder's and the decoder's layers: attention or feed-forward, the sum, then its norm."""

import flax.linen as nn
import jax
import jax.numpy as jnp

from tarvis_jax.models.layers import FeedForward, MultiHeadAttention, layer_norm


class ResidualAttention(nn.Module):
    """Attention of queries to keys, added to the queries, and a layer norm over the sum."""

    heads: int
    dtype: jnp.dtype = jnp.float32

    @nn.compact
    def __call__(self, x: jax.Array, embeds: jax.Array, keys: jax.Array, values: jax.Array, bias: jax.Array) -> jax.Array:
        """Queries x and their embeds [b, q, c], keys and values [b, s, c], bias as in `MultiHeadAttention`: [b, q, c]."""
        y = MultiHeadAttention(self.heads, self.dtype, name="attention")(x + embeds, keys, values, bias=bias)
        return layer_norm("norm", self.dtype)(x + y)


class ResidualFeedForward(nn.Module):
    """Feed-forward block, added to its input, and a layer norm over the sum: [b, q, c] to [b, q, c]."""

    hidden: int
    dtype: jnp.dtype = jnp.float32

    @nn.compact
    def __call__(self, x: jax.Array) -> jax.Array:
        return layer_norm("norm", self.dtype)(x + FeedForward(self.hidden, self.dtype, name="mlp")(x))
