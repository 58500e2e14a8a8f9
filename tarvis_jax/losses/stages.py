"""The losses of one prediction stage on sampled points, which the tasks put together.

Whatever an empty slot holds, it moves neither a loss nor a gradient. Means run over the rows of the global batch.
"""

from collections.abc import Callable, Mapping

import jax
import jax.numpy as jnp
import optax
from jax.ad_checkpoint import checkpoint_name
from jax.sharding import Mesh

from tarvis_jax.config import LossConfig
from tarvis_jax.losses.instance_map import has_label
from tarvis_jax.losses.masks import binary_cross_entropy, dice, mean_over_valid, weighted_cross_entropy
from tarvis_jax.losses.matching import matching_costs
from tarvis_jax.losses.points import (
    binary_uncertainty,
    class_uncertainty,
    sample_bilinear,
    select_uncertain,
)

Draw = Callable[[str, tuple[int, ...]], jax.Array]  # (name, shape) to uniform random numbers of this stage
Losses = dict[str, jax.Array]

IGNORE = -100  # label of a pixel without a class
IGNORED_UNCERTAINTY = -1000.0
NULL_CLASS = -1000.0  # logit of a class that takes no part
NORM_FLOOR = 1e-12  # below it a norm has no gradient, which would not be a number at 0
KEPT = "points and targets"  # what the backward pass does not compute again


def choose_points(
    draw: Draw,
    name: str,
    lead: tuple[int, ...],
    count: int,
    uncertainty: Callable[[jax.Array], jax.Array],
    config: LossConfig,
    mesh: Mesh | None,
) -> jax.Array:
    """Draws `count` points p for every row of shape `lead`, most of them where `uncertainty(points [*lead, m, 2])` is high.

    Returns:
        [*lead, p, 2].
    """
    anywhere = count - int(config.uncertain_fraction * count)
    candidates = draw(f"{name}_oversampled", (*lead, config.oversample * count, 2))
    random = draw(f"{name}_random", (*lead, anywhere, 2))
    return checkpoint_name(select_uncertain(candidates, uncertainty(candidates), random, count, mesh), KEPT)


def binary_losses(
    logits: jax.Array,
    instance_map: jax.Array,
    labels: jax.Array,
    valid: jax.Array,
    draw: Draw,
    config: LossConfig,
    mesh: Mesh | None = None,
) -> Losses:
    """Binary cross-entropy and dice of masks; every frame of every mask is a row with points of its own.

    Args:
        logits: [b, t, r, h, w].
        instance_map: uint8 or uint32 [b, t, 4h, 4w], valid slots only.
        labels: int32 [r], the label of each row's mask in the map; 0 for the mask of everything that has none.
        valid: bool [b, r].
        draw: the random points.
        config: weights and numbers of points.
        mesh: axes "data" and "fsdp", over which the batch is split; None on one device.

    Returns:
        Weighted means over the valid rows and all frames: `loss_mask_bce`, `loss_mask_dice`.
    """
    logits = jnp.where(valid[:, None, :, None, None], logits, 0.0)
    lead, fixed = logits.shape[:3], jax.lax.stop_gradient(logits)

    def uncertainty(points: jax.Array) -> jax.Array:
        return binary_uncertainty(sample_bilinear(fixed, points))

    points = choose_points(draw, "mask", lead, config.points, uncertainty, config, mesh)
    own_label = jnp.repeat(labels, config.points).reshape(1, 1, -1)
    targets = sample_bilinear(instance_map, points.reshape(*lead[:2], -1, 2), lambda pixels: has_label(pixels, own_label))
    targets = checkpoint_name(targets.reshape(points.shape[:-1]), KEPT)
    sampled = sample_bilinear(logits, points)
    return {
        "loss_mask_bce": config.mask_bce * mean_over_valid(binary_cross_entropy(sampled, targets), valid),
        "loss_mask_dice": config.mask_dice * mean_over_valid(dice(sampled, targets), valid),
    }


def class_loss(class_logits: jax.Array, matched: jax.Array, batch: Mapping[str, jax.Array], config: LossConfig) -> jax.Array:
    """Cross-entropy of every query's class, 0 for those without an instance, which count less; weighted mean.

    Args:
        class_logits: [b, q, 1 + k].
        matched: int32 [b, n], the query of each slot.
        batch: `instance_class`, `instance_valid`.
        config: weights.

    Returns:
        float32 scalar, weighted.
    """
    queries = jnp.arange(class_logits.shape[1]).reshape(1, -1, 1)
    is_match = (matched[:, None] == queries) & batch["instance_valid"][:, None]
    labels = jnp.sum(jnp.where(is_match, batch["instance_class"][:, None], 0), axis=-1)
    weights = jnp.where(jnp.any(is_match, axis=-1), 1.0, config.background_class)
    return config.classification * weighted_cross_entropy(class_logits, labels, weights)


def semantic_loss(
    logits: jax.Array,
    sample_labels: Callable[[jax.Array], jax.Array],
    draw: Draw,
    config: LossConfig,
    count: int,
    class_valid: jax.Array,
    ignored: jax.Array | None = None,
    mesh: Mesh | None = None,
) -> jax.Array:
    """Cross-entropy of the class at `count` points of every frame; mean over those that have one, 0 if none has.

    With `config.semantic_norm`, the mean norm of all points' class logits is added, ignored points included.

    Args:
        logits: [b, t, k, h, w].
        sample_labels: from points [b, t, p, 2] to labels int32 [b, t, p], `IGNORE` where there is none.
        draw: the random points.
        config: weights and numbers of points.
        count: number of points p.
        class_valid: bool [b, k], False for empty slots.
        ignored: float32 [b, t, h, w], 1 where pixels have no class: no uncertain point is looked for there.
        mesh: axes "data" and "fsdp", over which the batch is split; None on one device.

    Returns:
        float32 scalar, weighted.
    """
    logits = jnp.moveaxis(logits, 2, -1)
    fixed = jax.lax.stop_gradient(logits)

    def uncertainty(points: jax.Array) -> jax.Array:
        values = _frame_by_frame(lambda *frame: class_uncertainty(sample_bilinear(*frame)), fixed, points)
        if ignored is None:
            return values
        return jnp.where(sample_bilinear(ignored, points) > 0, IGNORED_UNCERTAINTY, values)

    points = choose_points(draw, "semantic", logits.shape[:2], count, uncertainty, config, mesh)
    labels = checkpoint_name(sample_labels(points), KEPT)
    weights = (labels != IGNORE).astype(jnp.float32)
    sampled = sample_bilinear(logits, points)
    compared = without_null_classes(sampled, labels) if config.ignore_null_classes else sampled
    loss = config.semantic * weighted_cross_entropy(compared, labels, weights)
    if config.semantic_norm:
        real = jnp.where(class_valid[:, None, None], sampled, 0.0)
        loss += config.semantic_norm * jnp.mean(optax.safe_norm(real, NORM_FLOOR, axis=-1))
    return loss


def without_null_classes(logits: jax.Array, labels: jax.Array) -> jax.Array:
    """Blanks the classes that no point of the batch is labelled with or predicts; the original calls them null classes.

    Args:
        logits: [b, t, p, k].
        labels: int32 [b, t, p], `IGNORE` where there is none.

    Returns:
        [b, t, p, k], `NULL_CLASS` in the columns of null classes.
    """
    classes = jnp.arange(logits.shape[-1]).reshape(1, 1, 1, -1)
    present = (labels[..., None] == classes) | (jnp.argmax(logits, axis=-1)[..., None] == classes)
    return jnp.where(present.any(axis=(0, 1, 2), keepdims=True), logits, jnp.float32(NULL_CLASS))


def _frame_by_frame(function: Callable, *arrays: jax.Array) -> jax.Array:
    """`function` of arrays [b, ...] applied to arrays [b, t, ...], one frame after the other to save memory."""
    frames = jax.lax.map(lambda frame: function(*frame), tuple(jnp.moveaxis(x, 1, 0) for x in arrays))
    return jnp.moveaxis(frames, 0, 1)


def shrink_ignored(ignored: jax.Array) -> jax.Array:
    """bool [b, t, 4h, 4w] to float32 [b, t, h, w]: 1 where the mean of the middle 2 x 2 of 4 x 4 pixels is above 0.5.

    That is the original's bilinear resize to a quarter, which looks at no other pixels.
    """
    b, t, h, w = ignored.shape
    middle = ignored.reshape(b, t, h // 4, 4, w // 4, 4)[:, :, :, 1:3, :, 1:3]
    return (jnp.sum(middle, axis=(3, 5)) > 2).astype(jnp.float32)


def stage_costs(
    logits: jax.Array, instance_map: jax.Array, class_logits: jax.Array, classes: jax.Array, draw: Draw, config: LossConfig
) -> jax.Array:
    """Matching costs of one stage; all masks and frames of a sample share the points.

    Args:
        logits: [b, t, q, h, w], of the instance queries.
        instance_map: uint8 or uint32 [b, t, 4h, 4w], valid slots only.
        class_logits: [b, q, 1 + k].
        classes: int32 [b, n], 1-based; anything in empty slots.
        draw: the random points.
        config: weights and numbers of points.

    Returns:
        float32 [b, q, n].
    """
    b, t = logits.shape[:2]
    points = draw("match", (b, config.points, 2))
    sampled = sample_bilinear(jnp.transpose(logits, (0, 3, 4, 1, 2)), points)  # [b, p, t, q]
    labels = jnp.arange(1, classes.shape[1] + 1).reshape(1, 1, 1, -1)
    frames_last = jnp.moveaxis(instance_map, 1, -1)
    targets = sample_bilinear(frames_last, points, lambda pixels: has_label(pixels[..., None], labels))  # [b, p, t, n]
    flat = (b, config.points * t, -1)
    return matching_costs(sampled.reshape(flat), targets.reshape(flat), class_logits, classes, config)
