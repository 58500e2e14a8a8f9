"""Pixels by true and predicted class of a panoptic result, and what they tell about a broken one."""

import collections
from collections.abc import Iterable, Mapping

import numpy as np

UNLABELLED = -1  # class of pixels without a label

Triple = list[int]  # true class, predicted class, pixels


def sum_triples(parts: Iterable[Iterable[Triple]]) -> collections.Counter:
    """(true class, predicted class) -> pixels, over lists of triples."""
    total = collections.Counter()
    for part in parts:
        for true, predicted, pixels in part:
            total[true, predicted] += pixels
    return total


def as_triples(matrix: np.ndarray) -> list[Triple]:
    """The entries that are not 0 of a confusion matrix [k + 1, k + 1], whose last row and column are the unlabelled pixels."""
    pairs = np.argwhere(matrix).tolist()
    return [[*(UNLABELLED if c == len(matrix) - 1 else c for c in pair), int(matrix[*pair])] for pair in pairs]


def as_matrix(triples: Iterable[Triple], count: int) -> np.ndarray:
    """int64 [count + 1, count + 1], the reverse of `as_triples`."""
    matrix = np.zeros((count + 1, count + 1), np.int64)
    for true, predicted, pixels in triples:
        matrix[true, predicted] = pixels  # UNLABELLED counts from the end
    return matrix


def broken_classes(confusion: collections.Counter, names: Mapping[int, str]) -> list[str]:
    """Lines about a result whose classes cannot be meant as they are; `names` of the classes by id."""
    labelled = {pair: pixels for pair, pixels in confusion.items() if pair[0] != UNLABELLED and pixels}
    true = {pair[0] for pair in labelled}
    predicted = {pair[1] for pair in labelled} - {UNLABELLED}
    if not labelled:
        return []
    if not predicted:
        return ["every prediction is void: no labelled pixel of the ground truth has a predicted class"]
    warnings = []
    if len(predicted) == 1 and len(true) > 1:
        only = min(predicted)
        warnings.append(f"every prediction has one class, {only} ({names.get(only, 'unknown')})")
    if not true & predicted:
        warnings.append("no class occurs both in the ground truth and in the predictions: is it the same list of classes?")
    return warnings + _shift(labelled)


def _shift(labelled: Mapping[tuple[int, int], int]) -> list[str]:
    """A line if most pixels would be right with all class ids one lower or higher, and hardly any are as they are."""
    total = sum(labelled.values())
    for shift, word in ((1, "lower"), (-1, "higher")):
        right, shifted = (
            sum(pixels for (true, predicted), pixels in labelled.items() if predicted == true + offset) for offset in (0, shift)
        )
        if shifted > 0.5 * total and shifted > 10 * right:
            return [f"{shifted / total:.0%} of the pixels would have the right class if class ids were one {word}"]
    return []
