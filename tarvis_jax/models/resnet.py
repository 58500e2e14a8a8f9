"""ResNet with frozen batch norms (He et al., 2015); strides lie in the 3x3 convolutions."""

from collections.abc import Sequence
from functools import partial

import flax.linen as nn
import jax
import jax.numpy as jnp

from tarvis_jax.models.layers import NORM_EPSILON, conv

he_normal = nn.initializers.he_normal()


class FrozenBatchNorm(nn.Module):
    """Batch norm whose statistics and affine parameters are constants ("buffers"): [..., c] to [..., c]. Identity at first."""

    dtype: jnp.dtype = jnp.float32

    @nn.compact
    def __call__(self, x: jax.Array) -> jax.Array:
        vector = partial(self.variable, "buffers")
        shape = (x.shape[-1],)
        weight = vector("weight", jnp.ones, shape).value
        bias = vector("bias", jnp.zeros, shape).value
        mean = vector("running_mean", jnp.zeros, shape).value
        variance = vector("running_var", jnp.ones, shape).value
        scale = weight * jax.lax.rsqrt(variance + NORM_EPSILON)
        channels = (1,) * (x.ndim - 1) + shape
        return x * scale.astype(self.dtype).reshape(channels) + (bias - mean * scale).astype(self.dtype).reshape(channels)


class ConvNorm(nn.Module):
    """Convolution without bias and its frozen norm: [n, h, w, in] to [n, h', w', features]."""

    features: int
    size: int
    stride: int = 1
    kernel_init: nn.initializers.Initializer = he_normal
    dtype: jnp.dtype = jnp.float32

    @nn.compact
    def __call__(self, x: jax.Array) -> jax.Array:
        options = {"stride": self.stride, "kernel_init": self.kernel_init, "dtype": self.dtype}
        x = conv(self.features, self.size, name="conv", **options)(x)
        return FrozenBatchNorm(self.dtype, name="norm")(x)


class Bottleneck(nn.Module):
    """1x1, 3x3 and 1x1 convolutions around a shortcut: [n, h, w, in] to [n, h / stride, w / stride, 4 * width].

    `residual_gain` scales the start of the last convolution.
    """

    width: int
    stride: int
    project: bool
    residual_gain: float
    dtype: jnp.dtype = jnp.float32

    @nn.compact
    def __call__(self, x: jax.Array) -> jax.Array:
        layer = partial(ConvNorm, dtype=self.dtype)
        last_init = nn.initializers.variance_scaling(2.0 * self.residual_gain**2, "fan_in", "truncated_normal")
        y = nn.relu(layer(self.width, 1, name="conv1")(x))
        y = nn.relu(layer(self.width, 3, self.stride, name="conv2")(y))
        y = layer(4 * self.width, 1, kernel_init=last_init, name="conv3")(y)
        shortcut = layer(4 * self.width, 1, self.stride, name="shortcut")(x) if self.project else x
        return nn.relu(y + shortcut)


class ResNet(nn.Module):
    """Residual network of four stages, "res2" to "res5".

    Attributes:
        depths: number of blocks of each stage.
        stem_width: channels c of the stem; stage s has inner width c * 2^s and 4 times as many output channels.
    """

    depths: Sequence[int] = (3, 4, 6, 3)
    stem_width: int = 64
    dtype: jnp.dtype = jnp.float32

    @nn.compact
    def __call__(self, images: jax.Array, *, train: bool = False) -> tuple[jax.Array, ...]:
        """Maps normalised images [n, h, w, 3] to (res2, res3, res4, res5).

        Args:
            images: the frames.
            train: of no effect, the network is the same in training.

        Returns:
            Maps [n, h / s, w / s, 4 * stem_width * s / 4] for the strides s = 4, 8, 16, 32, after their last ReLU.
        """
        x = ConvNorm(self.stem_width, 7, 2, dtype=self.dtype, name="stem")(images.astype(self.dtype))
        x = nn.max_pool(nn.relu(x), (3, 3), strides=(2, 2), padding=((1, 1), (1, 1)))
        # With identity norms nothing else would keep the sum over the blocks of a random network bounded.
        block = partial(Bottleneck, residual_gain=sum(self.depths) ** -0.5, dtype=self.dtype)
        outputs = []
        for stage, depth in enumerate(self.depths):
            for i in range(depth):
                stride = 2 if stage > 0 and i == 0 else 1
                x = block(self.stem_width * 2**stage, stride, project=i == 0, name=f"res{stage + 2}_{i}")(x)
            outputs.append(x)
        return tuple(outputs)
