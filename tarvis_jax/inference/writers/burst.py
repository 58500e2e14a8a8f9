"""BURST: results.json, the file of the given objects with the masks that were found in place of theirs."""

from collections.abc import Iterable, Sequence
from pathlib import Path
from typing import Any

from data.videos.burst import BurstVideo
from tarvis_jax.inference.results import FrameResult, TrackInfo
from tarvis_jax.inference.writers.benchmark import VideoResults, write_json
from tarvis_jax.inference.writers.video import encode_mask

_JSON = "results.json"


class BurstWriter:
    """See `BenchmarkWriter`. Every annotated frame has an entry, perhaps an empty one."""

    files: Sequence[str] = (_JSON,)

    def open(self, video: BurstVideo, folder: Path) -> VideoResults:
        return _Sequence(video)

    def assemble(self, videos: Sequence[BurstVideo], parts: Iterable[Any], folder: Path, output: Path) -> None:
        sequences = [video.entry | {"segmentations": part} for video, part in zip(videos, parts, strict=True)]
        write_json(folder / _JSON, {**videos[0].header, "sequences": sequences})


class _Sequence:
    """The masks of a sequence."""

    def __init__(self, video: BurstVideo):
        self._video = video
        self._masks: dict[str, dict[str, dict[str, Any]]] = {}  # by file name and object id

    def add(self, result: FrameResult) -> None:
        masks = {str(i): encode_mask(mask)["counts"] for i, mask in result.masks.items()}
        name = self._video.frames[result.frame_index].name
        self._masks[name] = {i: {"rle": counts, "is_gt": False} for i, counts in masks.items()}

    def close(self, tracks: Sequence[TrackInfo]) -> list[dict[str, dict[str, Any]]]:
        """For each annotated frame, also those before the first object is given, its masks by object id."""
        return [self._masks.get(Path(path).name, {}) for path in self._video.entry["annotated_image_paths"]]
