"""Rows of a run: one a step, cut on resume, checked for non-finite numbers."""

import json

import jax.numpy as jnp
import pytest

from tarvis_jax.training.logbook import METRICS_FILE, Logbook, NonFiniteError, evaluation_rows


def facts(step):
    return {"step": step, "task": "vis", "dataset": "coco"}


def values(loss=1.0, grad_norm=1.0):
    return {"loss": jnp.float32(loss), "grad_norm": jnp.float32(grad_norm)}


def rows(workdir):
    return [json.loads(line) for line in (workdir / METRICS_FILE).read_text().splitlines()]


def write(workdir, start, steps):
    with Logbook(workdir, start, 100, 50) as log:
        for step in steps:
            log.add(facts(step), values(loss=step))
        log.flush()


def test_one_row_a_step_with_its_own_values(tmp_path):
    write(tmp_path, 0, range(1, 6))
    assert [(row["step"], row["loss"]) for row in rows(tmp_path)] == [(i, float(i)) for i in range(1, 6)]


def test_rows_beyond_the_checkpoint_and_a_torn_line_are_cut(tmp_path):
    write(tmp_path, 0, range(1, 8))
    with (tmp_path / METRICS_FILE).open("a") as file:
        file.write('{"step": 8, "lo')
    write(tmp_path, 4, range(5, 7))
    assert [row["step"] for row in rows(tmp_path)] == [1, 2, 3, 4, 5, 6]


def test_a_torn_line_right_behind_the_checkpoint_is_cut(tmp_path):
    write(tmp_path, 0, range(1, 5))
    with (tmp_path / METRICS_FILE).open("a") as file:
        file.write('{"step": 5')
    write(tmp_path, 4, [5])
    assert [row["step"] for row in rows(tmp_path)] == [1, 2, 3, 4, 5]


@pytest.mark.parametrize("bad", [{"loss": float("nan")}, {"grad_norm": float("inf")}])
def test_stops_at_the_first_non_finite_step_and_names_it(tmp_path, bad):
    with Logbook(tmp_path, 0, 100, 50) as log:
        log.add(facts(1), values())
        log.add(facts(2), values(**bad))
        with pytest.raises(NonFiniteError, match="step 2 "):
            log.flush()


def test_rows_of_evaluations_stand_behind_their_steps_and_are_cut_with_them(tmp_path):
    def run(start, last):
        with Logbook(tmp_path, start, 100, 50) as log:
            if start == 0:
                log.add_evaluation(0, {"vos_J&F": 0.0})
            for step in range(start + 1, last + 1):
                log.add(facts(step), values())
                if step % 2 == 0:
                    log.add_evaluation(step, {"vos_J&F": 10.0 * step})
            log.flush()

    def found():
        return [(row["step"], row.get("vos_J&F")) for row in rows(tmp_path)]

    run(0, 4)
    assert found() == [(0, 0.0), (1, None), (2, None), (2, 20.0), (3, None), (4, None), (4, 40.0)]
    assert [row["step"] for row in evaluation_rows(tmp_path)] == [0, 2, 4]
    run(2, 3)
    assert found() == [(0, 0.0), (1, None), (2, None), (2, 20.0), (3, None)]
    run(0, 1)  # from the start, as no checkpoint was complete
    assert found() == [(0, 0.0), (1, None)]
