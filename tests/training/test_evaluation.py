"""Runs with evaluations: their rows, the best weights, the report; and that they change nothing else."""

import dataclasses
import json

import pytest

from tarvis_jax.checkpoints import read_checkpoint_config
from tarvis_jax.config import ConfigError, EvalConfig
from tarvis_jax.inference.predictor import Predictor
from tarvis_jax.training.evaluation import HEADLINES, mean_headline
from tarvis_jax.training.logbook import METRICS_FILE
from tarvis_jax.training.loop import train

NAMES = {"vos_J&F", "vos_HOTA", "pet_J&F", "pet_HOTA", "vis_AP", "vps_VPQ", "vps_STQ"}


def rows(workdir):
    found = [json.loads(line) for line in (workdir / METRICS_FILE).read_text().splitlines()]
    return [{name: value for name, value in row.items() if name != "steps_per_second"} for row in found]


@pytest.fixture
def evaluated_config(small_config):
    evaluation = EvalConfig(every=2, videos=1, image_size=64)
    return dataclasses.replace(small_config, total_steps=4, checkpoint_every=2, eval=evaluation)


@pytest.mark.slow
def test_a_run_with_evaluations(tmp_path, evaluated_config):
    assert train(evaluated_config, tmp_path / "whole")
    found = rows(tmp_path / "whole")
    evaluations = [row for row in found if row.get("kind") == "eval"]
    assert [row["step"] for row in evaluations] == [0, 2, 4]
    for row in evaluations:
        assert set(row) == NAMES | {"kind", "step"}
        assert all(0 <= row[name] <= 100 for name in NAMES)
    assert {file.name for file in (tmp_path / "whole" / "report").iterdir()} == {
        *("results.md", "curves.png", "vos.png", "pet.png", "vis.png", "vps.png")
    }
    best = tmp_path / "whole" / "best"
    highest = max(mean_headline(row) for row in evaluations)
    step = read_checkpoint_config(best)["step"]
    assert [mean_headline(row) for row in evaluations if row["step"] == step] == [highest]
    Predictor.from_checkpoint(best, task="vos")

    without = dataclasses.replace(evaluated_config, eval=EvalConfig())
    assert train(without, tmp_path / "without")
    assert rows(tmp_path / "without") == [row for row in found if "kind" not in row]

    assert train(dataclasses.replace(evaluated_config, total_steps=2), tmp_path / "resumed")
    assert train(evaluated_config, tmp_path / "resumed")
    assert rows(tmp_path / "resumed") == found


def test_headlines_are_scores():
    assert set(HEADLINES) <= NAMES
    assert mean_headline(dict.fromkeys(NAMES, 3.0)) == 3


@pytest.mark.parametrize(
    ("settings", "words"),
    [
        ({"every": -1}, "eval.every=-1"),
        ({"videos": 0}, "eval.videos=0"),
        ({"image_size": 16}, "eval.image_size=16"),
        ({"clip_overlap": 7}, "eval.clip_overlap=7"),
    ],
)
def test_mistakes_in_the_settings(settings, words):
    with pytest.raises(ConfigError, match=words):
        EvalConfig(**settings)
