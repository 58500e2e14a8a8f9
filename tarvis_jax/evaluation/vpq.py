"""Video panoptic quality (VPQ): panoptic quality of tubes in windows of k frames that slide over each video.

Kim et al., Video Panoptic Segmentation, CVPR 2020; numbers as the official tools of Cityscapes-VPS and VIPSeg give them. A tube
is everything that has one segment id within a window. Dimension letters: t frames, h w space.
"""

import collections
import dataclasses
from collections.abc import Iterable, Mapping, Sequence
from typing import Any

import numpy as np

from data.errors import DataError
from tarvis_jax.evaluation.label_pairs import count_pairs

VOID = 0  # id of pixels without a label

Tallies = dict[int, "Tally"]  # by category


@dataclasses.dataclass(frozen=True)
class Segment:
    """A segment of a frame, or a tube of a window; `area` in pixels. Crowd regions of the ground truth are not scored."""

    category: int
    area: int
    iscrowd: bool = False


@dataclasses.dataclass(frozen=True)
class Frame:
    """All that VPQ needs of one frame: the segments by id, and the pixels that each (true id, predicted id) share."""

    ground_truth: Mapping[int, Segment]
    prediction: Mapping[int, Segment]
    overlap: Mapping[tuple[int, int], int]


@dataclasses.dataclass
class Tally:
    """What one category collects over windows and videos: sum of the IoUs of matched tubes, numbers of tubes."""

    iou: float = 0.0
    tp: int = 0
    fp: int = 0
    fn: int = 0

    def add(self, other: "Tally") -> None:
        self.iou += other.iou
        self.tp += other.tp
        self.fp += other.fp
        self.fn += other.fn


def compare_frame(
    gt_ids: np.ndarray, pred_ids: np.ndarray, gt_segments: Mapping[int, Segment], pred_categories: Mapping[int, int]
) -> Frame:
    """Counts one frame.

    Args:
        gt_ids, pred_ids: integer [h, w], ids of segments, 0 void.
        gt_segments: the true segments by id. Their areas are taken as they are; ids of the map that are not listed belong to
            no segment (and are not void).
        pred_categories: category of each predicted id.

    Raises `DataError` if the shapes differ, or if a predicted id lacks in the map or in the categories.
    """
    if gt_ids.shape != pred_ids.shape:
        raise DataError(f"expected the ground truth's size (h, w) {gt_ids.shape}, found {pred_ids.shape}")
    gt, pred, pixels = (column.tolist() for column in count_pairs(gt_ids, pred_ids))
    overlap = dict(zip(zip(gt, pred, strict=True), pixels, strict=True))
    areas = collections.Counter()
    for (_, pred_id), pixels in overlap.items():
        areas[pred_id] += pixels
    _check_ids(areas, pred_categories)
    prediction = {pred_id: Segment(category, areas[pred_id]) for pred_id, category in pred_categories.items()}
    return Frame(gt_segments, prediction, overlap)


def _check_ids(areas: Mapping[int, int], categories: Mapping[int, int]) -> None:
    unlisted = sorted(areas.keys() - categories.keys() - {VOID})
    if unlisted:
        raise DataError(f"segment id {_some(unlisted)} in the PNG but not in segments_info of the JSON")
    unseen = sorted(categories.keys() - areas.keys())
    if unseen:
        raise DataError(f"segment id {_some(unseen)} in segments_info of the JSON but not in the PNG")


def _some(ids: Sequence[int]) -> str:
    rest = f" (and {len(ids) - 1} more)" if len(ids) > 1 else ""
    return f"{ids[0]}{rest} is"


def match_tubes(frames: Sequence[Frame]) -> Tallies:
    """Matches the tubes of one window.

    A tube's category and crowd flag are those of the first frame in which it appears. IoU = I / (predicted area + true area - I
    - pixels of the prediction on void). A pair of one category, not crowd, with an IoU above 0.5 is a match. An unmatched
    prediction is no false positive if more than half of it lies on void and on the last listed crowd tube of its category.
    """
    gt_tubes, pred_tubes = _tubes(frame.ground_truth for frame in frames), _tubes(frame.prediction for frame in frames)
    overlap = collections.Counter()
    for frame in frames:
        overlap.update(frame.overlap)
    matches = _matches(gt_tubes, pred_tubes, overlap)
    tallies = collections.defaultdict(Tally)
    for (gt_id, _), iou in matches.items():
        tallies[gt_tubes[gt_id].category].add(Tally(iou=iou, tp=1))
    gt_matched, pred_matched = ({pair[side] for pair in matches} for side in (0, 1))
    crowds = {gt.category: gt_id for gt_id, gt in gt_tubes.items() if gt.iscrowd}
    for gt_id, gt in gt_tubes.items():
        tallies[gt.category].fn += gt_id not in gt_matched and not gt.iscrowd
    for pred_id, pred in pred_tubes.items():
        ignored = overlap[VOID, pred_id] + overlap[crowds.get(pred.category), pred_id]
        tallies[pred.category].fp += pred_id not in pred_matched and ignored / pred.area <= 0.5
    return dict(tallies)


def _matches(
    gt_tubes: Mapping[int, Segment], pred_tubes: Mapping[int, Segment], overlap: collections.Counter
) -> dict[tuple[int, int], float]:
    """IoU of each (true id, predicted id) that match, in the order of the ids."""
    matches = {}
    for (gt_id, pred_id), pixels in sorted(overlap.items()):
        gt, pred = gt_tubes.get(gt_id), pred_tubes.get(pred_id)
        if gt is None or pred is None or gt.iscrowd or gt.category != pred.category:
            continue
        union = pred.area + gt.area - pixels - overlap[VOID, pred_id]
        if union < pixels:
            raise DataError(
                f"true segment {gt_id} has more pixels in common with a prediction than its area in the JSON allows"
            )
        if pixels / union > 0.5:
            matches[gt_id, pred_id] = pixels / union
    return matches


def _tubes(frames: Iterable[Mapping[int, Segment]]) -> dict[int, Segment]:
    """Joins the segments of frames by id, in the order in which they first appear."""
    first: dict[int, Segment] = {}
    areas = collections.Counter()
    for segments in frames:
        for segment_id, segment in segments.items():
            first.setdefault(segment_id, segment)
            areas[segment_id] += segment.area
    return {segment_id: dataclasses.replace(segment, area=areas[segment_id]) for segment_id, segment in first.items()}


def count_windows(frames: Sequence[Frame], sizes: Iterable[int]) -> dict[int, Tallies]:
    """Tallies of one video by window size (in frames), added up over all windows of that size. Stride 1."""
    counts = {}
    for size in sizes:
        windows = (match_tubes(frames[start : start + size]) for start in range(len(frames) - size + 1))
        counts[size] = add_tallies(windows)
    return counts


def add_tallies(parts: Iterable[Tallies]) -> Tallies:
    """Sums by category."""
    total = collections.defaultdict(Tally)
    for part in parts:
        for category, tally in part.items():
            total[category].add(tally)
    return dict(total)


def panoptic_quality(tallies: Mapping[int, Tally], isthing: Mapping[int, bool]) -> dict[str, Any]:
    """PQ, SQ and RQ of tallies, as fractions.

    Returns {"all", "things", "stuff": {"pq", "sq", "rq", "n"}, "per_class": {category: {"pq", "sq", "rq", "iou", "tp", "fp",
    "fn"}}} over the categories of `isthing`. Means are over the n categories that have a tube, NaN without any.
    """
    per_class = {category: _class_quality(tallies.get(category, Tally())) for category in isthing}
    things = [category for category in isthing if isthing[category]]
    stuff = [category for category in isthing if not isthing[category]]
    groups = {"all": list(isthing), "things": things, "stuff": stuff}
    return {name: _mean_quality([per_class[c] for c in group]) for name, group in groups.items()} | {"per_class": per_class}


def _class_quality(tally: Tally) -> dict[str, float]:
    half_sum = tally.tp + 0.5 * tally.fp + 0.5 * tally.fn
    return {
        "pq": tally.iou / half_sum if half_sum else 0.0,
        "sq": tally.iou / tally.tp if tally.tp else 0.0,
        "rq": tally.tp / half_sum if half_sum else 0.0,
        **dataclasses.asdict(tally),
    }


def _mean_quality(classes: Sequence[Mapping[str, float]]) -> dict[str, float]:
    present = [quality for quality in classes if quality["tp"] + quality["fp"] + quality["fn"]]
    means = {key: sum(c[key] for c in present) / len(present) if present else float("nan") for key in ("pq", "sq", "rq")}
    return means | {"n": len(present)}


def vpq_of_tallies(windows: Mapping[int, Mapping[int, Tally]], isthing: Mapping[int, bool]) -> dict[str, Any]:
    """`vpq` of tallies by window size that were added up over videos."""
    qualities = {size: panoptic_quality(tallies, isthing) for size, tallies in windows.items()}
    scores = {}
    for key, group in (("VPQ", "all"), ("VPQ_thing", "things"), ("VPQ_stuff", "stuff")):
        scores[key] = sum(100 * quality[group]["pq"] for quality in qualities.values()) / len(qualities)
    return scores | {"windows": qualities}


def vpq(
    videos: Iterable[Sequence[Frame]], isthing: Mapping[int, bool], windows: Sequence[int] = (1, 2, 3, 4)
) -> dict[str, Any]:
    """Video panoptic quality of videos, each a sequence of frames made by `compare_frame`.

    Args:
        videos: may be a generator; one video is held at a time.
        isthing: category -> whether it is a thing class; only these categories are scored.
        windows: sizes in frames: 1, 2, 3, 4 for Cityscapes-VPS, 1, 2, 4, 6, 8 for VIPSeg. A video shorter than a window adds
            nothing to it.

    Returns {"VPQ", "VPQ_thing", "VPQ_stuff"} in percent, the means over window sizes, and "windows": {size: what
    `panoptic_quality` returns}. A group of classes without any tube has NaN.

    >>> road, car = Segment(category=0, area=8), Segment(category=13, area=4)
    >>> ids = np.array([[1, 1, 1, 1, 2, 2], [1, 1, 1, 1, 2, 2]])
    >>> right = compare_frame(ids, ids, {1: road, 2: car}, {1: 0, 2: 13})
    >>> swapped = compare_frame(ids, 3 - ids, {1: road, 2: car}, {2: 0, 1: 13})  # the ids of the prediction switch
    >>> scores = vpq([[right, swapped]], isthing={0: False, 13: True}, windows=(1, 2))
    >>> scores["windows"][1]["all"]["pq"], scores["windows"][2]["all"]["pq"], scores["VPQ"]
    (1.0, 0.0, 50.0)
    """
    totals = {size: collections.defaultdict(Tally) for size in windows}
    for frames in videos:
        for size, tallies in count_windows(frames, windows).items():
            for category, tally in tallies.items():
                totals[size][category].add(tally)
    return vpq_of_tallies(totals, isthing)
