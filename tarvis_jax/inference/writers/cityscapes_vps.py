"""Cityscapes-VPS: pan_pred/IMAGE_ID.png and pred.json, which lists the segments of each image."""

from collections.abc import Iterable, Sequence
from pathlib import Path
from typing import Any

from data import categories
from data.videos.video import Video
from tarvis_jax.inference.writers.benchmark import VideoResults, write_json
from tarvis_jax.inference.writers.panoptic import PanopticVideo

_IMAGES, _JSON = "pan_pred", "pred.json"


class CityscapesVpsWriter:
    """See `BenchmarkWriter`; a video's `entry` holds the ids of its images."""

    files: Sequence[str] = (_JSON,)

    def open(self, video: Video, folder: Path) -> VideoResults:
        images = [folder / _IMAGES / f"{image_id}.png" for image_id in video.entry]
        return PanopticVideo(video, categories.load("cityscapes_vps"), images)

    def assemble(self, videos: Sequence[Video], parts: Iterable[Any], folder: Path, output: Path) -> None:
        # The official tool pairs by position; videos are sorted as its ground truth is. Our own evaluation checks the ids.
        entries = [
            {"image_id": image_id, "segments_info": segments}
            for video, part in zip(videos, parts, strict=True)
            for image_id, segments in zip(video.entry, part, strict=True)
        ]
        write_json(folder / _JSON, {"annotations": entries})
