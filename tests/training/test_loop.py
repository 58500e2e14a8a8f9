"""Whole runs of a minute model: what they leave in the workdir, how they go on, how they stop."""

import dataclasses
import json

import pytest

from tarvis_jax.config import ConfigError
from tarvis_jax.training.logbook import METRICS_FILE, NonFiniteError
from tarvis_jax.training.loop import train

PARTS = {
    "vis": {"loss_mask_bce", "loss_mask_dice", "loss_class", "loss_semantic"},
    "vps": {"loss_mask_bce", "loss_mask_dice", "loss_class", "loss_semantic"},
    "vos": {"loss_mask_bce", "loss_mask_dice", "point_objects"},
}
COMMON = {"step", "task", "dataset", "loss", "learning_rate", "grad_norm", "skipped_records", "steps_per_second"}


def rows(workdir):
    return [json.loads(line) for line in (workdir / METRICS_FILE).read_text().splitlines()]


@pytest.mark.slow
def test_a_run_leaves_rows_checkpoints_pictures_and_goes_on(tmp_path, small_config):
    config = dataclasses.replace(small_config, total_steps=10, checkpoint_every=4)
    assert train(config, tmp_path)
    found = rows(tmp_path)
    assert [row["step"] for row in found] == list(range(1, 11))
    assert {row["task"] for row in found} == set(PARTS)
    for row in found:
        assert set(row) == COMMON | PARTS[row["task"]]
        parts = sum(value for name, value in row.items() if name.startswith("loss_"))
        assert row["loss"] == pytest.approx(parts, rel=1e-4)
    assert json.loads((tmp_path / "config.json").read_text())["format_version"] == 1
    assert sorted(int(folder.name) for folder in (tmp_path / "checkpoints").iterdir()) == [8, 10]
    assert {file.name.split("_")[1] for file in (tmp_path / "samples").iterdir()} == set(PARTS)
    assert list(tmp_path.glob("events.out.tfevents.*"))

    longer = dataclasses.replace(config, total_steps=11)
    assert train(longer, tmp_path)
    assert [row["step"] for row in rows(tmp_path)] == list(range(1, 12))
    assert rows(tmp_path)[:10] == found

    started = dataclasses.replace(config, total_steps=1, init_from=str(tmp_path))
    assert train(started, tmp_path / "fine")
    other_model = dataclasses.replace(config.model, decoder_layers=3)
    with pytest.raises(ConfigError, match="decoder_layers is 3, was 2"):
        train(dataclasses.replace(longer, model=other_model, total_steps=12), tmp_path)
    with pytest.raises(ConfigError, match="does not fit the model"):
        train(dataclasses.replace(started, model=other_model), tmp_path / "other")


@pytest.mark.slow
def test_a_non_finite_step_stops_the_run_and_is_never_saved(tmp_path, small_config):
    optimizer = dataclasses.replace(small_config.optimizer, learning_rate=1e30)
    config = dataclasses.replace(small_config, optimizer=optimizer, checkpoint_every=1)
    with pytest.raises(NonFiniteError, match=r"step 2 \(.*is nan"):
        train(config, tmp_path)
    assert [folder.name for folder in (tmp_path / "checkpoints").iterdir()] == ["1"]


def test_a_checkpoint_that_is_not_there(tmp_path, small_config):
    with pytest.raises(ConfigError, match="no such folder"):
        train(dataclasses.replace(small_config, init_from=str(tmp_path / "nothing")), tmp_path / "run")
