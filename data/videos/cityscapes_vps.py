"""Cityscapes-VPS: cityscapes_vps/{im_all_info_SPLIT_city_vps.json,panoptic_im_SPLIT_city_vps.json,SPLIT/img_all/FRAME.png}.

The images of a video are numbered VIDEO * 10000 + FRAME, FRAME from 1; every 5th of the 30 is annotated and segmented.
"""

from collections import defaultdict
from pathlib import Path

from data.errors import DataError
from data.fields import field
from data.reading import read_json
from data.videos.files import require_file, require_folder, require_frames, require_split
from data.videos.video import Video

_SPLITS = ("val", "test")
_VIDEO_STEP = 10000  # between the image ids of two videos
_FRAME_STEP = 5
_IMAGE_ENDING = "_leftImg8bit.png"
_PREFIX_LENGTH = len("0005_0025_")  # of the ids of annotated images, before CITY_SNIPPET_FRAME


def open_split(root: Path, split: str) -> list[Video]:
    """The videos of "val" or "test", sorted by their ids in results.

    A video's `name` is the first part of the ids of its annotated images, and `entry` the tuple of these ids, one a frame,
    such as "0005_0025_frankfurt_000000_001736": results are called by them.
    """
    require_split(split, _SPLITS)
    images = root / split / "img_all"
    require_folder(images, "the frames (CITY_SNIPPET_FRAME_leftImg8bit.png)")
    result_ids = _result_ids(root / f"panoptic_im_{split}_city_vps.json")
    annotations = root / f"im_all_info_{split}_city_vps.json"
    videos: dict[int, dict[int, dict]] = defaultdict(dict)
    for image_id, entry in _read_images(annotations, "the list of all frames", int):
        if image_id % _VIDEO_STEP % _FRAME_STEP == 0:
            videos[image_id // _VIDEO_STEP][image_id] = entry
    if not videos:
        raise DataError(f"{annotations}: no images with ids that are multiples of {_FRAME_STEP}")
    opened = [_open_video(images, entries, result_ids, str(annotations)) for entries in videos.values()]
    return sorted(opened, key=lambda video: video.entry)


def _read_images(file: Path, content: str, kind: type) -> list[tuple]:
    """(id, entry) of the images that a JSON lists."""
    require_file(file, f"{content}, a JSON file")
    entries = field(read_json(file), "images", list, str(file))
    return [(field(entry, "id", kind, f"{file}: images[{index}]"), entry) for index, entry in enumerate(entries)]


def _result_ids(file: Path) -> dict[str, str]:
    """Image file in img_all -> id of the annotated image."""
    listed = _read_images(file, "the list of annotated frames", str)
    return {image_id[_PREFIX_LENGTH:] + _IMAGE_ENDING: image_id for image_id, _ in listed}


def _open_video(images: Path, entries: dict[int, dict], result_ids: dict[str, str], where: str) -> Video:
    ordered = [(f"{where}: image {image_id}", entries[image_id]) for image_id in sorted(entries)]
    names = [field(entry, "file_name", str, place) for place, entry in ordered]
    unknown = [name for name in names if name not in result_ids]
    if unknown:
        raise DataError(
            f"{where}: {unknown[0]} is not among the annotated frames of panoptic_im_*_city_vps.json; check the files"
        )
    ids = tuple(result_ids[name] for name in names)
    frames, name = tuple(images / name for name in names), ids[0].split("_")[0]
    require_frames(frames, name)
    place, first = ordered[0]
    size = field(first, "height", int, place), field(first, "width", int, place)
    return Video(name=name, frames=frames, reported=tuple(range(len(frames))), size=size, entry=ids)
