"""Prompts and parts of a batch, against loops in numpy."""

import jax
import numpy as np

from tarvis_jax.training.batch import object_prompts, split_rows


def test_prompts_are_the_masks_of_valid_slots_in_the_reference_frame():
    rng = np.random.default_rng(0)
    b, t, n, h, w = 3, 4, 5, 6, 7
    labels = rng.integers(0, n + 1, (b, t, h, w)).astype(np.uint8)
    batch = {
        "instance_map": labels,
        "instance_valid": rng.random((b, n)) < 0.6,
        "reference_frame": rng.integers(0, t, b).astype(np.int32),
        "is_point": rng.random((b, n)) < 0.5,
        "points": rng.random((b, n, 2)).astype(np.float32),
    }
    bits = np.where(labels > 0, 1 << (labels.astype(np.int64) - 1).clip(0), 0).astype(np.uint32)
    for maps in (labels, bits):
        prompts = jax.device_get(object_prompts(jax.device_put({**batch, "instance_map": maps})))
        for row in range(b):
            frame = batch["reference_frame"][row]
            assert prompts.frames[row].tolist() == [frame]
            assert (prompts.point_frames[row] == frame).all()
            for slot in range(n):
                expected = (labels[row, frame] == slot + 1) & batch["instance_valid"][row, slot]
                np.testing.assert_array_equal(prompts.masks[row, slot, 0], expected)


def test_parts_hold_every_row_once():
    rows = jax.device_get(split_rows({"x": np.arange(12)}, 3)["x"])
    assert rows.shape == (3, 4)
    assert sorted(rows.ravel().tolist()) == list(range(12))
    assert all(np.diff(part).min() == 3 for part in rows)  # each part takes rows from all over the batch
