"""The losses of the three tasks, one pure function each (facts of the original, section 8; supplement, table 3).

All stages are matched first; then the losses follow stage by stage. A stage computes its mask logits itself, in the backward
pass once more, so that never those of two stages are held; its points and what the ground truth says there are kept.
"""

from collections.abc import Callable, Mapping
from functools import partial
from typing import Any

import jax
import jax.numpy as jnp
from jax.sharding import Mesh

from tarvis_jax.config import LossConfig
from tarvis_jax.losses.instance_map import keep_valid, smallest_on_top
from tarvis_jax.losses.matching import match
from tarvis_jax.losses.points import PointDraws, sample_nearest, sample_truncated
from tarvis_jax.losses.stages import (
    IGNORE,
    KEPT,
    Draw,
    Losses,
    binary_losses,
    class_loss,
    semantic_loss,
    shrink_ignored,
    stage_costs,
)
from tarvis_jax.models.decoder import Predictions

BLOCKED = -1e9  # mask logit of an empty slot; unlike -inf it never makes a NaN

Batch = Mapping[str, jax.Array]
Embeddings = dict[str, jax.Array]  # of one stage, [b, q, c] by group


def vis_losses(
    predictions: Predictions, batch: Batch, draws: PointDraws, config: LossConfig, mesh: Mesh | None = None
) -> Losses:
    """Video instance segmentation: matched instances, and a class for every pixel, 0 where no instance is.

    Args:
        predictions: groups "instance", "background" and "semantic".
        batch: `instance_map`, `instance_class`, `instance_valid`.
        draws: the random points.
        config: weights and numbers of points.
        mesh: axes "data" and "fsdp", over which the batch is split; None on one device.

    Returns:
        Weighted sums over the stages, float32 scalars that add up to the loss: `loss_mask_bce`, `loss_mask_dice`,
        `loss_class`, `loss_semantic`.

    Raises:
        ValueError: more instance slots than queries.
    """
    valid = batch["instance_valid"]
    labels = smallest_on_top(keep_valid(batch["instance_map"], valid), valid.shape[1])
    class_of = jnp.pad(jnp.where(valid, batch["instance_class"], 0), ((0, 0), (1, 0)))  # of every label
    class_valid = jnp.pad(predictions.valid("semantic"), ((0, 0), (1, 0)), constant_values=True)

    def sample_labels(points: jax.Array) -> jax.Array:
        return sample_truncated(labels, points, partial(jax.vmap(lambda table, index: table[index]), class_of))

    def semantic(embeddings: Embeddings, draw: Draw) -> jax.Array:
        background = mask_logits(predictions, embeddings, "background").max(axis=2, keepdims=True)
        logits = jnp.concatenate([background, mask_logits(predictions, embeddings, "semantic")], axis=2)
        return semantic_loss(logits, sample_labels, draw, config, config.points, class_valid, mesh=mesh)

    return _instances_and_classes(semantic, predictions, batch, draws, config, mesh)


def vps_losses(
    predictions: Predictions, batch: Batch, draws: PointDraws, config: LossConfig, mesh: Mesh | None = None
) -> Losses:
    """Video panoptic segmentation: matched instances, and the class of every pixel that has one.

    Args:
        predictions: groups "instance", "background" and "semantic".
        batch: `instance_map`, `instance_class`, `instance_valid`, `semantic_map`.
        draws: the random points.
        config: weights and numbers of points.
        mesh: axes "data" and "fsdp", over which the batch is split; None on one device.

    Returns:
        As `vis_losses`.

    Raises:
        ValueError: more instance slots than queries.
    """
    ignored = shrink_ignored(batch["semantic_map"] == IGNORE)

    def sample_labels(points: jax.Array) -> jax.Array:
        return sample_nearest(batch["semantic_map"], points).astype(jnp.int32)

    def semantic(embeddings: Embeddings, draw: Draw) -> jax.Array:
        logits = mask_logits(predictions, embeddings, "semantic")
        return semantic_loss(
            logits, sample_labels, draw, config, config.semantic_points, predictions.valid("semantic"), ignored, mesh
        )

    return _instances_and_classes(semantic, predictions, batch, draws, config, mesh)


def vos_losses(
    predictions: Predictions, batch: Batch, draws: PointDraws, config: LossConfig, mesh: Mesh | None = None
) -> Losses:
    """Object segmentation: the masks of the given objects, and of the background, which is where none of them is.

    Args:
        predictions: groups "background_vos" and "vos".
        batch: `instance_map`, `instance_valid`.
        draws: the random points.
        config: weights and numbers of points.
        mesh: axes "data" and "fsdp", over which the batch is split; None on one device.

    Returns:
        As `vis_losses`, but `loss_mask_bce` and `loss_mask_dice` alone.
    """
    valid = batch["instance_valid"]
    instances = keep_valid(batch["instance_map"], valid)
    rows = jnp.pad(valid, ((0, 0), (1, 0)), constant_values=True)  # the background is row 0

    def losses(stage: jax.Array, embeddings: Embeddings) -> Losses:
        background = mask_logits(predictions, embeddings, "background_vos").max(axis=2, keepdims=True)
        queries = mask_logits(predictions, embeddings, "vos")
        by_object = queries.reshape(*queries.shape[:2], -1, predictions.per_object, *queries.shape[3:])
        logits = jnp.concatenate([background, by_object.max(axis=3)], axis=2)
        labels, draw = jnp.arange(rows.shape[1]), partial(draws.uniform, stage)
        return binary_losses(logits, instances, labels, rows, draw, config, mesh)

    return _sum_over_stages(losses, predictions.mask_embeddings)


def _instances_and_classes(
    semantic: Callable[[Embeddings, Draw], jax.Array],
    predictions: Predictions,
    batch: Batch,
    draws: PointDraws,
    config: LossConfig,
    mesh: Mesh | None,
) -> Losses:
    """The losses of vis and vps, which differ in their `semantic` one."""
    valid = batch["instance_valid"]
    instances = keep_valid(batch["instance_map"], valid)
    labels = jnp.arange(1, valid.shape[1] + 1)
    matched = match_stages(predictions, instances, batch, draws, config, mesh)

    def losses(stage: jax.Array, embeddings: Embeddings, class_logits: jax.Array, queries: jax.Array) -> Losses:
        draw = partial(draws.uniform, stage)
        chosen = jnp.take_along_axis(embeddings["instance"], queries[..., None], axis=1)
        masks = binary_losses(instance_logits(predictions.features, chosen), instances, labels, valid, draw, config, mesh)
        return masks | {
            "loss_class": class_loss(class_logits, queries, batch, config),
            "loss_semantic": semantic(embeddings, draw),
        }

    return _sum_over_stages(losses, predictions.mask_embeddings, predictions.class_logits, matched)


def match_stages(
    predictions: Predictions, instances: jax.Array, batch: Batch, draws: PointDraws, config: LossConfig, mesh: Mesh | None
) -> jax.Array:
    """The instance query of every slot at every stage, int32 [l, b, n]; carries no gradient."""
    features = jax.lax.stop_gradient(predictions.features)

    def costs(inputs: tuple[jax.Array, jax.Array, jax.Array]) -> jax.Array:
        stage, embeddings, class_logits = inputs
        draw = partial(draws.uniform, stage)
        logits = instance_logits(features, embeddings)
        return stage_costs(logits, instances, class_logits, batch["instance_class"], draw, config)

    stacked = predictions.mask_embeddings["instance"], predictions.class_logits
    stacked = jax.lax.stop_gradient(stacked)
    return match(jax.lax.map(costs, (jnp.arange(len(stacked[0])), *stacked)), batch["instance_valid"], mesh)


def _sum_over_stages(losses: Callable[..., Losses], *stacked: Any) -> Losses:
    """Sums of `losses(stage, ...)` over the stages l; `stacked` are trees of arrays [l, ...]."""
    count = jax.tree.leaves(stacked)[0].shape[0]
    kept = jax.checkpoint_policies.save_only_these_names(KEPT)
    body = jax.checkpoint(lambda inputs: losses(*inputs), policy=kept)
    return jax.tree.map(jnp.sum, jax.lax.map(body, (jnp.arange(count), *stacked)))


def mask_logits(predictions: Predictions, embeddings: Embeddings, group: str) -> jax.Array:
    """Mask logits of one stage's queries of a group, float32 [b, t, q, h, w]; empty slots never win a max or a softmax."""
    valid = predictions.valid(group)
    logits = instance_logits(predictions.features, jnp.where(valid[..., None], embeddings[group], 0))
    return jnp.where(valid[:, None, :, None, None], logits, BLOCKED)


def instance_logits(features: jax.Array, embeddings: jax.Array) -> jax.Array:
    """Products of features [b, t, h, w, c] and mask embeddings [b, q, c], float32 [b, t, q, h, w]."""
    return jnp.einsum("bthwc,bqc->btqhw", features, embeddings, preferred_element_type=jnp.float32)
