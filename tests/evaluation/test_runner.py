"""Worker processes, shards and their joining give what one process gives."""

import json
import os
import subprocess
import sys
from pathlib import Path

import numpy as np
import pytest

from data.errors import DataError
from tarvis_jax.errors import UserError
from tarvis_jax.evaluation import runner
from tests.evaluation.davis_folders import distorted, moving_boxes

ROOT = Path(__file__).parents[2]


@pytest.fixture
def sequences(davis):
    rng = np.random.default_rng(0)
    for i in range(7):
        gt = moving_boxes(rng, frames=4 + i, objects=1 + i % 3)
        davis.add(f"sequence{i}", gt, distorted(rng, gt))
    return davis


def _command(*argv):
    """In a process of its own, as JAX's threads in this one do not survive a fork."""
    command = [sys.executable, "-m", "tarvis_jax.evaluate", *map(str, argv)]
    return subprocess.run(command, cwd=ROOT, capture_output=True, text=True, timeout=120)


def _files(folder):
    return {path.name: path.read_bytes() for path in folder.iterdir()}


def test_workers_change_nothing(sequences, run, tmp_path):
    alone = run(*sequences.flags(f"--output={tmp_path / 'alone'}", "--worst=3"))
    together = _command(*sequences.flags(f"--output={tmp_path / 'together'}", "--worst=3", "--workers=3"))
    assert (together.returncode, together.stdout, together.stderr) == alone
    assert _files(tmp_path / "alone") == _files(tmp_path / "together")


def test_an_error_of_a_worker_is_one_line(sequences):
    sequences.path("sequence3", 2).write_text("no image")
    done = _command(*sequences.flags("--workers=2"))
    assert done.returncode == 2
    assert done.stderr.startswith("error: ") and done.stderr.count("\n") == 1
    assert "sequence3/00002.png" in done.stderr


class _Numbers:
    """A benchmark whose states are what JSON holds exactly."""

    videos = ("a", "b", "c")

    def evaluate_video(self, name):
        if name == "killed":
            os._exit(1)
        if name == "broken":
            raise DataError("broken: not good")
        return {"name": name, "values": [0.1 + 0.2, float("nan"), 2**60, None]}


@pytest.mark.parametrize("workers", [1, 2])
def test_states_keep_order_and_value(workers):
    """Here, where JAX is loaded, with spawned workers."""
    states = runner.evaluate_videos(_Numbers(), ["b", "a"], workers)
    assert list(states) == ["b", "a"]
    assert states["a"]["values"][0] == 0.1 + 0.2 and np.isnan(states["a"]["values"][1]) and states["a"]["values"][2] == 2**60


@pytest.mark.parametrize("workers", [1, 2])
def test_errors_pass(workers):
    with pytest.raises(DataError, match=r"^broken: not good$"):
        runner.evaluate_videos(_Numbers(), ["a", "broken", "c"], workers)


def test_a_killed_worker_is_named():
    with pytest.raises(UserError, match="a worker process was killed"):
        runner.evaluate_videos(_Numbers(), ["a", "killed"], 2)


def test_progress_is_shown_when_it_takes_long(monkeypatch, capsys):
    runner.evaluate_videos(_Numbers(), ["a", "b"])
    assert capsys.readouterr().err == ""
    monkeypatch.setattr(runner, "_QUIET_SECONDS", 0.0)
    runner.evaluate_videos(_Numbers(), ["a", "b"])
    assert "/2 [" in capsys.readouterr().err


@pytest.mark.parametrize("count", [1, 3, 9])
def test_shards_are_the_whole(sequences, run, tmp_path, count):
    whole = run(*sequences.flags(f"--output={tmp_path / 'whole'}"))
    folders = [tmp_path / "even", tmp_path / "odd"][:count]
    for i in reversed(range(count)):
        status, out, _ = run(*sequences.flags(f"--shard={i}/{count}", f"--output={folders[i % 2]}"))
        assert (status, out) == (0, f"{folders[i % 2] / f'shard-{i}-of-{count}.json'}\n")
    merge = [f"--merge={folder}" for folder in folders] if count == 3 else ["--merge", *folders]
    assert run(*sequences.flags(*merge, f"--output={tmp_path / 'merged'}")) == whole
    assert _files(tmp_path / "whole") == _files(tmp_path / "merged")


@pytest.fixture
def shards(sequences, run, tmp_path):
    """Three shards in a folder each."""
    folders = [tmp_path / f"part{i}" for i in range(3)]
    for i, folder in enumerate(folders):
        assert run(*sequences.flags(f"--shard={i}/3", f"--output={folder}"))[0] == 0
    return sequences, folders


def test_missing_and_repeated_shards(shards, fails, tmp_path):
    sequences, folders = shards
    assert "missing: 1/3, 2/3" in fails(*sequences.flags("--merge", folders[0]))
    assert "shard 0/3 is there twice" in fails(*sequences.flags("--merge", folders[0], *folders))
    assert "found none" in fails(*sequences.flags("--merge", tmp_path / "nowhere"))


def test_shards_of_another_evaluation(shards, run, fails, tmp_path):
    sequences, folders = shards
    assert "settings" in fails(*sequences.flags("--fixed", "--merge", *folders))
    run(*sequences.flags("--shard=1/2", f"--output={tmp_path / 'half'}"))
    assert "some of 2 and some of 3" in fails(*sequences.flags("--merge", *folders, tmp_path / "half"))
    sequences.path("sequence0", 1).write_bytes(sequences.path("sequence0", 2).read_bytes())
    assert "other predictions" in fails(*sequences.flags("--merge", *folders))
    sequences.list.write_text("sequence1\n")
    assert "other videos" in fails(*sequences.flags("--merge", *folders))


@pytest.mark.parametrize(
    ("change", "reason"),
    [
        ({"version": "0.0.1"}, "version '0.0.1' instead of"),
        ({"benchmark": "burst"}, "benchmark 'burst' instead of 'davis'"),
        ({"states": {}}, "expected the videos of shard 1/3"),
        ({"more": 1}, "not a file that --shard wrote"),
    ],
)
def test_changed_shards(shards, fails, change, reason):
    sequences, folders = shards
    path = folders[1] / "shard-1-of-3.json"
    path.write_text(json.dumps(json.loads(path.read_text()) | change))
    err = fails(*sequences.flags("--merge", *folders))
    assert reason in err and str(path) in err


def test_truncated_shard(shards, fails):
    sequences, folders = shards
    path = folders[1] / "shard-1-of-3.json"
    path.write_bytes(path.read_bytes()[:-10])
    assert "cut off" in fails(*sequences.flags("--merge", *folders))


def test_a_shard_is_not_overwritten(shards, run, fails):
    sequences, folders = shards
    flags = sequences.flags("--shard=1/3", f"--output={folders[1]}")
    assert "exists already" in fails(*flags)
    assert run(*flags, "--overwrite")[0] == 0
