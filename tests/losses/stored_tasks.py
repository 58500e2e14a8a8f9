"""The stored cases of losses as inputs of the tasks' loss functions."""

from functools import partial

import jax
import numpy as np

from tarvis_jax.losses.tasks import vis_losses, vos_losses, vps_losses
from tests.losses.stored import StoredDraws, predictions_of

PARTS = {"loss_mask_bce": 5.0, "loss_mask_dice": 5.0, "loss_class": 2.0, "loss_semantic": 2.0}  # weights


def vis(cases, variant=""):
    """Loss function, predictions, batch, draws, and the stored parts [l] before weighting; two stored cases in one."""
    instance, semantic = cases("instance_seg"), cases(f"semantic_seg{variant}")
    np.testing.assert_array_equal(instance.instance_map(), semantic.instance_map())
    classes = semantic["in/pred_mask_logits"]
    logits = {"instance": instance["in/pred_mask_logits"], "background": classes[:, :, :1], "semantic": classes[:, :, 1:]}
    parts = {
        "loss_mask_bce": instance["out/loss_mask_ce"],
        "loss_mask_dice": instance["out/loss_mask_dice"],
        "loss_class": instance["out/loss_cls"],
        "loss_semantic": semantic["out/loss_ce"],
    }
    draws = StoredDraws(instance.instance_draws() | semantic.semantic_draws())
    return vis_losses, predictions_of(logits, instance["in/pred_class_logits"]), instance.batch(), draws, parts


def vps(cases, variant=""):
    case = cases(f"panoptic_seg{variant}")
    semantic = case["in/pred_semantic_mask_logits"]
    unused = np.zeros_like(semantic[:, :, :1])
    logits = {"instance": case["in/pred_instance_mask_logits"], "background": unused, "semantic": semantic}
    parts = {
        "loss_mask_bce": case["out/loss_instance_mask_ce"],
        "loss_mask_dice": case["out/loss_instance_mask_dice"],
        "loss_class": case["out/loss_instance_cls"],
        "loss_semantic": case["out/loss_semantic_ce"],
    }
    draws = StoredDraws(case.instance_draws() | case.semantic_draws())
    batch = case.batch() | {"semantic_map": case["in/gt_semantic_masks"]}
    return vps_losses, predictions_of(logits, case["in/pred_instance_class_logits"]), batch, draws, parts


def vos(cases):
    case = cases("vos")
    pred = case["in/pred_mask_logits"]
    draws = case.object_draws(objects=3)
    empty = np.zeros_like(pred[:, :, :1])  # the fourth slot
    logits = {"background_vos": pred[:, :, :1], "vos": np.concatenate([pred[:, :, 1:], empty], axis=2)}
    parts = {"loss_mask_bce": case["out/loss_ce"], "loss_mask_dice": case["out/loss_dice"]}
    return vos_losses, predictions_of(logits), case.batch(), StoredDraws(draws), parts


@partial(jax.jit, static_argnums=(0, 1))
def values(losses, config, predictions, batch, drawn):
    return losses(predictions, batch, StoredDraws(drawn), config)


@partial(jax.jit, static_argnums=(0, 1))
def with_gradients(losses, config, predictions, batch, drawn):
    def total(predictions):
        parts = losses(predictions, batch, StoredDraws(drawn), config)
        return sum(parts.values()), parts

    return jax.value_and_grad(total, has_aux=True, allow_int=True)(predictions)


def evaluate(losses, predictions, batch, draws, config):
    """Parts, and gradients of their sum by features, mask embeddings and class logits."""
    (_, parts), gradients = with_gradients(losses, config, predictions, dict(batch), draws.arrays)
    return parts, (gradients.features, gradients.mask_embeddings, gradients.class_logits)
