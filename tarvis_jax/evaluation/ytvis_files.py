"""Ground truth and results of YouTube-VIS and OVIS: JSON files in the format of the official ytvos cocoapi."""

import dataclasses
import math
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

import numpy as np
from pycocotools import mask as coco_mask

from data.errors import DataError
from data.fields import distinct_names, field
from data.reading import check_rle, read_json
from data.rle import CorruptRle, measure
from tarvis_jax.evaluation.track_iou import Rle, Track

_SERVERS = {
    "youtube_vis": "https://competitions.codalab.org/competitions/28988",
    "ovis": "https://competitions.codalab.org/competitions/32377",
}


@dataclasses.dataclass
class Video:
    """A video of the ground truth with the entries of both files that belong to it, and where they are, for messages."""

    height: int
    width: int
    length: int
    true: list[tuple[str, dict[str, Any]]] = dataclasses.field(default_factory=list)
    predicted: list[tuple[str, dict[str, Any]]] = dataclasses.field(default_factory=list)


@dataclasses.dataclass(frozen=True)
class Dataset:
    """`videos` by id, ascending; `video_names` and `category_names` by id, without duplicates."""

    videos: dict[int, Video]
    video_names: dict[int, str]
    category_names: dict[int, str]


def read_ground_truth(path: Path, dataset: str) -> Dataset:
    """The ground truth without results; masks are not looked at."""
    content = read_json(path)
    entries = field(content, "videos", list, str(path))
    if not content.get("annotations"):
        raise DataError(f"{path}: no annotations; those of valid and test are not public: submit to {_SERVERS[dataset]}")
    folders: dict[int, str] = {}
    videos: dict[int, Video] = {}
    for index, entry in enumerate(entries):
        where = f"{path}: videos[{index}]"
        video_id = field(entry, "id", int, where)
        if video_id in videos:
            raise DataError(f"{where}: the id {video_id} is there twice")
        videos[video_id] = Video(*(field(entry, key, int, where) for key in ("height", "width", "length")))
        folders[video_id] = _folder(entry) or str(video_id)
    if not videos:
        raise DataError(f"{path}: no videos")
    names = folders if len(set(folders.values())) == len(folders) else {video_id: str(video_id) for video_id in videos}
    found = Dataset({key: videos[key] for key in sorted(videos)}, names, _category_names(content, path))
    _add_annotations(found, content, path)
    return found


def _folder(entry: Mapping[str, Any]) -> str:
    """The folder of a video's frames, "" if unknown."""
    files = entry.get("file_names")
    return Path(str(files[0])).parent.as_posix() if isinstance(files, list) and files else ""


def _category_names(content: Mapping[str, Any], path: Path) -> dict[int, str]:
    names: dict[int, str] = {}
    for index, entry in enumerate(field(content, "categories", list, str(path))):
        where = f"{path}: categories[{index}]"
        category = field(entry, "id", int, where)
        if category in names:
            raise DataError(f"{where}: the id {category} is there twice")
        names[category] = field(entry, "name", str, where)
    return {category: distinct_names(names)[category] for category in sorted(names)}


def _add_annotations(dataset: Dataset, content: Mapping[str, Any], path: Path) -> None:
    ids = set()
    for index, entry in enumerate(field(content, "annotations", list, str(path))):
        where = f"{path}: annotations[{index}]"
        track_id = field(entry, "id", int, where)
        if track_id < 1:
            raise DataError(f"{where}: the id {track_id}: expected 1 or more (the official tool takes 0 for no match)")
        if track_id in ids:
            raise DataError(f"{where}: the id {track_id} is there twice")
        ids.add(track_id)
        video = _video_of(entry, dataset, where)
        _check_length(field(entry, "areas", list, where), video, f"{where}: areas")
        if "iscrowd" in entry:
            field(entry, "iscrowd", bool, where)
        video.true.append((where, entry))


def add_results(dataset: Dataset, path: Path) -> None:
    """Sorts the entries of a result into the videos; masks are not looked at."""
    for index, entry in enumerate(read_json(path, list)):
        where = f"{path}: [{index}]"
        video = _video_of(entry, dataset, where)
        if not math.isfinite(field(entry, "score", float, where)):
            raise DataError(f"{where}: expected a finite score, found {entry['score']}")
        video.predicted.append((where, entry))


def _video_of(entry: Mapping[str, Any], dataset: Dataset, where: str) -> Video:
    """The video of a track, after the checks that true and predicted ones share."""
    video_id, category = field(entry, "video_id", int, where), field(entry, "category_id", int, where)
    if video_id not in dataset.videos:
        raise DataError(f"{where}: the video_id {video_id} is not in the ground truth ({_range(dataset.videos)})")
    if category not in dataset.category_names:
        raise DataError(f"{where}: the category_id {category} is not in the ground truth ({_range(dataset.category_names)})")
    _check_length(field(entry, "segmentations", list, where), dataset.videos[video_id], f"{where}: segmentations")
    return dataset.videos[video_id]


def _range(ids: Mapping[int, Any]) -> str:
    return f"{len(ids)} ids, {min(ids)} .. {max(ids)}" if ids else "no ids"


def _check_length(values: Sequence[Any], video: Video, where: str) -> None:
    if len(values) != video.length:
        raise DataError(f"{where}: expected {video.length} entries, one a frame (null without a mask), found {len(values)}")


def true_tracks(video: Video) -> list[Track]:
    """The masks of the true tracks, compressed."""
    tracks = []
    for where, entry in video.true:
        masks = enumerate(entry["segmentations"])
        tracks.append({frame: _compressed(rle, video, f"{where}: frame {frame}") for frame, rle in masks if rle is not None})
    return tracks


def _compressed(rle: Any, video: Video, where: str) -> Rle:
    """A true mask, whose counts may be a list of run lengths, as a checked compressed RLE."""
    counts = field(rle, "counts", list, where) if isinstance(rle, dict) and isinstance(rle.get("counts"), list) else None
    if counts is None:
        check_rle(rle, video.height, video.width, where)
        return rle
    if field(rle, "size", list, where) != [video.height, video.width]:
        raise DataError(f"{where}: expected an RLE of size [{video.height}, {video.width}], found {rle['size']}")
    are_lengths = set(map(type, counts)) == {int} and min(counts) >= 0
    if not are_lengths or sum(counts) != video.height * video.width:
        raise DataError(f"{where}: the RLE's counts are no run lengths of {video.height} x {video.width} pixels")
    return coco_mask.frPyObjects(dict(rle), video.height, video.width)


def predicted_tracks(video: Video) -> list[Track]:
    """The masks of the predicted tracks."""
    tracks, places = [], []
    for where, entry in video.predicted:
        track = {frame: rle for frame, rle in enumerate(entry["segmentations"]) if rle is not None}
        tracks.append(track)
        places += [(f"{where}: frame {frame}", rle) for frame, rle in track.items()]
    if not all(_is_rle(rle, video) for _, rle in places):
        for where, rle in places:
            check_rle(rle, video.height, video.width, where)
    try:
        measure([rle["counts"] for _, rle in places], video.height, video.width)
    except CorruptRle as error:
        raise DataError(f"{places[error.index][0]}: {error}") from None
    return tracks


def _is_rle(rle: Any, video: Video) -> bool:
    if not isinstance(rle, dict) or not isinstance(rle.get("counts"), str):
        return False
    return rle.get("size") == [video.height, video.width]


def mean_true_areas(video: Video) -> np.ndarray:
    """float64 [g]: mean of the areas in the annotations over the frames that have any, 0 without."""
    means = []
    for where, entry in video.true:
        areas = [area for area in entry["areas"] if area]
        if not all(isinstance(area, int | float) for area in areas):
            raise DataError(f"{where}: expected numbers and nulls as 'areas'")
        means.append(float(np.mean(areas)) if areas else 0.0)
    return np.array(means)
