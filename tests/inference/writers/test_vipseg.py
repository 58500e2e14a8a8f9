"""VIPSeg results against the evaluation of drawn ground truth."""

import pytest

from tarvis_jax.evaluation.vipseg import Vipseg
from tarvis_jax.inference.writers.vipseg import VipsegWriter
from tests.evaluation.evaluated import evaluated
from tests.inference.writers import drawn, panoptic_scores, truth

NAME = "7_abc"
STUFF, CLASSES = (0, 1), {1: 41, 2: 48}
AQ = {  # mean over both objects of the share of their pixels that is found, times the IoU
    "perfect": 1,
    "removed": 0.5,
    "swapped": 1,  # a wrong class still associates
    "shifted": (1 + (1 - drawn.SHIFT / drawn.SIDES[2]) * drawn.SHIFTED_IOU) / 2,
}


@pytest.mark.parametrize("damage", panoptic_scores.SCORES)
def test_scores(tmp_path, damage):
    change, expected = panoptic_scores.SCORES[damage]
    truth.write_vipseg(tmp_path / "gt", NAME, drawn.labels(), STUFF, CLASSES)
    results = drawn.panoptic_results(change(drawn.labels()), STUFF, CLASSES)
    drawn.write(VipsegWriter(), [(drawn.make_video(NAME), results)], tmp_path / "out")
    summary = evaluated(Vipseg(tmp_path / "gt", tmp_path / "out")).summary
    panoptic_scores.assert_scores(summary, expected)
    assert summary["AQ"] == pytest.approx(AQ[damage], rel=1e-12)
