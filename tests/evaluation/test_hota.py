"""HOTA against its definition in plain loops, and against TrackEval's numbers for real tracks."""

import doctest
import json
import subprocess
import sys
from pathlib import Path

import numpy as np
import pytest
from scipy.optimize import linear_sum_assignment

from data import reading
from tarvis_jax.evaluation import assignment, hota
from tests.evaluation import brute_hota

BDD_CATEGORIES = {"pedestrian": 1, "rider": 2, "car": 3, "truck": 4, "motorcycle": 7}
ALL_CLASSES = "ALL(class-agnostic)"


def draw_video(rng: np.random.Generator, frames: int = 12, tracks: int = 4):
    """Similarities, ground-truth ids and predicted ids of each frame; many zeros, exact thresholds and ties."""
    similarities, gt_ids, pred_ids = [], [], []
    for _ in range(frames):
        gts = rng.permutation(tracks)[: rng.integers(0, tracks + 1)] + 5
        preds = rng.permutation(tracks + 2)[: rng.integers(0, tracks + 3)]
        matrix = np.round(rng.random((len(gts), len(preds))) * 20) / 20  # multiples of 0.05: equal to thresholds
        matrix[rng.random(matrix.shape) < 0.4] = 0
        similarities.append(matrix)
        gt_ids.append(gts.tolist())
        pred_ids.append(preds.tolist())
    return similarities, gt_ids, pred_ids


def assert_same(state: hota.HotaState, expected: dict[str, list[float]]) -> None:
    found = {**state.scores(), "HOTA_TP": state.tp, "HOTA_FN": state.fn, "HOTA_FP": state.fp}
    assert found.keys() == expected.keys()
    for name, values in found.items():
        np.testing.assert_allclose(values, expected[name], rtol=0, atol=1e-12, err_msg=name)


@pytest.mark.parametrize("seed", range(60))
def test_agrees_with_the_definition(seed):
    rng = np.random.default_rng(seed)
    video = draw_video(rng, frames=int(rng.integers(1, 15)), tracks=int(rng.integers(1, 6)))
    assert_same(hota.hota(*video), brute_hota.hota(*video))


def test_agrees_with_the_definition_without_shared_rows():
    """Nothing is contested here: no assignment has to be solved."""
    rng = np.random.default_rng(1)
    matrices = [np.diag(rng.random(3))[rng.permutation(3)] for _ in range(8)]
    ids = [[0, 1, 2]] * 8
    assert_same(hota.hota(matrices, ids, ids), brute_hota.hota(matrices, ids, ids))


@pytest.mark.parametrize("counts", [(0, 0), (3, 0), (0, 3)])
def test_frames_without_one_side(counts):
    video = [np.zeros(counts)] * 2, [list(range(counts[0]))] * 2, [list(range(counts[1]))] * 2
    assert_same(hota.hota(*video), brute_hota.hota(*video))


def test_no_frames():
    state = hota.hota([], [], [])
    assert state.tp.tolist() == state.fn.tolist() == state.fp.tolist() == [0] * 19


def test_classes_at_once_equal_classes_alone():
    rng = np.random.default_rng(3)
    videos = [draw_video(rng) for _ in range(3)]
    sides = [[], []]
    similarity = np.concatenate([np.ravel(matrix) for video in videos for matrix in video[0]])
    for category, video in enumerate(videos):
        for side, ids in zip(sides, video[1:], strict=True):
            side += [(100 * category + frame, 10 * category + i, category) for frame, row in enumerate(ids) for i in row]
    gts, preds = (hota.Detections(*np.array(side).T) for side in sides)
    pairs = hota.pair_up(gts.group, preds.group)
    states = hota.hota_by_class(gts, preds, pairs, similarity, len(videos))
    for state, video in zip(states, videos, strict=True):
        assert_same(state, brute_hota.hota(*video))


def test_combined_videos_are_one_long_video():
    """With ids of their own, the frames of two videos give the same as the two states together."""
    rng = np.random.default_rng(4)
    first, second = draw_video(rng), draw_video(rng)
    moved = [[[i + 100 for i in frame] for frame in ids] for ids in second[1:]]
    joined = [a + b for a, b in zip(first, (second[0], *moved), strict=True)]
    states = [hota.HotaState.from_json(json.loads(json.dumps(hota.hota(*video).to_json()))) for video in (first, second)]
    assert_same(hota.combine(states), brute_hota.hota(*joined))


def test_nothing_combined_is_no_detection():
    assert_same(hota.combine([]), brute_hota.hota([np.zeros((0, 0))], [[]], [[]]))


@pytest.mark.parametrize("scores", [np.ones((2, 3)), np.eye(3)[[2, 0, 1]], np.zeros((2, 2)), np.array([[0.3, 0.3, 0.1]])])
def test_ties_are_broken_as_scipy_does(scores):
    expected = linear_sum_assignment(-scores)
    np.testing.assert_array_equal(assignment.best_assignment(scores), expected)


def test_the_solver_comes_without_the_rest_of_scipy():
    program = (
        "import sys; from tarvis_jax.evaluation import assignment; import numpy as np; assignment.best_assignment(np.eye(3))"
    )
    command = [sys.executable, "-c", f"{program}; sys.exit(any(name.startswith('scipy') for name in sys.modules))"]
    assert subprocess.run(command, cwd=Path(__file__).parents[2], timeout=60).returncode == 0


def test_the_solver_is_found_by_its_public_name_too(monkeypatch):
    monkeypatch.setattr(assignment.importlib.machinery.PathFinder, "find_spec", lambda name, path: None)
    assert assignment._solver.__wrapped__() is linear_sum_assignment


@pytest.mark.parametrize(
    ("arguments", "message"),
    [
        (([np.zeros((1, 1))], [[1], [2]], [[1]]), "as many frames"),
        (([np.zeros((1, 2))], [[1]], [[1]]), r"frame 0: expected similarities \(1, 1\), found \(1, 2\)"),
        (([np.zeros((1, 2))], [[1]], [[3, 3]]), "twice"),
    ],
)
def test_lists_that_do_not_fit(arguments, message):
    with pytest.raises(ValueError, match=message):
        hota.hota(*arguments)


@pytest.fixture(scope="module")
def bdd(shared):
    """TrackEval's numbers, and for each frame the ids of ground truth and prediction and their mask IoUs."""
    folder = shared / "samples" / "bdd_mots"
    expected = json.loads((folder / "reference_hota_trackeval.json").read_text())["classes"]
    stems = sorted(path.name for path in (folder / "derived_png" / "gt").iterdir())
    sides = [[reading.read_rgb_ids(folder / "derived_png" / side / stem) for side in ("gt", "pred")] for stem in stems]
    return expected, [_mask_ious(*frame) for frame in sides]


def _mask_ious(gt: np.ndarray, pred: np.ndarray) -> tuple[list[int], list[int], np.ndarray]:
    """Ids (category + 256 track) in two maps, [g] and [p], and their IoUs [g, p]; 65536 and more is a crowd: no object."""
    indices, listed = [], []
    for ids in (gt, pred):
        ids = np.where(ids < 65536, ids, 0).ravel()
        is_present = np.bincount(ids) > 0
        is_present[0] = True
        listed.append(np.flatnonzero(is_present))
        indices.append((np.cumsum(is_present) - 1)[ids])
    shape = [len(present) for present in listed]
    joint = np.bincount(indices[0] * shape[1] + indices[1], minlength=shape[0] * shape[1]).reshape(shape)
    unions = joint.sum(0) + joint.sum(1)[:, None] - joint
    return listed[0][1:].tolist(), listed[1][1:].tolist(), joint[1:, 1:] / unions[1:, 1:]


def _one_category(frames, category: int):
    """Arguments of `hota` for one category, 0 for all."""
    video = [], [], []
    for gts, preds, ious in frames:
        chosen = [[i for i, number in enumerate(ids) if number % 256 == category or not category] for ids in (gts, preds)]
        for part, values in zip(
            video, (ious[np.ix_(*chosen)], np.take(gts, chosen[0]), np.take(preds, chosen[1])), strict=True
        ):
            part.append(values)
    return video


@pytest.mark.parametrize("name", [*BDD_CATEGORIES, ALL_CLASSES])
def test_real_tracks_agree_with_trackeval(bdd, name):
    expected, frames = bdd
    similarities, gt_ids, pred_ids = _one_category(frames, BDD_CATEGORIES.get(name, 0))
    assert (sum(map(len, gt_ids)), sum(map(len, pred_ids))) == (expected[name]["gt_dets"], expected[name]["pred_dets"])
    scores = hota.hota(similarities, gt_ids, pred_ids).scores()
    assert scores["HOTA"][0] == pytest.approx(expected[name]["HOTA(0)"], abs=1e-9)
    for score in set(hota.SCORES) & expected[name].keys():
        assert scores[score].mean() == pytest.approx(expected[name][score], abs=1e-9), score


def test_example():
    assert doctest.testmod(hota).failed == 0
