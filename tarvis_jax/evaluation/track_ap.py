"""Average precision of tracks of masks, as the official tool of YouTube-VIS and OVIS computes it.

Yang et al., Video Instance Segmentation, ICCV 2019: COCO's AP with the IoU of whole tracks. Dimension letters: p predicted
tracks, g true tracks, a area ranges, t IoU thresholds.
"""

import dataclasses
from collections.abc import Mapping, Sequence
from typing import Any

import numpy as np

IOU_THRESHOLDS = np.linspace(0.5, 0.95, 10)
RECALLS = np.linspace(0, 1, 101)  # at which precision is sampled
AREA_RANGES = {"all": (0, 1e10), "small": (0, 128**2), "medium": (128**2, 256**2), "large": (256**2, 1e10)}  # pixels, inclusive
MAX_TRACKS = (1, 10, 100)  # per video and category, best scores first
ABSENT = -1.0  # score of what has no true track

HIT, MISS, IGNORED = 1, 0, -1


@dataclasses.dataclass(frozen=True)
class Matches:
    """What became of the predicted tracks of one category in one video (or in several, one after another).

    scores: float64 [p], descending within a video.
    outcomes: int8 [a, t, p], HIT, MISS or IGNORED.
    positives: int64 [a], true tracks to be found.
    ranks: int64 [p], 0 for the best score of its video, and so on.
    """

    scores: np.ndarray
    outcomes: np.ndarray
    positives: np.ndarray
    ranks: np.ndarray


def match_tracks(
    ious: np.ndarray, scores: np.ndarray, pred_areas: np.ndarray, gt_areas: np.ndarray, gt_crowd: np.ndarray
) -> Matches:
    """Matches the tracks of one category in one video.

    Tracks are served in the order of their scores, the best 100. At each threshold, each takes the free true track with the
    largest IoU of at least the threshold, the last one on a tie. Ignored true tracks (crowds, and those whose area is outside
    the range) come second; what takes one is ignored, and a crowd can be taken any number of times. So is a track that takes
    none and whose own area is outside the range.

    Args:
        ious: float64 [p, g], see `track_iou.track_ious`.
        scores: float64 [p].
        pred_areas, gt_areas: float64 [p] and [g], mean pixels of a track over the frames in which it has any, 0 without.
        gt_crowd: bool [g].
    """
    order = np.argsort(-scores, kind="stable")[: MAX_TRACKS[-1]]
    ignored = _outside(gt_areas) | gt_crowd
    outcomes = np.full((len(AREA_RANGES), len(IOU_THRESHOLDS), len(order)), MISS, np.int8)
    outcomes[_outside(pred_areas[order])[:, None].repeat(len(IOU_THRESHOLDS), axis=1)] = IGNORED
    thresholds = np.minimum(IOU_THRESHOLDS, 1 - 1e-10)
    free = np.ones((*outcomes.shape[:2], len(gt_areas)), bool)
    for place in np.flatnonzero((ious[order] >= thresholds[0]).any(axis=1)):
        iou = ious[order[place]]
        candidates = free & (iou >= thresholds[:, None])
        wanted = candidates & ~ignored[:, None]
        first_choice = wanted.any(axis=2)
        candidates = np.where(first_choice[..., None], wanted, candidates)
        taken = iou.size - 1 - np.argmax(np.where(candidates, iou, -1)[..., ::-1], axis=2)
        area, threshold = np.nonzero(candidates.any(axis=2))
        taken = taken[area, threshold]
        outcomes[area, threshold, place] = np.where(ignored[area, taken], IGNORED, HIT)
        free[area, threshold, taken] = gt_crowd[taken]
    return Matches(scores[order], outcomes, np.count_nonzero(~ignored, axis=1), np.arange(len(order)))


def _outside(areas: np.ndarray) -> np.ndarray:
    """bool [a, n]: which of n areas are outside each range."""
    low, high = np.array(list(AREA_RANGES.values())).T[..., None]
    return (areas < low) | (areas > high)


def join_matches(parts: Sequence[Matches]) -> Matches:
    """The matches of one category over videos, sorted by score; equal scores stay in the videos' order."""
    scores = np.concatenate([part.scores for part in parts])
    order = np.argsort(-scores, kind="stable")
    outcomes = np.concatenate([part.outcomes for part in parts], axis=2)
    ranks = np.concatenate([part.ranks for part in parts])
    return Matches(scores[order], outcomes[..., order], sum(part.positives for part in parts), ranks[order])


def precision_recall(
    matches: Matches, area_range: str = "all", max_tracks: int = MAX_TRACKS[-1]
) -> tuple[np.ndarray, np.ndarray]:
    """Mean precision over the 101 recalls and final recall, float64 [t] each; `ABSENT` if there is nothing to be found.

    `matches` as `join_matches` returns them; `max_tracks` per video are counted.
    """
    index = list(AREA_RANGES).index(area_range)
    positives = matches.positives[index]
    if not positives:
        return np.full(len(IOU_THRESHOLDS), ABSENT), np.full(len(IOU_THRESHOLDS), ABSENT)
    outcomes = matches.outcomes[index][:, matches.ranks < max_tracks]
    hits, misses = np.cumsum(outcomes == HIT, axis=1), np.cumsum(outcomes == MISS, axis=1)
    recalls = hits / positives
    precisions = hits / (hits + misses + np.spacing(1))
    # Recalls that are not reached have a precision of 0.
    best_from_here = np.zeros((len(IOU_THRESHOLDS), outcomes.shape[1] + 1))
    best_from_here[:, :-1] = np.maximum.accumulate(precisions[:, ::-1], axis=1)[:, ::-1]
    sampled = np.array([best[recall.searchsorted(RECALLS)] for best, recall in zip(best_from_here, recalls, strict=True)])
    return sampled.mean(axis=1), recalls[:, -1] if recalls.size else np.zeros(len(IOU_THRESHOLDS))


def track_ap(matches: Mapping[Any, Sequence[Matches]]) -> dict[str, Any]:
    """AP and AR over categories.

    Args:
        matches: category -> what `match_tracks` returned for each video that has a true or predicted track of it.

    Returns, as fractions: "AP" (mean over the thresholds .5, .55, ..., .95), "AP50", "AP75", "AR1", "AR10", "AR100" (with that
    many tracks per video and category), "AP_small", "AP_medium", "AP_large" and "AR_..." likewise, and "per_category":
    {category: {"AP", "AP50", "AP75", "AR1", "AR10", "AR100", "AP_per_iou", "AR1_per_iou", "AR10_per_iou", "AR100_per_iou"}}.
    Categories without a true track have -1 and are left out of the means; a mean over none is -1.

    >>> one = np.ones(1)
    >>> hit = match_tracks(np.array([[0.8]]), 0.9 * one, 500 * one, 500 * one, np.zeros(1, bool))
    >>> scores = track_ap({"person": [hit]})
    >>> round(scores["AP"], 3), round(scores["AP50"], 3), scores["AR1"], scores["AP_large"]  # right up to a threshold of 0.8
    (0.7, 1.0, 0.7, -1.0)
    """
    curves = [_curves(join_matches(parts)) if parts else _ABSENT_CURVES for parts in matches.values()]
    per_category = {}
    for category, own in zip(matches, curves, strict=True):
        scores = _scores([own])
        per_category[category] = {key: scores[key] for key in ("AP", "AP50", "AP75", *(f"AR{count}" for count in MAX_TRACKS))}
        per_category[category] |= {f"{key}_per_iou": own[key].tolist() for key in ("AP", "AR1", "AR10", "AR100")}
    return _scores(curves) | {"per_category": per_category}


def mean_precision(matches: Mapping[Any, Sequence[Matches]]) -> np.ndarray:
    """AP at each threshold, float64 [t]: what `track_ap` calls "AP" before the mean over the thresholds."""
    return _mean([precision_recall(join_matches(parts))[0] for parts in matches.values() if parts])


def _curves(joined: Matches) -> dict[str, np.ndarray]:
    """float64 [t] for each score of `track_ap` that is a mean over thresholds."""
    by_range = {name: precision_recall(joined, name) for name in AREA_RANGES}
    by_count = {f"AR{count}": precision_recall(joined, max_tracks=count)[1] for count in MAX_TRACKS}
    precisions = {f"AP_{name}": precision for name, (precision, _) in by_range.items()}
    recalls = {f"AR_{name}": recall for name, (_, recall) in by_range.items() if name != "all"}
    return {"AP": precisions.pop("AP_all")} | by_count | precisions | recalls


_ABSENT_CURVES = _curves(match_tracks(np.zeros((0, 0)), np.zeros(0), np.zeros(0), np.zeros(0), np.zeros(0, bool)))


def _mean(curves: Sequence[np.ndarray]) -> np.ndarray:
    """The mean over categories that have a true track."""
    present = [curve for curve in curves if curve[0] != ABSENT]
    return np.mean(present, axis=0) if present else np.full(len(IOU_THRESHOLDS), ABSENT)


def _scores(categories: Sequence[Mapping[str, np.ndarray]]) -> dict[str, float]:
    means = {key: _mean([curves[key] for curves in categories]) for key in _ABSENT_CURVES}
    scores = {key: float(values.mean()) for key, values in means.items()}
    return {"AP": scores.pop("AP"), "AP50": float(means["AP"][0]), "AP75": float(means["AP"][5])} | scores
