"""A small configuration of the network and random features for it, for tests that need no trained weights."""

import jax

from tarvis_jax.config import ModelConfig
from tarvis_jax.models.temporal_neck import NeckOutput

SMALL = ModelConfig(
    backbone="tiny",
    width=64,
    heads=4,
    neck_layers=1,
    neck_hidden=64,
    decoder_layers=3,
    decoder_hidden=64,
    object_encoder_layers=2,
    instance_queries=6,
    queries_per_object=2,
    queries_per_object_eval=3,
    points_per_query=100,
    vocabulary=(("first", 3), ("second", 5)),
)


def random_features(batch: int, frames: int, height: int, width: int) -> NeckOutput:
    """Features of the small network's width for images of the given size."""
    keys = jax.random.split(jax.random.key(0), len(NeckOutput._fields))
    sizes = [(batch, frames, height // s, width // s, SMALL.width) for s in (32, 16, 8, 4)]
    return NeckOutput(*(jax.random.normal(key, size) for key, size in zip(keys, sizes, strict=True)))
