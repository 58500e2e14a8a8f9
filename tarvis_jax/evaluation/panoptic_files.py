"""Panoptic results in files: PNGs of segment ids (R + 256 G + 65536 B) and lists of their segments in a JSON."""

import dataclasses
from collections.abc import Mapping
from pathlib import Path
from typing import Any

from data.errors import DataError
from data.fields import distinct_names, field
from data.folders import listing
from data.reading import read_rgb_ids
from tarvis_jax.evaluation.vpq import VOID, Frame, Segment, compare_frame

_MAX_CATEGORY = 254  # 255 is no class in the official tools


@dataclasses.dataclass(frozen=True)
class Categories:
    """The classes that a ground truth lists, by id."""

    names: Mapping[int, str]
    isthing: Mapping[int, bool]


@dataclasses.dataclass(frozen=True)
class FrameFiles:
    """Where one frame's label maps are, and the segments by id that the JSONs list for it."""

    gt_png: Path
    pred_png: Path
    gt_segments: Mapping[int, Segment]
    pred_categories: Mapping[int, int]


def read_categories(content: Mapping[str, Any], path: Path) -> Categories:
    """The list "categories" of a ground truth's JSON."""
    names, isthing = {}, {}
    for index, entry in enumerate(field(content, "categories", list, str(path))):
        where = f"{path}: categories[{index}]"
        category = field(entry, "id", int, where)
        if category in names:
            raise DataError(f"{where}: the id {category} is there twice")
        if not 0 <= category <= _MAX_CATEGORY:
            raise DataError(f"{where}: the id {category}: expected 0 .. {_MAX_CATEGORY}")
        names[category], isthing[category] = field(entry, "name", str, where), bool(field(entry, "isthing", bool, where))
    if not names:
        raise DataError(f"{path}: no categories")
    return Categories(distinct_names(names), isthing)


def true_segments(entry: Mapping[str, Any], where: str, known: Categories) -> dict[int, Segment]:
    """The segments of one annotation of the ground truth; the areas of segments that share an id add up."""
    segments: dict[int, Segment] = {}
    for index, info in enumerate(field(entry, "segments_info", list, where)):
        place = f"{where}: segments_info[{index}]"
        segment_id, area = field(info, "id", int, place), field(info, "area", int, place)
        category, iscrowd = _category(info, place, known), field(info, "iscrowd", bool, place) == 1
        first = segments.get(segment_id, Segment(category, 0, iscrowd))
        segments[segment_id] = dataclasses.replace(first, area=first.area + area)
    return segments


def predicted_categories(entry: Mapping[str, Any], where: str, known: Categories) -> dict[int, int]:
    """Category of each segment id of one annotation of the result."""
    found: dict[int, int] = {}
    for index, info in enumerate(field(entry, "segments_info", list, where)):
        place = f"{where}: segments_info[{index}]"
        segment_id, category = field(info, "id", int, place), _category(info, place, known)
        if segment_id in found:
            raise DataError(f"{place}: the id {segment_id} is there twice")
        found[segment_id] = category
    return found


def _category(info: Mapping[str, Any], where: str, known: Categories) -> int:
    category = field(info, "category_id", int, where)
    if category not in known.names:
        expected = f"expected one of the ground truth's {len(known.names)} ({min(known.names)} .. {max(known.names)})"
        raise DataError(f"{where}: unknown category_id {category}; {expected}")
    return category


def require_files(folder: Path, names: list[str]) -> None:
    """Raises `DataError` unless the folder has all these PNGs; most of them may be missing."""
    if not folder.is_dir():
        raise DataError(f"{folder}: no such folder")
    missing = sorted(set(names) - {path.name for path in folder.iterdir()})
    if missing:
        raise DataError(f"{folder}: {len(missing)} of {len(names)} frames missing: {listing(missing)}")


def compare_files(files: FrameFiles) -> Frame:
    """Reads and counts one frame."""
    gt_ids, pred_ids = read_rgb_ids(files.gt_png), read_rgb_ids(files.pred_png)
    try:
        return compare_frame(gt_ids, pred_ids, files.gt_segments, files.pred_categories)
    except DataError as error:
        raise DataError(f"{files.pred_png}: {error}") from None


def inconsistent_ids(frame: Frame) -> int:
    """How many true segments are in a frame's PNG or its JSON alone. The official tools accept them without a word."""
    in_png = {gt_id for gt_id, _ in frame.overlap} - {VOID}
    return len(in_png ^ (frame.ground_truth.keys() - {VOID}))


def category_pairs(frame: Frame, void: int) -> list[tuple[int, int, int]]:
    """(true category, predicted category, pixels) of a frame; `void` stands for ids that belong to no segment."""
    categories = [{segment_id: s.category for segment_id, s in side.items()} for side in (frame.ground_truth, frame.prediction)]
    return [(categories[0].get(gt, void), categories[1].get(pred, void), n) for (gt, pred), n in frame.overlap.items()]
