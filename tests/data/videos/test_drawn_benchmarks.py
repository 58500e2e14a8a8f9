"""The drawn benchmarks fit the evaluation: their own ground truth scores full marks."""

import json
from pathlib import Path

import pytest

from data.videos.benchmark import BENCHMARKS
from tarvis_jax import evaluate
from tests.data.videos.perfect_results import RESULTS

BEST = {
    "davis": {"J&F-Mean": 1.0, "J-Mean": 1.0, "F-Mean": 1.0},
    "burst": {"HOTA_all": 100.0, "HOTA_com": 100.0, "HOTA_unc": 100.0},
    "youtube_vis": {"AP": 1.0, "AP50": 1.0},
    "ovis": {"AP": 1.0, "AP50": 1.0},
    "kitti_step": {"STQ": 1.0, "AQ": 1.0, "SQ": 1.0},
    "cityscapes_vps": {"VPQ": 100.0, "VPQ_thing": 100.0, "VPQ_stuff": 100.0},
    "vipseg": {"VPQ": 100.0, "STQ": 1.0},
}


def test_all_benchmarks_are_covered() -> None:
    assert BENCHMARKS.keys() == RESULTS.keys() == BEST.keys()


@pytest.mark.parametrize("dataset", BEST)
def test_the_ground_truth_scores_full_marks(drawn_root: Path, tmp_path: Path, dataset: str) -> None:
    gt, pred = RESULTS[dataset](drawn_root / dataset, tmp_path / "result")
    assert evaluate.main([dataset, f"--gt={gt}", f"--pred={pred}", f"--output={tmp_path / 'scores'}"]) == 0
    scores = json.loads((tmp_path / "scores" / "results.json").read_text())
    assert {key: scores[key] for key in BEST[dataset]} == pytest.approx(BEST[dataset], abs=1e-9)
