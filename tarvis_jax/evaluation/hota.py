"""HOTA, from similarities alone (Luiten et al., HOTA: A Higher Order Metric for Evaluating Multi-Object Tracking, IJCV 2021).

Follows TrackEval, to the last digit. Per threshold alpha of 0.05, 0.10, ..., 0.95, with TP, FN, FP counted over all frames and
for a matched pair c the numbers TPA(c), FNA(c), FPA(c) of frames in which its tracks are matched to each other, in which the
ground-truth one and in which the predicted one is not:

    DetA = TP / (TP + FN + FP)    AssA = mean over matched pairs c of TPA(c) / (TPA(c) + FNA(c) + FPA(c))
    HOTA = sqrt(DetA AssA)        OWTA = sqrt(DetRe AssA) with DetRe = TP / (TP + FN)

One matching serves all thresholds: per frame, the assignment that maximises the sum of alignment x similarity, where the
alignment of two tracks is a soft IoU of theirs over the whole video. Shapes: g ground-truth and p predicted detections,
k pairs of them, a = 19 thresholds.
"""

import dataclasses
from collections.abc import Iterator, Mapping, Sequence
from typing import Any

import numpy as np

from tarvis_jax.evaluation.assignment import best_assignment

ALPHAS = np.arange(0.05, 0.99, 0.05)
EPSILON = np.finfo(float).eps
SCORES = ("HOTA", "DetA", "AssA", "DetRe", "DetPr", "AssRe", "AssPr", "LocA", "OWTA")


@dataclasses.dataclass(frozen=True)
class HotaState:
    """What HOTA needs to know of a video, or of several (`combine`); float64 [a] each, or [n, a] of n at once."""

    tp: np.ndarray
    fn: np.ndarray
    fp: np.ndarray
    ass_a: np.ndarray
    ass_re: np.ndarray
    ass_pr: np.ndarray
    loc_a: np.ndarray

    def scores(self) -> dict[str, np.ndarray]:
        """The values of `SCORES` as fractions, float64 [..., a] each; usually their means over a are reported."""
        det_a = self.tp / np.maximum(1.0, self.tp + self.fn + self.fp)
        det_re = self.tp / np.maximum(1.0, self.tp + self.fn)
        det_pr = self.tp / np.maximum(1.0, self.tp + self.fp)
        both, owta = np.sqrt(det_a * self.ass_a), np.sqrt(det_re * self.ass_a)
        values = (both, det_a, self.ass_a, det_re, det_pr, self.ass_re, self.ass_pr, self.loc_a, owta)
        return dict(zip(SCORES, values, strict=True))

    def to_json(self) -> dict[str, list[float]]:
        """The state as lists of floats, which JSON holds exactly."""
        return {field.name: getattr(self, field.name).tolist() for field in dataclasses.fields(self)}

    @classmethod
    def from_json(cls, values: Mapping[str, Sequence[Any]]) -> "HotaState":
        """The state that `to_json` wrote; of n such states at once, if each value is the list of theirs."""
        return cls(**{name: np.array(numbers, float) for name, numbers in values.items()})


@dataclasses.dataclass(frozen=True)
class Detections:
    """n detections of a video, int [n] each, sorted by `group`.

    Those of one frame and class share a group, whatever the numbers; classes are numbered from 0, and tracks too, over all
    classes: a track has one class.
    """

    group: np.ndarray
    track: np.ndarray
    category: np.ndarray

    def select(self, chosen: np.ndarray) -> "Detections":
        """The detections `chosen` (bool [n])."""
        return Detections(self.group[chosen], self.track[chosen], self.category[chosen])


@dataclasses.dataclass(frozen=True)
class Pairs:
    """Every pair of a ground-truth detection and a predicted one of the same group: their indices, int [k], and the group.

    Sorted by group, then ground truth, then prediction: the pairs of a group are a matrix.
    """

    gt: np.ndarray
    pred: np.ndarray
    group: np.ndarray

    def blocks(self, groups: np.ndarray) -> Iterator[tuple[slice, int]]:
        """For each of these groups (ascending) its pairs, and the number of columns of their matrix."""
        starts, stops = (np.searchsorted(self.group, groups, side=side).tolist() for side in ("left", "right"))
        for start, stop in zip(starts, stops, strict=True):
            yield slice(start, stop), int(np.count_nonzero(self.gt[start:stop] == self.gt[start]))


def hota(similarities: Sequence[np.ndarray], gt_ids: Sequence[np.ndarray], pred_ids: Sequence[np.ndarray]) -> HotaState:
    """HOTA of one video and class.

    Args:
        similarities: for each frame the similarities (0 to 1) of its g ground-truth and p predicted detections, [g, p].
        gt_ids: for each frame the track ids of the ground-truth detections, int [g], all different.
        pred_ids: for each frame those of the predictions, int [p], all different.

    Raises:
        ValueError: the lists do not fit together.

    A track that is found in two of three frames, under two ids:

    >>> state = hota([np.array([[0.9]]), np.array([[0.8]]), np.zeros((1, 0))], [[7], [7], [7]], [[1], [2], []])
    >>> [round(float(state.scores()[name][0]), 3) for name in ("DetA", "AssA", "HOTA")]
    [0.667, 0.333, 0.471]
    """
    if not len(similarities) == len(gt_ids) == len(pred_ids):
        raise ValueError(f"expected as many frames in each, found {len(similarities)}, {len(gt_ids)}, {len(pred_ids)}")
    gts, preds = _one_class(gt_ids), _one_class(pred_ids)
    for frame, (matrix, gt, pred) in enumerate(zip(similarities, gt_ids, pred_ids, strict=True)):
        if np.shape(matrix) != (len(gt), len(pred)):
            raise ValueError(f"frame {frame}: expected similarities {(len(gt), len(pred))}, found {np.shape(matrix)}")
        if len(set(gt)) < len(gt) or len(set(pred)) < len(pred):
            raise ValueError(f"frame {frame}: a track id stands there twice")
    flat = np.concatenate([np.empty(0), *(np.ravel(matrix) for matrix in similarities)])
    return hota_by_class(gts, preds, pair_up(gts.group, preds.group), flat, num_classes=1)[0]


def _one_class(ids: Sequence[np.ndarray]) -> Detections:
    """Detections of one class from the track ids of each frame."""
    group = np.repeat(np.arange(len(ids)), [len(frame) for frame in ids])
    track = np.unique(np.concatenate([np.empty(0, int), *(np.asarray(frame, int) for frame in ids)]), return_inverse=True)[1]
    return Detections(group, track, np.zeros(len(group), int))


def pair_up(gt_group: np.ndarray, pred_group: np.ndarray) -> Pairs:
    """The pairs of detections with equal groups; both arrays (int [g], int [p], from 0) are sorted."""
    num_groups = max([*gt_group[-1:], *pred_group[-1:]], default=-1) + 1
    rows = np.bincount(gt_group, minlength=num_groups)
    columns = np.bincount(pred_group, minlength=num_groups)
    sizes = rows * columns
    group = np.repeat(np.arange(num_groups), sizes)
    place = np.arange(len(group)) - np.repeat(np.cumsum(sizes) - sizes, sizes)
    row, column = np.divmod(place, columns[group])
    return Pairs((np.cumsum(rows) - rows)[group] + row, (np.cumsum(columns) - columns)[group] + column, group)


def hota_by_class(
    gts: Detections, preds: Detections, pairs: Pairs, similarity: np.ndarray, num_classes: int
) -> list[HotaState]:
    """HOTA of each class of one video; `similarity` float64 [k] is that of `pairs`, which `pair_up` made of the two.

    All classes at once, since most have few detections.
    """
    gt_frames, pred_frames = np.bincount(gts.track), np.bincount(preds.track)
    pair_id = gts.track[pairs.gt] * len(pred_frames) + preds.track[pairs.pred]
    frames = gt_frames[gts.track[pairs.gt]] + pred_frames[preds.track[pairs.pred]]
    overlap = np.bincount(pair_id, _soft_matches(pairs, similarity))[pair_id]
    matched = assign(pairs, overlap / (frames - overlap) * similarity)
    kept = similarity[matched] >= ALPHAS[:, None] - EPSILON
    category = gts.category[pairs.gt[matched]]
    tp, located = _sums(kept, category, num_classes), _sums(kept * similarity[matched], category, num_classes)
    of_track = np.zeros(len(gt_frames), int)
    of_track[gts.track] = gts.category
    sums = _associations(kept, pair_id[matched], (gt_frames, pred_frames), of_track, num_classes)
    ass_a, ass_re, ass_pr = (total / np.maximum(1, tp) for total in sums)
    fn = np.bincount(gts.category, minlength=num_classes) - tp
    fp = np.bincount(preds.category, minlength=num_classes) - tp
    loc_a = np.maximum(1e-10, located) / np.maximum(1e-10, tp)
    return [HotaState(*(part[:, c] for part in (tp, fn, fp, ass_a, ass_re, ass_pr, loc_a))) for c in range(num_classes)]


def _associations(
    kept: np.ndarray, pair_id: np.ndarray, frames: tuple[np.ndarray, np.ndarray], category: np.ndarray, num_classes: int
) -> list[np.ndarray]:
    """Sums of A, Re and Pr over the matched detections of each class, float64 [a, num_classes] each.

    Args:
        kept: bool [a, m], of m matched detections.
        pair_id: int [m], their tracks: the true one times the number of predicted ones, plus the predicted one.
        frames: in how many frames each true and each predicted track is.
        category: of each true track.
    """
    gt_frames, pred_frames = frames
    track_pairs, which = number(pair_id, len(gt_frames) * len(pred_frames))
    gt_track, pred_track = np.divmod(track_pairs, len(pred_frames))
    together = _sums(kept, which, len(track_pairs))
    gt_total, pred_total = gt_frames[gt_track], pred_frames[pred_track]
    totals = gt_total + pred_total - together, gt_total, pred_total
    return [_sums(together * (together / np.maximum(1, total)), category[gt_track], num_classes) for total in totals]


def combine(states: Sequence[HotaState]) -> HotaState:
    """The state of several videos, or of several classes, together; of no video: no detections at all."""
    names = [field.name for field in dataclasses.fields(HotaState)]
    every = {name: np.array([getattr(state, name) for state in states], float).reshape(-1, len(ALPHAS)) for name in names}
    tp, fn, fp = (every[name].sum(axis=0) for name in ("tp", "fn", "fp"))
    ass_a, ass_re, ass_pr, located = (
        (every[name] * every["tp"]).sum(axis=0) for name in ("ass_a", "ass_re", "ass_pr", "loc_a")
    )
    found = np.maximum(1.0, tp)
    loc_a = np.maximum(1e-10, located) / np.maximum(1e-10, tp)
    return HotaState(tp, fn, fp, ass_a / found, ass_re / found, ass_pr / found, loc_a)


def assign(pairs: Pairs, scores: np.ndarray) -> np.ndarray:
    """Which pairs (bool [k]) the best assignment of each group holds; pairs of score 0 are never counted.

    Where no row and no column of a group has two positive scores, all positive ones are the best assignment.
    """
    assigned = scores > 0
    in_row = np.bincount(pairs.gt, assigned, minlength=1)
    in_column = np.bincount(pairs.pred, assigned, minlength=1)
    contested = assigned & ((in_row[pairs.gt] > 1) | (in_column[pairs.pred] > 1))
    for block, columns in pairs.blocks(np.flatnonzero(np.bincount(pairs.group[contested]))):
        matrix = scores[block].reshape(-1, columns)
        chosen = np.zeros(matrix.shape, bool)
        chosen[best_assignment(matrix)] = True
        assigned[block] &= chosen.ravel()
    return assigned


def _soft_matches(pairs: Pairs, similarity: np.ndarray) -> np.ndarray:
    """How much of a match each pair is: s / (sum of its row + sum of its column - s)."""
    row_sums = np.bincount(pairs.gt, similarity, minlength=1)
    column_sums = np.bincount(pairs.pred, similarity, minlength=1)
    totals = column_sums[pairs.pred] + row_sums[pairs.gt] - similarity
    return np.divide(similarity, totals, out=np.zeros_like(totals), where=totals > EPSILON)


def number(values: np.ndarray, stop: int) -> tuple[np.ndarray, np.ndarray]:
    """The distinct ones of n integers from 0 to before `stop`, ascending, and the place of each among them, int [n].

    For few small numbers, faster than `numpy.unique`.
    """
    is_there = np.zeros(stop, bool)
    is_there[values] = True
    return np.flatnonzero(is_there), (is_there.cumsum() - 1)[values]


def _sums(values: np.ndarray, owner: np.ndarray, count: int) -> np.ndarray:
    """Sums of the columns of [a, n] that have the same owner (int [n]), [a, count]."""
    index = np.arange(len(values))[:, None] * count + owner
    return np.bincount(index.ravel(), values.ravel(), minlength=len(values) * count).reshape(len(values), count)
