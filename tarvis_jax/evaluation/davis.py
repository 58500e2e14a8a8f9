"""DAVIS 2017 and 2016: region similarity J and contour accuracy F of video object segmentation.

Official tool: davis2017-evaluation. The rules are those of `docs/evaluation.md`.
"""

import math
from collections.abc import Mapping, Sequence
from pathlib import Path

import numpy as np

from data.errors import DataError
from data.folders import listing
from data.reading import read_foreground, read_ids
from tarvis_jax.evaluation import davis_files
from tarvis_jax.evaluation.benchmark import PERFECT, Curve, Result, State, Table
from tarvis_jax.evaluation.boundary import tolerance_radius
from tarvis_jax.evaluation.davis_scores import frame_scores, statistics

STATISTICS = ("J-Mean", "J-Recall", "J-Decay", "F-Mean", "F-Recall", "F-Decay")
VOID = 255


class Davis:
    """The evaluation of masks against a split of DAVIS, semi-supervised: the objects are given by the first frame.

    Args:
        gt: the folder with ImageSets and Annotations.
        pred: a folder with SEQUENCE/FRAME.png, palette PNGs of object ids.
        year: 2017, or 2016: one object a sequence, everything that is not black.
        split: name of the list of sequences.
        fixed: without the official tool's bug in the decay of sequences of more than 256 scored frames.

    Raises:
        DataError: the folders are not laid out like this, or something is missing.
    """

    task = "semi-supervised"
    unscored = 1  # frames at either end

    def __init__(self, gt: Path, pred: Path, *, year: int = 2017, split: str = "val", fixed: bool = False) -> None:
        self.pred, self.year, self.split, self.fixed = Path(pred), year, split, fixed
        self.folder = davis_files.annotation_folder(Path(gt), self.task)
        sequences = davis_files.list_sequences(Path(gt), year, split, self.task)
        self._frames = davis_files.list_frames(self.folder, sequences)
        for name in self.videos:
            if not self.scored_frames(name):
                found = f"expected 3 frames or more (the first and the last are not scored), found {len(self._frames[name])}"
                raise DataError(f"{self.folder / name}: {found}")
        davis_files.check_results(self.pred, {name: self.scored_frames(name) for name in self.videos})

    @property
    def videos(self) -> Sequence[str]:
        """The sequences, in the order of the split's list, which the tables keep."""
        return list(self._frames)

    def scored_frames(self, name: str) -> Sequence[str]:
        """The names of the frames that count."""
        frames = self._frames[name]
        return frames[self.unscored : len(frames) - self.unscored]

    def evaluate_video(self, name: str) -> State:
        """J and F of each object and scored frame; per object its predicted pixels, and on which object most of them lie."""
        first, count = self.first_frame(name)
        radius = tolerance_radius(*first.shape)
        region, boundary, pairs = [], [], np.zeros((count + 1, count + 1), np.int64)
        for stem in self.scored_frames(name):
            gt, pred = self.read_frame(name, stem, first.shape)
            self._check_ids(name, stem, pred, count)
            scores = frame_scores(gt, pred, count, radius)
            region.append(scores[0])
            boundary.append(scores[1])
            pairs += scores[2]
        return {
            "J": np.stack(region, axis=1).tolist(),
            "F": np.stack(boundary, axis=1).tolist(),
            "predicted_pixels": pairs.sum(axis=0)[1:].tolist(),
            "covered_objects": _covered_objects(pairs),
        }

    def first_frame(self, name: str) -> tuple[np.ndarray, int]:
        """The first frame's ground truth, uint8 [h, w], and the number of objects, its largest id (2016: 1)."""
        path = self._gt_path(name, self._frames[name][0])
        first = self._read(path)
        count = 1 if self.year == 2016 else int(first[first != VOID].max(initial=0))
        if count == 0 and first.any():
            raise DataError(f"{path}: expected object ids, found 0 and 255 only; if this is DAVIS 2016, pass --year=2016")
        return first, count

    def read_frame(self, name: str, stem: str, shape: tuple[int, int]) -> tuple[np.ndarray, np.ndarray]:
        """Ground truth and prediction of a frame, uint8 [h, w] of the given shape."""
        paths = self._gt_path(name, stem), self.pred / name / f"{stem}.png"
        images = tuple(self._read(path) for path in paths)
        for path, image in zip(paths, images, strict=True):
            if image.shape != shape:
                found = f"expected the ground truth's {shape[1]} x {shape[0]} pixels, found {image.shape[1]} x {image.shape[0]}"
                raise DataError(f"{path}: {found}")
        return images

    def _gt_path(self, name: str, stem: str) -> Path:
        return self.folder / name / f"{stem}.png"

    def _read(self, path: Path) -> np.ndarray:
        return read_foreground(path) if self.year == 2016 else read_ids(path)

    def _check_ids(self, name: str, stem: str, pred: np.ndarray, count: int) -> None:
        largest = int(pred.max())
        if largest <= count:
            return
        hint = ""
        if largest == VOID:
            scaled = set(np.unique(pred).tolist()) <= {0, VOID}
            hint = "; the mask is scaled to 0/255, save object ids" if scaled else "; void (255) is not for results"
        expected = f"expected ids 0..{count}, the objects of {name}'s first frame"
        raise DataError(f"{self.pred / name / stem}.png: {expected}, found {largest}{hint}")

    def summarise(self, states: Mapping[str, State]) -> Result:
        """The official tables, one row an object; the means run over all objects of all sequences."""
        objects = {f"{name}_{i + 1}": pair for name in self.videos for i, pair in enumerate(_pairs(states[name]))}
        rows = {name: self._statistics(*pair) for name, pair in objects.items()}
        means = {key: float(np.mean([row[key] for row in rows.values()])) if rows else math.nan for key in STATISTICS}
        summary = {"J&F-Mean": (means["J-Mean"] + means["F-Mean"]) / 2, **means}
        headline = Table(f"global_results-{self.split}", list(summary), [list(summary.values())])
        per_object = [[name, (row["J-Mean"] + row["F-Mean"]) / 2, *row.values()] for name, row in rows.items()]
        official_rows = [[name, row["J-Mean"], row["F-Mean"]] for name, row in rows.items()]
        official = Table(f"per-sequence_results-{self.split}", ["Sequence", "J-Mean", "F-Mean"], official_rows)
        return Result(
            summary={**summary, "per_object": rows},
            headline=headline,
            per_sequence=Table("per_object", ["Object", "J&F-Mean", *STATISTICS], per_object),
            tables=[_rounded(headline), _rounded(official)],
            curves=[self._curve(name, *pair) for name, pair in objects.items()],
            warnings=self._warnings(states),
        )

    def _statistics(self, region: Sequence[float], boundary: Sequence[float]) -> dict[str, float]:
        values = [value for frames in (region, boundary) for value in statistics(np.array(frames), fixed=self.fixed)]
        return dict(zip(STATISTICS, values, strict=True))

    def _curve(self, name: str, region: Sequence[float], boundary: Sequence[float]) -> Curve:
        frames = range(self.unscored, self.unscored + len(region))
        return Curve(name, "frame", f"J and F of {name}", frames, {"J": region, "F": boundary})

    def _missed_objects(self, name: str, state: State) -> list[str]:
        """Objects that the ground truth shows in scored frames and the result nowhere; proposals have no object's id."""
        if self.task != "semi-supervised":
            return []
        objects = zip(state["predicted_pixels"], state["J"], strict=True)
        return [f"{name}_{i}" for i, (pixels, region) in enumerate(objects, 1) if not pixels and min(region) < 1]

    def _warnings(self, states: Mapping[str, State]) -> list[str]:
        lines = []
        black = [name for name in self.videos if not any(states[name]["predicted_pixels"])]
        if black:
            lines.append(f"every mask is black in {len(black)} of {len(self.videos)} sequences: {listing(black)}")
        missed = [name for video in self.videos if video not in black for name in self._missed_objects(video, states[video])]
        if missed:
            lines.append(f"no mask has a pixel of {len(missed)} objects: {listing(missed)}")
        for name in self.videos:
            covered = states[name].get("covered_objects", [])
            others = [f"{i} lies on {other}" for i, other in enumerate(covered, 1) if other not in (0, i)]
            if 2 * len(others) > sum(map(bool, covered)):
                shown = listing(others)
                lines.append(f"{name}: predicted ids lie on other objects ({shown}); are the ids shifted or permuted?")
        scores = [value for name in self.videos for pair in _pairs(states[name]) for frames in pair for value in frames]
        if scores and min(scores) == 1:
            lines.append(PERFECT)
        return lines


def _covered_objects(pairs: np.ndarray) -> list[int]:
    """For each predicted id the object on which most of its pixels lie, itself if it is one of several; 0 if none do.

    Args:
        pairs: pixels with each pair of true and predicted ids, int64 [1 + n, 1 + n].
    """
    covered = []
    for i in range(1, len(pairs)):
        overlaps = pairs[1:, i]
        most = i if overlaps[i - 1] == overlaps.max() else int(overlaps.argmax()) + 1
        covered.append(most if overlaps.any() else 0)
    return covered


def _pairs(state: State) -> list[tuple[list[float], list[float]]]:
    """Per object J and F over the frames."""
    return list(zip(state["J"], state["F"], strict=True))


def _rounded(table: Table) -> Table:
    """As the official tool writes its tables."""
    return Table(table.name, table.columns, [[_official(value) for value in row] for row in table.rows])


def _official(value: str | float) -> str:
    if isinstance(value, str):
        return value
    return "" if math.isnan(value) else f"{value:.3f}"
