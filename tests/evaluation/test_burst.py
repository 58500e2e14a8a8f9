"""BURST against every number that the official tools gave for the stored results."""

import functools
import json
import pickle
from pathlib import Path

import numpy as np
import pytest

from tarvis_jax.evaluation.burst import Burst
from tarvis_jax.evaluation.burst_classes import COMMON, NAMES
from tarvis_jax.evaluation.burst_scores import split_means, split_totals
from tarvis_jax.evaluation.hota import ALPHAS, HotaState, combine
from tests.evaluation.nested import assert_equal_numbers, flat

CASES = [
    *(f"exemplar_guided/{name}" for name in ("hollow", "mixed", "nullmask", "perfect", "shift", "wrongcat")),
    *(f"class_guided/{name}" for name in ("noisy", "noisy_detcat", "perfect")),
]
TOOLS = {"trackeval": ("trackeval", "box"), "burstapi": ("burstapi", "box"), "maskiou_UNOFFICIAL": ("trackeval", "mask")}
SUFFIXES = {"all": "all", "common": "com", "uncommon": "unc"}
TOLERANCE = 1e-9


@pytest.fixture(scope="module")
def burst_a(shared):
    return shared / "evaluation" / "burst" / "burstA"


@functools.cache
def evaluate(folder: Path, case: str, flow: str, similarity: str):
    """A pickled copy of the benchmark, and its states as they come back from files."""
    task = case.split("/")[0]
    benchmark = pickle.loads(pickle.dumps(Burst(folder / "gt", folder / "pred" / f"{case}.json", task, flow, similarity)))
    return benchmark, {name: json.loads(json.dumps(benchmark.evaluate_video(name))) for name in benchmark.videos}


def read_expected(folder: Path, case: str, tool: str):
    return json.loads((folder / "expected" / f"{case}.{tool}.json").read_text())


def per_alpha(state: HotaState) -> dict[str, list[float]]:
    counts = {"HOTA_TP": state.tp, "HOTA_FN": state.fn, "HOTA_FP": state.fp}
    return {name: values.tolist() for name, values in (state.scores() | counts).items()}


def means(fields: dict[str, list[float]]) -> dict[str, float]:
    return {name: float(np.mean(values)) for name, values in fields.items()}


def class_averages(totals) -> dict[str, float]:
    """Scores are averaged over classes, counts added."""
    rows = [means(per_alpha(total.hota)) for total in totals]
    return {name: np.sum([row[name] for row in rows]) / (1 if "_" in name else len(rows)) for name in rows[0]}


def in_the_layout_of_the_stored_numbers(states) -> dict:
    """Everything that the stored files hold, from states."""
    classes = {name: state["classes"]["all"] for name, state in states.items()}
    totals = split_totals(states.values(), "exemplar_guided")
    keys = ("Dets", "GT_Dets", "IDs", "GT_IDs")
    counts = {
        category: {
            key: sum(row[str(category)]["counts"][key] for row in classes.values() if _seen(row, category)) for key in keys
        }
        for category in totals["all"]
    }
    return {
        "per_class": {
            NAMES[category]: {
                "id": category,
                "split": "common" if category in COMMON else "uncommon",
                "per_alpha": per_alpha(total.hota),
                "mean": means(per_alpha(total.hota)),
                "AP_all_per_iou": total.precision.tolist(),
                "AR_all_per_iou": total.recall.tolist(),
                "count": counts[category],
            }
            for category, total in totals["all"].items()
        },
        "final": {name: values for name, values in split_means(totals).items() if name != "AR"},
        "cls_comb_cls_av": class_averages(totals["all"].values()),
        "cls_comb_det_av": means(per_alpha(combine([total.hota for total in totals["all"].values()]))),
        "per_sequence": {
            name: {
                NAMES[int(category)]: {
                    "per_alpha": per_alpha(HotaState.from_json(entry["hota"])),
                    "count": entry["counts"],
                }
                for category, entry in row.items()
                if _seen(row, category) and (entry["counts"]["Dets"] or entry["counts"]["GT_Dets"])
            }
            for name, row in classes.items()
        },
        "alphas": ALPHAS.tolist(),
    }


def _seen(row, category) -> bool:
    return "hota" in row.get(str(category), {})


def test_no_stored_file_is_left_out(burst_a):
    tested = {f"{case}.{tool}.json" for case in CASES for tool in TOOLS} | {"open_world/noisy.burstapi.json"}
    stored = {path.relative_to(burst_a / "expected").as_posix() for path in (burst_a / "expected").rglob("*.json")}
    assert tested == stored


@pytest.mark.parametrize("tool", TOOLS)
@pytest.mark.parametrize("case", CASES)
def test_every_stored_number(burst_a, case, tool):
    """All of the file but its title, the name of the task and, of burstapi, what the tool printed and wrote (tested below)."""
    expected = read_expected(burst_a, case, tool)
    assert expected.pop("impl") and expected.pop("task") == case.split("/")[0]
    official = expected.pop("official_output", None), expected.pop("official_table", None)
    assert (tool == "burstapi") == all(official)
    _, states = evaluate(burst_a, case, *TOOLS[tool])
    assert len(flat(expected)) > 1000
    assert_equal_numbers(in_the_layout_of_the_stored_numbers(states), expected)


@pytest.mark.parametrize("case", [*CASES, "open_world/noisy"])
def test_what_the_official_tool_prints_and_writes(burst_a, case):
    expected = read_expected(burst_a, case, "burstapi")
    benchmark, states = evaluate(burst_a, case, "burstapi", "box")
    result = benchmark.summarise(states)
    for name, values in expected["official_output"].items():
        for split, value in values.items():
            assert result.summary[f"{name}_{SUFFIXES[split]}"] == pytest.approx(value, rel=0, abs=TOLERANCE), (name, split)
    table = next(table for table in result.tables if table.name == "burst")
    lines = [line.split() for line in expected["official_table"].splitlines() if line]
    printed = {name: values for name, *values in lines if name in expected["official_output"]}
    assert {row[0]: [f"{value:.2f}" for value in row[1:]] for row in table.rows} == printed


def test_open_world_every_stored_number(burst_a):
    """All of the file but its title and what the tool printed and wrote (tested above)."""
    expected = read_expected(burst_a, "open_world/noisy", "burstapi")
    for key in ("impl", "task", "official_output", "official_table"):
        assert expected.pop(key)
    _, states = evaluate(burst_a, "open_world/noisy", "burstapi", "box")
    found = {}
    for split, totals in split_totals(states.values(), "open_world").items():
        rows = {name: state["classes"][split] for name, state in states.items()}
        nothing = per_alpha(combine([]))
        found[split] = {
            "per_alpha": per_alpha(totals[1].hota),
            "per_sequence": {
                name: per_alpha(HotaState.from_json(row["1"]["hota"])) if row else nothing for name, row in rows.items()
            },
        }
    assert len(flat(expected)) > 1000
    assert_equal_numbers(found, expected)


def test_result_keys_and_headline(burst_a):
    benchmark, states = evaluate(burst_a, "exemplar_guided/shift", "trackeval", "box")
    expected = read_expected(burst_a, "exemplar_guided/shift", "trackeval")
    result = benchmark.summarise(states)
    for name, values in expected["final"].items():
        for split, value in values.items():
            assert result.summary[f"{name}_{SUFFIXES[split]}"] == pytest.approx(value, rel=0, abs=TOLERANCE)
    assert result.summary["per_class"].keys() == expected["per_class"].keys()
    for name, row in result.summary["per_class"].items():
        assert row == pytest.approx({key: 100 * expected["per_class"][name]["mean"][key] for key in row}, abs=TOLERANCE)
        assert list(row) == ["HOTA", "DetA", "AssA"]
    assert result.headline.columns == ["H_all", "H_com", "H_unc"]
    assert result.headline.rows[0] == [result.summary[f"HOTA_{suffix}"] for suffix in SUFFIXES.values()]
    assert [row[0] for row in result.per_sequence.rows] == list(benchmark.videos) == sorted(benchmark.videos)
    by_sequence = {
        name: 100 * np.mean([np.mean(entry["per_alpha"]["HOTA"]) for entry in classes.values() if entry["count"]["GT_Dets"]])
        for name, classes in expected["per_sequence"].items()
    }
    assert {row[0]: row[1] for row in result.per_sequence.rows} == pytest.approx(by_sequence, abs=TOLERANCE)
    curve = next(curve for curve in result.curves if curve.name == "HOTA")
    lines = {key: [100 * value for value in values] for key, values in _mean_curves(expected).items()}
    assert curve.lines.keys() == lines.keys() and curve.x == expected["alphas"]
    for split, values in lines.items():
        assert curve.lines[split] == pytest.approx(values, abs=TOLERANCE)
    assert not result.warnings


def _mean_curves(expected):
    rows = expected["per_class"].values()
    chosen = {split: [row for row in rows if split in ("all", row["split"])] for split in SUFFIXES}
    return {split: np.mean([row["per_alpha"]["HOTA"] for row in part], axis=0) for split, part in chosen.items()}
