"""YouTube-VIS 2021: youtube_vis/SPLIT/{instances.json,JPEGImages/}; OVIS: ovis/{annotations_SPLIT.json,SPLIT/}.

Both list their videos in one format; the published files of valid and test have no annotations.
"""

from pathlib import Path
from typing import Any

from data.errors import DataError
from data.fields import field
from data.reading import read_json
from data.videos.files import require_file, require_folder, require_frames, require_split
from data.videos.video import Video

_SPLITS = {"valid": "valid", "val": "valid", "test": "test"}  # name -> the name in files


def open_split(root: Path, split: str) -> list[Video]:
    """The videos of YouTube-VIS's "valid" or "test", in the order of the JSON. A video's `entry` is that of the JSON."""
    require_split(split, _SPLITS)
    folder = root / _SPLITS[split]
    return _open_videos(folder / "instances.json", folder / "JPEGImages")


def open_ovis_split(root: Path, split: str) -> list[Video]:
    """The videos of OVIS's "valid" or "test", as `open_split`."""
    require_split(split, _SPLITS)
    return _open_videos(root / f"annotations_{_SPLITS[split]}.json", root / _SPLITS[split])


def _open_videos(annotations: Path, images: Path) -> list[Video]:
    require_file(annotations, "the split's list of videos, a JSON file")
    require_folder(images, "VIDEO/FRAME.jpg files")
    entries = field(read_json(annotations), "videos", list, str(annotations))
    if not entries:
        raise DataError(f"{annotations}: no videos")
    return [_open_video(entry, images, f"{annotations}: videos[{index}]") for index, entry in enumerate(entries)]


def _open_video(entry: Any, images: Path, where: str) -> Video:
    field(entry, "id", int, where)
    names = field(entry, "file_names", list, where)
    if not names or not all(isinstance(name, str) for name in names):
        raise DataError(f"{where}: expected names of image files in 'file_names'")
    frames = tuple(images / name for name in names)
    name = Path(names[0]).parent.as_posix()
    require_frames(frames, name)
    size = field(entry, "height", int, where), field(entry, "width", int, where)
    return Video(name=name, frames=frames, reported=tuple(range(len(frames))), size=size, entry=entry)
