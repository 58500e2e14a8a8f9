"""VIPSeg: video panoptic quality and segmentation and tracking quality, from one reading of the files."""

from collections.abc import Iterable, Mapping, Sequence
from pathlib import Path
from typing import Any

import numpy as np

from data.errors import DataError
from data.fields import field
from data.folders import listing, require_entries
from data.reading import read_json
from tarvis_jax.evaluation import class_confusion
from tarvis_jax.evaluation.benchmark import Result, State, Table
from tarvis_jax.evaluation.panoptic_files import (
    FrameFiles,
    compare_files,
    predicted_categories,
    read_categories,
    require_files,
    true_segments,
)
from tarvis_jax.evaluation.stq import INSTANCES, Classes, Pairs, SequenceCounts, count_sequence, stq_of_counts
from tarvis_jax.evaluation.vpq import Frame, Segment
from tarvis_jax.evaluation.vpq_states import vpq_report, vpq_state

_GT_JSON, _GT_PNGS = "panoptic_gt_VIPSeg_val.json", "panomasksRGB"
_PRED_JSON, _PRED_PNGS = "pred.json", "pan_pred"
_WINDOWS = {1: "1", 2: "2", 4: "4", 6: "6", 8: "8"}  # frames -> name in the results
_IGNORED = 255  # class of pixels without a segment


class Vipseg:
    """The evaluation of a folder with pred.json and pan_pred/VIDEO/, against one with panomasksRGB/VIDEO/ and its JSON.

    In the official STQ the segment ids of a video are numbered from 0 in the order in which its JSON lists them, and a true
    thing of number 0 is taken for a crowd. With `fixed` they are numbered from 1.
    """

    def __init__(self, gt: str | Path, pred: str | Path, *, fixed: bool = False) -> None:
        gt, pred = Path(gt), Path(pred)
        require_entries(gt, [_GT_JSON, _GT_PNGS], "gt")
        require_entries(pred, [_PRED_JSON, _PRED_PNGS], "pred")
        self._first_number = 1 if fixed else 0
        truth, result = read_json(gt / _GT_JSON), read_json(pred / _PRED_JSON)
        self._categories = read_categories(truth, gt / _GT_JSON)
        frame_names = _frame_names(truth, gt / _GT_JSON)
        true_entries = _entries(truth, gt / _GT_JSON, frame_names)
        pred_entries = _entries(result, pred / _PRED_JSON, frame_names)
        self._frames: dict[str, list[FrameFiles]] = {}
        for video, names in frame_names.items():
            require_files(pred / _PRED_PNGS / video, names)
            self._frames[video] = []
            for name, true_entry, pred_entry in zip(names, true_entries[video], pred_entries[video], strict=True):
                true = true_segments(true_entry, f"{gt / _GT_JSON}: {video}/{name}", self._categories)
                predicted = predicted_categories(pred_entry, f"{pred / _PRED_JSON}: {video}/{name}", self._categories)
                paths = gt / _GT_PNGS / video / name, pred / _PRED_PNGS / video / name
                self._frames[video].append(FrameFiles(*paths, true, predicted))

    @property
    def videos(self) -> Sequence[str]:
        return list(self._frames)

    def evaluate_video(self, name: str) -> State:
        frames = [compare_files(files) for files in self._frames[name]]
        counts = count_sequence(_label_pairs(frames, self._first_number), self._stq_classes())
        return vpq_state(frames, _WINDOWS) | {"association": counts.association, "tubes": counts.tubes}

    def summarise(self, states: Mapping[str, State]) -> Result:
        states = {name: states[name] for name in self.videos}
        report = vpq_report(states, self._categories, _WINDOWS)
        tracking = stq_of_counts({name: self._stq_counts(state) for name, state in states.items()})
        means = report.means | _named(tracking)
        per_video = {
            name: own | _named(tracking["per_sequence"][name]) | {"frames": states[name]["frames"]}
            for name, own in report.per_video.items()
        }
        class_ious = {name: tracking["IoU_per_class"][category] for category, name in self._categories.names.items()}
        class_ious["unlabelled"] = tracking["IoU_per_class"][-1]
        rows = [[name, *own.values()] for name, own in per_video.items()]
        per_sequence = Table("per_sequence", ["Video", *means, "Frames"], rows)
        stq_table = Table("stq", ["STQ", "AQ", "IoU"], [list(_named(tracking).values())])
        return Result(
            summary=report.summary | means | {"IoU_per_class": class_ious, "per_sequence": per_video},
            headline=Table("metrics", list(means), [list(means.values())]),
            per_sequence=per_sequence,
            tables=[*report.tables, stq_table, per_sequence],
            curves=[report.curve],
            warnings=report.warnings,
        )

    def _stq_classes(self) -> Classes:
        isthing = self._categories.isthing
        return Classes(max(isthing) + 1, frozenset(category for category in isthing if isthing[category]), _IGNORED)

    def _stq_counts(self, state: State) -> SequenceCounts:
        confusion = class_confusion.as_matrix(state["confusion"], self._stq_classes().count)
        return SequenceCounts(confusion, state["association"], state["tubes"])


def _named(scores: Mapping[str, float]) -> dict[str, float]:
    return {"STQ": scores["STQ"], "AQ": scores["AQ"], "SQ": scores["IoU"]}


def _label_pairs(frames: Sequence[Frame], first_number: int) -> Iterable[Pairs]:
    """The frames' pairs of segment ids as pairs of labels of STQ: class, and the number of the id in its video."""
    gt_numbers = _numbers([frame.ground_truth for frame in frames], first_number)
    pred_numbers = _numbers([frame.prediction for frame in frames], first_number)
    for frame in frames:
        true, predicted = zip(*frame.overlap, strict=True)
        labels = (_labels(true, frame.ground_truth, gt_numbers), _labels(predicted, frame.prediction, pred_numbers))
        yield *labels, np.array(list(frame.overlap.values()))


def _numbers(frames: Iterable[Mapping[int, Segment]], first_number: int) -> dict[int, int]:
    """Number of each segment id of a video, in the order in which they are listed."""
    ids = dict.fromkeys(segment_id for segments in frames for segment_id in segments)
    return {segment_id: number for number, segment_id in enumerate(ids, first_number)}


def _labels(ids: Sequence[int], segments: Mapping[int, Segment], numbers: Mapping[int, int]) -> np.ndarray:
    unlabelled = _IGNORED * INSTANCES
    return np.array([segments[i].category * INSTANCES + numbers[i] if i in segments else unlabelled for i in ids])


def _frame_names(truth: Mapping[str, Any], path: Path) -> dict[str, list[str]]:
    """Video -> file names of its label maps, in the order of the JSON."""
    videos: dict[str, list[str]] = {}
    for index, video in enumerate(field(truth, "videos", list, str(path))):
        where = f"{path}: videos[{index}]"
        name, images = field(video, "video_id", str, where), field(video, "images", list, where)
        if name in videos:
            raise DataError(f"{where}: the video_id {name!r} is there twice")
        if not images:
            raise DataError(f"{where}: video {name} has no images")
        videos[name] = [field(image, "file_name", str, f"{where}: images[{i}]") for i, image in enumerate(images)]
    if not videos:
        raise DataError(f"{path}: no videos")
    return videos


def _entries(
    content: Mapping[str, Any], path: Path, frame_names: Mapping[str, Sequence[str]]
) -> dict[str, list[dict[str, Any]]]:
    """Video -> its annotations in a JSON, one a frame in the same order."""
    entries: dict[str, list[dict[str, Any]]] = {}
    for index, entry in enumerate(field(content, "annotations", list, str(path))):
        where = f"{path}: annotations[{index}]"
        video = field(entry, "video_id", str, where)
        if video in entries:
            raise DataError(f"{where}: the video_id {video!r} is there twice")
        entries[video] = field(entry, "annotations", list, where)
    missing = [video for video in frame_names if video not in entries]
    if missing:
        raise DataError(f"{path}: {len(missing)} of {len(frame_names)} videos missing: {listing(missing)}")
    for video, names in frame_names.items():
        _check_frames(entries[video], names, f"{path}: video {video}")
    return entries


def _check_frames(entries: Sequence[Any], names: Sequence[str], where: str) -> None:
    """Raises `DataError` unless the entries are those of the frames; file names, if there, agree up to their endings."""
    if len(entries) != len(names):
        raise DataError(f"{where}: expected {len(names)} annotations, one a frame, found {len(entries)}")
    for index, (entry, name) in enumerate(zip(entries, names, strict=True)):
        found = entry.get("file_name", name) if isinstance(entry, dict) else name
        if Path(str(found)).stem != Path(name).stem:
            raise DataError(
                f"{where}: annotations[{index}]: expected frame {name} (the order of the ground truth), found {found}"
            )
