"""Track mAP against loops over thresholds, tracks and recalls."""

import doctest

import numpy as np
import pytest

from tarvis_jax.evaluation import track_map
from tests.evaluation import brute_burst


def draw(rng, exhaustive):
    """IoUs and scores with many ties, some IoUs equal to thresholds, and which tracks leave free what they take."""
    shape = rng.integers(0, 6), rng.integers(0, 4)
    ious = rng.choice([0.0, 0.3, 0.5, 0.55, 0.6000000000000001, 0.77, 0.95, 1.0], shape)
    scores = rng.choice([0.25, 0.5, 0.75, 1.0], shape[0])
    return ious, scores, exhaustive, rng.random(shape[0]) < 0.2


@pytest.mark.parametrize("seed", range(40))
def test_agrees_with_loops(seed):
    rng = np.random.default_rng(seed)
    videos = [draw(rng, exhaustive) for exhaustive in rng.random(4) < 0.7]
    matches = [track_map.match_tracks(*video[:2], exhaustive=video[2], reusable=video[3]) for video in videos]
    plain = [(brute_burst.match_tracks(*video), video[0].shape[1]) for video in videos]
    for found, (expected, count) in zip(matches, plain, strict=True):
        assert found.scores.tolist() == [score for score, _ in expected]
        outcomes = [[{1: True, 0: False, -1: None}[value] for value in column] for column in found.outcomes[0].T.tolist()]
        assert outcomes == [row for _, row in expected]
        assert found.positives.tolist() == [count]
    precision, _ = track_map.track_map(matches)
    if sum(count for _, count in plain):
        np.testing.assert_allclose(precision, brute_burst.average_precision(plain), rtol=0, atol=1e-12)
    else:
        assert precision.tolist() == [-1] * 10


def test_recall_is_the_share_of_tracks_that_are_found():
    ious = np.array([[0.62, 0.0], [0.0, 0.92], [0.3, 0.3]])
    _, recall = track_map.track_map([track_map.match_tracks(ious, np.array([0.1, 0.2, 0.3]))])
    assert recall.tolist() == [1, 1, 1, 0.5, 0.5, 0.5, 0.5, 0.5, 0.5, 0]


def test_more_tracks_than_other_benchmarks_count():
    """All tracks count: here the last of 150 is the only hit."""
    ious = np.zeros((150, 1))
    ious[-1] = 1
    precision, recall = track_map.track_map([track_map.match_tracks(ious, np.linspace(1, 0, 150))])
    assert recall.tolist() == [1] * 10
    np.testing.assert_allclose(precision, 1 / 150, rtol=1e-12)


def test_example():
    assert doctest.testmod(track_map).failed == 0
