"""The losses of the three tasks: against the original's stored values and gradients, and what must not move them."""

import dataclasses
import re

import jax
import jax.numpy as jnp
import numpy as np
import pytest
from jax.sharding import AxisType

from tarvis_jax.config import LossConfig
from tarvis_jax.losses.points import PointDraws
from tarvis_jax.losses.tasks import vos_losses, vps_losses
from tests.losses.stored import SLOTS, StoredDraws, logits_of, stage_of
from tests.losses.stored_tasks import PARTS, evaluate, values, vis, vos, vps
from tests.parity import LOSS


def close(actual, expected, tolerance=LOSS):
    """Within a share of the largest expected value."""
    np.testing.assert_allclose(actual, expected, rtol=0, atol=tolerance * np.abs(expected).max())


TASKS = [vis, vps, vos]


@pytest.fixture(params=TASKS, ids=lambda task: task.__name__)
def task(request, cases):
    return request.param(cases)


@pytest.mark.parametrize("stage", [0, 1])
def test_every_part_of_every_stage_is_the_original_s(task, config, stage):
    losses, predictions, batch, draws, expected = task
    parts = values(losses, config, stage_of(predictions, stage), batch, draws.only(stage).arrays)
    assert set(parts) == set(expected)
    for name, value in parts.items():
        np.testing.assert_allclose(value, PARTS[name] * expected[name][stage], rtol=LOSS, err_msg=name)


SWIN_LARGE = {  # settings of its pretraining and of its fine-tuning, by the names of the stored cases
    "_ignore_null": {"semantic": 0.75, "ignore_null_classes": True},
    "_reg": {"semantic": 1.0, "semantic_norm": 0.001},
}


@pytest.mark.parametrize("variant", SWIN_LARGE)
@pytest.mark.parametrize("make", [vis, vps])
def test_semantic_losses_of_swin_large_are_the_original_s(cases, config, make, variant):
    config = dataclasses.replace(config, **SWIN_LARGE[variant])
    losses, predictions, batch, draws, _ = make(cases, variant)
    case = cases(f"{'semantic' if make is vis else 'panoptic'}_seg{variant}")
    prefix = "" if make is vis else "semantic_"
    parts, (features, *_) = evaluate(losses, predictions, batch, draws, config)
    np.testing.assert_allclose(parts["loss_semantic"], case[f"out/loss_{prefix}total"].sum(), rtol=LOSS)
    stored = case["grad/pred_mask_logits" if make is vis else "grad/pred_semantic_mask_logits"]
    close(logits_of(features, 2)[:, :, -stored.shape[2] :], stored)


def test_parts_are_sums_over_stages(task, config):
    losses, predictions, batch, draws, expected = task
    parts, _ = evaluate(losses, predictions, batch, draws, config)
    for name, value in parts.items():
        np.testing.assert_allclose(value, PARTS[name] * expected[name].sum(), rtol=LOSS, err_msg=name)


def test_vis_gradients_are_the_original_s(cases, config):
    _, (features, _, classes) = evaluate(*vis(cases)[:4], config)
    logits = logits_of(features, 2)
    close(logits[:, :, :6], cases("instance_seg")["grad/pred_mask_logits"])
    close(logits[:, :, 6:], cases("semantic_seg")["grad/pred_mask_logits"])
    close(classes, cases("instance_seg")["grad/pred_class_logits"])


def test_vps_gradients_are_the_original_s(cases, config):
    _, (features, _, classes) = evaluate(*vps(cases)[:4], config)
    logits, case = logits_of(features, 2), cases("panoptic_seg")
    close(logits[:, :, :6], case["grad/pred_instance_mask_logits"])
    close(logits[:, :, 7:], case["grad/pred_semantic_mask_logits"])
    close(classes, case["grad/pred_instance_class_logits"])
    assert not logits[:, :, 6].any()  # the background query has no part in the panoptic losses


def test_vos_gradients_are_the_original_s(cases, config):
    _, (features, *_) = evaluate(*vos(cases)[:4], config)
    logits = logits_of(features, 2)
    close(logits[:, :, :4], cases("vos")["grad/pred_mask_logits"])
    assert not logits[:, :, 4].any()


def test_garbage_in_empty_slots_moves_nothing(task, config):
    losses, predictions, batch, draws, _ = task
    expected = evaluate(losses, predictions, batch, draws, config)
    rng = np.random.default_rng(0)
    empty = ~batch["instance_valid"]
    garbage = dict(batch)
    garbage["instance_map"] = batch["instance_map"] | (rng.integers(0, 2, batch["instance_map"].shape) << 3).astype(np.uint32)
    if "instance_class" in batch:
        garbage["instance_class"] = np.where(empty, rng.integers(-1000, 1000, empty.shape), batch["instance_class"])
        garbage["instance_class"] = garbage["instance_class"].astype(np.int32)
    rows = {name: rng.uniform(size=x.shape).astype(np.float32) for name, x in draws.arrays.items()}
    is_empty = np.pad(empty, ((0, 0), (1, 0))) if losses is vos_losses else empty
    mixed = {name: np.where(is_empty[None, :, None, :, None, None], rows[name], x) if name.startswith("mask_") else x
             for name, x in draws.arrays.items()}  # fmt: skip
    if losses is vos_losses:
        mark = jnp.arange(SLOTS).reshape(1, 1, -1, 1) == SLOTS - 1
        noise = {"vos": jnp.where(mark, 7.0, predictions.mask_embeddings["vos"])}
        valid = predictions.query_valid.at[:, -1].set(False)
        predictions = predictions.replace(mask_embeddings=predictions.mask_embeddings | noise, query_valid=valid)
    found = evaluate(losses, predictions, garbage, StoredDraws(mixed), config)
    for x, y in zip(jax.tree.leaves(found), jax.tree.leaves(expected), strict=True):
        np.testing.assert_allclose(x, y, rtol=1e-6, atol=1e-7)


@pytest.mark.parametrize("task", [vis, vos], indirect=True, ids=["vis", "vos"])
def test_a_label_map_equals_bits_where_masks_are_disjoint(task, config):
    losses, predictions, batch, draws, _ = task
    bits = batch["instance_map"]
    lowest = bits & (~bits + np.uint32(1))  # of overlapping masks, keep one
    labels = np.select([lowest == 1 << i for i in range(SLOTS)], range(1, SLOTS + 1)).astype(np.uint8)
    expected, _ = evaluate(losses, predictions, batch | {"instance_map": lowest}, draws, config)
    found = values(losses, config, predictions, batch | {"instance_map": labels}, draws.arrays)
    for name in expected:
        np.testing.assert_allclose(found[name], expected[name], rtol=1e-6, err_msg=name)


def test_no_instance_at_all_is_finite(task, config):
    losses, predictions, batch, draws, _ = task
    batch = batch | {"instance_valid": np.zeros_like(batch["instance_valid"])}
    parts, gradients = evaluate(losses, predictions, batch, draws, config)
    assert all(np.isfinite(x).all() for x in jax.tree.leaves((parts, gradients)))
    if losses is not vos_losses:
        assert parts["loss_mask_bce"] == 0
        assert parts["loss_class"] > 0


def test_nothing_but_ignored_pixels_gives_no_semantic_loss(cases, config):
    _, predictions, batch, draws, _ = vps(cases)
    batch = batch | {"semantic_map": np.full_like(batch["semantic_map"], -100)}
    inside = {name: 0.1 + 0.8 * x if name.startswith("semantic") else x for name, x in draws.arrays.items()}
    parts, (features, *_) = evaluate(vps_losses, predictions, batch, StoredDraws(inside), config)
    assert parts["loss_semantic"] == 0
    assert parts["loss_mask_bce"] > 0
    assert np.isfinite(features).all()
    assert not logits_of(features, 2)[:, :, 7:].any()


@pytest.mark.parametrize("settings", [{}, *SWIN_LARGE.values()], ids=["", *SWIN_LARGE])
@pytest.mark.parametrize("task", [vis, vps], indirect=True, ids=["vis", "vps"])
def test_empty_class_slots_take_no_part(task, config, settings):
    """A model with slots for more classes than the dataset has gives the same losses."""
    losses, predictions, batch, draws, _ = task
    config = dataclasses.replace(config, **settings)
    expected = values(losses, config, predictions, batch, draws.arrays)
    more = jnp.pad(predictions.mask_embeddings["semantic"], ((0, 0), (0, 0), (0, 3), (0, 0)), constant_values=2.0)
    padded = predictions.replace(
        mask_embeddings=predictions.mask_embeddings | {"semantic": more},
        class_logits=jnp.pad(predictions.class_logits, ((0, 0),) * 3 + ((0, 3),), constant_values=-1e9),
        query_valid=jnp.pad(predictions.query_valid, ((0, 0), (0, 3))),
    )
    for name, value in values(losses, config, padded, batch, draws.arrays).items():
        np.testing.assert_allclose(value, expected[name], rtol=1e-5, err_msg=name)


def test_an_object_is_the_largest_of_its_own_queries(cases, config):
    """Two queries an object: one far below the other, or an empty slot, as a point object has it."""
    _, predictions, batch, draws, expected = vos(cases)
    doubled = jnp.repeat(predictions.mask_embeddings["vos"], 2, axis=2)
    second = jnp.arange(2 * SLOTS).reshape(1, 1, -1, 1) % 2 == 1
    valid = jnp.concatenate([jnp.ones((2, 1), bool), jnp.tile(jnp.array([True, False]), (2, SLOTS))], axis=1)
    predictions = predictions.replace(
        mask_embeddings=predictions.mask_embeddings | {"vos": jnp.where(second, 3.0, doubled)}, query_valid=valid, per_object=2
    )
    for name, value in values(vos_losses, config, predictions, batch, draws.arrays).items():
        np.testing.assert_allclose(value, PARTS[name] * expected[name].sum(), rtol=LOSS, err_msg=name)


@pytest.mark.parametrize("task", [vis, vos], indirect=True, ids=["vis", "vos"])
def test_means_run_over_the_rows_of_the_global_batch(task, config):
    """The batch split over four devices gives the losses of one device, and the devices exchange nothing but sums."""
    losses, predictions, batch, draws, _ = task
    mesh = jax.make_mesh((2, 2), ("data", "fsdp"), axis_types=(AxisType.Auto,) * 2)
    rows = jax.sharding.NamedSharding(mesh, jax.sharding.PartitionSpec(("data", "fsdp")))
    of_stages = jax.sharding.NamedSharding(mesh, jax.sharding.PartitionSpec(None, ("data", "fsdp")))
    twice = jax.tree.map(lambda x: jnp.concatenate([x, x]), (predictions.features, predictions.query_valid, dict(batch)))
    stages = jax.tree.map(
        lambda x: jnp.concatenate([x, x], axis=1), (predictions.mask_embeddings, predictions.class_logits, draws.arrays)
    )
    (features, valid, batch4), (embeddings, classes, drawn) = jax.device_put(twice, rows), jax.device_put(stages, of_stages)
    doubled = predictions.replace(features=features, query_valid=valid, mask_embeddings=embeddings, class_logits=classes)
    on_mesh = jax.jit(lambda p, b, d: losses(p, b, StoredDraws(d), config, mesh)).lower(doubled, batch4, drawn).compile()
    found = on_mesh(doubled, batch4, drawn)
    text = on_mesh.as_text()
    assert "all-reduce" in text  # of the means
    assert not re.search(r"all-(gather|to-all)|collective-permute", text)  # rows stay where they are
    expected, _ = evaluate(losses, predictions, batch, draws, config)
    for name in expected:
        np.testing.assert_allclose(found[name], expected[name], rtol=1e-5, err_msg=name)


def test_draws_depend_on_key_stage_and_name_alone():
    draws = PointDraws(jax.random.key(0))
    first = draws.uniform(0, "match", (2, 50, 2))
    np.testing.assert_array_equal(first, jax.jit(lambda s: draws.uniform(s, "match", (2, 50, 2)))(0))
    others = [draws.uniform(1, "match", (2, 50, 2)), draws.uniform(0, "mask_random", (2, 50, 2))]
    others.append(PointDraws(jax.random.key(1)).uniform(0, "match", (2, 50, 2)))
    assert all(np.abs(first - other).mean() > 0.1 for other in others)
    assert first.min() >= 0
    assert first.max() < 1


def test_random_points_give_losses_near_the_stored_ones(cases):
    """With drawn instead of stored points, and many of them, the losses are those of other points of the same masks."""
    _, predictions, batch, _, expected = vos(cases)
    many = LossConfig(points=512)
    parts = jax.jit(lambda key: vos_losses(predictions, batch, PointDraws(key), many))(jax.random.key(0))
    for name, value in parts.items():
        np.testing.assert_allclose(value, PARTS[name] * expected[name].sum(), rtol=0.2, err_msg=name)
