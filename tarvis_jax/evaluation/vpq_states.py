"""What Cityscapes-VPS and VIPSeg share: a video's VPQ counts as a JSON state, and the report over all states."""

import collections
import dataclasses
from collections.abc import Iterable, Mapping, Sequence
from typing import Any

from data.folders import listing
from tarvis_jax.evaluation import class_confusion
from tarvis_jax.evaluation.benchmark import PERFECT, Curve, State, Table
from tarvis_jax.evaluation.panoptic_files import Categories, category_pairs, inconsistent_ids
from tarvis_jax.evaluation.vpq import Frame, Tallies, Tally, add_tallies, count_windows, vpq_of_tallies

_GROUPS = {"VPQ": "all", "VPQ_thing": "things", "VPQ_stuff": "stuff"}


@dataclasses.dataclass(frozen=True)
class VpqReport:
    """Parts of a `Result`: the means in percent, those of each video, all of `results.json`, files, a picture, warnings."""

    means: dict[str, float]
    per_video: dict[str, dict[str, float]]
    summary: dict[str, Any]
    tables: list[Table]
    curve: Curve
    warnings: list[str]


def vpq_state(frames: Sequence[Frame], sizes: Iterable[int]) -> State:
    """The counts of one video: tallies by window size and category, pixels by pair of categories."""
    pixels = collections.Counter()
    for frame in frames:
        for true, predicted, count in category_pairs(frame, class_confusion.UNLABELLED):
            pixels[true, predicted] += count
    return {
        "frames": len(frames),
        "windows": {str(size): _as_lists(tallies) for size, tallies in count_windows(frames, sizes).items()},
        "confusion": [[*pair, count] for pair, count in sorted(pixels.items())],
        "inconsistent_ids": sum(map(inconsistent_ids, frames)),
    }


def _as_lists(tallies: Tallies) -> dict[str, list[float]]:
    return {str(category): list(dataclasses.astuple(tally)) for category, tally in sorted(tallies.items())}


def vpq_report(states: Mapping[str, State], categories: Categories, window_names: Mapping[int, str]) -> VpqReport:
    """The scores of all videos; `window_names` gives the windows' sizes in frames and how the results call them."""
    scores = _vpq_of_states(states.values(), categories, window_names)
    means = {key: scores[key] for key in _GROUPS}
    per_video = {}
    for name, state in states.items():
        own = _vpq_of_states([state], categories, window_names)
        per_video[name] = {key: own[key] for key in _GROUPS}
    windows = {}
    for size, name in window_names.items():
        quality = scores["windows"][size]
        per_class = {categories.names[category]: values for category, values in quality["per_class"].items()}
        windows[name] = quality | {"per_class": per_class}
    by_window = {name: 100 * quality["all"]["pq"] for name, quality in windows.items()}
    return VpqReport(
        means,
        per_video,
        means | {"VPQ_k": by_window, "windows": windows},
        _tables(scores),
        _curve(scores),
        _warnings(states, scores, categories),
    )


def _vpq_of_states(states: Iterable[State], categories: Categories, sizes: Iterable[int]) -> dict[str, Any]:
    """What `vpq.vpq` returns, of the states of videos."""
    windows = {}
    states = list(states)
    for size in sizes:
        parts = (state["windows"][str(size)] for state in states)
        windows[size] = add_tallies({int(c): Tally(*values) for c, values in part.items()} for part in parts)
    return vpq_of_tallies(windows, categories.isthing)


def _tables(scores: Mapping[str, Any]) -> list[Table]:
    """The official tool's files: vpq-final and one table of classes a window size, named by 5 * (frames - 1)."""
    tables = [Table("vpq-final", ["vpq_all", "vpq_thing", "vpq_stuff"], [[scores[key] for key in _GROUPS]])]
    columns = ["IDX", "PQ", "SQ", "RQ", "IoU", "TP", "FP", "FN"]
    for size, quality in scores["windows"].items():
        rows = [
            [category, *(100 * values[key] for key in ("pq", "sq", "rq")), *(values[key] for key in ("iou", "tp", "fp", "fn"))]
            for category, values in quality["per_class"].items()
        ]
        tables.append(Table(f"vpq-{5 * (size - 1)}", columns, rows))
    return tables


def _curve(scores: Mapping[str, Any]) -> Curve:
    """VPQ over the length of the window."""
    windows = scores["windows"]
    lines = {key: [100 * quality[group]["pq"] for quality in windows.values()] for key, group in _GROUPS.items()}
    return Curve("vpq_windows", "frames in the window", "VPQ (%)", list(windows), lines)


def _warnings(states: Mapping[str, State], scores: Mapping[str, Any], categories: Categories) -> list[str]:
    """Lines about broken results and ground truth."""
    confusion = class_confusion.sum_triples(state["confusion"] for state in states.values())
    warnings = class_confusion.broken_classes(confusion, categories.names)
    inconsistent = [name for name, state in states.items() if state["inconsistent_ids"]]
    if inconsistent:
        found = f"segments of the ground truth are in its PNGs or its JSON alone, in {listing(inconsistent)}"
        warnings.append(f"{found}: their pixels are no void, as in the official tool")
    for size, quality in scores["windows"].items():
        empty = [key for key, group in _GROUPS.items() if not quality[group]["n"]]
        if empty:
            warnings.append(f"{', '.join(empty)}: no segments in windows of {size} frames, so NaN (the official tool stops)")
    return warnings + [PERFECT] * (scores["VPQ"] == 100)
