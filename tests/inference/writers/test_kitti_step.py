"""KITTI-STEP results against the evaluation of drawn ground truth."""

import numpy as np
import pytest
from PIL import Image

from tarvis_jax.evaluation.kitti_step import KittiStep
from tarvis_jax.inference.writers.kitti_step import KittiStepWriter
from tests.evaluation.evaluated import evaluated
from tests.inference.writers import drawn, truth

STUFF, CLASSES = (0, 2), {1: 11, 2: 13, 3: 13}  # road, building; person, car
RIGHT = drawn.SIZE[0] * drawn.SIZE[1] // 2  # pixels of the right half
BUILDING, CAR = RIGHT - drawn.SIDES[2] ** 2, drawn.SIDES[2] ** 2
NEW = drawn.SIDES[2] * drawn.SHIFT  # pixels that the shifted car takes from the building
SCORES = {  # (AQ, SQ): the mean over two tubes, and over road, building, person, car
    "perfect": (lambda ids: ids, 1, 1),
    "removed": (drawn.removed, 0.5, (1 + BUILDING / RIGHT + 1 + 0) / 4),
    "swapped": (drawn.swapped, 1, (1 + 1 + 0 + 0) / 4),  # a wrong class still associates
    "shifted": (
        drawn.shifted,
        (1 + (CAR - NEW) / CAR * drawn.SHIFTED_IOU) / 2,
        (1 + (BUILDING - NEW) / (BUILDING + NEW) + 1 + drawn.SHIFTED_IOU) / 4,
    ),
    "broken": (drawn.broken, (1 + 2 * 0.5 * 0.5) / 2, 1),
}


@pytest.mark.parametrize("damage", SCORES)
def test_scores(tmp_path, damage):
    change, aq, sq = SCORES[damage]
    truth.write_kitti_step(tmp_path / "gt" / "0002", drawn.labels(), STUFF, CLASSES)
    results = drawn.panoptic_results(change(drawn.labels()), STUFF, CLASSES)
    drawn.write(KittiStepWriter(), [(drawn.make_video("0002"), results)], tmp_path / "out")
    summary = evaluated(KittiStep(tmp_path / "gt", tmp_path / "out")).summary
    assert (summary["AQ"], summary["SQ"]) == pytest.approx((aq, sq), rel=1e-12)


def test_instances_are_numbered_from_1_whatever_the_track_ids_are(tmp_path):
    ids = 70000 * drawn.labels()
    results = drawn.panoptic_results(ids, STUFF, {70000: 11, 140000: 13})
    drawn.write(KittiStepWriter(), [(drawn.make_video("0002"), results)], tmp_path)
    for t, x in enumerate(drawn.labels()):
        rgb = np.array(Image.open(tmp_path / "0002" / f"{t:05d}.png")).astype(int)
        np.testing.assert_array_equal(256 * rgb[..., 1] + rgb[..., 2], x)


def test_many_instances_fill_two_channels(tmp_path):
    ids = np.zeros((1, *drawn.SIZE), np.int32)
    ids[0, :20] = 1 + np.arange(20 * drawn.SIZE[1]).reshape(20, -1)
    results = drawn.panoptic_results(ids, STUFF, {})
    drawn.write(KittiStepWriter(), [(drawn.make_video("0002"), results)], tmp_path)
    rgb = np.array(Image.open(tmp_path / "0002" / "00000.png")).astype(int)
    np.testing.assert_array_equal(256 * rgb[..., 1] + rgb[..., 2], ids[0])
