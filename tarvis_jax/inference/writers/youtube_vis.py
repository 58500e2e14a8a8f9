"""YouTube-VIS and OVIS: results.json, a list of tracks with their masks in all frames, and results.zip for the servers."""

from collections.abc import Iterable, Sequence
from pathlib import Path
from typing import Any

from data.videos.video import Video
from tarvis_jax.inference.results import FrameResult, TrackInfo
from tarvis_jax.inference.writers.benchmark import VideoResults, write_json, write_zip
from tarvis_jax.inference.writers.video import encode_mask

_JSON, _ZIP = "results.json", "results.zip"


class YoutubeVisWriter:
    """See `BenchmarkWriter`. A video has as many rows as pairs of a track and a class were found, perhaps none."""

    files: Sequence[str] = (_ZIP, _JSON)

    def open(self, video: Video, folder: Path) -> VideoResults:
        return _Tracks(video)

    def assemble(self, videos: Sequence[Video], parts: Iterable[Any], folder: Path, output: Path) -> None:
        write_json(folder / _JSON, [row for rows in parts for row in rows])
        write_zip(folder / _ZIP, [(_JSON, folder / _JSON)])


class _Tracks:
    """The tracks of a video."""

    def __init__(self, video: Video):
        self._video_id: int = video.entry["id"]
        self._frames: list[list[dict | None]] = []

    def add(self, result: FrameResult) -> None:
        self._frames.append([encode_mask(mask) for mask in result.instances])

    def close(self, tracks: Sequence[TrackInfo]) -> list[dict[str, Any]]:
        """The rows of the video."""
        return [
            {
                "video_id": self._video_id,
                "score": track.score,
                "category_id": track.category_id,
                "segmentations": [frame[row] for frame in self._frames],
            }
            for row, track in enumerate(tracks)
        ]
