"""The record of a run: rows of steps and evaluations in `metrics.jsonl` and TensorBoard, now and then a line of progress."""

import json
import logging
import math
import os
import statistics
import time
from collections import deque
from collections.abc import Mapping
from pathlib import Path
from typing import Any

import jax
from tensorboardX import SummaryWriter

logger = logging.getLogger(__name__)

METRICS_FILE = "metrics.jsonl"
EVALUATION = "eval"  # "kind" of an evaluation's row; a step's row has none


class NonFiniteError(RuntimeError):
    """A loss or gradient that is no number; nothing of the step or after it may be saved."""


class Logbook:
    """Writes the rows of a run that continues after `start_step`; rows beyond it, from before a kill, are cut.

    Values are fetched one step late, so that the device never waits for the log. `flush` brings everything to the disk.
    Only the first process writes.
    """

    def __init__(self, workdir: Path, start_step: int, total_steps: int, log_every: int):
        self._total_steps, self._log_every, self._start_step = total_steps, log_every, start_step
        self._pending: tuple[dict[str, Any], dict[str, jax.Array]] | None = None
        self._last_row = time.monotonic()
        self._durations: deque[float] = deque(maxlen=50)  # of the last steps, seconds
        self._file = self._tensorboard = None
        if jax.process_index() == 0:
            cut_rows(workdir / METRICS_FILE, start_step or -1)  # the rows of step 0 are of an evaluation, which comes again
            self._file = (workdir / METRICS_FILE).open("a", buffering=1)  # a row is there when its line is
            self._tensorboard = SummaryWriter(str(workdir), purge_step=start_step + 1)

    def __enter__(self) -> "Logbook":
        return self

    def __exit__(self, *_: object) -> None:
        if self._file is not None:
            self._file.close()
            self._tensorboard.close()

    def add(self, facts: dict[str, Any], metrics: dict[str, jax.Array]) -> None:
        """Takes the row of a step that was just dispatched: plain `facts` with `step`, and device values.

        Raises:
            NonFiniteError: the step before it has a non-finite loss or gradient norm.
        """
        previous, self._pending = self._pending, (facts, metrics)
        if previous is not None:
            self._write(*previous)

    def add_evaluation(self, step: int, scores: Mapping[str, float]) -> None:
        """Writes the scores of the state after a step, behind the step's own row.

        Raises:
            NonFiniteError: as for `add`.
        """
        self.flush()
        if self._file is not None:
            self._file.write(json.dumps({"kind": EVALUATION, "step": step, **scores}) + "\n")
            for name, value in scores.items():
                self._tensorboard.add_scalar(f"{EVALUATION}/{name}", value, step)
        logger.info("step %d  evaluation  %s", step, "  ".join(f"{name} {value:.1f}" for name, value in scores.items()))
        self._last_row = time.monotonic()  # the time of evaluations is no step's

    def flush(self) -> None:
        """Waits for the last step, checks it, and brings all rows to the disk.

        Raises:
            NonFiniteError: as for `add`.
        """
        if self._pending is not None:
            previous, self._pending = self._pending, None
            self._write(*previous)
        if self._file is not None:
            self._file.flush()
            os.fsync(self._file.fileno())

    def _write(self, facts: dict[str, Any], metrics: dict[str, jax.Array]) -> None:
        values = {name: value.item() for name, value in jax.device_get(metrics).items()}
        now = time.monotonic()
        self._durations.append(max(now - self._last_row, 1e-9))
        self._last_row = now
        row = {**facts, **values, "steps_per_second": round(1 / self._durations[-1], 4)}
        if self._file is not None:
            self._file.write(json.dumps(row) + "\n")
            self._to_tensorboard(row)
        if row["step"] % self._log_every == 0 or row["step"] in (self._start_step + 1, self._total_steps):
            self._show(row)
        _check_finite(row)

    def _to_tensorboard(self, row: dict[str, Any]) -> None:
        for name, value in row.items():
            if isinstance(value, float):
                group = f"{row['task']}/" if name.startswith("loss") else ""
                self._tensorboard.add_scalar(group + name, value, row["step"])

    def _show(self, row: dict[str, Any]) -> None:
        done = f"step {row['step']}/{self._total_steps}  {row['task']} {row['dataset']}  loss {row['loss']:.4g}"
        if len(self._durations) == 1:
            logger.info("%s  first step in %.0f s, most of it to compile; so for each task", done, self._durations[0])
            return
        seconds = statistics.median(self._durations)  # not the mean: a task's first step compiles
        left = _duration((self._total_steps - row["step"]) * seconds)
        logger.info("%s  %.3g steps/s  %s left", done, 1 / seconds, left)


def _check_finite(row: dict[str, Any]) -> None:
    bad = [name for name in ("loss", "grad_norm") if not math.isfinite(row[name])]
    if bad:
        raise NonFiniteError(
            f"step {row['step']} ({row['task']}, {row['dataset']}): {bad[0]} is {row[bad[0]]}; the run stops here and no "
            "checkpoint holds this update. Lower config.learning_rate or set config.precision=float32, then run the same "
            "command to go on from the last checkpoint"
        )


def evaluation_rows(workdir: Path) -> list[dict[str, Any]]:
    """The rows of the evaluations of a run, in their order."""
    return [row for row in read_rows(workdir) if row.get("kind") == EVALUATION]


def read_rows(workdir: Path) -> list[dict[str, Any]]:
    """All rows of a run, none if it has no file yet."""
    file = workdir / METRICS_FILE
    return [json.loads(line) for line in file.read_text().splitlines()] if file.exists() else []


def cut_rows(file: Path, last_step: int) -> None:
    """Cuts the rows of steps after `last_step`, and a last line that a kill cut short, off the end of the file."""
    if not file.exists():
        return
    end = 0
    with file.open("rb") as rows:
        for line in rows:
            if not line.endswith(b"\n") or json.loads(line)["step"] > last_step:
                break
            end += len(line)
    os.truncate(file, end)


def _duration(seconds: float) -> str:
    hours, minutes = int(seconds // 3600), int(seconds // 60 % 60)
    return f"{hours} h {minutes} min" if hours else f"{minutes} min {int(seconds % 60)} s"
