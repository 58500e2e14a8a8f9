"""Settings are checked when they are made; the message names the key and what is allowed."""

import dataclasses
import json

import pytest

from configs import demo, models, pretrain
from tarvis_jax.config import ConfigError, DataConfig, ModelConfig, OptimizerConfig, as_dict, closest
from tarvis_jax.models.backbones import BACKBONES
from tarvis_jax.training.settings import train_config, write_config


def values(**changes):
    return {**pretrain.get_config().to_dict(), **changes}


def test_the_published_settings():
    config = train_config(values(), "/data")
    assert (config.model.width, config.model.decoder_layers, config.model.instance_queries) == (256, 9, 128)
    assert config.data.dataset_weights == {"coco": 0.55, "ade20k": 0.2, "cityscapes": 0.05, "mapillary": 0.2}
    assert config.data.task_weights == {"vps": 0.3, "vis": 0.3, "vos": 0.28, "pet": 0.12}
    assert (config.loss.points, config.loss.semantic_points) == (12544, 25088)
    assert config.optimizer == OptimizerConfig(learning_rate=1e-4, decay_steps=(444_500, 481_500))
    assert config.model.first_class_row("coco") == 185
    assert 1 + sum(count for _, count in config.model.vocabulary) == 383


@pytest.mark.parametrize("variant", BACKBONES)
def test_every_variant_is_a_valid_config(variant):
    assert train_config(pretrain.get_config(variant).to_dict(), "/data").model.backbone == variant


def test_demo_is_a_valid_config():
    assert train_config(demo.get_config().to_dict(), "/data").data.dataset_weights == {"coco": 0.55}


def test_unknown_variant_lists_those_that_exist():
    with pytest.raises(ValueError, match=r"'huge' does not exist; known: resnet50, resnet101, swin_tiny, .*, tiny"):
        models.model("huge")


@pytest.mark.parametrize(
    ("changes", "message"),
    [
        ({"datasets": "coco,coc"}, r"'coc' is not a dataset; did you mean coco\? known: ade20k, cityscapes, coco, mapillary"),
        ({"datasets": ""}, "config.datasets is empty"),
        ({"batch_size": 0}, "config.batch_size=0: expected a positive number"),
        ({"accumulate": 5}, "config.batch_size=32: must divide by config.accumulate=5"),
        ({"image_size": 500}, "config.image_size=500: must be a multiple of 64"),
        ({"decay_steps": (20, 10)}, "config.decay_steps"),
        ({"precision": "float8"}, "config.precision=float8: auto, float32 or bfloat16"),
        ({"instance_slots": 200}, "config.instance_slots=200: every instance needs a query"),
        ({"task_weights": {"vis": 0.0}}, "config.task_weights: at least one weight must be above 0"),
        ({"seed": -1}, "config.seed=-1"),
    ],
)
def test_mistakes(changes, message):
    with pytest.raises(ConfigError, match=message):
        train_config(values(**changes), "/data")


def test_sizes_that_do_not_fit_together():
    with pytest.raises(ConfigError, match="must divide by 4"):
        ModelConfig(width=96, heads=7)
    with pytest.raises(ConfigError, match="no class queries"):
        ModelConfig(vocabulary=(("coco", 133),)).num_classes("cocoa")


def test_written_config_comes_back_equal(tmp_path):
    config = train_config(values(), "/data")
    write_config(config, tmp_path)
    assert json.loads((tmp_path / "config.json").read_text())["config"] == as_dict(config)
    assert [file.name for file in tmp_path.iterdir()] == ["config.json"]


def test_closest_names_come_first():
    assert closest("wokers", ["workers", "seed"]) == "did you mean workers? known: seed, workers"


def test_configs_are_frozen():
    with pytest.raises(dataclasses.FrozenInstanceError):
        DataConfig(data_root="", dataset_weights={"coco": 1.0}, task_weights={"vis": 1.0}).seed = 1
