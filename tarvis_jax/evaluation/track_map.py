"""Track mAP as TrackEval computes it for TAO and BURST.

COCO's AP with the IoU of whole tracks (Dave et al., TAO: A Large-Scale Benchmark for Tracking Any Object, ECCV 2020). What
becomes of matches is as in `track_ap`, the YouTube-VIS variant; how tracks are matched is TrackEval's own.
Letters: p predicted tracks, g true tracks, t = 10 IoU thresholds.
"""

from collections.abc import Sequence

import numpy as np

from tarvis_jax.evaluation.track_ap import HIT, IGNORED, MISS, Matches, join_matches, precision_recall

IOU_THRESHOLDS = np.arange(0.5, 0.96, 0.05)
_THRESHOLDS = np.minimum(IOU_THRESHOLDS, 1 - 1e-10)
_EPSILON = np.finfo(float).eps


def match_tracks(
    ious: np.ndarray, scores: np.ndarray, *, exhaustive: bool | np.ndarray = True, reusable: Sequence[bool] = ()
) -> Matches:
    """Matches the tracks of one class in one video, or those of several, of which no two of different classes overlap.

    In the order of their scores, tracks take the free true track with the largest IoU of at least the threshold, the last one
    on a tie; the others are misses.

    Args:
        ious: float64 [p, g], see `track_iou.track_ious`.
        scores: float64 [p].
        exhaustive: whether all objects of the class are true tracks; if not, a miss is ignored. Or bool [p], of each.
        reusable: bool [p], none by default: tracks that leave what they take free, as TrackEval's track with the id 0 does.

    Returns:
        Outcomes [1, t, p] in the order of the scores.
    """
    order = np.argsort(-scores, kind="stable")
    ious = ious[order]
    hits = np.zeros((len(IOU_THRESHOLDS), len(order)), bool)
    place, track = np.nonzero(ious >= _THRESHOLDS[0] - _EPSILON)
    contested = (np.bincount(place)[place] > 1) | (np.bincount(track)[track] > 1)
    alone = ious[place[~contested], track[~contested]]
    hits[:, place[~contested]] = alone >= _THRESHOLDS[:, None] - _EPSILON
    if contested.any():
        leaves_free = np.asarray(reusable, bool)[order] if len(reusable) else np.zeros(len(order), bool)
        _serve(ious, np.unique(place[contested]), leaves_free, hits)
    misses = np.where(np.broadcast_to(exhaustive, len(order))[order], MISS, IGNORED)
    outcomes = np.where(hits, HIT, misses).astype(np.int8)
    return Matches(scores[order], outcomes[None], np.array([ious.shape[1]]), np.arange(len(order)))


def _serve(ious: np.ndarray, places: np.ndarray, leaves_free: np.ndarray, hits: np.ndarray) -> None:
    """Sets the hits (bool [t, p]) of the rows `places` of `ious`, which may want the same true tracks, one after another."""
    taken: list[set[int]] = [set() for _ in _THRESHOLDS]
    for place in places.tolist():
        candidates = np.flatnonzero(ious[place] >= _THRESHOLDS[0] - _EPSILON)
        overlaps = list(zip(candidates.tolist(), ious[place, candidates].tolist(), strict=True))
        for t, threshold in enumerate(_THRESHOLDS.tolist()):
            best, chosen = threshold, None
            for track, iou in overlaps:
                if iou >= best - _EPSILON and track not in taken[t]:
                    best, chosen = iou, track
            if chosen is not None:
                hits[t, place] = True
                if not leaves_free[place]:
                    taken[t].add(chosen)


def match_tracks_by_class(
    ious: np.ndarray,
    scores: np.ndarray,
    pred_category: np.ndarray,
    gt_category: np.ndarray,
    *,
    exhaustive: np.ndarray,
    reusable: Sequence[bool] = (),
) -> dict[int, Matches]:
    """What `match_tracks` returns for each class in one video, by category.

    `pred_category` (int [p]) and `gt_category` (int [g]) are those of the tracks, and `ious` is 0 where they differ.
    """
    matches = match_tracks(ious, scores, exhaustive=exhaustive, reusable=reusable)
    in_order = pred_category[np.argsort(-scores, kind="stable")]
    found = {}
    for category in sorted({*pred_category.tolist(), *gt_category.tolist()}):
        own = np.flatnonzero(in_order == category)
        positives = np.array([np.count_nonzero(gt_category == category)])
        found[category] = Matches(matches.scores[own], matches.outcomes[..., own], positives, np.arange(len(own)))
    return found


def track_map(matches: Sequence[Matches]) -> tuple[np.ndarray, np.ndarray]:
    """Average precision and recall of one class over videos, float64 [t] each; -1 if no video has a true track of it.

    `matches` are those of the videos in the official order, which decides between equal scores. The AP that is reported is the
    mean over t.

    >>> matches = match_tracks(np.array([[0.8], [0.1]]), np.array([0.9, 0.5]))
    >>> precision, recall = track_map([matches])
    >>> round(float(precision.mean()), 3), recall[:7].tolist()  # found up to an IoU of 0.8
    (0.7, [1.0, 1.0, 1.0, 1.0, 1.0, 1.0, 1.0])
    """
    joined = join_matches(matches)
    return precision_recall(joined, max_tracks=joined.scores.size)
