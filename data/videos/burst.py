"""BURST: burst/{annotations/SPLIT/first_frame_annotations.json,frames/SPLIT/DATASET/SEQUENCE/FRAME.jpg} (frames: those of TAO).

About one frame a second is annotated and evaluated; up to ten between two of them are segmented too, so that objects can be
followed (facts of the original, section 12).
"""

import dataclasses
import warnings
from collections.abc import Mapping
from pathlib import Path
from typing import Any

import numpy as np
from pycocotools import mask as coco_mask

from data.errors import DataError
from data.fields import field
from data.reading import check_rle, read_json
from data.videos.files import require_file, require_folder, require_frames, require_split
from data.videos.video import GivenObject, Video

_SPLITS = ("val", "test")
_INTERLEAVED = 10  # frames a second that are not annotated, at most


@dataclasses.dataclass(frozen=True)
class BurstVideo(Video):
    """A sequence; `entry` is that of first_frame_annotations.json, and `where` its place there, for messages.

    `header` is what that file holds beside its sequences: split and categories.
    """

    where: str = ""
    header: Mapping[str, Any] = dataclasses.field(default_factory=dict)

    def given(self, by: str = "mask") -> list[GivenObject]:
        """The objects in the frames where they first appear, by their masks or by one point each."""
        objects = []
        index_of_frame = {file.name: index for index, file in enumerate(self.frames)}
        for path, masks in zip(self.entry["annotated_image_paths"], self.entry["segmentations"], strict=True):
            for key, first in masks.items():
                place = f"{self.where}: track {key} in {path}"
                shape = {"mask": _read_mask(first, self.size, place)} if by == "mask" else {"point": _read_point(first, place)}
                objects.append(GivenObject(_track_id(key, place), index_of_frame[Path(path).name], **shape))
        return objects


def open_split(root: Path, split: str) -> list[Video]:
    """The sequences of "val" or "test" in the order of the JSON, each from the first frame in which an object is given."""
    require_split(split, _SPLITS)
    annotations = root / "annotations" / split / "first_frame_annotations.json"
    require_file(annotations, "the objects' first frames, a JSON file")
    images = root / "frames" / split
    require_folder(images, "DATASET/SEQUENCE/FRAME.jpg files")
    content = read_json(annotations)
    entries = field(content, "sequences", list, str(annotations))
    if not entries:
        raise DataError(f"{annotations}: no sequences")
    header = {key: value for key, value in content.items() if key != "sequences"}
    return [_open_video(entry, images, f"{annotations}: sequences[{index}]", header) for index, entry in enumerate(entries)]


def _open_video(entry: Any, images: Path, where: str, header: Mapping[str, Any]) -> Video:
    name = f"{field(entry, 'dataset', str, where)}/{field(entry, 'seq_name', str, where)}"
    where = f"{where.rsplit(': ', 1)[0]}: sequence {name}"
    _check_lists(entry, where)
    annotated = entry["annotated_image_paths"]
    given = [path for path, objects in zip(annotated, entry["segmentations"], strict=True) if objects]
    chosen = _segmented(entry["all_image_paths"], set(annotated), entry["fps"])
    chosen = chosen[min(map(chosen.index, given)) :]
    frames = tuple(images / name / path for path in chosen)
    require_frames(frames, name)
    reported = tuple(index for index, path in enumerate(chosen) if path in annotated)
    size = field(entry, "height", int, where), field(entry, "width", int, where)
    return BurstVideo(name=name, frames=frames, reported=reported, size=size, entry=entry, where=where, header=header)


def _check_lists(entry: Any, where: str) -> None:
    """Raises `DataError` unless the frames of a sequence fit together and an object is given in one."""
    annotated, masks = field(entry, "annotated_image_paths", list, where), field(entry, "segmentations", list, where)
    if len(annotated) != len(masks) or not all(isinstance(objects, dict) for objects in masks):
        raise DataError(f"{where}: expected an object {{...}} in 'segmentations' for each of 'annotated_image_paths'")
    if not any(masks):
        raise DataError(f"{where}: no object is given in any frame")
    if field(entry, "fps", int, where) < 1:
        raise DataError(f"{where}: expected 1 or more as 'fps', found {entry['fps']}")
    every = set(field(entry, "all_image_paths", list, where))
    unknown = [path for path in annotated if path not in every]
    if unknown:
        raise DataError(f"{where}: the annotated image {unknown[0]} is not among 'all_image_paths'")


def _segmented(every: list[str], annotated: set[str], fps: int) -> list[str]:
    """The annotated images of a sequence, and those at evenly spread places of each second."""
    places = set(np.round(np.linspace(0, fps, max(min(_INTERLEAVED, fps - 2), 0) + 2)[:-1]).astype(int).tolist())
    return [path for index, path in enumerate(every) if path in annotated or index % fps in places]


def _read_mask(first: Any, size: tuple[int, int], where: str) -> np.ndarray:
    rle = {"size": list(size), "counts": field(first, "rle", str, where)}
    check_rle(rle, *size, where)
    with warnings.catch_warnings():
        warnings.simplefilter("ignore", DeprecationWarning)  # pycocotools 2.0.11 with numpy 2
        return coco_mask.decode(rle).astype(bool)


def _read_point(first: Any, where: str) -> tuple[float, float]:
    point = field(first, "point", dict, where)
    return float(field(point, "x", float, where)), float(field(point, "y", float, where))


def _track_id(key: str, where: str) -> int:
    if not key.isdecimal():
        raise DataError(f"{where}: expected a whole number as track id")
    return int(key)
