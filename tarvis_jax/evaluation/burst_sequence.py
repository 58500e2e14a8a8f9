"""The scores of one sequence of BURST: from masks to what HOTA and track mAP need of it, class by class.

Letters: g true and p predicted masks, k pairs of them of the same frame and class.
"""

import dataclasses
import itertools
from collections.abc import Collection

import numpy as np

from tarvis_jax.evaluation.burst_files import Truth
from tarvis_jax.evaluation.burst_masks import Masks, Side
from tarvis_jax.evaluation.hota import EPSILON, Detections, HotaState, Pairs, assign, hota_by_class, number, pair_up
from tarvis_jax.evaluation.track_ap import Matches
from tarvis_jax.evaluation.track_iou import TrackMasks, grouped_ious
from tarvis_jax.evaluation.track_map import match_tracks_by_class


@dataclasses.dataclass(frozen=True)
class ClassScores:
    """HOTA of one class in one sequence, and the numbers of detections, tracks and frames that it saw."""

    hota: HotaState
    counts: dict[str, int]


def score_hota(
    gt: Side, pred: Side, truth: Truth, evaluated: Collection[int], *, similarity: str, removes_unlabelled: bool
) -> dict[int, ClassScores]:
    """HOTA of the `evaluated` classes that have masks in the sequence, by category id.

    Frames without any true mask are not scored. `similarity` is "box" or "mask". With `removes_unlabelled`, predictions of what
    the sequence's annotators did not look for are removed first.
    """
    is_scored = np.zeros(len(truth.paths), bool)
    is_scored[gt.masks.frame] = True
    gt_chosen = _among(gt.masks.category, evaluated)
    pred_chosen = _among(pred.masks.category, evaluated) & is_scored[pred.masks.frame]
    classes = np.array(sorted({*gt.masks.category[gt_chosen].tolist(), *pred.masks.category[pred_chosen].tolist()}), int)
    gts, gt_order = _detections(gt.masks, gt_chosen, classes, len(is_scored))
    preds, pred_order = _detections(pred.masks, pred_chosen, classes, len(is_scored))
    pairs = pair_up(gts.group, preds.group)
    of_masks = Pairs(gt_order[pairs.gt], pred_order[pairs.pred], pairs.group)
    similarities = _box_ious(gt, pred, of_masks) if similarity == "box" else _mask_ious(gt, pred, of_masks)
    if removes_unlabelled:
        kept = _labelled(gts, preds, pairs, similarities, truth, classes)
        of_kept = kept[pairs.pred]
        place = np.cumsum(kept) - 1
        pairs, similarities = Pairs(pairs.gt[of_kept], place[pairs.pred[of_kept]], pairs.group[of_kept]), similarities[of_kept]
        preds = preds.select(kept)
    states = hota_by_class(gts, preds, pairs, similarities, len(classes))
    counts = _counts(gts, preds, len(classes), len(truth.paths))
    return {category: ClassScores(*scores) for category, *scores in zip(classes.tolist(), states, counts, strict=True)}


def _among(values: np.ndarray, allowed: Collection[int]) -> np.ndarray:
    """Which of n values (bool [n]) are allowed; for so few, faster than `numpy.isin`."""
    return np.array([value in allowed for value in values.tolist()], bool)


def _detections(masks: Masks, chosen: np.ndarray, classes: np.ndarray, num_frames: int) -> tuple[Detections, np.ndarray]:
    """The chosen masks (bool [n]) as detections, and the index of each among all masks."""
    category = np.searchsorted(classes, masks.category)
    group = category * num_frames + masks.frame
    indices = np.flatnonzero(chosen)
    indices = indices[np.argsort(group[indices], kind="stable")]
    ids, _, track = masks.tracks
    keys = category[indices] * len(ids) + track[indices]
    return Detections(group[indices], number(keys, len(classes) * len(ids))[1], category[indices]), indices


def _counts(gts: Detections, preds: Detections, num_classes: int, num_frames: int) -> list[dict[str, int]]:
    """For each class the numbers of detections and tracks, and of frames."""
    columns = []
    for side in (preds, gts):
        of_track = np.full(side.track.max(initial=-1) + 1, num_classes)
        of_track[side.track] = side.category
        columns += [np.bincount(of, minlength=num_classes + 1)[:num_classes].tolist() for of in (side.category, of_track)]
    dets, ids, gt_dets, gt_ids = columns
    rows = zip(dets, gt_dets, ids, gt_ids, strict=True)
    return [{**dict(zip(("Dets", "GT_Dets", "IDs", "GT_IDs"), row, strict=True)), "Frames": num_frames} for row in rows]


def _box_ious(gt: Side, pred: Side, pairs: Pairs) -> np.ndarray:
    """IoUs of the boxes of pairs of masks, float64 [k]."""
    gx, gy, gw, gh = gt.shapes.box[gt.row[pairs.gt]].T
    px, py, pw, ph = pred.shapes.box[pred.row[pairs.pred]].T
    width, height = np.minimum(gx + gw, px + pw) - np.maximum(gx, px), np.minimum(gy + gh, py + ph) - np.maximum(gy, py)
    intersection = np.maximum(width, 0) * np.maximum(height, 0)
    union = gw * gh + pw * ph - intersection
    return np.divide(intersection, union, out=np.zeros(len(union)), where=union > 0)


def _mask_ious(gt: Side, pred: Side, pairs: Pairs) -> np.ndarray:
    """IoUs of pairs of masks, float64 [k]."""
    g, p = gt.row[pairs.gt], pred.row[pairs.pred]
    shared = gt.shapes.shared(g, p)
    union = gt.shapes.area[g] + pred.shapes.area[p] - shared
    return np.divide(shared, union, out=np.zeros(len(union)), where=union > 0)


def _labelled(
    gts: Detections, preds: Detections, pairs: Pairs, similarities: np.ndarray, truth: Truth, classes: np.ndarray
) -> np.ndarray:
    """Which predictions (bool [p]) are kept.

    Removed are those without a match of similarity 0.5 where the class is not exhaustively labelled, and where it is not in the
    frame and not known to be absent from the sequence.
    """
    matched = assign(pairs, np.where(similarities < 0.5 - EPSILON, 0, similarities))
    kept = np.zeros(len(preds.group), bool)
    kept[pairs.pred[matched]] = True
    category = classes[preds.category]
    known = _among(preds.group, set(gts.group.tolist())) | _among(category, truth.negative)
    return kept | (known & ~_among(category, truth.not_exhaustive))


def match_classes(
    gt: Side, pred: Side, truth: Truth, evaluated: Collection[int], reusable: Collection[int] = ()
) -> dict[int, Matches]:
    """Track mAP's matches of the `evaluated` classes that have tracks in the sequence, by category id.

    A track has the category of its first mask. Predicted tracks count where the class is in the sequence or known to be absent;
    `reusable` are ids of predicted tracks, see `track_map.match_tracks`.
    """
    gts = _Tracks.of(gt.masks, evaluated)
    preds = _Tracks.of(pred.masks, set(evaluated) & (set(gts.category.tolist()) | truth.negative))
    classes = np.array(sorted({*gts.category.tolist(), *preds.category.tolist()}), int)
    ious = grouped_ious(preds.grouped(pred, classes), gts.grouped(gt, classes), gt.shapes)
    exhaustive = ~_among(preds.category, truth.not_exhaustive)
    leaves_free = _among(preds.id, reusable)
    return match_tracks_by_class(
        ious, preds.scores(pred.masks), preds.category, gts.category, exhaustive=exhaustive, reusable=leaves_free
    )


@dataclasses.dataclass(frozen=True)
class _Tracks:
    """t tracks in the order of their first masks.

    category, id: int [t].
    of_mask: int [n], the index of each mask's track, or -1.
    """

    category: np.ndarray
    id: np.ndarray
    of_mask: np.ndarray

    @classmethod
    def of(cls, masks: Masks, classes: Collection[int]) -> "_Tracks":
        """The tracks of these classes."""
        ids, first, track = masks.tracks
        order = np.argsort(first)
        order = order[_among(masks.category[first[order]], classes)]
        place = np.full(len(ids), -1)
        place[order] = np.arange(len(order))
        return cls(masks.category[first[order]], ids[order], place[track])

    def scores(self, masks: Masks) -> np.ndarray:
        """Mean scores of their masks, float64 [t]; added up in time, as the last digit decides between tracks."""
        in_time = np.lexsort((masks.frame, self.of_mask))
        stops = np.searchsorted(self.of_mask[in_time], np.arange(len(self.id) + 1))
        scores = masks.score[in_time]
        sums = [np.add.reduce(scores[start:stop]) for start, stop in itertools.pairwise(stops.tolist())]
        return np.array(sums, float) / np.diff(stops)

    def grouped(self, side: Side, classes: np.ndarray) -> TrackMasks:
        """Their masks, to be compared in each frame with those of tracks of the same class; `classes` (ascending) has all."""
        chosen = np.flatnonzero(self.of_mask >= 0)
        track = self.of_mask[chosen]
        group = side.masks.frame[chosen] * len(classes) + np.searchsorted(classes, self.category)[track]
        return TrackMasks.sort(group, track, side.row[chosen], len(self.id))
