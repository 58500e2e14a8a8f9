"""Losses of sampled mask logits and of classes: by row, and for every pair of prediction and target."""

import jax
import jax.numpy as jnp
import optax

HIGHEST = jax.lax.Precision.HIGHEST


def binary_cross_entropy(logits: jax.Array, targets: jax.Array) -> jax.Array:
    """Mean over the points: logits and targets (0..1) [..., p] to [...]."""
    return jnp.mean(optax.sigmoid_binary_cross_entropy(logits, targets), axis=-1)


def dice(logits: jax.Array, targets: jax.Array) -> jax.Array:
    """1 - (2 sum(prediction * target) + 1) / (sum prediction + sum target + 1) over the points: [..., p] to [...]."""
    probabilities = jax.nn.sigmoid(logits)
    overlap = jnp.sum(probabilities * targets, axis=-1)
    return 1 - (2 * overlap + 1) / (jnp.sum(probabilities, axis=-1) + jnp.sum(targets, axis=-1) + 1)


def pairwise_binary_cross_entropy(logits: jax.Array, targets: jax.Array) -> jax.Array:
    """Every prediction against every target: logits [b, p, q] and targets [b, p, n] to [b, q, n]."""
    as_empty = jnp.sum(jax.nn.softplus(logits), axis=1)[:, :, None]  # every target 0; a target 1 takes its logit off
    matches = jnp.einsum("bpq,bpn->bqn", logits, targets, precision=HIGHEST)
    return (as_empty - matches) / logits.shape[1]


def pairwise_dice(logits: jax.Array, targets: jax.Array) -> jax.Array:
    """Every prediction against every target: logits [b, p, q] and targets [b, p, n] to [b, q, n]."""
    probabilities = jax.nn.sigmoid(logits)
    overlap = jnp.einsum("bpq,bpn->bqn", probabilities, targets, precision=HIGHEST)
    sizes = jnp.sum(probabilities, axis=1)[:, :, None] + jnp.sum(targets, axis=1)[:, None]
    return 1 - (2 * overlap + 1) / (sizes + 1)


def weighted_cross_entropy(logits: jax.Array, labels: jax.Array, weights: jax.Array) -> jax.Array:
    """Weighted mean of the cross-entropy over all entries; 0 where every weight is 0.

    Args:
        logits: [..., k].
        labels: int32 [...], in 0..k-1 where the weight is not 0, anything elsewhere.
        weights: float32 [...].

    Returns:
        float32 scalar.
    """
    labels = jnp.where(weights > 0, labels, 0)
    total = jnp.sum(weights * optax.softmax_cross_entropy_with_integer_labels(logits, labels))
    weight = jnp.sum(weights)
    return total / jnp.where(weight > 0, weight, 1.0)


def mean_over_valid(rows: jax.Array, valid: jax.Array) -> jax.Array:
    """Mean of rows [b, t, n] over the valid ones [b, n] of the global batch and all t; 0 if none is valid."""
    total = jnp.sum(jnp.where(valid[:, None], rows, 0.0))
    return total / (jnp.maximum(jnp.sum(valid), 1) * rows.shape[1]).astype(jnp.float32)
