"""Cityscapes-VPS results against the evaluation of drawn ground truth."""

import pytest

from tarvis_jax.evaluation.cityscapes_vps import CityscapesVps
from tarvis_jax.inference.writers.cityscapes_vps import CityscapesVpsWriter
from tests.evaluation.evaluated import evaluated
from tests.inference.writers import drawn, panoptic_scores, truth

STUFF, CLASSES = (0, 2), {1: 11, 2: 13}
IDS = tuple(f"0005_{5 * t:04d}_city_000000_{t:06d}" for t in range(6))  # as many as every video has


@pytest.mark.parametrize("damage", panoptic_scores.SCORES)
def test_scores(tmp_path, damage):
    change, expected = panoptic_scores.SCORES[damage]
    truth.write_cityscapes_vps(tmp_path / "gt", IDS, drawn.labels()[: len(IDS)], STUFF, CLASSES)
    results = drawn.panoptic_results(change(drawn.labels())[: len(IDS)], STUFF, CLASSES)
    video = drawn.make_video("0005", len(IDS), entry=IDS)
    drawn.write(CityscapesVpsWriter(), [(video, results)], tmp_path / "out")
    panoptic_scores.assert_scores(evaluated(CityscapesVps(tmp_path / "gt", tmp_path / "out")).summary, expected)
