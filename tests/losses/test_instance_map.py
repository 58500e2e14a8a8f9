"""The two encodings of an instance map, against masks kept apart."""

import numpy as np
import pytest

from tarvis_jax.losses.instance_map import has_label, keep_valid, smallest_on_top


@pytest.fixture
def masks():
    """bool [b, n, t, h, w], overlapping."""
    return np.random.default_rng(0).random((2, 32, 2, 4, 5)) < 0.1


def as_bits(masks):
    shifts = np.arange(masks.shape[1], dtype=np.uint32).reshape(1, -1, 1, 1, 1)
    return np.bitwise_or.reduce(masks.astype(np.uint32) << shifts, axis=1)


def test_bits_hold_every_mask_and_their_absence(masks):
    bits = as_bits(masks)[:, None]
    labels = np.arange(33, dtype=np.int32).reshape(1, -1, 1, 1, 1)
    found = has_label(bits, labels)
    np.testing.assert_array_equal(found[:, 1:], masks)
    np.testing.assert_array_equal(found[:, 0], ~masks.any(axis=1))


def test_labels_hold_the_mask_of_each_slot():
    labels = np.array([0, 1, 2, 255], np.uint8)
    np.testing.assert_array_equal(has_label(labels, np.array([2], np.int32)), [False, False, True, False])
    np.testing.assert_array_equal(has_label(labels, np.array([0], np.int32)), [True, False, False, False])


def test_only_valid_slots_are_kept(masks):
    valid = np.random.default_rng(1).random((2, 32)) < 0.5
    np.testing.assert_array_equal(keep_valid(as_bits(masks), valid), as_bits(masks & valid[:, :, None, None, None]))
    labels = np.random.default_rng(2).integers(0, 256, (2, 2, 4, 5)).astype(np.uint8)
    kept = np.isin(labels[0], 1 + np.flatnonzero(valid[0]))
    np.testing.assert_array_equal(keep_valid(labels, valid)[0], np.where(kept, labels[0], 0))


def test_the_smallest_instance_lies_on_top(cases):
    """Against the label map that the original painted."""
    case = cases("semantic_seg")
    labels = np.asarray(smallest_on_top(case.instance_map(), 4))
    for sample in range(2):
        classes = np.concatenate([[0], case[f"in/gt_classes_{sample}"]])
        np.testing.assert_array_equal(classes[labels[sample]], case["in/semantic_masks_from_instances"][sample])


def test_another_type_is_an_error():
    with pytest.raises(ValueError, match=r"instance_map: expected uint8 .* found int32"):
        has_label(np.zeros((2,), np.int32), np.zeros((1,), np.int32))
