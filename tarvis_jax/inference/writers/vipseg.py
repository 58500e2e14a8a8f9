"""VIPSeg: pan_pred/VIDEO/FRAME.png and pred.json, which lists the segments of each frame."""

from collections.abc import Iterable, Sequence
from pathlib import Path
from typing import Any

from data import categories
from data.videos.video import Video
from tarvis_jax.inference.writers.benchmark import VideoResults, write_json
from tarvis_jax.inference.writers.panoptic import PanopticVideo

_IMAGES, _JSON = "pan_pred", "pred.json"


class VipsegWriter:
    """See `BenchmarkWriter`."""

    files: Sequence[str] = (_JSON,)

    def open(self, video: Video, folder: Path) -> VideoResults:
        names = [f"{video.frames[i].stem}.png" for i in video.reported]
        return PanopticVideo(video, categories.load("vipseg"), [folder / _IMAGES / video.name / name for name in names])

    def assemble(self, videos: Sequence[Video], parts: Iterable[Any], folder: Path, output: Path) -> None:
        entries = [
            {
                "video_id": video.name,
                "annotations": [
                    {"segments_info": segments, "file_name": f"{video.frames[frame].stem}.jpg"}
                    for frame, segments in zip(video.reported, part, strict=True)
                ],
            }
            for video, part in zip(videos, parts, strict=True)
        ]
        write_json(folder / _JSON, {"annotations": entries})
