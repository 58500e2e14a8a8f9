"""STQ against its definition with masks of whole sequences."""

import doctest

import numpy as np
import pytest

from data.errors import DataError
from tarvis_jax.evaluation import stq
from tests.evaluation import brute_stq
from tests.evaluation.scenes import disturbed, label_maps

THINGS = (2, 3)
CLASSES = 5
LABELS = np.array(
    [c * stq.INSTANCES for c in (0, 1, 2, 3, 4, 255)] + [c * stq.INSTANCES + i for c in THINGS for i in (1, 2, 300)]
)


def split(labels):
    return labels // stq.INSTANCES, labels % stq.INSTANCES


def draw_sequences(rng):
    sequences = {}
    for name in ("0002", "0006"):
        true = label_maps(rng, int(rng.integers(1, 6)), LABELS)
        sequences[name] = true, disturbed(rng, true, LABELS, rng.choice([0.0, 0.1, 0.6]))
    return sequences


@pytest.mark.parametrize("seed", range(40))
def test_agrees_with_the_definition(seed):
    sequences = draw_sequences(np.random.default_rng(seed))
    found = stq.stq({name: zip(*maps, strict=True) for name, maps in sequences.items()}, CLASSES, THINGS)
    masks = {name: (*split(true), *split(predicted)) for name, (true, predicted) in sequences.items()}
    expected = brute_stq.stq(list(masks.values()), CLASSES, THINGS)
    assert {key: found[key] for key in expected} == pytest.approx(expected, abs=1e-12)
    for name, own in masks.items():
        assert found["per_sequence"][name] == pytest.approx(brute_stq.stq([own], CLASSES, THINGS), abs=1e-12)


def test_perfect_predictions_have_1():
    rng = np.random.default_rng(0)
    true = label_maps(rng, 5, LABELS)
    renumbered = np.where((true % stq.INSTANCES > 0), true + 40, true)
    found = stq.stq({"0002": zip(true, renumbered, strict=True)}, CLASSES, THINGS)
    assert (found["STQ"], found["AQ"], found["IoU"]) == (1.0, 1.0, 1.0)


def test_a_wrong_thing_class_still_associates():
    true = np.array([[2 * stq.INSTANCES + 1, 0]])
    predicted = np.array([[3 * stq.INSTANCES + 1, 0]])
    found = stq.stq({"0002": [(true, predicted)]}, CLASSES, THINGS)
    assert found["AQ"] == 1.0
    assert found["IoU"] == pytest.approx(1 / 3)


def test_predicting_no_class_counts_as_one_more_class():
    true, predicted = np.array([[0, 0]]), np.array([[0, 255 * stq.INSTANCES]])
    found = stq.stq({"0002": [(true, predicted)]}, CLASSES, THINGS)
    assert found["IoU"] == 0.25  # mean of one half and 0
    assert found["IoU_per_class"][-1] == 0.0
    assert found["AQ"] == 0.0  # there is no tube


def test_nothing_labelled():
    ignored = np.full((1, 2), 255 * stq.INSTANCES)
    found = stq.stq({"0002": [(ignored, ignored)]}, CLASSES, THINGS)
    assert np.isnan(found["IoU"])
    assert np.isnan(found["STQ"])


def test_broken_frames():
    frame = np.zeros((1, 2), int)
    with pytest.raises(DataError, match=r"class id 5: expected 0 .. 4, or 255"):
        stq.stq({"0002": [(frame, frame + 5 * stq.INSTANCES)]}, CLASSES, THINGS)
    with pytest.raises(DataError, match=r"expected the ground truth's size \(h, w\) \(1, 2\), found \(2, 1\)"):
        stq.stq({"0002": [(frame, frame.T)]}, CLASSES, THINGS)


def test_examples():
    assert doctest.testmod(stq).failed == 0
