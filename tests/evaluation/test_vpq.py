"""VPQ against its definition with full-frame masks."""

import doctest

import numpy as np
import pytest

from data.errors import DataError
from tarvis_jax.evaluation import label_pairs, vpq
from tests.evaluation import brute_vpq
from tests.evaluation.scenes import disturbed, label_maps

ISTHING = {0: False, 1: False, 7: True, 9: True}
WINDOWS = (1, 2, 4)


def draw_video(rng, frames, share):
    """A video as `brute_vpq` takes it; categories and crowd flags of an id may differ between frames."""
    gt_ids = label_maps(rng, frames, np.array([0, 3, 4, 5, 300, 70000, 70001, 70002]))
    pred_ids = disturbed(rng, gt_ids, np.array([0, 3, 5, 300, 70000, 90000]), share)
    categories = {int(i): int(rng.choice(list(ISTHING))) for i in np.union1d(gt_ids, pred_ids)}
    gt, pred = [], []
    for gt_frame, pred_frame in zip(gt_ids, pred_ids, strict=True):
        changes = rng.random() < 0.1  # of every category in this frame
        own = {i: int(rng.choice(list(ISTHING))) if changes else category for i, category in categories.items()}
        true = rng.permutation(np.setdiff1d(gt_frame, [0])).tolist()
        predicted = rng.permutation(np.setdiff1d(pred_frame, [0])).tolist()
        gt.append({i: (own[i], i >= 70001) for i in true})
        pred.append({i: categories[i] for i in predicted})
    return gt_ids, pred_ids, gt, pred


def frames_of(video):
    """The video as `vpq` takes it."""
    frames = []
    for gt_ids, pred_ids, gt, pred in zip(*video, strict=True):
        segments = {i: vpq.Segment(category, int(np.sum(gt_ids == i)), iscrowd) for i, (category, iscrowd) in gt.items()}
        frames.append(vpq.compare_frame(gt_ids, pred_ids, segments, pred))
    return frames


@pytest.mark.parametrize("seed", range(40))
def test_agrees_with_the_definition(seed):
    rng = np.random.default_rng(seed)
    videos = [draw_video(rng, int(rng.integers(1, 7)), share) for share in rng.choice([0.0, 0.1, 0.3, 0.7], 3)]
    counts, means = brute_vpq.vpq(videos, ISTHING, WINDOWS)
    found = vpq.vpq(map(frames_of, videos), ISTHING, WINDOWS)
    for size in WINDOWS:
        for category, (iou, tp, fp, fn) in counts[size].items():
            quality = found["windows"][size]["per_class"][category]
            assert [quality[key] for key in ("tp", "fp", "fn")] == [tp, fp, fn]
            assert quality["iou"] == pytest.approx(iou, abs=1e-12)
    for name, value in means.items():
        assert found[name] == pytest.approx(value, abs=1e-9, nan_ok=True)


@pytest.mark.parametrize("seed", range(5))
def test_perfect_predictions_have_100(seed):
    rng = np.random.default_rng(seed)
    gt_ids, _, gt, _ = draw_video(rng, 5, 0.0)
    gt = [{i: (3 if i < 100 else 7, False) for i in frame} for frame in gt]
    new_ids = {int(i): int(1000 * i + 17) for i in np.unique(gt_ids)} | {0: 0}
    pred_ids = np.vectorize(new_ids.get)(gt_ids)
    pred = [{new_ids[i]: category for i, (category, _) in frame.items()} for frame in gt]
    found = vpq.vpq([frames_of((gt_ids, pred_ids, gt, pred))], {3: False, 7: True}, (1, 2, 3))
    assert (found["VPQ"], found["VPQ_thing"], found["VPQ_stuff"]) == (100.0, 100.0, 100.0)


def test_a_wrong_class_is_a_miss_and_a_false_alarm():
    ids = np.ones((2, 4), int)
    frame = vpq.compare_frame(ids, ids, {1: vpq.Segment(0, 8)}, {1: 7})
    tallies = vpq.match_tubes([frame])
    assert tallies == {0: vpq.Tally(fn=1), 7: vpq.Tally(fp=1)}


def test_an_iou_of_one_half_is_no_match():
    gt_ids, pred_ids = np.array([[1, 1, 2, 2]]), np.array([[1, 2, 2, 2]])
    segments = {1: vpq.Segment(0, 2), 2: vpq.Segment(0, 2)}
    tallies = vpq.match_tubes([vpq.compare_frame(gt_ids, pred_ids, segments, {1: 0, 2: 0})])
    assert tallies == {0: vpq.Tally(iou=2 / 3, tp=1, fp=1, fn=1)}


def test_predictions_mostly_on_void_are_ignored():
    gt_ids, pred_ids = np.array([[0, 0, 0, 1]]), np.array([[5, 5, 6, 6]])
    segments = {1: vpq.Segment(0, 1)}
    tallies = vpq.match_tubes([vpq.compare_frame(gt_ids, pred_ids, segments, {5: 7, 6: 7})])
    assert tallies[7].fp == 1  # half of 6 is on void, which is not more than half


def test_short_videos_add_nothing():
    ids = np.ones((2, 2), int)
    frame = vpq.compare_frame(ids, ids, {1: vpq.Segment(0, 4)}, {1: 0})
    found = vpq.vpq([[frame]], {0: False}, windows=(1, 2))
    assert found["windows"][1]["all"]["n"] == 1
    assert found["windows"][2]["all"]["n"] == 0
    assert np.isnan(found["VPQ"])


@pytest.mark.parametrize(
    ("gt_ids", "pred_ids", "gt_area", "categories", "reason"),
    [
        ([[1, 1]], [[1], [1]], 2, {1: 0}, r"expected the ground truth's size \(h, w\) \(1, 2\), found \(2, 1\)"),
        ([[1, 1]], [[1, 8]], 2, {1: 0}, "segment id 8 is in the PNG but not in segments_info"),
        ([[1, 1]], [[0, 1]], 2, {1: 0, 5: 0, 6: 0}, r"segment id 5 \(and 1 more\) is in segments_info of the JSON but not"),
        ([[1, 1]], [[1, 1]], 1, {1: 0}, "more pixels in common with a prediction than its area in the JSON allows"),
    ],
)
def test_broken_frames(gt_ids, pred_ids, gt_area, categories, reason):
    with pytest.raises(DataError, match=reason):
        frame = vpq.compare_frame(np.array(gt_ids), np.array(pred_ids), {1: vpq.Segment(0, gt_area)}, categories)
        vpq.match_tubes([frame])


@pytest.mark.parametrize("seed", range(5))
def test_pairs_agree_with_a_loop_over_pixels(seed):
    rng = np.random.default_rng(seed)
    first, second = rng.choice([0, 1, 2**31 - 1], (7, 5)), rng.choice([0, 9, 2**24], (7, 5))
    counts = {}
    for pair in zip(first.ravel().tolist(), second.ravel().tolist(), strict=True):
        counts[pair] = counts.get(pair, 0) + 1
    rows = np.stack(label_pairs.count_pairs(first, second), axis=1).tolist()
    assert rows == [[*pair, count] for pair, count in sorted(counts.items())]
    assert [len(column) for column in label_pairs.count_pairs(first[:0], second[:0])] == [0, 0, 0]


@pytest.mark.parametrize("module", [vpq, label_pairs])
def test_examples(module):
    assert doctest.testmod(module).failed == 0
