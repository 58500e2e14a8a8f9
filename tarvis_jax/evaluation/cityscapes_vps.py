"""Cityscapes-VPS: video panoptic quality of 6 annotated frames a video."""

import collections
from collections.abc import Iterable, Mapping, Sequence
from pathlib import Path
from typing import Any

from data.errors import DataError
from data.fields import field
from data.folders import require_entries
from data.reading import read_json
from tarvis_jax.evaluation.benchmark import Result, State, Table
from tarvis_jax.evaluation.panoptic_files import (
    FrameFiles,
    compare_files,
    predicted_categories,
    read_categories,
    require_files,
    true_segments,
)
from tarvis_jax.evaluation.vpq_states import vpq_report, vpq_state

_GT_JSON, _GT_PNGS = "panpotic_gt_val_city_vps.json", "panoptic_video"
_PRED_JSON, _PRED_PNGS = "pred.json", "pan_pred"
_FRAMES = 6  # annotated frames of a video, every 5th
_WINDOWS = {1: "0", 2: "5", 3: "10", 4: "15"}  # frames -> k of the paper, in frames of the video
_MASK_NAMES = {"_newImg8bit.png": "_final_mask.png", "_leftImg8bit.png": "_gtFine_color.png"}  # image -> label map


class CityscapesVps:
    """The evaluation of a folder with pred.json and pan_pred/, against one with panoptic_video/ and the ground truth's JSON.

    As in the official tool, the n-th annotation of both JSONs and the n-th image belong together.
    """

    def __init__(self, gt: str | Path, pred: str | Path) -> None:
        gt, pred = Path(gt), Path(pred)
        require_entries(gt, [_GT_JSON, _GT_PNGS], "gt")
        require_entries(pred, [_PRED_JSON, _PRED_PNGS], "pred")
        truth, result = read_json(gt / _GT_JSON), read_json(pred / _PRED_JSON)
        self._categories = read_categories(truth, gt / _GT_JSON)
        names = _image_names(truth, gt / _GT_JSON)
        self._frames: dict[str, list[FrameFiles]] = {video: [] for video in _video_names(names, gt / _GT_JSON)}
        require_files(pred / _PRED_PNGS, [f"{image_id}.png" for image_id in names])
        true_entries = _entries(truth, gt / _GT_JSON, list(names))
        pred_entries = _entries(result, pred / _PRED_JSON, list(names))
        for (image_id, mask_name), true_entry, pred_entry in zip(names.items(), true_entries, pred_entries, strict=True):
            true = true_segments(true_entry, f"{gt / _GT_JSON}: image {image_id}", self._categories)
            predicted = predicted_categories(pred_entry, f"{pred / _PRED_JSON}: image {image_id}", self._categories)
            paths = gt / _GT_PNGS / mask_name, pred / _PRED_PNGS / f"{image_id}.png"
            self._frames[_video_name(image_id)].append(FrameFiles(*paths, true, predicted))

    @property
    def videos(self) -> Sequence[str]:
        return list(self._frames)

    def evaluate_video(self, name: str) -> State:
        return vpq_state([compare_files(files) for files in self._frames[name]], _WINDOWS)

    def summarise(self, states: Mapping[str, State]) -> Result:
        report = vpq_report({name: states[name] for name in self.videos}, self._categories, _WINDOWS)
        rows = [[name, *means.values()] for name, means in report.per_video.items()]
        per_sequence = Table("per_sequence", ["Video", *report.means], rows)
        return Result(
            summary=report.summary | {"per_sequence": report.per_video},
            headline=Table("metrics", list(report.means), [list(report.means.values())]),
            per_sequence=per_sequence,
            tables=[*report.tables, per_sequence],
            curves=[report.curve],
            warnings=report.warnings,
        )


def _image_names(truth: Mapping[str, Any], path: Path) -> dict[str, str]:
    """Image id -> file name of the label map, in the order of the JSON, which must be that of the file names."""
    names = {}
    for index, image in enumerate(field(truth, "images", list, str(path))):
        where = f"{path}: images[{index}]"
        image_id, name = field(image, "id", str, where), field(image, "file_name", str, where)
        for ending, mask_ending in _MASK_NAMES.items():
            name = name.removesuffix(ending) + mask_ending if name.endswith(ending) else name
        if image_id in names:
            raise DataError(f"{where}: the id {image_id!r} is there twice")
        names[image_id] = name
    if not names:
        raise DataError(f"{path}: no images")
    if list(names.values()) != sorted(names.values()):
        raise DataError(f"{path}: images must be sorted by file_name (the official tool pairs them by position)")
    return names


def _entries(content: Mapping[str, Any], path: Path, image_ids: Sequence[str]) -> list[dict[str, Any]]:
    """The annotations of a JSON, one an image in the same order."""
    entries = field(content, "annotations", list, str(path))
    if len(entries) != len(image_ids):
        raise DataError(
            f"{path}: expected {len(image_ids)} annotations, one for each image of the ground truth, found {len(entries)}"
        )
    for index, (entry, image_id) in enumerate(zip(entries, image_ids, strict=True)):
        where = f"{path}: annotations[{index}]"
        if not isinstance(entry, dict):
            raise DataError(f"{where}: expected an object {{...}}, found {entry!r:.60}")
        if entry.get("image_id", image_id) != image_id:  # TarViS's own results have none
            raise DataError(
                f"{where}: expected image {image_id!r} (the order of the ground truth), found {entry['image_id']!r}"
            )
    return entries


def _video_name(image_id: str) -> str:
    """The first part of an image id, which a video's frames share."""
    return image_id.split("_")[0]


def _video_names(image_ids: Iterable[str], path: Path) -> list[str]:
    """The videos of images that are sorted by video; each must have 6."""
    counts = collections.Counter(map(_video_name, image_ids))
    for video, count in counts.items():
        if count != _FRAMES:
            raise DataError(f"{path}: expected {_FRAMES} annotated frames a video, found {count} of video {video}")
    return list(counts)
