"""Sampling at points against the original and a loop; the choice of points against the original's."""

import jax
import jax.numpy as jnp
import numpy as np
import pytest

from tarvis_jax.losses.points import (
    binary_uncertainty,
    class_uncertainty,
    sample_bilinear,
    sample_nearest,
    sample_truncated,
    select_uncertain,
)
from tarvis_jax.losses.stages import semantic_loss, shrink_ignored
from tests.parity import ROUNDING


@pytest.fixture
def helpers(shared):
    with np.load(shared / "reference" / "helpers.npz") as file:
        yield {key: file[key] for key in ("nearest_points_xy", "nearest_fmap", "nearest_out", "bilinear_out")}


def test_nearest_is_the_original_s(helpers):
    maps = np.moveaxis(helpers["nearest_fmap"], 1, -1)
    out = sample_nearest(maps, helpers["nearest_points_xy"])
    np.testing.assert_array_equal(np.moveaxis(out, -1, 1), helpers["nearest_out"])


def test_bilinear_is_the_original_s(helpers):
    maps = np.moveaxis(helpers["nearest_fmap"], 1, -1)
    out = sample_bilinear(maps, helpers["nearest_points_xy"])
    np.testing.assert_allclose(np.moveaxis(out, -1, 1), helpers["bilinear_out"], rtol=0, atol=ROUNDING)


def test_bilinear_of_scalar_maps_is_a_sum_over_all_pixels():
    rng = np.random.default_rng(0)
    maps, points = rng.normal(size=(2, 3, 5, 7)).astype(np.float32), rng.uniform(size=(2, 3, 11, 2)).astype(np.float32)
    x = np.maximum(0, 1 - np.abs(points[..., :1] * 7 - 0.5 - np.arange(7)))
    y = np.maximum(0, 1 - np.abs(points[..., 1:] * 5 - 0.5 - np.arange(5)))
    expected = np.einsum("abhw,abph,abpw->abp", maps, y, x)
    np.testing.assert_allclose(sample_bilinear(maps, points), expected, rtol=0, atol=1e-5)


def test_truncated_means_round_once_a_corner():
    """Against a chain of fused multiply-adds, computed in float64."""
    rng = np.random.default_rng(0)
    labels, points = rng.integers(0, 3, (1, 16, 32)) // 2 * 133, rng.uniform(size=(1, 4000, 2)).astype(np.float32)
    one = np.float32(1)
    x, y = ((2 * points[0, :, i] - one + one) * np.float32(size / 2) - np.float32(0.5) for i, size in ((0, 32), (1, 16)))
    left, top = np.floor(x), np.floor(y)
    padded = np.pad(labels[0], 1)
    total = np.zeros(4000, np.float32)
    for down, right in ((0, 0), (0, 1), (1, 0), (1, 1)):
        weight = (x - left if right else one - (x - left)) * (y - top if down else one - (y - top))
        values = padded[(top + down + 1).astype(int), (left + right + 1).astype(int)]
        total = (values * weight.astype(np.float64) + total).astype(np.float32)
    found = np.asarray(sample_truncated(labels.astype(np.uint8), points, lambda pixels: pixels))[0]
    np.testing.assert_array_equal(found, total.astype(int))
    assert (found == 132).any()  # just below the label of a whole region
    np.testing.assert_array_equal(
        found, jax.jit(lambda m, p: sample_truncated(m, p, lambda pixels: pixels))(labels.astype(np.uint8), points)[0]
    )


def test_nearest_keeps_the_type_and_puts_0_outside():
    labels = np.full((1, 2, 2), -100, np.int16)
    out = sample_nearest(labels, np.array([[[0.5, 0.5], [1.0, 0.5], [0.2, 0.9]]], np.float32))
    assert out.dtype == jnp.int16
    np.testing.assert_array_equal(out, [[-100, 0, -100]])  # x = 1 is half a pixel beyond the last one and rounds to even


def test_selected_points_of_objects_are_the_original_s(cases):
    case = cases("vos")
    for stage in range(2):
        maps = case["in/pred_mask_logits"][stage].reshape(16, 12, 16)  # rows in the order (sample, mask, frame)
        _select_and_compare(case, stage, maps, binary_uncertainty)


def test_selected_points_of_instances_are_the_original_s(cases):
    case = cases("instance_seg")
    for stage in range(2):
        pred = case["in/pred_mask_logits"][stage]
        maps = np.concatenate([pred[b][case.match(stage, b)[0]].reshape(-1, 12, 16) for b in range(2)])
        _select_and_compare(case, stage, maps, binary_uncertainty)


def test_selected_points_of_classes_are_the_original_s(cases):
    case = cases("semantic_seg")
    for stage in range(2):
        maps = np.moveaxis(case["in/pred_mask_logits"][stage], 1, -1).reshape(4, 12, 16, 6)
        _select_and_compare(case, stage, maps, class_uncertainty)


def _select_and_compare(case, stage, maps, uncertainty):
    candidates, random = case.calls("oversampled")[stage], case.calls("random")[stage]
    expected = case.calls("selected")[stage]
    found = select_uncertain(candidates, uncertainty(sample_bilinear(maps, candidates)), random, expected.shape[1])
    np.testing.assert_array_equal(found, expected)


def test_selected_points_beside_ignored_pixels_are_the_original_s(cases, config):
    case, seen = cases("panoptic_seg"), []
    draws, ignored = case.semantic_draws(), shrink_ignored(jnp.asarray(case["in/ignore_masks"]))

    def sample_labels(points):
        seen.append(points)
        return jnp.zeros(points.shape[:-1], jnp.int32)

    for stage in range(2):
        logits = jnp.asarray(np.swapaxes(case["in/pred_semantic_mask_logits"][stage], 1, 2))
        every_class = jnp.ones((2, logits.shape[2]), bool)
        stored = lambda name, _, s=stage: draws[name][s]  # noqa: E731
        semantic_loss(logits, sample_labels, stored, config, config.semantic_points, every_class, ignored)
        found, expected = np.asarray(seen[stage]).reshape(4, -1, 2), case.calls("selected")[2 + stage]
        for row in range(4):  # as sets: two points are equally uncertain up to rounding, and the order moves no loss
            np.testing.assert_array_equal(np.unique(found[row], axis=0), np.unique(expected[row], axis=0))


def test_class_uncertainty_is_the_gap_to_the_second():
    logits = np.array([[1.0, 5.0, 3.0], [4.0, 4.0, 0.0]], np.float32)
    np.testing.assert_array_equal(class_uncertainty(jnp.asarray(logits)), [-2.0, 0.0])
