"""Instances of consecutive clips become tracks of a video (facts of the original, section 12, "Accumulators").

A clip's best instances are assigned to the tracks of the clip before by the overlap of their masks on the frames that both
have. In these frames the earlier clip's masks stay: the original means to average the logits there, but writes the average into
a copy (`average` does what it means). A track's class logits are the mean over its clips.
"""

import dataclasses
from collections.abc import Callable, Iterator

import numpy as np
from scipy.optimize import linear_sum_assignment
from scipy.special import softmax

ASSOCIATION_IOU = 0.5  # a pair below it is not the same track

TrackLogits = dict[int, np.ndarray]  # of one frame, mask logits [h / 4, w / 4] by track id


@dataclasses.dataclass
class Track:
    """A track's class logits, float32 [1 + k], summed over `clips` clips."""

    class_sum: np.ndarray
    clips: int = 1

    @property
    def class_logits(self) -> np.ndarray:
        """Mean over the clips, [1 + k], column 0 the background."""
        return self.class_sum / np.float32(self.clips)


@dataclasses.dataclass(frozen=True)
class InstanceSettings:
    """Which instances of a clip are kept: the best `max_tracks` of those whose score is at least the threshold."""

    max_tracks: int
    threshold: float


def best_instances(class_logits: np.ndarray, settings: InstanceSettings) -> np.ndarray:
    """Indices of the instances [q] of a clip to keep; new tracks are numbered in this order.

    The score is the largest probability of a class, the background left out. Where there are too many, the best remain, from
    the best score down; else the order is that of the queries.
    """
    scores = softmax(class_logits, axis=-1)[:, 1:].max(axis=-1)
    kept = np.flatnonzero(scores >= settings.threshold)
    if len(kept) > settings.max_tracks:
        kept = kept[np.argsort(-scores[kept], kind="stable")][: settings.max_tracks]
    return kept


class InstanceStitcher:
    """Takes the clips of a video in turn; `tracks` holds all tracks so far, by id from 1 in the order of their appearance.

    With `average`, the logits of a track are the mean of both clips' in frames that two clips share, and so are held until the
    next clip.
    """

    def __init__(self, settings: InstanceSettings, *, average: bool = False):
        self.tracks: dict[int, Track] = {}
        self._settings, self._average = settings, average
        self._previous: _ClipTracks | None = None
        self._held: dict[int, TrackLogits] = {}

    def add(
        self, start: int, end: int, class_logits: np.ndarray, mask_logits: Callable[[np.ndarray], np.ndarray]
    ) -> Iterator[tuple[int, TrackLogits]]:
        """Takes the clip of frames start..end-1.

        Args:
            start: first frame of the clip.
            end: its end.
            class_logits: float32 [q, 1 + k].
            mask_logits: function from indices [n] of instances to their mask logits [n, t, h / 4, w / 4].

        Yields:
            For each frame that no later clip changes, once: its index and the mask logits [h / 4, w / 4] of the tracks there.
        """
        kept = best_instances(class_logits, self._settings)
        masks = mask_logits(kept)
        clip = _ClipTracks(start, end, self._associate(start, masks), masks > 0)
        for track, logits in zip(clip.ids, class_logits[kept], strict=True):
            self._count(track, logits)
        frames = {frame: dict(zip(clip.ids, masks[:, frame - start], strict=True)) for frame in range(start, end)}
        known = self._previous.end if self._previous is not None else start
        self._previous = clip
        if self._average:
            yield from self._hold(start, frames)
        else:
            yield from ((frame, logits) for frame, logits in frames.items() if frame >= known)

    def finish(self) -> Iterator[tuple[int, TrackLogits]]:
        """Yields the frames that are still held."""
        yield from self._held.items()
        self._held = {}

    def _hold(self, start: int, frames: dict[int, TrackLogits]) -> Iterator[tuple[int, TrackLogits]]:
        """Averages the frames that are held with those of a clip, holds these, and yields the held ones before `start`."""
        held, self._held = self._held, frames
        for frame, earlier in held.items():
            if frame < start:
                yield frame, earlier
            else:
                later = frames[frame]
                self._held[frame] = {i: (x + later[i]) / 2 if i in later else x for i, x in earlier.items()}

    def _associate(self, start: int, masks: np.ndarray) -> list[int]:
        """The track id of every kept instance of a clip, new ones where no track of the clip before fits."""
        previous, ids = self._previous, [0] * len(masks)
        if previous is not None and previous.ids and len(masks):
            shared = previous.end - start
            iou = overlap_iou(previous.masks[:, start - previous.start :], masks[:, :shared] > 0)
            for old, new in zip(*linear_sum_assignment(iou, maximize=True), strict=True):
                if iou[old, new] > ASSOCIATION_IOU:
                    ids[new] = previous.ids[old]
        fresh = iter(range(len(self.tracks) + 1, len(self.tracks) + len(ids) + 1))
        return [i or next(fresh) for i in ids]

    def _count(self, track: int, class_logits: np.ndarray) -> None:
        if track in self.tracks:
            self.tracks[track].class_sum = self.tracks[track].class_sum + class_logits
            self.tracks[track].clips += 1
        else:
            self.tracks[track] = Track(class_logits)


@dataclasses.dataclass(frozen=True)
class _ClipTracks:
    """What the next clip is compared with: track ids [n] and their masks, bool [n, t, h / 4, w / 4]."""

    start: int
    end: int
    ids: list[int]
    masks: np.ndarray


def overlap_iou(first: np.ndarray, second: np.ndarray) -> np.ndarray:
    """(intersection + 1) / (union + 1) of all pairs of masks, pooled over frames: bool [n, ...] and [m, ...] to [n, m]."""
    first, second = (x.reshape(len(x), -1).astype(np.float32) for x in (first, second))
    intersection = (first @ second.T).astype(np.float64)
    union = first.sum(axis=1, dtype=np.float64)[:, None] + second.sum(axis=1, dtype=np.float64)[None] - intersection
    return (intersection + 1) / (union + 1)
