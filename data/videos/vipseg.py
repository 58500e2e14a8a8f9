"""VIPSeg at 720p: vipseg/{panoptic_gt_VIPSeg_val.json,images/VIDEO/FRAME.jpg}, the output of its own change2_720p script."""

from pathlib import Path
from typing import Any

from data.errors import DataError
from data.fields import field
from data.reading import read_json
from data.videos.files import image_size, require_file, require_folder, require_frames, require_split
from data.videos.video import Video

_SPLITS = ("val",)  # test has no public list of frames


def open_split(root: Path, split: str) -> list[Video]:
    """The videos of "val", in the order of the JSON. A video's `entry` is that of the JSON; its file names end in .png."""
    require_split(split, _SPLITS)
    annotations = root / f"panoptic_gt_VIPSeg_{split}.json"
    require_file(annotations, "the split's list of videos, a JSON file")
    require_folder(root / "images", "VIDEO/FRAME.jpg files")
    entries = field(read_json(annotations), "videos", list, str(annotations))
    if not entries:
        raise DataError(f"{annotations}: no videos")
    return [_open_video(entry, root / "images", f"{annotations}: videos[{index}]") for index, entry in enumerate(entries)]


def _open_video(entry: Any, images: Path, where: str) -> Video:
    name, listed = field(entry, "video_id", str, where), field(entry, "images", list, where)
    if not listed:
        raise DataError(f"{where}: video {name} has no images")
    names = [field(image, "file_name", str, f"{where}: images[{index}]") for index, image in enumerate(listed)]
    frames = tuple(images / name / Path(file_name).with_suffix(".jpg") for file_name in names)
    require_frames(frames, name)
    return Video(name=name, frames=frames, reported=tuple(range(len(frames))), size=image_size(frames[0]), entry=entry)
