"""The scores of one sequence of BURST: from masks to what HOTA and track mAP need of it, class by class.

Letters: g true and p predicted masks, k pairs of them of the same frame and class.
"""

import dataclasses
from collections.abc import Collection

import numpy as np
from pycocotools import mask as coco_mask

from tarvis_jax.evaluation.burst_files import Truth
from tarvis_jax.evaluation.burst_masks import Masks
from tarvis_jax.evaluation.hota import EPSILON, Detections, HotaState, Pairs, assign, hota_by_class, pair_up
from tarvis_jax.evaluation.track_ap import Matches
from tarvis_jax.evaluation.track_iou import Rle, Track, track_ious
from tarvis_jax.evaluation.track_map import match_tracks


@dataclasses.dataclass(frozen=True)
class ClassScores:
    """HOTA of one class in one sequence, and the numbers of detections, tracks and frames that it saw."""

    hota: HotaState
    counts: dict[str, int]


@dataclasses.dataclass(frozen=True)
class Side:
    """The masks of the ground truth or of the prediction, with their boxes (x, y, w, h in pixels, float64 [n, 4])."""

    masks: Masks
    rles: list[Rle]
    boxes: np.ndarray

    @classmethod
    def of(cls, masks: Masks, truth: Truth) -> "Side":
        """Boxes are tight; an empty mask's is (0, 0, 0, 0)."""
        size = [truth.height, truth.width]
        rles = [{"size": size, "counts": counts} for counts in masks.counts]
        return cls(masks, rles, coco_mask.toBbox(rles) if rles else np.zeros((0, 4)))

    @property
    def empty(self) -> int:
        """How many masks have no pixel."""
        return int(np.count_nonzero(self.boxes[:, 2] == 0))


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
    keys = category[indices] * 2**31 + masks.track[indices]
    return Detections(group[indices], np.unique(keys, return_inverse=True)[1], category[indices]), indices


def _counts(gts: Detections, preds: Detections, num_classes: int, num_frames: int) -> list[dict[str, int]]:
    """For each class the numbers of detections and tracks, and of frames."""
    columns = []
    for side in (preds, gts):
        first = np.unique(side.track, return_index=True)[1]
        columns += [np.bincount(side.category[rows], minlength=num_classes).tolist() for rows in (slice(None), first)]
    dets, ids, gt_dets, gt_ids = columns
    rows = zip(dets, gt_dets, ids, gt_ids, strict=True)
    return [{**dict(zip(("Dets", "GT_Dets", "IDs", "GT_IDs"), row, strict=True)), "Frames": num_frames} for row in rows]


def _box_ious(gt: Side, pred: Side, pairs: Pairs) -> np.ndarray:
    """IoUs of the boxes of pairs of masks, float64 [k]."""
    gt_low, gt_size = np.split(gt.boxes[pairs.gt], 2, axis=1)
    pred_low, pred_size = np.split(pred.boxes[pairs.pred], 2, axis=1)
    overlap = np.minimum(gt_low + gt_size, pred_low + pred_size) - np.maximum(gt_low, pred_low)
    intersection = np.maximum(overlap, 0).prod(axis=1)
    union = gt_size.prod(axis=1) + pred_size.prod(axis=1) - intersection
    return np.divide(intersection, union, out=np.zeros(len(union)), where=union > 0)


def _mask_ious(gt: Side, pred: Side, pairs: Pairs) -> np.ndarray:
    """IoUs of pairs of masks, float64 [k]."""
    ious = np.zeros(len(pairs.group))
    for block, columns in pairs.blocks(np.flatnonzero(np.bincount(pairs.group))):
        gts = [gt.rles[i] for i in pairs.gt[block][::columns].tolist()]
        preds = [pred.rles[i] for i in pairs.pred[block][:columns].tolist()]
        ious[block] = coco_mask.iou(gts, preds, [0] * columns).ravel()
    return np.nan_to_num(ious)  # two empty masks have none


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
    gt_tracks, gt_category, _, _ = _tracks(gt, evaluated)
    looked_for = set(evaluated) & (set(gt_category.tolist()) | truth.negative)
    pred_tracks, pred_category, pred_id, scores = _tracks(pred, looked_for)
    leaves_free = _among(pred_id, reusable)
    found = {}
    for category in sorted({*gt_category.tolist(), *pred_category.tolist()}):
        p, g = np.flatnonzero(pred_category == category), np.flatnonzero(gt_category == category)
        ious = track_ious([pred_tracks[i] for i in p], [gt_tracks[i] for i in g])
        exhaustive = category not in truth.not_exhaustive
        found[category] = match_tracks(ious, scores[p], exhaustive=exhaustive, reusable=leaves_free[p])
    return found


def _tracks(side: Side, classes: Collection[int]) -> tuple[list[Track], np.ndarray, np.ndarray, np.ndarray]:
    """Tracks of these classes in the order of their first masks: masks, category, id, mean score."""
    masks = side.masks
    ids, first, track = np.unique(masks.track, return_index=True, return_inverse=True)
    in_time = np.lexsort((masks.frame, track))
    starts = np.searchsorted(track[in_time], np.arange(len(ids)))
    scores = np.array([part.mean() for part in np.split(masks.score[in_time], starts[1:])] if len(ids) else [], float)
    tracks: list[dict[int, Rle]] = [{} for _ in ids]
    for index, frame, rle in zip(track.tolist(), masks.frame.tolist(), side.rles, strict=True):
        tracks[index][frame] = rle
    order = np.argsort(first)
    order = order[_among(masks.category[first][order], classes)]
    return [tracks[i] for i in order.tolist()], masks.category[first][order], ids[order], scores[order]
