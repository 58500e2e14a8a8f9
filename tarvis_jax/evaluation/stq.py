"""Segmentation and tracking quality (STQ): the geometric mean of class IoU and association quality (AQ).

Weber et al., STEP: Segmenting and Tracking Every Pixel, NeurIPS 2021 (datasets and benchmarks track); numbers as the official
tools of KITTI-STEP (DeepLab2) and VIPSeg give them. A label is class * `INSTANCES` + instance number; instance 0 of a thing
class is a crowd in the ground truth. Dimension letters: h w space, m pairs of labels, k classes.
"""

import dataclasses
from collections.abc import Iterable, Mapping
from typing import Any

import numpy as np

from data.errors import DataError
from tarvis_jax.evaluation.label_pairs import count_pairs, sum_pairs

INSTANCES = 1 << 16

Pairs = tuple[np.ndarray, np.ndarray, np.ndarray]  # int64 [m]: true labels, predicted labels, pixels


@dataclasses.dataclass(frozen=True)
class Classes:
    """Semantic classes 0 .. count - 1, which of them are things, and the id of unlabelled pixels."""

    count: int
    things: frozenset[int]
    ignored: int = 255


@dataclasses.dataclass(frozen=True)
class SequenceCounts:
    """What STQ needs of one sequence.

    confusion: int64 [k + 1, k + 1], pixels by true class (rows) and predicted class; the last ones are unlabelled.
    association: sum over true tubes g of (1 / |g|) * sum over predicted tubes p of |g and p| * IoU(g, p).
    tubes: number of true tubes.
    """

    confusion: np.ndarray
    association: float
    tubes: int


def count_sequence(frames: Iterable[Pairs], classes: Classes) -> SequenceCounts:
    """Counts the pairs of labels of a sequence's frames; their classes must be in the list, see `check_classes`."""
    no_pairs = np.zeros((3, 0), np.int64)
    true, predicted, pixels = sum_pairs(*np.concatenate([no_pairs, *(np.stack(pairs) for pairs in frames)], axis=1))
    true_class, predicted_class = (_class_index(labels, classes) for labels in (true, predicted))
    size = classes.count + 1
    confusion = np.bincount(true_class * size + predicted_class, weights=pixels, minlength=size**2).astype(np.int64)
    things = np.array(sorted(classes.things))
    is_crowd = np.isin(true_class, things) & (true % INSTANCES == 0)
    in_true_tube = np.isin(true_class, things) & ~is_crowd
    in_predicted_tube = np.isin(predicted_class, things) & ~is_crowd
    true_size, predicted_size = _tube_sizes(true, pixels, in_true_tube), _tube_sizes(predicted, pixels, in_predicted_tube)
    both = in_true_tube & in_predicted_tube
    shared = pixels[both].astype(np.float64)
    union = true_size[both] + predicted_size[both] - shared
    association = np.sum(shared * (shared / union) / true_size[both])
    return SequenceCounts(confusion.reshape(size, size), float(association), len(np.unique(true[in_true_tube])))


def check_classes(labels: np.ndarray, classes: Classes) -> None:
    """Raises `DataError` for a label whose class is neither in the list nor the id of unlabelled pixels."""
    semantic = labels // INSTANCES
    outside = semantic[(semantic >= classes.count) & (semantic != classes.ignored)]
    if outside.size:
        raise DataError(f"class id {outside[0]}: expected 0 .. {classes.count - 1}, or {classes.ignored} for no label")


def _class_index(labels: np.ndarray, classes: Classes) -> np.ndarray:
    """Row of the confusion matrix of each label."""
    semantic = labels // INSTANCES
    return np.where(semantic == classes.ignored, classes.count, semantic)


def _tube_sizes(labels: np.ndarray, pixels: np.ndarray, is_tube: np.ndarray) -> np.ndarray:
    """float64 [m]: for each pair the pixels, over the pairs of `is_tube`, of its label."""
    _, owners = np.unique(labels, return_inverse=True)
    return np.bincount(owners, weights=pixels * is_tube)[owners]


def class_iou(confusion: np.ndarray) -> np.ndarray:
    """IoU of each class, float64 [k + 1], from a confusion matrix [k + 1, k + 1].

    NaN for a class without any true or predicted pixel. True unlabelled pixels are left out, so the last entry is NaN, or 0 if
    a labelled pixel is predicted as unlabelled.
    """
    counted = confusion.copy()
    counted[-1] = 0
    intersection = np.diagonal(counted)
    union = counted.sum(axis=0) + counted.sum(axis=1) - intersection
    return np.where(union > 0, intersection / np.maximum(union, 1), np.nan)


def stq_of_counts(sequences: Mapping[str, SequenceCounts]) -> dict[str, Any]:
    """`stq` of sequences that were counted before."""
    parts = list(sequences.values())
    confusion = sum(part.confusion for part in parts)
    total = SequenceCounts(confusion, sum(part.association for part in parts), sum(part.tubes for part in parts))
    per_sequence = {name: _scores(part) for name, part in sequences.items()}
    return _scores(total) | {"IoU_per_class": class_iou(confusion).tolist(), "per_sequence": per_sequence}


def _scores(counts: SequenceCounts) -> dict[str, float]:
    ious = class_iou(counts.confusion)
    present = ~np.isnan(ious)
    iou = float(ious[present].sum() / present.sum()) if present.any() else float("nan")
    association = counts.association / counts.tubes if counts.tubes else 0.0
    return {"STQ": float(np.sqrt(association * iou)), "AQ": association, "IoU": iou}


def stq(
    sequences: Mapping[str, Iterable[tuple[np.ndarray, np.ndarray]]],
    num_classes: int,
    things: Iterable[int],
    ignored: int = 255,
) -> dict[str, Any]:
    """Segmentation and tracking quality.

    Args:
        sequences: name -> (true, predicted) labels of its frames, integer [h, w], class * `INSTANCES` + instance. May be
            generators; one frame is held at a time.
        num_classes: classes are 0 .. num_classes - 1.
        things: the classes that have instances.
        ignored: class id of unlabelled pixels. As soon as one labelled pixel is predicted as unlabelled, the official tools
            count this as one more class, of IoU 0.

    Raises `DataError` for a class outside the list, and for frames of different shapes.

    Returns {"STQ", "AQ", "IoU"} as fractions, "IoU_per_class" (a list, see `class_iou`) and "per_sequence": {name: {"STQ",
    "AQ", "IoU"}}. AQ is 0 if there is no true tube.

    >>> car, road = 13 * INSTANCES, 0
    >>> true = np.array([[road, road, car + 1, car + 1]])
    >>> scores = stq({"0000": [(true, true), (true, true + (true >= car))]}, num_classes=19, things=[11, 13])
    >>> scores["IoU"], scores["AQ"]  # the car's id switches: two tubes of half its size, each with an IoU of one half
    (1.0, 0.5)
    """
    classes = Classes(num_classes, frozenset(things), ignored)
    counts = {}
    for name, frames in sequences.items():
        counts[name] = count_sequence((_checked_pairs(*frame, classes) for frame in frames), classes)
    return stq_of_counts(counts)


def _checked_pairs(true: np.ndarray, predicted: np.ndarray, classes: Classes) -> Pairs:
    if true.shape != predicted.shape:
        raise DataError(f"expected the ground truth's size (h, w) {true.shape}, found {predicted.shape}")
    pairs = count_pairs(true, predicted)
    for labels in pairs[:2]:
        check_classes(labels, classes)
    return pairs
