"""Which keys a query may attend to, as numbers that are added to attention logits."""

import jax
import jax.numpy as jnp

BLOCKED = -1e9  # beside any real logit a softmax gives it weight 0, and unlike -inf it never makes a NaN


def attention_bias(visible: jax.Array) -> jax.Array:
    """0 where `visible` (bool, any shape), `BLOCKED` elsewhere; float32."""
    return jnp.where(visible, jnp.float32(0), jnp.float32(BLOCKED))


def shrink(features: jax.Array, factor: int) -> jax.Array:
    """Bilinear resize by an even whole factor, without antialiasing and with aligned borders.

    Every output lies in the middle of `factor` x `factor` inputs, so it is the mean of the four around that point.

    Args:
        features: [b, t, h, w, c].
        factor: even; divides h and w.

    Returns:
        float32 [b, t, h / factor, w / factor, c].
    """
    b, t, h, w, c = features.shape
    cells = features.reshape(b, t, h // factor, factor, w // factor, factor, c)
    middle = slice(factor // 2 - 1, factor // 2 + 1)
    return cells[:, :, :, middle, :, middle].mean(axis=(3, 5), dtype=jnp.float32)


def frames_in_use(frames: int, lengths: jax.Array) -> jax.Array:
    """Which of `frames` slots t hold a frame of a clip, bool [b, t], for clips of `lengths` [b]."""
    return jnp.arange(frames, dtype=jnp.int32)[None] < lengths[:, None]


def mask_bias(mask_embeddings: jax.Array, features: jax.Array, in_use: jax.Array | None = None) -> jax.Array:
    """Lets a query attend where its mask is; one whose mask is empty attends everywhere. No gradient.

    The original resizes the mask logits to the size of the keys. Here the features are resized before (`shrink`) instead:
    both the resize and the product with the embeddings are linear, over space and over channels, so they commute.

    Args:
        mask_embeddings: [b, q, c].
        features: finest features at the size of the keys, float32 [b, t, h, w, c].
        in_use: bool [b, t], the frames that there are, outside of which no query attends; None if all are.

    Returns:
        float32 [b, 1, q, t * h * w] for `MultiHeadAttention`.
    """
    embeddings, features = jax.lax.stop_gradient((mask_embeddings.astype(jnp.float32), features))
    tokens = features.reshape(features.shape[0], -1, features.shape[-1])
    visible = jnp.einsum("bqc,bsc->bqs", embeddings, tokens) >= 0
    if in_use is not None:
        in_use = jnp.repeat(in_use, tokens.shape[1] // in_use.shape[1], axis=1)[:, None]
        visible &= in_use
    empty = ~visible.any(axis=-1, keepdims=True)
    visible |= empty if in_use is None else empty & in_use
    return attention_bias(visible)[:, None]
