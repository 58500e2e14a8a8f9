"""KITTI-STEP: SEQUENCE/FRAME.png, R = class, 256 G + B = instance."""

from collections.abc import Iterable, Sequence
from pathlib import Path
from typing import Any

import numpy as np
from PIL import Image

from data import categories
from data.videos.video import Video
from tarvis_jax.inference.results import FrameResult, TrackInfo
from tarvis_jax.inference.writers.benchmark import VideoResults


class KittiStepWriter:
    """See `BenchmarkWriter`; the images are all of the result."""

    files: Sequence[str] = ()

    def open(self, video: Video, folder: Path) -> VideoResults:
        return _Sequence(video, folder)

    def assemble(self, videos: Sequence[Video], parts: Iterable[Any], folder: Path, output: Path) -> None:
        """Nothing is left to do."""


class _Sequence:
    """The label maps of a sequence.

    Its tracks are numbered anew from 1 in the order of their appearance. Track ids also count what was dropped and can exceed
    999, from where on the official tool takes an instance for one of another class; a mistake of the original.
    """

    def __init__(self, video: Video, folder: Path):
        self._video, self._folder = video, folder / video.name
        self._class_ids = np.array(categories.load("kitti_step").ids)
        self._numbers: dict[int, int] = {0: 0}  # of track ids
        self._folder.mkdir(parents=True)

    def add(self, result: FrameResult) -> None:
        areas = np.bincount(result.panoptic.track_map.ravel())
        numbers = np.zeros(len(areas), np.int32)
        for track in np.flatnonzero(areas).tolist():
            numbers[track] = self._numbers.setdefault(track, len(self._numbers))
        instances = numbers[result.panoptic.track_map]
        channels = (self._class_ids[result.panoptic.class_map], instances // 256, instances % 256)
        image = Image.fromarray(np.stack(channels, axis=-1).astype(np.uint8))
        image.save(self._folder / f"{self._video.frames[result.frame_index].stem}.png")

    def close(self, tracks: Sequence[TrackInfo]) -> None:
        """Every frame is written already."""
