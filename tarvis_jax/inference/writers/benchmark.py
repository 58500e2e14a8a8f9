"""What the writers of all benchmarks have in common."""

import json
import zipfile
from collections.abc import Iterable, Sequence
from pathlib import Path
from typing import Any, Protocol

from data.videos.video import Video
from tarvis_jax.inference.results import FrameResult, TrackInfo

_ZIP_TIME = (1980, 1, 1, 0, 0, 0)  # of every file, so that equal results are equal archives


class VideoResults(Protocol):
    """Takes the final results of a video."""

    def add(self, result: FrameResult) -> None:
        """Takes the next of the frames that are reported."""

    def close(self, tracks: Sequence[TrackInfo]) -> Any:
        """Takes the tracks, after the last frame; returns what `assemble` needs, as JSON holds it."""


class BenchmarkWriter(Protocol):
    """Writes the results of a benchmark; `files` are those that `assemble` writes."""

    files: Sequence[str]

    def open(self, video: Video, folder: Path) -> VideoResults:
        """Begins a video. Its images are written to the folder, under their paths in the folder of all results."""

    def assemble(self, videos: Sequence[Video], parts: Iterable[Any], folder: Path, output: Path) -> None:
        """Writes `files` to the folder from what the videos' `close` returned; their images are in `output` already."""


def write_json(path: Path, content: Any) -> None:
    path.write_text(json.dumps(content))


def write_zip(path: Path, files: Iterable[tuple[str, Path]]) -> None:
    """Packs files under the names that go before them."""
    with zipfile.ZipFile(path, "w", zipfile.ZIP_DEFLATED) as archive:
        for name, file in files:
            entry = zipfile.ZipInfo(name, _ZIP_TIME)
            entry.compress_type, entry.external_attr = zipfile.ZIP_DEFLATED, 0o644 << 16
            archive.writestr(entry, file.read_bytes())
