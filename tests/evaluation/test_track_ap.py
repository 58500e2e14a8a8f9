"""AP of tracks against its definition with dense masks."""

import doctest

import numpy as np
import pytest

from tarvis_jax.evaluation import track_ap
from tests.evaluation import brute_ytvis
from tests.evaluation.nested import assert_equal_numbers

CATEGORIES = (1, 2, 3)
SIZE = (4, 300, 400)  # frames, height, width: tracks of all area ranges


def box(rng) -> brute_ytvis.Track:
    """A rectangle, absent in some frames."""
    masks = np.zeros(SIZE, bool)
    height, width = rng.choice([40, 128, 200, 290], 2)
    top, left = rng.integers(0, SIZE[1] - height), rng.integers(0, SIZE[2] - width)
    masks[rng.random(SIZE[0]) < 0.8, top : top + height, left : left + width] = True
    return brute_ytvis.Track(masks)


def near(rng, track) -> brute_ytvis.Track:
    """The same track, somewhat different."""
    moved = np.roll(track.masks, rng.integers(0, 20, 2), axis=(1, 2))
    return brute_ytvis.Track(moved & (rng.random(SIZE[0]) < 0.9)[:, None, None])


def draw_video(rng):
    """A video as `brute_ytvis` takes it: crowds, equal scores, several detections of one track."""
    video = {}
    for category in CATEGORIES[: rng.integers(0, 4)]:
        true = [(box(rng), rng.random() < 0.3) for _ in range(rng.integers(0, 3))]
        predicted = [(rng.integers(1, 6) / 5, near(rng, track)) for track, _ in true for _ in range(rng.integers(0, 3))]
        predicted += [(rng.integers(1, 6) / 5, box(rng)) for _ in range(rng.integers(0, 3))]
        predicted = [predicted[i] for i in rng.permutation(len(predicted))]
        video[category] = predicted, true
    return video


def matches_of(videos):
    """The videos as `track_ap` takes them."""
    found = {category: [] for category in CATEGORIES}
    for video in videos:
        for category, (predicted, true) in video.items():
            ious = np.array([[brute_ytvis.track_iou(p, g) for g, _ in true] for _, p in predicted])
            found[category].append(
                track_ap.match_tracks(
                    ious.reshape(len(predicted), len(true)),
                    np.array([score for score, _ in predicted]),
                    np.array([brute_ytvis.mean_area(track) for _, track in predicted]),
                    np.array([brute_ytvis.mean_area(track) for track, _ in true]),
                    np.array([crowd for _, crowd in true], bool),
                )
            )
    return found


@pytest.mark.parametrize("seed", range(12))
def test_agrees_with_the_definition(seed):
    rng = np.random.default_rng(seed)
    videos = [draw_video(rng) for _ in range(4)]
    found = track_ap.track_ap(matches_of(videos))
    per_category = found.pop("per_category")
    assert_equal_numbers(found, brute_ytvis.track_ap(videos, CATEGORIES))
    for category in CATEGORIES:
        alone = brute_ytvis.track_ap(videos, [category])
        keys = ("AP", "AP50", "AP75", "AR1", "AR10", "AR100")
        assert_equal_numbers({key: per_category[category][key] for key in keys}, {key: alone[key] for key in keys})


def match(ious, scores, crowd=None, pred_areas=None, gt_areas=None):
    """Outcomes [t, p] in the range of all areas."""
    ious = np.array(ious)
    p, g = ious.shape
    crowd = np.zeros(g, bool) if crowd is None else np.array(crowd)
    pred_areas = np.full(p, 500.0) if pred_areas is None else np.array(pred_areas)
    gt_areas = np.full(g, 500.0) if gt_areas is None else np.array(gt_areas)
    return track_ap.match_tracks(ious, np.array(scores), pred_areas, gt_areas, crowd)


def test_the_best_score_chooses_first():
    found = match([[0.9], [0.6]], [0.3, 0.8])
    assert found.scores.tolist() == [0.8, 0.3]
    assert found.outcomes[0, 0].tolist() == [track_ap.HIT, track_ap.MISS]
    assert found.outcomes[0, 5].tolist() == [track_ap.MISS, track_ap.HIT]  # 0.75 is too much for the first


def test_equal_ious_take_the_last_true_track():
    found = match([[0.7, 0.7], [0.8, 0.1]], [0.9, 0.8])
    assert found.outcomes[0, 0].tolist() == [track_ap.HIT, track_ap.HIT]


def test_a_crowd_is_taken_again_and_again():
    found = match([[0.9], [0.9]], [0.9, 0.8], crowd=[True])
    assert found.outcomes[0, 0].tolist() == [track_ap.IGNORED, track_ap.IGNORED]
    assert found.positives[0] == 0


def test_true_tracks_that_count_are_preferred():
    found = match([[0.9, 0.6]], [0.9], crowd=[True, False])
    assert found.outcomes[0, 0].tolist() == [track_ap.HIT]
    assert found.outcomes[0, 5].tolist() == [track_ap.IGNORED]  # 0.6 is too little for 0.75


def test_the_largest_100_scores_count():
    found = match(np.zeros((120, 1)), np.arange(120.0))
    assert found.scores.tolist() == list(np.arange(119.0, 19.0, -1))


def test_areas_outside_the_range_are_ignored():
    found = match([[0.9], [0.0]], [0.9, 0.8], pred_areas=[100.0, 129.0**2], gt_areas=[130.0**2])
    ranges = list(track_ap.AREA_RANGES)
    assert found.positives.tolist() == [1, 0, 1, 0]
    assert found.outcomes[ranges.index("small"), 0].tolist() == [track_ap.IGNORED, track_ap.IGNORED]
    assert found.outcomes[ranges.index("medium"), 0].tolist() == [track_ap.HIT, track_ap.MISS]


def test_nothing_to_find_is_minus_one():
    found = track_ap.track_ap({"person": [match(np.zeros((2, 0)), [0.5, 0.4])], "car": []})
    per_category = found.pop("per_category")
    assert set(found.values()) == {-1.0}
    assert per_category["car"]["AP_per_iou"] == [-1.0] * 10


def test_nothing_found_is_zero():
    found = track_ap.track_ap({"person": [match(np.zeros((0, 2)), [])]})
    assert (found["AP"], found["AR100"], found["AP_small"], found["AP_large"]) == (0.0, 0.0, 0.0, -1.0)


def test_examples():
    assert doctest.testmod(track_ap).failed == 0
