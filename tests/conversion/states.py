"""Small models and state dicts under the original's names, for tests of conversion."""

import functools
import json
from pathlib import Path

import numpy as np

from data import categories
from tarvis_jax.config import ModelConfig
from tarvis_jax.conversion import names
from tarvis_jax.conversion.template import state_template

SMALL = ModelConfig(
    backbone="tiny",
    width=32,
    heads=4,
    neck_layers=1,
    neck_hidden=48,
    decoder_layers=2,
    decoder_hidden=40,
    object_encoder_layers=1,
    instance_queries=12,
    vocabulary=categories.vocabulary("finetune"),
)


template_of = functools.cache(state_template)


def random_state(config: ModelConfig, seed: int = 0) -> dict[str, np.ndarray]:
    """A state dict of random weights with which the model computes, in the original's order."""
    rng = np.random.default_rng(seed)

    def weight(name: str, shape: tuple[int, ...]) -> np.ndarray:
        values = rng.standard_normal(shape, np.float32) * np.float32(0.1)
        return 1 + np.abs(values) if name.endswith("running_var") else values

    template = template_of(config)
    return {name: value if names.is_constant(name) else weight(name, value.shape) for name, value in template.items()}


def manifest(shared: Path, backbone: str, stage: str) -> list[dict]:
    """The stored entries {name, shape, dtype} of the original's state dict, in its order."""
    return json.loads((shared / "reference" / f"manifest_{backbone}_{stage}.json").read_text())
