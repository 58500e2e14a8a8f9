"""Which query predicts which instance: costs of all pairs and the assignment that minimises their sum, on the device."""

import jax
import jax.numpy as jnp
import optax
from jax.sharding import Mesh

from tarvis_jax.config import LossConfig
from tarvis_jax.losses.masks import pairwise_binary_cross_entropy, pairwise_dice
from tarvis_jax.losses.sharding import on_own_rows

UNUSABLE = 1e6  # largest cost, and that of a pair whose prediction is not a number
PADDING = -1e-4  # cost of an empty slot at the query of its own; constant costs would make the search ten times slower


def matching_costs(
    mask_logits: jax.Array, targets: jax.Array, class_logits: jax.Array, classes: jax.Array, config: LossConfig
) -> jax.Array:
    """Costs of every pair of a query and an instance (facts of the original, section 8).

    Args:
        mask_logits: [b, p, q], at points of all frames that every query and instance shares.
        targets: [b, p, n], in 0..1.
        class_logits: [b, q, 1 + k].
        classes: int32 [b, n], 1-based; anything in empty slots.
        config: weights of the three costs.

    Returns:
        [b, q, n].
    """
    probabilities = jax.nn.softmax(class_logits, axis=-1)
    columns = jnp.clip(classes, 0, class_logits.shape[-1] - 1)[:, None]
    of_class = jnp.take_along_axis(
        probabilities, jnp.broadcast_to(columns, (*probabilities.shape[:2], classes.shape[1])), axis=-1
    )
    return (
        -config.match_class * of_class
        + config.match_bce * pairwise_binary_cross_entropy(mask_logits, targets)
        + config.match_dice * pairwise_dice(mask_logits, targets)
    )


def match(costs: jax.Array, valid: jax.Array, mesh: Mesh | None = None) -> jax.Array:
    """Assigns a different query to every slot, so that the costs of the valid slots add up to the least.

    On a mesh every device solves the problems of its own rows: left to the partitioner, each step of the search would be a
    collective.

    Args:
        costs: float32 [l, b, q, n]; anything in the columns of empty slots.
        valid: bool [b, n].
        mesh: axes "data" and "fsdp", over which the batch is split; None on one device.

    Returns:
        int32 [l, b, n], the query of each slot; some unmatched query for an empty slot.

    Raises:
        ValueError: there are more slots than queries.
    """
    q, n = costs.shape[-2:]
    if n > q:
        raise ValueError(f"matching: {n} instance slots need as many queries, the model has {q}; lower config.instance_slots")
    return on_own_rows(_match_rows, mesh, (1, 0), 1)(costs, valid)


def _match_rows(costs: jax.Array, valid: jax.Array) -> jax.Array:
    over_rows = jax.vmap(_match_one)
    return jax.vmap(over_rows, in_axes=(0, None))(costs, valid)


def _match_one(costs: jax.Array, valid: jax.Array) -> jax.Array:
    """costs [q, n] and valid [n] to the query of each slot, int32 [n]."""
    q, n = costs.shape
    clean = jnp.clip(jnp.nan_to_num(costs, nan=UNUSABLE), -UNUSABLE, UNUSABLE)  # a NaN could keep the search going forever
    own_query = jnp.arange(q)[:, None] == q - 1 - jnp.arange(n)[None]
    padded = jnp.where(valid[None], clean, jnp.where(own_query, PADDING, 0.0))
    queries, slots = optax.assignment.hungarian_algorithm(padded)
    return jnp.zeros(n, jnp.int32).at[slots].set(queries.astype(jnp.int32))
