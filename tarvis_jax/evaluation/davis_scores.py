"""Region similarity J, contour accuracy F and their statistics: the measures of DAVIS.

Sources: Perazzi et al., CVPR 2016; Pont-Tuset et al., arXiv 1704.00675; official tool: davis2017-evaluation.
"""

import dataclasses
import warnings

import numpy as np

from tarvis_jax.evaluation.boundary import Boundary, box_window, matched_f

_BINS = 4
_ALL_IDS = 256  # of 8-bit images


def region_j(gt: np.ndarray, pred: np.ndarray, void: np.ndarray | None = None) -> np.ndarray:
    """J = intersection over union of two masks, in 0..1; two empty masks give 1.

    Args:
        gt, pred: bool [..., h, w].
        void: bool [..., h, w]; pixels that do not count.

    Returns:
        float64 [...].

    >>> gt, pred = np.array([[1, 1, 0, 0]], bool), np.array([[0, 1, 1, 0]], bool)
    >>> float(region_j(gt, pred)), float(region_j(gt, pred, void=np.array([[1, 0, 0, 0]], bool)))
    (0.3333333333333333, 0.5)
    """
    gt, pred = np.asarray(gt, bool), np.asarray(pred, bool)
    if gt.shape != pred.shape or gt.ndim < 2 or (void is not None and void.shape != gt.shape):
        raise ValueError(f"expected masks of one shape [..., h, w], found {gt.shape} and {pred.shape}")
    counted = True if void is None else ~np.asarray(void, bool)
    intersection = (gt & pred & counted).sum(axis=(-2, -1))
    union = ((gt | pred) & counted).sum(axis=(-2, -1))
    return jaccard(intersection, union)


def jaccard(intersection: np.ndarray, union: np.ndarray) -> np.ndarray:
    """J from numbers of pixels."""
    return np.where(union == 0, 1.0, intersection / np.maximum(union, 1))


def statistics(values: np.ndarray, *, fixed: bool = False) -> tuple[float, float, float]:
    """Mean, recall (share above 0.5) and decay (loss from the first to the last quarter) of a measure over the frames.

    Neighbouring quarters share a frame. The official tool keeps the quarters' ends in 8 bits: from 257 frames on they wrap
    around, and the decay is that of other frames, or NaN. `fixed` gives the decay that is meant.

    Args:
        values: float [t]; NaN counts as a miss in the recall and is left out of the means.

    >>> statistics(np.array([1.0, 0.9, 0.6, 0.5, 0.2]))
    (0.64, 0.6, 0.6)
    """
    values = np.asarray(values, np.float64)
    ends = np.round(np.linspace(1, len(values), _BINS + 1) + 1e-10).astype(int) - 1
    if not fixed:
        ends %= _ALL_IDS
    first, last = (_mean(values[ends[i] : ends[i + 1] + 1]) for i in (0, _BINS - 1))
    return _mean(values), float(np.mean(values > 0.5)), first - last


def _mean(values: np.ndarray) -> float:
    """Without NaN; NaN if nothing is left."""
    with warnings.catch_warnings():
        warnings.filterwarnings("ignore", "Mean of empty slice", RuntimeWarning)
        return float(np.nanmean(values))


@dataclasses.dataclass(frozen=True)
class Runs:
    """Two id images of one size as horizontal runs of pixels with one pair of ids, without those of the pair (0, 0)."""

    gt_ids: np.ndarray  # int [runs]
    pred_ids: np.ndarray
    rows: np.ndarray
    starts: np.ndarray  # columns
    lengths: np.ndarray

    @classmethod
    def of(cls, gt: np.ndarray, pred: np.ndarray, gt_count: int) -> "Runs":
        """Of uint8 [h, w] images; ground-truth ids above `gt_count` are taken as 0."""
        width = gt.shape[1]
        gt, pred = gt.ravel(), pred.ravel()
        is_start = np.empty(gt.size, bool)
        np.not_equal(gt[1:], gt[:-1], out=is_start[1:])
        is_start[1:] |= pred[1:] != pred[:-1]
        is_start[::width] = True
        starts = np.flatnonzero(is_start)
        lengths = np.diff(starts, append=gt.size)
        gt_ids, pred_ids = gt[starts].astype(np.intp), pred[starts].astype(np.intp)
        gt_ids[gt_ids > gt_count] = 0
        found = (gt_ids > 0) | (pred_ids > 0)
        starts = starts[found]
        return cls(gt_ids[found], pred_ids[found], starts // width, starts % width, lengths[found])

    def counts(self, gt_count: int, pred_count: int) -> np.ndarray:
        """Pixels with each pair of ids, int64 [1 + gt_count, 1 + pred_count]; (0, 0) is left at 0."""
        pairs = self.gt_ids * (pred_count + 1) + self.pred_ids
        size = (gt_count + 1) * (pred_count + 1)
        return np.bincount(pairs, weights=self.lengths, minlength=size).astype(np.int64).reshape(gt_count + 1, -1)

    def boxes(self, count: int) -> list[tuple[int, int, int, int]]:
        """For each id 0..count the box (top, left, bottom, right) of all pixels that have it in either image."""
        low = np.full((2, count + 1), np.iinfo(np.intp).max)
        high = np.zeros((2, count + 1), np.intp)
        for ids in (self.gt_ids, self.pred_ids):
            np.minimum.at(low[0], ids, self.rows)
            np.minimum.at(low[1], ids, self.starts)
            np.maximum.at(high[0], ids, self.rows + 1)
            np.maximum.at(high[1], ids, self.starts + self.lengths)
        return list(zip(*low.tolist(), *high.tolist(), strict=True))


def frame_scores(gt: np.ndarray, pred: np.ndarray, count: int, radius: int) -> tuple[np.ndarray, np.ndarray, np.ndarray]:
    """J and F of the objects 1..count of a frame, at the cost of their pixels and not of the frame's.

    Args:
        gt, pred: ids, uint8 [h, w]. Ground-truth ids above `count` are background; there must be no predicted ones.
        radius: tolerance of F in pixels.

    Returns:
        J and F, float64 [count], and the pixels with each pair of ids, int64 [1 + count, 1 + count].
    """
    runs = Runs.of(gt, pred, count)
    pairs = runs.counts(count, count)
    intersection = pairs.diagonal()
    union = pairs.sum(axis=0) + pairs.sum(axis=1) - intersection
    boundary = np.ones(count + 1)
    boxes = runs.boxes(count)
    for i in np.flatnonzero(intersection[1:] != union[1:]) + 1:  # equal masks have F = 1
        window = box_window(boxes[i], gt.shape)
        boundary[i] = matched_f(Boundary(gt[window] == i, radius), Boundary(pred[window] == i, radius))
    return jaccard(intersection, union)[1:], boundary[1:], pairs
