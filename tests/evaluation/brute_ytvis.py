"""AP of tracks straight from its definition: dense masks, one detection, threshold and true track at a time.

A video maps categories to (predicted, true): lists of (score, track) and (track, is crowd).
"""

import dataclasses
import functools

import numpy as np

THRESHOLDS = list(np.linspace(0.5, 0.95, 10))
RANGES = {"": (0, 1e10), "_small": (0, 128**2), "_medium": (128**2, 256**2), "_large": (256**2, 1e10)}


@dataclasses.dataclass(eq=False)
class Track:
    """masks: bool [t, h, w]."""

    masks: np.ndarray


@functools.cache
def mean_area(track):
    areas = [mask.sum() for mask in track.masks if mask.any()]
    return sum(areas) / len(areas) if areas else 0.0


def outside(track, area_range):
    return not area_range[0] <= mean_area(track) <= area_range[1]


@functools.cache
def track_iou(first, second):
    union = np.sum(first.masks | second.masks)
    return np.sum(first.masks & second.masks) / union if union else 0.0


def match(predicted, true, threshold, area_range):
    """[(score, "hit" or "miss" or "ignored")] in descending order of scores, and the number of true tracks to be found."""
    ignored = [crowd or outside(track, area_range) for track, crowd in true]
    taken = [False] * len(true)
    outcomes = []
    for score, track in sorted(predicted, key=lambda item: -item[0])[:100]:
        ious = [track_iou(track, true_track) for true_track, _ in true]
        best = None
        for group in (False, True):  # true tracks that count are preferred
            free = [i for i in range(len(true)) if ignored[i] == group and (not taken[i] or true[i][1])]
            fitting = [i for i in free if ious[i] >= min(threshold, 1 - 1e-10)]
            if best is None and fitting:
                best = max(fitting, key=lambda i: (ious[i], i))
        if best is None:
            outcomes.append((score, "ignored" if outside(track, area_range) else "miss"))
        else:
            taken[best] = True
            outcomes.append((score, "ignored" if ignored[best] else "hit"))
    return outcomes, ignored.count(False)


def precision_recall(videos, category, threshold, area_range, limit):
    """Mean of the interpolated precision over 101 recalls, and the recall; None without a true track."""
    outcomes, positives = [], 0
    for video in videos:
        own, count = match(*video.get(category, ([], [])), threshold, area_range)
        outcomes += own[:limit]
        positives += count
    if not positives:
        return None
    points, hits, misses = [], 0, 0
    for _, outcome in sorted(outcomes, key=lambda item: -item[0]):
        hits += outcome == "hit"
        misses += outcome == "miss"
        points.append((hits / positives, hits / (hits + misses) if hits else 0.0))
    precisions = [
        max((precision for recall, precision in points if recall >= step), default=0.0) for step in np.linspace(0, 1, 101)
    ]
    return sum(precisions) / 101, hits / positives


def track_ap(videos, categories):
    """The scores of the official tool, -1 where nothing is to be found."""

    def mean(which, thresholds=THRESHOLDS, area="", limit=100):
        values = [precision_recall(videos, c, t, RANGES[area], limit) for c in categories for t in thresholds]
        values = [value[which] for value in values if value is not None]
        return sum(values) / len(values) if values else -1.0

    scores = {"AP": mean(0), "AP50": mean(0, [0.5]), "AP75": mean(0, THRESHOLDS[5:6])}
    scores |= {f"AR{limit}": mean(1, limit=limit) for limit in (1, 10, 100)}
    return scores | {
        f"{kind}{area}": mean(which, area=area) for kind, which in (("AP", 0), ("AR", 1)) for area in list(RANGES)[1:]
    }
