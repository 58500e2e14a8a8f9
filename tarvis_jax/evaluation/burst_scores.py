"""BURST's scores of all sequences from those of each."""

import dataclasses
import functools
from collections.abc import Iterable, Mapping
from typing import Any

import numpy as np

from tarvis_jax.evaluation.benchmark import State
from tarvis_jax.evaluation.burst_classes import COMMON
from tarvis_jax.evaluation.burst_sequence import ClassScores
from tarvis_jax.evaluation.hota import HotaState, combine
from tarvis_jax.evaluation.track_ap import Matches
from tarvis_jax.evaluation.track_map import track_map

SPLITS = ("all", "common", "uncommon")  # of the classes


@dataclasses.dataclass(frozen=True)
class ClassTotal:
    """One class over all sequences: HOTA, and AP and AR at the 10 IoU thresholds (None in the open world)."""

    hota: HotaState
    precision: np.ndarray | None
    recall: np.ndarray | None

    @functools.cached_property
    def scores(self) -> dict[str, np.ndarray]:
        """HOTA's scores as fractions, float64 [a] each."""
        return self.hota.scores()

    @functools.cached_property
    def percent(self) -> dict[str, float]:
        """Means over the thresholds of every score, in percent."""
        scores = {name: float(values.mean()) for name, values in self.scores.items()}
        if self.precision is not None:
            scores |= {"AP": float(self.precision.mean()), "AR": float(self.recall.mean())}
        return {name: 100 * score for name, score in scores.items()}


def class_state(scores: ClassScores | None, matches: Matches | None) -> dict[str, Any]:
    """One class of one sequence as JSON."""
    state: dict[str, Any] = {}
    if scores is not None:
        state |= {"hota": scores.hota.to_json(), "counts": scores.counts}
    if matches is not None:
        outcomes = matches.outcomes[0].tolist()
        state["tracks"] = {"scores": matches.scores.tolist(), "outcomes": outcomes, "positives": int(matches.positives[0])}
    return state


def class_totals(states: Iterable[Mapping[str, Any]]) -> dict[int, ClassTotal]:
    """Totals by category id, from {category id: `class_state`} of each sequence in the official order."""
    by_class: dict[int, list[Mapping[str, Any]]] = {}
    for classes in states:
        for category, state in classes.items():
            by_class.setdefault(int(category), []).append(state)
    return {category: _total(by_class[category]) for category in sorted(by_class)}


def _total(states: list[Mapping[str, Any]]) -> ClassTotal:
    hota = combine([HotaState.from_json(state["hota"]) for state in states if "hota" in state])
    matches = [_matches(state["tracks"]) for state in states if "tracks" in state]
    return ClassTotal(hota, *(track_map(matches) if matches else (None, None)))


def _matches(tracks: Mapping[str, Any]) -> Matches:
    scores = np.array(tracks["scores"], float)
    outcomes = np.array(tracks["outcomes"], np.int8)[None]
    return Matches(scores, outcomes, np.array([tracks["positives"]]), np.arange(len(scores)))


def split_totals(states: Iterable[State], task: str) -> dict[str, dict[int, ClassTotal]]:
    """Totals of each split of the classes; in the open world a split has a ground truth of its own, with one class."""
    states = list(states)
    if task == "open_world":
        return {split: class_totals(state["classes"][split] for state in states) for split in SPLITS}
    every = class_totals(state["classes"]["all"] for state in states)
    common = {category: total for category, total in every.items() if category in COMMON}
    return {"all": every, "common": common, "uncommon": {key: every[key] for key in every.keys() - common.keys()}}


def split_means(totals: Mapping[str, Mapping[int, ClassTotal]]) -> dict[str, dict[str, float]]:
    """{score: {split: mean over the split's classes in percent}}; NaN for a split without classes."""
    percents = {split: [total.percent for total in classes.values()] for split, classes in totals.items()}
    names = list(dict.fromkeys(name for rows in percents.values() for row in rows for name in row))
    return {
        name: {split: sum(row[name] for row in rows) / len(rows) if rows else np.nan for split, rows in percents.items()}
        for name in names
    }
