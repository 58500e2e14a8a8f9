"""DAVIS unsupervised: proposals in any order against trying all matchings."""

import numpy as np
import pytest

from tests.evaluation import brute_davis
from tests.evaluation.davis_folders import distorted, moving_boxes

UNSUPERVISED = "--task=unsupervised"


def _scores(run, davis, *flags):
    status, _, err = run(*davis.flags(UNSUPERVISED, f"--output={davis.output}", "--overwrite", *flags))
    assert status == 0, err
    return davis.results()


def _add(davis, name, gt, pred):
    davis.add(name, gt, pred, folder="Annotations_unsupervised")


@pytest.mark.parametrize("seed", range(6))
def test_best_matching(davis, run, seed):
    """All frames count, void does not, there are more, as many, or fewer proposals than objects."""
    rng = np.random.default_rng(seed)
    gt = moving_boxes(rng, frames=4, objects=3)
    proposals = 2 + seed % 4
    order = rng.permutation(np.arange(1, 7))
    pred = np.concatenate([[0], order])[distorted(rng, gt)].astype(np.uint8)
    pred[pred > proposals] = 0
    gt[:, 10:14, 20:40] = 255
    _add(davis, "a", gt, pred)
    expected = brute_davis.unsupervised_scores(gt, pred)
    rows = _scores(run, davis, "--fixed")["per_object"]
    assert list(rows) == [f"a_{i + 1}" for i in range(len(expected[0]))]
    for measure, values in zip("JF", expected, strict=True):
        means = [row[f"{measure}-Mean"] for row in rows.values()]
        assert means == pytest.approx(values.mean(axis=1).tolist(), abs=1e-12)


def _two_objects():
    gt = np.zeros((3, 30, 40), np.uint8)
    gt[:, 3:12, 3:12], gt[:, 18:28, 20:35] = 1, 2
    return gt


def test_rows_are_numbered_by_proposal_as_the_official_tool_does(davis, run):
    gt = _two_objects()
    pred = np.where(gt == 2, 4, 0)
    pred[gt == 1] = 9
    pred[:, 3:6] = 0  # a part of object 1
    _add(davis, "a", gt, pred)
    official, fixed = _scores(run, davis), _scores(run, davis, "--fixed")
    assert [row["J-Mean"] for row in official["per_object"].values()] == [1, pytest.approx(2 / 3)]
    assert [row["J-Mean"] for row in fixed["per_object"].values()] == [pytest.approx(2 / 3), 1]
    assert official["J&F-Mean"] == pytest.approx(fixed["J&F-Mean"])


def test_first_and_last_frame_count(davis, run):
    gt = _two_objects()
    pred = gt.copy()
    pred[0] = 0
    _add(davis, "a", gt, pred)
    assert _scores(run, davis)["J-Mean"] == pytest.approx(2 / 3)


def test_void_does_not_count(davis, run):
    gt = _two_objects()
    pred = gt.copy()
    gt[:, 12:18] = 255
    pred[:, 12:18] = 3
    _add(davis, "a", gt, pred)
    assert _scores(run, davis)["J&F-Mean"] == 1


def test_at_most_20_proposals(davis, fails):
    gt = _two_objects()
    _add(davis, "a", gt, np.where(gt == 1, 21, gt))
    err = fails(*davis.flags(UNSUPERVISED))
    assert "00000.png" in err and "1..20" in err and "21" in err


def test_2016_has_no_task(davis, fails):
    assert "leave it out" in fails(*davis.flags(UNSUPERVISED, "--year=2016"))


def test_needs_its_own_annotations(davis, fails):
    davis.add("a", _two_objects(), _two_objects())
    assert "Annotations_unsupervised" in fails(*davis.flags(UNSUPERVISED))
