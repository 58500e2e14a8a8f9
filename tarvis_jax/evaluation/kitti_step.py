"""KITTI-STEP: segmentation and tracking quality of folders SEQUENCE/FRAME.png (R = class, instance = 256 G + B)."""

import functools
from collections.abc import Mapping, Sequence
from pathlib import Path

import numpy as np

from data import categories
from data.errors import DataError
from data.folders import listing, require_entries, subfolders, wrong_layout
from data.reading import read_rgb_ids
from tarvis_jax.evaluation import class_confusion
from tarvis_jax.evaluation.benchmark import PERFECT, Curve, Result, State, Table
from tarvis_jax.evaluation.label_pairs import count_pairs
from tarvis_jax.evaluation.stq import INSTANCES, Classes, SequenceCounts, check_classes, count_sequence, stq_of_counts

_MAX_INSTANCES = 1000  # the official tool adds class * 1000 and instance, so a larger instance spills into the next class


@functools.cache
def _classes() -> Classes:
    known = categories.load("kitti_step")
    things = frozenset(category for category, isthing in zip(known.ids, known.isthing, strict=True) if isthing)
    return Classes(count=len(known), things=things)


class KittiStep:
    """The evaluation of a folder of predictions; sequences and frames are those of the ground truth."""

    def __init__(self, gt: str | Path, pred: str | Path) -> None:
        self._gt, self._pred = Path(gt), Path(pred)
        if not _has_sequences(self._gt):
            raise wrong_layout(self._gt, "gt", "no folders SEQUENCE/ with FRAME.png files", _has_sequences)
        self._frames = {folder.name: _png_names(folder) for folder in subfolders(self._gt)}
        empty = [name for name, frames in self._frames.items() if not frames]
        if empty:
            raise DataError(f"{self._gt / empty[0]}: no FRAME.png files")
        require_entries(self._pred, list(self._frames), "pred")
        for name, frames in self._frames.items():
            missing = sorted(set(frames) - set(_png_names(self._pred / name)))
            if missing:
                raise DataError(f"{self._pred / name}: {len(missing)} of {len(frames)} frames missing: {listing(missing)}")

    @property
    def videos(self) -> Sequence[str]:
        return list(self._frames)

    def evaluate_video(self, name: str) -> State:
        frames = [self._frame_pairs(name, frame) for frame in self._frames[name]]
        counts = count_sequence([(_labels(true), _labels(predicted), pixels) for true, predicted, pixels in frames], _classes())
        predicted = np.unique(np.concatenate([predicted for _, predicted, _ in frames]))
        instances = _instance(predicted[np.isin(predicted & 255, list(_classes().things))])
        return {
            "frames": len(frames),
            "confusion": class_confusion.as_triples(counts.confusion),
            "association": counts.association,
            "tubes": counts.tubes,
            "predicted_tubes": len(instances),
            "unnumbered_tubes": int(np.count_nonzero(instances == 0)),
            "spilling_instances": int(np.count_nonzero(_instance(predicted) >= _MAX_INSTANCES)),
        }

    def _frame_pairs(self, name: str, frame: str) -> tuple[np.ndarray, np.ndarray, np.ndarray]:
        """Pairs of true and predicted ids R + 256 G + 65536 B, with their pixels."""
        paths = [folder / name / frame for folder in (self._gt, self._pred)]
        true, predicted = (read_rgb_ids(path) for path in paths)
        if true.shape != predicted.shape:
            raise DataError(f"{paths[1]}: expected the ground truth's size (h, w) {true.shape}, found {predicted.shape}")
        true, predicted, pixels = count_pairs(true, predicted)
        for path, ids in zip(paths, (true, predicted), strict=True):
            try:
                check_classes((ids & 255) * INSTANCES, _classes())
                check_classes(_labels(ids), _classes())
            except DataError as error:
                raise DataError(f"{path}: {error}") from None
        return true, predicted, pixels

    def summarise(self, states: Mapping[str, State]) -> Result:
        scores = stq_of_counts({name: _counts(states[name]) for name in self.videos})
        return _result(scores, {name: states[name] for name in self.videos})


def _has_sequences(folder: Path) -> bool:
    return folder.is_dir() and any(_png_names(inside) for inside in subfolders(folder))


def _png_names(folder: Path) -> list[str]:
    return sorted(path.name for path in folder.glob("*.png"))


def _instance(ids: np.ndarray) -> np.ndarray:
    """256 G + B of ids R + 256 G + 65536 B."""
    return (ids >> 8 & 255) * 256 + (ids >> 16)


def _labels(ids: np.ndarray) -> np.ndarray:
    """Labels of ids R + 256 G + 65536 B."""
    official = (ids & 255) * _MAX_INSTANCES + _instance(ids)
    return official // _MAX_INSTANCES * INSTANCES + official % _MAX_INSTANCES


def _counts(state: State) -> SequenceCounts:
    confusion = class_confusion.as_matrix(state["confusion"], _classes().count)
    return SequenceCounts(confusion, state["association"], state["tubes"])


def _result(scores: dict, states: Mapping[str, State]) -> Result:
    known = categories.load("kitti_step")
    per_class = dict(zip([*known.names, "unlabelled"], scores["IoU_per_class"], strict=True))
    per_sequence = {
        name: {"STQ": part["STQ"], "AQ": part["AQ"], "SQ": part["IoU"], "frames": states[name]["frames"]}
        for name, part in scores["per_sequence"].items()
    }
    summary = {"STQ": scores["STQ"], "AQ": scores["AQ"], "SQ": scores["IoU"]}
    rows = [[name, *part.values()] for name, part in per_sequence.items()]
    sequence_table = Table("per_sequence", ["Sequence", "STQ", "AQ", "SQ", "Frames"], rows)
    class_table = Table("per_class", ["Class", "IoU"], list(per_class.items()))
    return Result(
        summary=summary | {"per_sequence": per_sequence, "IoU_per_class": per_class},
        headline=Table("metrics", list(summary), [list(summary.values())]),
        per_sequence=sequence_table,
        curves=[Curve("class_iou", "class id", "IoU", known.ids, {"IoU": scores["IoU_per_class"][:-1]})],
        tables=[Table("metrics", ["STQ", "AQ", "IoU"], [list(summary.values())]), class_table, sequence_table],
        warnings=_warnings(states) + [PERFECT] * (scores["STQ"] == 1),
    )


def _warnings(states: Mapping[str, State]) -> list[str]:
    known = categories.load("kitti_step")
    confusion = class_confusion.sum_triples(state["confusion"] for state in states.values())
    warnings = class_confusion.broken_classes(confusion, dict(zip(known.ids, known.names, strict=True)))
    totals = {key: sum(state[key] for state in states.values()) for key in ("tubes", "predicted_tubes", "unnumbered_tubes")}
    if totals["predicted_tubes"] and totals["predicted_tubes"] == totals["unnumbered_tubes"]:
        warnings.append("every predicted person and car has instance 0: are the instance numbers (256 G + B) missing?")
    if not totals["tubes"]:
        warnings.append("the ground truth has no person or car with an instance number: AQ and STQ are 0")
    spilling = [name for name, state in states.items() if state["spilling_instances"]]
    if spilling:
        warnings.append(
            f"predicted instance numbers of {_MAX_INSTANCES} or more count as the next class, as in the official tool, in "
            f"{listing(spilling)}"
        )
    return warnings
