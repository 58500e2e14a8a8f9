"""A small run on toy images, whose pieces the tests take."""

import dataclasses

import pytest

from data import categories
from data.toyworld import draw_coco
from tarvis_jax.config import DataConfig, LossConfig, ModelConfig, OptimizerConfig, TrainConfig

SMALL_MODEL = ModelConfig(
    backbone="tiny",
    width=32,
    heads=4,
    neck_layers=1,
    neck_hidden=32,
    decoder_layers=2,
    decoder_hidden=32,
    object_encoder_layers=1,
    instance_queries=12,
    vocabulary=categories.vocabulary("pretrain"),
)


@pytest.fixture(scope="session")
def toy_root(tmp_path_factory):
    root = tmp_path_factory.mktemp("toy")
    draw_coco(root, images=12, seed=0)
    return root


@pytest.fixture
def small_config(toy_root):
    """Training of a minute model on 64 x 64 pixels, four clips a step: one for each of the four test devices."""
    data = DataConfig(
        data_root=str(toy_root),
        dataset_weights={"coco": 1.0},
        task_weights={"vps": 0.3, "vis": 0.3, "vos": 0.28, "pet": 0.12},
        batch_size=4,
        clip_length=2,
        image_size=64,
        group_steps=1,
        instance_slots=8,
        object_slots=8,
        workers=0,
    )
    return TrainConfig(
        model=SMALL_MODEL,
        data=data,
        optimizer=OptimizerConfig(learning_rate=1e-3, decay_steps=()),
        loss=LossConfig(points=64, semantic_points=64),
        total_steps=6,
        checkpoint_every=3,
        log_every=2,
    )


def with_data(config, **changes):
    """The config with other data settings."""
    return dataclasses.replace(config, data=dataclasses.replace(config.data, **changes))
