"""ConvNeXt (Liu et al., 2022): depthwise convolutions and feed-forward blocks around shortcuts."""

from collections.abc import Sequence
from functools import partial

import flax.linen as nn
import jax
import jax.numpy as jnp

from tarvis_jax.models.layers import FeedForward, conv, gelu, layer_norm, normal_002

PATCH = 4  # pixels
MLP_RATIO = 4
FIRST_GAMMA = 1e-6

norm = partial(layer_norm, epsilon=1e-6)
convolution = partial(conv, use_bias=True, kernel_init=normal_002)


class ConvNeXtBlock(nn.Module):
    """Depthwise 7x7 convolution, norm and feed-forward block, scaled by `gamma`, around a shortcut: keeps [n, h, w, c]."""

    dtype: jnp.dtype = jnp.float32

    @nn.compact
    def __call__(self, x: jax.Array) -> jax.Array:
        width = x.shape[-1]
        y = norm("norm", self.dtype)(convolution(width, 7, groups=width, dtype=self.dtype, name="dwconv")(x))
        y = FeedForward(MLP_RATIO * width, self.dtype, gelu, normal_002, nn.initializers.zeros, name="mlp")(y)
        gamma = self.param("gamma", nn.initializers.constant(FIRST_GAMMA), (width,), jnp.float32)
        return x + gamma.astype(self.dtype).reshape(1, 1, 1, -1) * y


class ConvNeXt(nn.Module):
    """Four stages of blocks; every stage after the first halves the map.

    Attributes:
        depths: number of blocks of each stage.
        widths: channels of each stage.
    """

    depths: Sequence[int] = (3, 3, 9, 3)
    widths: Sequence[int] = (96, 192, 384, 768)
    dtype: jnp.dtype = jnp.float32

    @nn.compact
    def __call__(self, images: jax.Array, *, train: bool = False) -> tuple[jax.Array, ...]:
        """Maps normalised images [n, h, w, 3], h and w multiples of 32, to (res2, res3, res4, res5).

        Args:
            images: the frames.
            train: of no effect, the network is the same in training.

        Returns:
            Maps [n, h / s, w / s, c] for the strides s = 4, 8, 16, 32 and the stages' widths c, normalised. Later stages go
            on from the maps before that norm.
        """
        x, outputs = images.astype(self.dtype), []
        for stage, (depth, width) in enumerate(zip(self.depths, self.widths, strict=True)):
            x = self._shrink(x, stage, width)
            for i in range(depth):
                x = ConvNeXtBlock(self.dtype, name=f"stages_{stage}_{i}")(x)
            outputs.append(norm(f"norm_layers_res{stage + 2}", self.dtype)(x))
        return tuple(outputs)

    def _shrink(self, x: jax.Array, stage: int, width: int) -> jax.Array:
        """Patches of 4 x 4 pixels, then a norm, for the first stage; a norm, then patches of 2 x 2 tokens, for the others."""
        size = 2 if stage else PATCH
        to_patches = convolution(width, size, stride=size, dtype=self.dtype, name=f"downsample_layers_{stage}_conv")
        normalize = norm(f"downsample_layers_{stage}_norm", self.dtype)
        return to_patches(normalize(x)) if stage else normalize(to_patches(x))
