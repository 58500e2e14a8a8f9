"""A checkpoint with random weights, and what the original stored about inference."""

import dataclasses
from functools import partial

import flax.linen as nn
import jax
import numpy as np
import pytest

from tarvis_jax.checkpoints import save_weights
from tarvis_jax.config import as_dict
from tarvis_jax.models.tarvis import TarViS
from tests.models.small import SMALL

CONFIG = dataclasses.replace(
    SMALL,
    decoder_layers=1,
    object_encoder_layers=1,
    instance_queries=12,
    queries_per_object_eval=2,
    vocabulary=(("kitti_step", 19), ("youtube_vis", 40)),
)


@pytest.fixture(scope="session")
def checkpoint(tmp_path_factory):
    """A small network's, which knows the classes of KITTI-STEP and YouTube-VIS."""
    folder = tmp_path_factory.mktemp("checkpoint") / "random"
    variables = nn.unbox(jax.jit(partial(TarViS(CONFIG).init, method="initialise"))(jax.random.key(0)))
    save_weights(folder, dict(variables), {"model": as_dict(CONFIG)})
    return folder


@pytest.fixture(scope="session")
def helpers(shared):
    """Inputs and outputs of the original's helper functions."""
    with np.load(shared / "reference" / "helpers.npz") as file:
        return dict(file)


@pytest.fixture(scope="session")
def accumulators(shared):
    """Synthetic clips and what the original's accumulators made of them."""
    with np.load(shared / "reference" / "accumulators.npz") as file:
        return dict(file)
