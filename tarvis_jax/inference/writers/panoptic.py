"""Panoptic label maps of Cityscapes-VPS and VIPSeg: an image's colours are its segment ids, R + 256 G + 65536 B."""

from collections.abc import Sequence
from pathlib import Path
from typing import Any

import numpy as np
from PIL import Image

from data.categories import Categories
from data.videos.video import Video
from tarvis_jax.inference.results import FrameResult, PanopticFrame, TrackInfo

_SPREAD = 30  # a track's colour differs by no more from that of its class, in any channel
_TO_ID = np.array([1, 256, 65536])


class SegmentIds:
    """The ids of a video's segments.

    Stuff has the colour of its class. A track has one colour in the whole video: that of its class if no other segment and no
    stuff class has it, else one near it that is free; which one depends on the video's name and what came before alone.
    """

    def __init__(self, known: Categories, video: str):
        self._colours = np.array(known.colours) @ _TO_ID
        self._known = known
        self._rng = np.random.default_rng(list(video.encode()))
        stuff = [int(colour) for colour, isthing in zip(self._colours, known.isthing, strict=True) if not isthing]
        self._taken = {0, *stuff}  # 0 is no segment
        self._ids: dict[int, int] = {}  # by track

    def of(self, track: int, class_index: int) -> int:
        """The id of a track of a class, of stuff for track 0."""
        if track == 0:
            return int(self._colours[class_index])
        if track not in self._ids:
            self._ids[track] = self._free_id(class_index)
            self._taken.add(self._ids[track])
        return self._ids[track]

    def _free_id(self, class_index: int) -> int:
        candidate = int(self._colours[class_index])
        while candidate in self._taken:
            shift = self._rng.integers(-_SPREAD, _SPREAD, 3, endpoint=True)
            candidate = int(np.clip(self._known.colours[class_index] + shift, 0, 255) @ _TO_ID)
        return candidate


class PanopticVideo:
    """Writes the label maps of a video and lists their segments, a list for each frame in `close`.

    Args:
        video: its frames.
        known: classes of the benchmark.
        images: path of each reported frame's image.
    """

    def __init__(self, video: Video, known: Categories, images: Sequence[Path]):
        self._known, self._ids = known, SegmentIds(known, video.name)
        self._image_of_frame = dict(zip(video.reported, images, strict=True))
        self._segments: list[list[dict[str, Any]]] = []
        for folder in {path.parent for path in images}:
            folder.mkdir(parents=True, exist_ok=True)

    def add(self, result: FrameResult) -> None:
        ids, segments = self._segments_of(result.panoptic)
        rgb = np.stack([ids & 255, ids >> 8 & 255, ids >> 16], axis=-1).astype(np.uint8)
        Image.fromarray(rgb).save(self._image_of_frame[result.frame_index])
        self._segments.append(segments)

    def close(self, tracks: Sequence[TrackInfo]) -> list[list[dict[str, Any]]]:
        """The segments of each frame: id, category_id, iscrowd, area."""
        return self._segments

    def _segments_of(self, frame: PanopticFrame) -> tuple[np.ndarray, list[dict[str, Any]]]:
        """Segment ids [h, w] of a frame, and its segments."""
        keys = frame.track_map * len(self._known) + frame.class_map
        areas = np.bincount(keys.ravel())
        id_of_key = np.zeros(len(areas), np.int32)
        segments = []
        for key in np.flatnonzero(areas).tolist():
            track, class_index = divmod(key, len(self._known))
            id_of_key[key] = self._ids.of(track, class_index)
            category = self._known.ids[class_index]
            segments.append({"id": int(id_of_key[key]), "category_id": category, "iscrowd": 0, "area": int(areas[key])})
        return id_of_key[keys], segments
