"""Track IoU against counting pixels of decoded masks."""

import doctest

import numpy as np
import pytest
from pycocotools import mask as coco_mask

from tarvis_jax.evaluation import track_iou


def _draw_track(rng: np.random.Generator, frames: int) -> dict[int, np.ndarray]:
    """Random masks [h, w] in some of the frames; some are empty."""
    chosen = np.flatnonzero(rng.random(frames) < 0.7)
    return {int(frame): rng.random((7, 9)) < rng.choice([0.0, 0.3, 0.8]) for frame in chosen}


def _encode(track: dict[int, np.ndarray]) -> dict[int, dict]:
    return {frame: coco_mask.encode(np.asfortranarray(mask, np.uint8)) for frame, mask in track.items()}


def _brute_force_iou(first: dict[int, np.ndarray], second: dict[int, np.ndarray], frames: int) -> float:
    empty = np.zeros((7, 9), bool)
    pairs = [(first.get(frame, empty), second.get(frame, empty)) for frame in range(frames)]
    union = sum(np.sum(a | b) for a, b in pairs)
    return sum(np.sum(a & b) for a, b in pairs) / union if union else 0.0


@pytest.mark.parametrize("seed", range(10))
def test_agrees_with_counting_pixels(seed):
    rng = np.random.default_rng(seed)
    frames = 5
    preds = [_draw_track(rng, frames) for _ in range(rng.integers(0, 5))]
    gts = [_draw_track(rng, frames) for _ in range(rng.integers(0, 4))]
    found = track_iou.track_ious([_encode(track) for track in preds], [_encode(track) for track in gts])
    assert found.shape == (len(preds), len(gts))
    for i, pred in enumerate(preds):
        for j, gt in enumerate(gts):
            assert found[i, j] == _brute_force_iou(pred, gt, frames)


def test_areas_of_more_masks_than_pycocotools_takes_at_once():
    masks = np.random.default_rng(0).random((600, 5, 4)) < 0.4
    rles = [coco_mask.encode(np.asfortranarray(mask, np.uint8)) for mask in masks]
    np.testing.assert_array_equal(track_iou.mask_areas(rles), masks.sum(axis=(1, 2)))
    assert track_iou.mask_areas([]).shape == (0,)


def test_example():
    assert doctest.testmod(track_iou).failed == 0
