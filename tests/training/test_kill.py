"""A run that is killed ten times ends with the numbers of a run that never was."""

import json
import os
import signal
import subprocess
import sys
import time
from pathlib import Path

import pytest

ROOT = Path(__file__).resolve().parents[2]
TOTAL_STEPS = 24
CHECKPOINT_EVERY = 6

# The main program with saves that take longer: the finished folder gets its name only after a pause.
SLOW_SAVES = """
import asyncio
from absl import app
from orbax.checkpoint._src.path.atomicity import AtomicRenameTemporaryPath as Path
from tarvis_jax import main

finalize = Path.finalize

async def slow(self, *args, **kwargs):
    await asyncio.sleep(1.0)
    return await finalize(self, *args, **kwargs)

Path.finalize = slow
app.run(main.main, flags_parser=main.flags_or_exit)
"""


def start(workdir, toy_root, *, slow_saves=False, workers=0, total_steps=TOTAL_STEPS):
    program = ["-c", SLOW_SAVES] if slow_saves else ["-m", "tarvis_jax.main"]
    settings = {
        "data_root": toy_root,
        "datasets": "coco",
        "image_size": 64,
        "batch_size": 2,
        "clip_length": 2,
        "group_steps": 1,
        "loss.points": 128,
        "loss.semantic_points": 128,
        "total_steps": total_steps,
        "checkpoint_every": CHECKPOINT_EVERY,
        "workers": workers,
    }
    flags = [f"--config.{key}={value}" for key, value in settings.items()]
    with (workdir.parent / f"{workdir.name}.log").open("a") as log:
        return subprocess.Popen(
            [sys.executable, *program, "--config=configs/pretrain.py:tiny", f"--workdir={workdir}", *flags],
            cwd=ROOT,
            env={**os.environ, "XLA_FLAGS": ""},
            stdout=subprocess.DEVNULL,
            stderr=log,
        )


def rows(workdir):
    file = workdir / "metrics.jsonl"
    if not file.exists():
        return []
    found = [json.loads(line) for line in file.read_text().splitlines(keepends=True) if line.endswith("\n")]
    return [{name: value for name, value in row.items() if name != "steps_per_second"} for row in found]


def last_step(workdir):
    return max((row["step"] for row in rows(workdir)), default=0)


def newest_checkpoint(workdir):
    return max((int(d.name) for d in (workdir / "checkpoints").glob("*") if d.name.isdigit()), default=0)


def saving(workdir):
    return any((workdir / "checkpoints").glob("*tmp*"))


def kill_when(process, condition, number=signal.SIGKILL):
    """Sends the signal as soon as the condition holds; the process's exit status."""
    deadline = time.monotonic() + 300
    while not condition():
        assert process.poll() is None, f"ended with {process.returncode} before it could be killed"
        assert time.monotonic() < deadline
        time.sleep(0.01)
    process.send_signal(number)
    return process.wait(timeout=120)


@pytest.fixture(scope="module")
def uninterrupted(tmp_path_factory, toy_root):
    workdir = tmp_path_factory.mktemp("runs") / "uninterrupted"
    workdir.mkdir()
    assert start(workdir, toy_root).wait(timeout=600) == 0
    result = rows(workdir)
    assert [row["step"] for row in result] == list(range(1, TOTAL_STEPS + 1))
    return result


@pytest.mark.slow
def test_ten_kills_change_no_number(tmp_path, toy_root, uninterrupted):
    workdir = tmp_path / "killed"
    workdir.mkdir()
    for _ in range(3):
        process = start(workdir, toy_root, slow_saves=True)
        kill_when(process, lambda: last_step(workdir) >= 2)
        assert newest_checkpoint(workdir) == 0
        (workdir / "metrics.jsonl").rename(tmp_path / "before.jsonl")  # the next run must not need it
    for _ in range(3):
        process = start(workdir, toy_root, slow_saves=True)
        kill_when(process, lambda: saving(workdir))
        assert newest_checkpoint(workdir) == 0
    for wanted in (1, 7, 13, 19):
        process = start(workdir, toy_root, workers=wanted % 2)
        kill_when(process, lambda wanted=wanted: newest_checkpoint(workdir) >= wanted - 1 and last_step(workdir) >= wanted)
    assert start(workdir, toy_root).wait(timeout=600) == 0
    assert rows(workdir) == uninterrupted
    assert start(workdir, toy_root).wait(timeout=600) == 0  # finished: says so
    assert "finished" in (tmp_path / "killed.log").read_text().splitlines()[-1]


@pytest.mark.slow
def test_sigterm_saves_and_exits_143(tmp_path, toy_root, uninterrupted):
    workdir = tmp_path / "stopped"
    workdir.mkdir()
    status = kill_when(start(workdir, toy_root, workers=1), lambda: last_step(workdir) >= 8, signal.SIGTERM)
    assert status == 143
    assert newest_checkpoint(workdir) == last_step(workdir)
    assert start(workdir, toy_root).wait(timeout=600) == 0
    assert rows(workdir) == uninterrupted
