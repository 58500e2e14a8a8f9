"""How BURST's scores are reported."""

from collections.abc import Mapping, Sequence
from typing import Any

import numpy as np

from data.folders import listing
from tarvis_jax.evaluation.benchmark import PERFECT, Curve, Result, State, Table
from tarvis_jax.evaluation.burst_classes import NAMES
from tarvis_jax.evaluation.burst_scores import SPLITS, ClassTotal, split_means, split_totals
from tarvis_jax.evaluation.hota import ALPHAS, HotaState

_SUFFIXES = dict(zip(SPLITS, ("all", "com", "unc"), strict=True))

Totals = Mapping[str, Mapping[int, ClassTotal]]


def make_result(states: Mapping[str, State], task: str, foreign: Sequence[str]) -> Result:
    """The result from the states of all sequences in the official order; `foreign` names sequences of the result alone."""
    totals = split_totals(states.values(), task)
    means = split_means(totals)
    if task == "open_world":
        official, title = ("OWTA", "DetRe", "AssA"), "OWTA"
    else:
        official, title = ("HOTA", "DetA", "AssA", "AP"), "H"
    main = {f"{title}_{suffix}": means[official[0]][split] for split, suffix in _SUFFIXES.items()}
    per_sequence = _per_sequence(states, official[:3])
    printed = [[name, *means[name].values()] for name in official]
    return Result(
        summary=_summary(totals, means, task),
        headline=Table("metrics", list(main), [list(main.values())]),
        per_sequence=per_sequence,
        tables=[Table("burst", ["Metric", "All", "Common", "Uncommon"], printed), _per_class(totals, task), per_sequence],
        curves=[_curve(name, totals) for name in official[:3]],
        warnings=_warnings(states, task, foreign) + [PERFECT] * _is_perfect(means),
    )


def _is_perfect(means: Mapping[str, Mapping[str, float]]) -> bool:
    """Whether boxes and masks are all right, up to the epsilons of the official formulas; never in the open world."""
    return min(means.get(name, {}).get("all", 0.0) for name in ("HOTA", "LocA", "AP")) > 100 - 1e-9


def _class_name(category: int, task: str) -> str:
    return "object" if task == "open_world" else NAMES[category]


def _summary(totals: Totals, means: Mapping[str, Mapping[str, float]], task: str) -> dict[str, Any]:
    scores = {f"{name}_{_SUFFIXES[split]}": value for name, values in means.items() for split, value in values.items()}
    percents = {_class_name(category, task): total.percent for category, total in totals["all"].items()}
    return scores | {"per_class": {name: {key: row[key] for key in ("HOTA", "DetA", "AssA")} for name, row in percents.items()}}


def _per_class(totals: Totals, task: str) -> Table:
    """A row a class, of the open world a row a split."""
    if task == "open_world":
        percents = {split: total.percent for split, classes in totals.items() for total in classes.values()}
    else:
        percents = {NAMES[category]: total.percent for category, total in totals["all"].items()}
    columns = list(next(iter(percents.values()), {}))
    return Table("per_class", ["Class", *columns], [[name, *row.values()] for name, row in percents.items()])


def _per_sequence(states: Mapping[str, State], names: Sequence[str]) -> Table:
    """A row a sequence: means over the classes that have true tracks in it."""
    rows = []
    for sequence, state in states.items():
        true = [entry for entry in state["classes"]["all"].values() if entry.get("counts", {}).get("GT_Dets")]
        scores = _joined([entry["hota"] for entry in true]).scores() if true else {}
        means = [100 * float(scores[name].mean()) if true else np.nan for name in names]
        counts = [sum(entry["counts"][key] for entry in true) for key in ("GT_IDs", "IDs", "GT_Dets", "Dets")]
        rows.append([sequence, *means, *counts])
    columns = [f"{name} (mean over its classes)" for name in names]
    return Table("per_sequence", ["Sequence", *columns, "Tracks", "Predicted tracks", "Masks", "Predicted masks"], rows)


def _joined(states: Sequence[Mapping[str, Sequence[float]]]) -> HotaState:
    """States as `HotaState.to_json` wrote them in one."""
    return HotaState.from_json({key: [state[key] for state in states] for key in states[0]})


def _curve(name: str, totals: Totals) -> Curve:
    lines = {
        split: (100 * np.mean([total.scores[name] for total in classes.values()], axis=0)).tolist()
        for split, classes in totals.items()
        if classes
    }
    return Curve(name, "alpha", f"{name} (%)", ALPHAS.tolist(), lines)


_COMPLAINTS = {
    "are not in the result (their objects count as not found)": lambda note: not note["in_result"],
    "have no image of the ground truth in the result": lambda note: note["in_result"] and not note["images_found"],
    "have only some of the annotated images in the result": lambda note: 0 < note["images_found"] < note["images"],
    "have another height and width in the result (masks are read in the ground truth's)": lambda note: note["other_size"],
    "have no track id of the ground truth in the result": lambda note: note["other_tracks"],
    "have the id of another sequence in the result, and the classes of its tracks": lambda note: note["other_id"],
}


def _warnings(states: Mapping[str, State], task: str, foreign: Sequence[str]) -> list[str]:
    notes = {name: state["notes"] for name, state in states.items()}
    lines = []
    if foreign:
        lines.append(f"the ground truth does not have {len(foreign)} of the result's sequences: {listing(foreign)}")
    if not any(note["in_result"] for note in notes.values()):
        return [*lines, "no sequence of the ground truth is in the result: every score is 0"]
    for complaint, is_so in _COMPLAINTS.items():
        names = [name for name, note in notes.items() if is_so(note)]
        if names:
            lines.append(f"{len(names)} of {len(notes)} sequences {complaint}: {listing(names)}")
    return [*lines, *_mask_warnings(states, notes, task)]


def _mask_warnings(states: Mapping[str, State], notes: Mapping[str, Mapping[str, int]], task: str) -> list[str]:
    lines = []
    masks, empty, unknown = (sum(note[key] for note in notes.values()) for key in ("masks", "empty_masks", "unknown_classes"))
    if not masks:
        return ["the result has no masks: every score is 0"]
    if empty == masks:
        lines.append(f"all {masks} predicted masks are empty: none has a pixel")
    elif empty:
        lines.append(f"{empty} of {masks} predicted masks are empty; each counts as a false positive")
    if unknown:
        lines.append(f"{unknown} of {masks} predicted masks have category ids that BURST does not have; they are ignored")
    entries = [entry["tracks"] for state in states.values() for entry in state["classes"]["all"].values() if "tracks" in entry]
    scores = [score for tracks in entries for score in tracks["scores"]]
    if task == "class_guided" and len(scores) > 1 and len(set(scores)) == 1:
        lines.append(f"all {len(scores)} predicted tracks have the score {scores[0]}: their order, and so AP, is arbitrary")
    return lines
