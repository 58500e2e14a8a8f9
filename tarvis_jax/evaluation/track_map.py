"""Track mAP as TrackEval computes it for TAO and BURST.

COCO's AP with the IoU of whole tracks (Dave et al., TAO: A Large-Scale Benchmark for Tracking Any Object, ECCV 2020). What
becomes of matches is as in `track_ap`, the YouTube-VIS variant; how tracks are matched is TrackEval's own.
Letters: p predicted tracks, g true tracks, t = 10 IoU thresholds.
"""

from collections.abc import Sequence

import numpy as np

from tarvis_jax.evaluation.track_ap import HIT, IGNORED, MISS, Matches, join_matches, precision_recall

IOU_THRESHOLDS = np.arange(0.5, 0.96, 0.05)
_EPSILON = np.finfo(float).eps


def match_tracks(ious: np.ndarray, scores: np.ndarray, *, exhaustive: bool = True, reusable: Sequence[bool] = ()) -> Matches:
    """Matches the tracks of one class in one video.

    In the order of their scores, tracks take the free true track with the largest IoU of at least the threshold, the last one
    on a tie; the others are misses.

    Args:
        ious: float64 [p, g], see `track_iou.track_ious`.
        scores: float64 [p].
        exhaustive: whether all objects of the class are true tracks; if not, a miss is ignored.
        reusable: bool [p], none by default: tracks that leave what they take free, as TrackEval's track with the id 0 does.

    Returns:
        Outcomes [1, t, p] in the order of the scores.
    """
    order = np.argsort(-scores, kind="stable")
    outcomes = np.full((1, len(IOU_THRESHOLDS), len(order)), MISS if exhaustive else IGNORED, np.int8)
    thresholds = np.minimum(IOU_THRESHOLDS, 1 - 1e-10).tolist()
    taken: list[set[int]] = [set() for _ in thresholds]
    for place, index in enumerate(order.tolist()):
        candidates = np.flatnonzero(ious[index] >= thresholds[0] - _EPSILON)
        overlaps = list(zip(candidates.tolist(), ious[index, candidates].tolist(), strict=True))
        for t, threshold in enumerate(thresholds):
            best, chosen = threshold, None
            for track, iou in overlaps:
                if iou >= best - _EPSILON and track not in taken[t]:
                    best, chosen = iou, track
            if chosen is not None:
                outcomes[0, t, place] = HIT
                if not (len(reusable) and reusable[index]):
                    taken[t].add(chosen)
    return Matches(scores[order], outcomes, np.array([ious.shape[1]]), np.arange(len(order)))


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
