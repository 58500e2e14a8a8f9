"""ConvNeXt against its definition, in plain numpy and under the original's names."""

import math

import flax.linen as nn
import jax
import jax.numpy as jnp
import numpy as np

from tarvis_jax.conversion import names
from tarvis_jax.models.convnext import ConvNeXt


def layer_norm(x, state, name):
    centred = x - x.mean(axis=-1, keepdims=True)
    normal = centred / np.sqrt((centred**2).mean(axis=-1, keepdims=True) + 1e-6)
    return normal * state[f"{name}.weight"] + state[f"{name}.bias"]


def linear(x, state, name):
    return x @ state[f"{name}.weight"].T + state[f"{name}.bias"]


def gelu(x):
    return 0.5 * x * (1 + np.vectorize(math.erf)(x / math.sqrt(2)))


def patches(x, state, name):
    """Convolution of patches that do not overlap: [h, w, in] to [h / size, w / size, out]."""
    weight = state[f"{name}.weight"]
    size = weight.shape[-1]
    h, w, c = x.shape
    x = x.reshape(h // size, size, w // size, size, c)
    return np.einsum("yaxbc,ocab->yxo", x, weight) + state[f"{name}.bias"]


def depthwise(x, state, name):
    """Convolution of every channel with its own 7 x 7 weights, zero padded by 3."""
    weight, (h, w, _) = state[f"{name}.weight"], x.shape
    padded = np.pad(x, ((3, 3), (3, 3), (0, 0)))
    return sum(weight[:, 0, a, b] * padded[a : a + h, b : b + w] for a in range(7) for b in range(7)) + state[f"{name}.bias"]


def convnext(image, state, depths):
    """Normalised maps of the four stages of one image [h, w, 3]."""
    x, outputs, inner = image, [], "backbone.backbone."
    for stage, depth in enumerate(depths):
        first, second = (f"{inner}downsample_layers.{stage}.{i}" for i in (0, 1))
        x = (
            patches(layer_norm(x, state, first), state, second)
            if stage
            else layer_norm(patches(x, state, first), state, second)
        )
        for i in range(depth):
            block = f"{inner}stages.{stage}.{i}."
            y = layer_norm(depthwise(x, state, block + "dwconv"), state, block + "norm")
            y = linear(gelu(linear(y, state, block + "pwconv1")), state, block + "pwconv2")
            x = x + state[block + "gamma"] * y
        outputs.append(layer_norm(x, state, f"backbone.norm_layers.res{stage + 2}"))
    return outputs


def test_network_is_the_definition():
    """The first patches are small enough that the norms' epsilon matters."""
    depths, rng = (1, 2, 1, 1), np.random.default_rng(0)
    module, images = ConvNeXt(depths, widths=(4, 8, 12, 16)), rng.normal(size=(2, 64, 96, 3)).astype(np.float32)
    made = nn.unbox(jax.eval_shape(module.init, jax.random.key(0), jnp.asarray(images)))
    params = jax.tree.map(lambda leaf: rng.normal(0, 0.4, leaf.shape).astype(np.float32), made["params"])
    params["downsample_layers_0_conv"] = jax.tree.map(lambda leaf: leaf * 1e-3, params["downsample_layers_0_conv"])
    state = names.torch_from_variables({"params": {"backbone": params}})
    with jax.default_matmul_precision("highest"):
        found = jax.jit(module.apply)({"params": params}, images)
    expected = convnext(images[1].astype(np.float64), {key: x.astype(np.float64) for key, x in state.items()}, depths)
    for actual, wanted in zip(found, expected, strict=True):
        np.testing.assert_allclose(actual[1], wanted, atol=1e-4 * np.std(wanted))
