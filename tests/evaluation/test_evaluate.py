"""The command line: help, mistakes, what is printed and what is written."""

import csv
import json
import os
import subprocess
import sys
from pathlib import Path

import numpy as np
import pytest
from PIL import Image

from tarvis_jax import evaluate
from tarvis_jax.cli import NO_READER
from tarvis_jax.evaluation import report
from tarvis_jax.evaluation.benchmark import Curve, Result, Table
from tests.evaluation.davis_folders import distorted, moving_boxes

ROOT = Path(__file__).parents[2]
GOOD_FLAGS = ("--gt=a", "--pred=b")


@pytest.fixture
def scored(davis):
    """Two sequences of two objects each."""
    rng = np.random.default_rng(0)
    for name in ("cat", "dog"):
        gt = moving_boxes(rng)
        davis.add(name, gt, distorted(rng, gt))
    return davis


def test_help_names_every_benchmark(run):
    status, out, _ = run("--help")
    assert status == 0 and "Examples:" in out
    for name in evaluate.COMMANDS:
        assert name in out
        status, own, _ = run(name, "--help")
        assert status == 0 and f"python -m tarvis_jax.evaluate {name} --gt=" in own and "--merge" in own


@pytest.mark.parametrize("name", list(evaluate.COMMANDS))
def test_examples_of_the_help_are_valid(name):
    evaluate.command_line().parse_args([name, *evaluate.COMMANDS[name].example.split()])


@pytest.mark.parametrize(
    ("argv", "words"),
    [
        ([], ["BENCHMARK"]),
        (["davies", *GOOD_FLAGS], ["unknown command davies", "did you mean davis", "youtube_vis"]),
        (["davis"], ["--gt", "--pred"]),
        (["davis", *GOOD_FLAGS, "--worker=2"], ["--worker=2", "did you mean --workers"]),
        (["davis", *GOOD_FLAGS, "--workers=0"], ["--workers", "from 1 on", "'0'"]),
        (["davis", *GOOD_FLAGS, "--year=2018"], ["--year", "2017, 2016"]),
        (["davis", *GOOD_FLAGS, "--shard=3/3", "--output=c"], ["--shard", "I/N", "3/3"]),
        (["davis", *GOOD_FLAGS, "--shard=0/3", "--merge", "c"], ["--merge", "not allowed with", "--shard"]),
        (["davis", *GOOD_FLAGS, "--shard=0/3"], ["--shard needs --output"]),
        (["davis", *GOOD_FLAGS, "--output="], ["--output", "expected a path, found nothing"]),
        (["davis", *GOOD_FLAGS, "--plot"], ["--plot needs --output"]),
        (["davis", *GOOD_FLAGS, "--overwrite"], ["--overwrite needs --output"]),
        (["davis", *GOOD_FLAGS, "--shard=0/3", "--output=c", "--worst=3"], ["--worst", "--merge"]),
        (["davis", *GOOD_FLAGS, "--merge", "c", "--workers=2"], ["--merge", "--workers"]),
        (["davis", *GOOD_FLAGS, "--pred=c"], ["--pred", "davis", "found 2"]),
        (["burst", *GOOD_FLAGS, "--pred=c", "--merge", "d"], ["one --pred"]),
        (["kitti_step", *GOOD_FLAGS, "--fixed"], ["--fixed"]),
    ],
)
def test_mistakes(fails, argv, words):
    err = fails(*argv)
    assert [word for word in words if word not in err] == [], err


def test_output_folder_is_a_file(scored, fails, tmp_path):
    (tmp_path / "taken").write_text("")
    assert "cannot be made a folder" in fails(*scored.flags(f"--output={tmp_path / 'taken'}"))


def test_results_are_not_overwritten(scored, run, fails):
    flags = scored.flags(f"--output={scored.output}")
    assert run(*flags)[0] == 0
    assert "--overwrite" in fails(*flags)
    scored.list.write_text("cat\n")
    assert run(*flags, "--overwrite")[0] == 0
    assert list(scored.results()["per_object"]) == ["cat_1", "cat_2"]


def test_a_failed_run_leaves_no_result(scored, fails):
    scored.path("dog", 2).write_text("no image")
    fails(*scored.flags(f"--output={scored.output}"))
    assert list(scored.output.iterdir()) == []


def test_table_and_files(scored, run):
    status, out, err = run(*scored.flags(f"--output={scored.output}"))
    assert (status, err) == (0, "")
    results = scored.results()
    columns, numbers = (line.split() for line in out.splitlines())
    assert columns == ["J&F-Mean", "J-Mean", "J-Recall", "J-Decay", "F-Mean", "F-Recall", "F-Decay"]
    assert numbers == [f"{results[column]:.3f}" for column in columns]
    with (scored.output / "per-sequence_results-val.csv").open() as file:
        rows = list(csv.DictReader(file))
    assert [row["Sequence"] for row in rows] == ["cat_1", "cat_2", "dog_1", "dog_2"] == list(results["per_object"])
    assert sorted(path.name for path in scored.output.iterdir()) == [
        "global_results-val.csv",
        "per-sequence_results-val.csv",
        "results.json",
    ]


def test_relative_paths(scored, run, monkeypatch):
    monkeypatch.chdir(scored.gt.parent)
    assert run("davis", "--gt=DAVIS", "--pred=pred", "--output=here")[0] == 0
    assert (scored.gt.parent / "here" / "results.json").exists()


def test_a_folder_too_low_is_named_from_inside(scored, fails, monkeypatch):
    monkeypatch.chdir(scored.pred / "cat")
    assert f"did you mean --pred={scored.pred}?" in fails("davis", f"--gt={scored.gt}", "--pred=.")


def test_worst(scored, run):
    _, out, _ = run(*scored.flags(f"--output={scored.output}", "--worst=3"))
    rows = [line.split() for line in out.splitlines()[5:]]
    means = {name: (row["J-Mean"] + row["F-Mean"]) / 2 for name, row in scored.results()["per_object"].items()}
    expected = sorted(means.items(), key=lambda item: item[1])[:3]
    assert [(row[0], row[1]) for row in rows] == [(name, f"{mean:.3f}") for name, mean in expected]


def test_plot(scored, run):
    assert run(*scored.flags(f"--output={scored.output}", "--plot"))[0] == 0
    pictures = sorted((scored.output / "plots").iterdir())
    assert [path.name for path in pictures] == ["cat_1.png", "cat_2.png", "dog_1.png", "dog_2.png"]
    for path in pictures:
        pixels = np.asarray(Image.open(path).convert("RGB")).reshape(-1, 3)
        assert len(np.unique(pixels, axis=0)) > 10


def _result(score, *, warnings=()):
    return Result(
        summary={"HOTA": score},
        headline=Table("final", ["HOTA"], [[score]]),
        per_sequence=Table("sequences", ["Sequence", "HOTA"], [["x", 2.0], ["y", float("nan")], ["z", score]]),
        tables=[Table("final", ["HOTA", "Classes"], [[score, "a,b"]])],
        curves=[Curve("val/x", "alpha", "HOTA", [0.05, 0.1], {"HOTA": [score, 1.0]})],
        warnings=warnings,
    )


def test_several_results_side_by_side(tmp_path, capsys):
    results = {"ours": _result(1 / 3), "theirs": _result(float("nan"), warnings=["odd"])}
    report.show(results, worst=2)
    captured = capsys.readouterr()
    assert captured.out.splitlines()[:3] == ["Result   HOTA", "ours    0.333", "theirs    nan"]
    assert captured.out.count("Lowest scores of") == 2
    assert captured.err == "warning: theirs: odd\n"
    report.write(results, tmp_path, plot=True)
    assert json.loads((tmp_path / "results.json").read_text())["ours"] == {"HOTA": 1 / 3}
    assert "NaN" in (tmp_path / "results.json").read_text()
    assert (tmp_path / "comparison.csv").read_text() == "Result,HOTA\nours,0.3333333333333333\ntheirs,\n"
    assert (tmp_path / "ours" / "final.csv").read_text() == 'HOTA,Classes\n0.3333333333333333,"a,b"\n'
    assert (tmp_path / "theirs" / "plots" / "val_x.png").exists()


def test_lowest_scores_come_first_and_missing_ones_last():
    assert [row[0] for row in report.lowest(_result(1.0).per_sequence, 3).rows] == ["z", "x", "y"]


def _run_unread(module, *argv, **environment):
    """Runs a command whose output nobody reads; returns its exit status and error output."""
    reader, writer = os.pipe()
    os.close(reader)
    with os.fdopen(writer, "wb") as output:
        command = [sys.executable, "-m", module, *map(str, argv)]
        variables = os.environ | environment
        done = subprocess.run(command, cwd=ROOT, env=variables, stdout=output, stderr=subprocess.PIPE, timeout=120)
    return done.returncode, done.stderr.decode()


@pytest.mark.parametrize("unbuffered", ["", "1"])
def test_a_closed_pipe_ends_quietly(scored, unbuffered):
    """The files are written all the same."""
    flags = scored.flags(f"--output={scored.output}", "--worst=5")
    assert _run_unread("tarvis_jax.evaluate", *flags, PYTHONUNBUFFERED=unbuffered) == (NO_READER, "")
    assert list(scored.results()["per_object"]) == ["cat_1", "cat_2", "dog_1", "dog_2"]


@pytest.mark.parametrize("module", ["tarvis_jax.evaluate", "tarvis_jax.convert", "tarvis_jax.infer", "data.toyworld"])
def test_unread_help(module):
    assert _run_unread(module, "--help", PYTHONUNBUFFERED="") == (NO_READER, "")
