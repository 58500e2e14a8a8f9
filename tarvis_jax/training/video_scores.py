"""Scores of segmented videos in memory, by the measures of the benchmarks, in percent.

Each class collects the videos of a task: `add` takes a video with what was predicted for it and returns the score of that video
alone, `values` gives the scores of all of them. Letters: t frames, h w space.
"""

from collections.abc import Sequence
from typing import Any, Protocol

import numpy as np

from data import categories
from data.toy.davis import object_ids
from data.toy.video import DrawnVideo
from tarvis_jax.evaluation.boundary import tolerance_radius
from tarvis_jax.evaluation.davis_scores import frame_scores
from tarvis_jax.evaluation.hota import combine, hota
from tarvis_jax.evaluation.label_pairs import count_pairs
from tarvis_jax.evaluation.stq import INSTANCES, stq
from tarvis_jax.evaluation.track_ap import ABSENT, Matches, match_tracks, track_ap
from tarvis_jax.evaluation.track_iou import mask_areas, track_ious
from tarvis_jax.evaluation.vpq import Segment, compare_frame, vpq
from tarvis_jax.inference.results import FrameResult, TrackInfo
from tarvis_jax.inference.writers.video import encode_mask


class TaskScores(Protocol):
    """The scores of one task over videos."""

    def add(self, video: DrawnVideo, prediction: Any) -> float:
        """Takes a video and what was predicted for it; returns the video's own score."""

    def values(self) -> dict[str, float]:
        """The scores by name, the headline first."""


class ObjectScores:
    """J&F and HOTA of objects that are given in the first frame; a prediction is a map of their ids, uint8 [t, h, w].

    J&F as DAVIS 2017 has it: the mean over objects, without the first and the last frame. HOTA without classes, over all
    frames, with the IoU of masks.
    """

    def __init__(self) -> None:
        self._objects: list[float] = []
        self._states: list[Any] = []

    def add(self, video: DrawnVideo, prediction: np.ndarray) -> float:
        truth = object_ids(video)
        count, radius = int(truth.max()), tolerance_radius(*truth.shape[1:])
        frames = [frame_scores(*pair, count, radius)[:2] for pair in zip(truth[1:-1], prediction[1:-1], strict=True)]
        own = 100 * np.mean(frames, axis=(0, 1))
        self._objects += own.tolist()
        self._states.append(hota(*zip(*map(_similarities, truth, prediction), strict=True)))
        return float(own.mean())

    def values(self) -> dict[str, float]:
        score = combine(self._states).scores()["HOTA"].mean()
        return {"J&F": float(np.mean(self._objects)), "HOTA": 100 * float(score)}


def _similarities(truth: np.ndarray, prediction: np.ndarray) -> tuple[np.ndarray, np.ndarray, np.ndarray]:
    """IoUs [g, p] of the objects of two maps [h, w], and their ids, int [g] and [p]."""
    true_ids, true_of, true_areas = np.unique(truth, return_inverse=True, return_counts=True)
    ids, own_of, areas = np.unique(prediction, return_inverse=True, return_counts=True)
    pairs = true_of.reshape(-1) * len(ids) + own_of.reshape(-1)
    shared = np.bincount(pairs, minlength=len(true_ids) * len(ids)).reshape(len(true_ids), len(ids))
    ious = shared / (true_areas[:, None] + areas[None] - shared)
    return ious[np.ix_(true_ids > 0, ids > 0)], true_ids[true_ids > 0], ids[ids > 0]


ClassPrediction = tuple[Sequence[FrameResult], Sequence[TrackInfo]]  # the final results of all frames, and the tracks


class TrackScores:
    """AP of tracks, as YouTube-VIS has it; a prediction is that of "vis"."""

    def __init__(self, classes: str):
        self._known = categories.load(classes)
        self._matches: dict[str, list[Matches]] = {name: [] for name in self._known.names}

    def add(self, video: DrawnVideo, prediction: ClassPrediction) -> float:
        own = self._match(video, *prediction)
        for name, matches in own.items():
            self._matches[name].append(matches)
        return _average_precision({name: [matches] for name, matches in own.items()})

    def _match(self, video: DrawnVideo, frames: Sequence[FrameResult], tracks: Sequence[TrackInfo]) -> dict[str, Matches]:
        """The matches of the classes that the video or its prediction has."""
        true = [[frame == thing for frame in video.thing_map] for thing in range(1, len(video.things) + 1)]
        found = [[frame.instances[row] for frame in frames] for row in range(len(tracks))]
        names = [track.category for track in tracks]
        scores = np.array([track.score for track in tracks], float)
        matches = {}
        for name in sorted({*names, *video.things}):
            chosen = [row for row, own in enumerate(names) if own == name]
            predicted, expected = _encoded(found[row] for row in chosen), _encoded(_of_class(true, video.things, name))
            ious = track_ious(predicted, expected)
            areas = _mean_areas(predicted), _mean_areas(expected)
            matches[name] = match_tracks(ious, scores[chosen], *areas, np.zeros(len(expected), bool))
        return matches

    def values(self) -> dict[str, float]:
        return {"AP": _average_precision(self._matches)}


def _of_class(tracks: Sequence[Any], names: Sequence[str], name: str) -> list[Any]:
    """The tracks of a class that are to be seen in a frame at least."""
    return [track for track, own in zip(tracks, names, strict=True) if own == name and any(mask.any() for mask in track)]


def _encoded(tracks: Any) -> list[dict[int, Any]]:
    """Tracks of run-length encoded masks by frame, of masks bool [h, w] or None."""
    return [
        {frame: encode_mask(mask) for frame, mask in enumerate(track) if mask is not None and mask.any()} for track in tracks
    ]


def _mean_areas(tracks: Sequence[dict[int, Any]]) -> np.ndarray:
    """float64: mean pixels of each track over the frames that it is in, 0 for none."""
    return np.array([mask_areas(list(track.values())).mean() if track else 0.0 for track in tracks], float)


def _average_precision(matches: dict[str, list[Matches]]) -> float:
    """NaN where nothing is to be found."""
    score = track_ap(matches)["AP"]
    return float("nan") if score == ABSENT else 100 * score


class PanopticScores:
    """VPQ (windows of 1 to 4 frames, as Cityscapes-VPS has it) and STQ; a prediction is that of "vps"."""

    def __init__(self, classes: str):
        self._known = categories.load(classes)
        self._videos: list[tuple[np.ndarray, np.ndarray]] = []

    def add(self, video: DrawnVideo, prediction: ClassPrediction) -> float:
        class_of = np.array([self._known.names.index(name) for name in video.segments])
        numbers = np.maximum(np.arange(len(class_of)) - len(video.stuff) + 1, 0)  # stuff has the number 0
        true = (class_of * INSTANCES + numbers)[video.segment_map]
        panoptic = [frame.panoptic for frame in prediction[0]]
        predicted = np.stack([frame.class_map.astype(np.int64) * INSTANCES + frame.track_map for frame in panoptic])
        self._videos.append((true, predicted))
        return self._vpq(self._videos[-1:])

    def values(self) -> dict[str, float]:
        things = np.flatnonzero(self._known.isthing).tolist()
        sequences = {str(index): zip(*pair, strict=True) for index, pair in enumerate(self._videos)}
        return {"VPQ": self._vpq(self._videos), "STQ": 100 * stq(sequences, len(self._known), things)["STQ"]}

    def _vpq(self, videos: Sequence[tuple[np.ndarray, np.ndarray]]) -> float:
        frames = [[_compare(*labels) for labels in zip(*pair, strict=True)] for pair in videos]
        return vpq(frames, dict(enumerate(self._known.isthing)))["VPQ"]


def _compare(true: np.ndarray, predicted: np.ndarray) -> Any:
    """One frame of labels class * `INSTANCES` + number, [h, w]; ids of segments are labels + 1, as 0 is void."""
    true_labels, predicted_labels, pixels = count_pairs(true, predicted)
    areas = {label: int(pixels[true_labels == label].sum()) for label in np.unique(true_labels).tolist()}
    segments = {label + 1: Segment(label // INSTANCES, area) for label, area in areas.items()}
    return compare_frame(
        true + 1, predicted + 1, segments, {x + 1: x // INSTANCES for x in np.unique(predicted_labels).tolist()}
    )
