"""A small configuration of the network with random inputs, for tests that need no trained weights."""

import jax
import jax.numpy as jnp

from tarvis_jax.config import ModelConfig
from tarvis_jax.models.object_points import ObjectPrompts
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


def with_garbage(prompts: ObjectPrompts) -> ObjectPrompts:
    """The same prompts with anything in the slots that are empty, in the masks of point objects, in points of mask objects."""
    keys = jax.random.split(jax.random.key(3), 4)
    by_mask, by_point = prompts.valid & ~prompts.is_point, prompts.valid & prompts.is_point
    real = by_mask[:, :, None, None, None] & (prompts.frames >= 0)[:, None, :, None, None]
    points = jax.random.normal(keys[2], prompts.points.shape).at[:, 1].set(jnp.nan).at[:, 2].set(jnp.inf)
    frames = jax.random.randint(keys[3], prompts.point_frames.shape, -9, 9, jnp.int32)
    return prompts.replace(
        masks=jnp.where(real, prompts.masks, jax.random.bernoulli(keys[0], 0.5, prompts.masks.shape)),
        is_point=jnp.where(prompts.valid, prompts.is_point, jax.random.bernoulli(keys[1], 0.5, prompts.valid.shape)),
        points=jnp.where(by_point[..., None], prompts.points, points),
        point_frames=jnp.where(by_point, prompts.point_frames, frames),
        frames=jnp.where(prompts.frames < 0, -7, prompts.frames),
    )
