"""Confusion matrices as lists, and the warnings about classes that cannot be meant."""

import collections

import numpy as np
import pytest

from tarvis_jax.evaluation import class_confusion

NAMES = {index: f"class {index}" for index in range(5)}


def test_triples_hold_the_whole_matrix():
    matrix = np.random.default_rng(0).integers(0, 3, (6, 6))
    triples = class_confusion.as_triples(matrix)
    assert np.array_equal(class_confusion.as_matrix(triples, 5), matrix)
    assert {true for true, _, _ in triples} <= {*range(5), class_confusion.UNLABELLED}


def test_triples_add_up():
    total = class_confusion.sum_triples([[[0, 1, 5]], [[0, 1, 2], [-1, 0, 3]]])
    assert total == {(0, 1): 7, (-1, 0): 3}


def confusion_of(shift, shifted, right):
    return collections.Counter(
        {(true, true + shift): shifted for true in (1, 2, 3)} | {(true, true): right for true in (1, 2, 3)}
    )


@pytest.mark.parametrize(("shift", "word"), [(1, "lower"), (-1, "higher")])
def test_shifted_class_ids_are_named(shift, word):
    (warning,) = class_confusion.broken_classes(confusion_of(shift, 95, 5), NAMES)
    assert warning == f"95% of the pixels would have the right class if class ids were one {word}"


@pytest.mark.parametrize(("shifted", "right"), [(60, 40), (85, 15), (0, 100)])
def test_poor_results_are_not_called_shifted(shifted, right):
    assert class_confusion.broken_classes(confusion_of(1, shifted, right), NAMES) == []


def test_unlabelled_ground_truth_says_nothing():
    assert class_confusion.broken_classes(collections.Counter({(-1, 2): 9}), NAMES) == []
