"""Class maps of consecutive clips, and the tracks painted over them (facts of the original, section 12, "Accumulators")."""

from collections.abc import Iterator, Mapping, Sequence
from typing import NamedTuple

import numpy as np
from scipy.special import softmax

from tarvis_jax.inference.stitching.instances import Track

EXCLUDED = -1000.0  # logit of a thing class, which only tracks may have


class SemanticStitcher:
    """Takes the clips of a video in turn; in frames that two clips share, logits are the mean of both."""

    def __init__(self) -> None:
        self._held: dict[int, np.ndarray] = {}

    def add(self, start: int, logits: np.ndarray) -> Iterator[tuple[int, np.ndarray]]:
        """Takes the clip that starts at a frame, logits [k, t, h / 4, w / 4], and yields what it cannot change any more.

        Yields:
            Frame index and logits [k, h / 4, w / 4], for the frames before `start`.
        """
        yield from self.finish(start)
        for time in range(logits.shape[1]):
            frame, earlier = start + time, self._held.get(start + time)
            self._held[frame] = logits[:, time] if earlier is None else (earlier + logits[:, time]) / 2

    def finish(self, end: int | None = None) -> Iterator[tuple[int, np.ndarray]]:
        """Yields the frames before `end` that are still held, all for None."""
        for frame in sorted(f for f in self._held if end is None or f < end):
            yield frame, self._held.pop(frame)


def without_things(logits: np.ndarray, is_thing: Sequence[bool]) -> np.ndarray:
    """Logits [k, h, w] with those of thing classes excluded."""
    return np.where(np.asarray(is_thing)[:, None, None], np.float32(EXCLUDED), logits)


class Segment(NamedTuple):
    """A track as it appears in panoptic results: 0-based class index of the dataset and its probability."""

    track_id: int
    class_index: int
    score: float


def panoptic_tracks(tracks: Mapping[int, Track], is_thing: Sequence[bool], threshold: float) -> list[Segment]:
    """The tracks whose best class is a thing with a probability above the threshold, by rising score."""
    segments = []
    for track_id, track in tracks.items():
        probabilities = softmax(track.class_logits)
        best = int(probabilities.argmax())
        if best > 0 and is_thing[best - 1] and probabilities[best] > threshold:
            segments.append(Segment(track_id, best - 1, float(probabilities[best])))
    return sorted(segments, key=lambda segment: segment.score)


def merge_panoptic(
    class_map: np.ndarray, masks: Mapping[int, np.ndarray], segments: Sequence[Segment]
) -> tuple[np.ndarray, np.ndarray]:
    """Paints tracks over a frame's class map, later segments over earlier ones.

    Args:
        class_map: 0-based classes [h, w].
        masks: bool [h, w] by track id; a track may be absent.
        segments: from `panoptic_tracks`.

    Returns:
        Class map int32 [h, w], and track ids int32 [h, w], 0 where no track is.
    """
    classes, ids = class_map.astype(np.int32), np.zeros(class_map.shape, np.int32)
    for segment in segments:
        mask = masks.get(segment.track_id)
        if mask is not None:
            classes[mask], ids[mask] = segment.class_index, segment.track_id
    return classes, ids
