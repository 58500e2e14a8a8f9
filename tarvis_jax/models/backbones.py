"""The backbones by name: how each is built and how its images are normalised."""

import dataclasses
from collections.abc import Callable
from functools import partial

import flax.linen as nn
import jax
import jax.numpy as jnp

from tarvis_jax.config import closest, require
from tarvis_jax.models.convnext import ConvNeXt
from tarvis_jax.models.resnet import ResNet
from tarvis_jax.models.swin import Swin


@dataclasses.dataclass(frozen=True)
class PixelStatistics:
    """Mean and standard deviation of R, G, B on the scale 0..`white`, as the original's checkpoints hold them."""

    mean: tuple[float, float, float]
    std: tuple[float, float, float]
    white: float = 255.0


IMAGENET = PixelStatistics(mean=(123.675, 116.28, 103.53), std=(58.395, 57.12, 57.375))
IMAGENET_UNIT = PixelStatistics(mean=(0.485, 0.456, 0.406), std=(0.229, 0.224, 0.225), white=1.0)


@dataclasses.dataclass(frozen=True)
class Backbone:
    """`build(dtype=...)` makes a module from normalised images [n, h, w, 3] to maps (res2, res3, res4, res5) [n, h', w', c].

    The module is called with `train`, which only Swin heeds: with `train=True` it needs a random key "drop_path".
    """

    build: Callable[..., nn.Module]
    pixels: PixelStatistics = IMAGENET


def _swin(width: int, depths: tuple[int, ...], heads: int, window: int) -> Backbone:
    """A Swin of `heads` attention heads in the first stage, and twice as many in each next."""
    return Backbone(partial(Swin, width, depths, tuple(heads * 2**stage for stage in range(4)), window))


def _convnext(depths: tuple[int, ...], width: int) -> Backbone:
    """A ConvNeXt of `width` channels in the first stage, and twice as many in each next."""
    return Backbone(partial(ConvNeXt, depths, tuple(width * 2**stage for stage in range(4))), IMAGENET_UNIT)


BACKBONES = {
    "resnet50": Backbone(partial(ResNet, depths=(3, 4, 6, 3))),
    "resnet101": Backbone(partial(ResNet, depths=(3, 4, 23, 3))),
    "swin_tiny": _swin(96, (2, 2, 6, 2), heads=3, window=7),
    "swin_small": _swin(96, (2, 2, 18, 2), heads=3, window=7),
    "swin_base": _swin(128, (2, 2, 18, 2), heads=4, window=12),
    "swin_large": _swin(192, (2, 2, 18, 2), heads=6, window=12),
    "convnext_tiny": _convnext((3, 3, 9, 3), 96),
    "convnext_small": _convnext((3, 3, 27, 3), 96),
    "convnext_base": _convnext((3, 3, 27, 3), 128),
    "convnext_large": _convnext((3, 3, 27, 3), 192),
    "convnext_xlarge": _convnext((3, 3, 27, 3), 256),
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
    """RGB images [..., 3] of 0..255 (uint8 or float) as the named backbone wants them, in float32.

    Raises:
        ConfigError: there is no backbone of that name.
    """
    pixels = _find(name).pixels
    channels = (1,) * (images.ndim - 1) + (3,)
    mean, std = (jnp.asarray(x, jnp.float32).reshape(channels) for x in (pixels.mean, pixels.std))
    return (images.astype(jnp.float32) / (255.0 / pixels.white) - mean) / std
