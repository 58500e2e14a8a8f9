"""DAVIS 2017: SEQUENCE/FRAME.png, palette PNGs of object ids; for the hidden splits also zipped, as the server takes them."""

from collections.abc import Iterable, Sequence
from pathlib import Path
from typing import Any

from data.videos.video import Video
from tarvis_jax.inference.results import FrameResult, TrackInfo
from tarvis_jax.inference.stitching.objects import paint
from tarvis_jax.inference.writers.benchmark import VideoResults, write_zip
from tarvis_jax.inference.writers.video import save_ids

_SUBMITTED_SPLITS = ("test-dev", "test-challenge")


class DavisWriter:
    """See `BenchmarkWriter`; `files` is the archive of a split whose ground truth is hidden."""

    def __init__(self, split: str):
        self.files: Sequence[str] = (f"{split}.zip",) if split in _SUBMITTED_SPLITS else ()

    def open(self, video: Video, folder: Path) -> VideoResults:
        return _Sequence(video, folder)

    def assemble(self, videos: Sequence[Video], parts: Iterable[Any], folder: Path, output: Path) -> None:
        images = [f"{video.name}/{_png(video, frame)}" for video in videos for frame in video.reported]
        for name in self.files:
            write_zip(folder / name, ((image, output / image) for image in images))


class _Sequence:
    """The label maps of a sequence."""

    def __init__(self, video: Video, folder: Path):
        self._video, self._folder = video, folder / video.name
        self._folder.mkdir(parents=True)

    def add(self, result: FrameResult) -> None:
        save_ids(self._folder / _png(self._video, result.frame_index), paint(result.masks, self._video.size))

    def close(self, tracks: Sequence[TrackInfo]) -> None:
        """Every frame is written already."""


def _png(video: Video, frame: int) -> str:
    return f"{video.frames[frame].stem}.png"
