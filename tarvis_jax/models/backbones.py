"""The backbones by name: how each is built and how its images are normalised."""

import dataclasses
from collections.abc import Callable
from functools import partial

import flax.linen as nn
import jax
import jax.numpy as jnp

from tarvis_jax.config import closest, require
from tarvis_jax.models.resnet import ResNet


@dataclasses.dataclass(frozen=True)
class PixelStatistics:
    """Mean and standard deviation of R, G, B on the scale 0..255."""

    mean: tuple[float, float, float]
    std: tuple[float, float, float]


IMAGENET = PixelStatistics(mean=(123.675, 116.28, 103.53), std=(58.395, 57.12, 57.375))


@dataclasses.dataclass(frozen=True)
class Backbone:
    """`build(dtype=...)` makes a module from normalised images [n, h, w, 3] to maps (res2, res3, res4, res5) [n, h', w', c]."""

    build: Callable[..., nn.Module]
    pixels: PixelStatistics = IMAGENET


BACKBONES = {
    "resnet50": Backbone(partial(ResNet, depths=(3, 4, 6, 3))),
    "resnet101": Backbone(partial(ResNet, depths=(3, 4, 23, 3))),
    "tiny": Backbone(partial(ResNet, depths=(1, 1, 2, 1), stem_width=16)),  # for tests and demos on a CPU
}


def _find(name: str) -> Backbone:
    require(name in BACKBONES, f"config.model.backbone={name!r}: no such backbone; {closest(name, BACKBONES)}")
    return BACKBONES[name]


def make_backbone(name: str, dtype: jnp.dtype = jnp.float32) -> nn.Module:
    """The module of a backbone; give it its place in the model with `.clone(name=...)` or by assignment in `setup`.

    Raises:
        ConfigError: there is no backbone of that name.
    """
    return _find(name).build(dtype=dtype)


def normalize_images(images: jax.Array, name: str) -> jax.Array:
    """RGB images [..., 3] of 0..255 (uint8 or float) as the named backbone wants them, float32.

    Raises:
        ConfigError: there is no backbone of that name.
    """
    pixels = _find(name).pixels
    channels = (1,) * (images.ndim - 1) + (3,)
    mean, std = (jnp.asarray(x, jnp.float32).reshape(channels) for x in (pixels.mean, pixels.std))
    return (images.astype(jnp.float32) - mean) / std
