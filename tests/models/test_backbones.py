"""All backbones: the original's numbers, names and shapes; inputs, outputs and first values."""

import flax.linen as nn
import jax
import jax.numpy as jnp
import numpy as np
import pytest
from flax import traverse_util

from tarvis_jax.config import ConfigError
from tarvis_jax.conversion import names
from tarvis_jax.models.backbones import BACKBONES, make_backbone, normalize_images
from tarvis_jax.models.convnext import ConvNeXt
from tarvis_jax.models.swin import Swin
from tests.parity import assert_close_to_reference

# Sizes as the papers give them: stem or first width, blocks of each stage, heads of the first stage and window of a Swin.
RESNETS = {"resnet50": (64, (3, 4, 6, 3)), "resnet101": (64, (3, 4, 23, 3))}
SWINS = {
    "swin_tiny": (96, (2, 2, 6, 2), 3, 7),
    "swin_small": (96, (2, 2, 18, 2), 3, 7),
    "swin_base": (128, (2, 2, 18, 2), 4, 12),
    "swin_large": (192, (2, 2, 18, 2), 6, 12),
}
CONVNEXTS = {
    "convnext_tiny": (96, (3, 3, 9, 3)),
    "convnext_small": (96, (3, 3, 27, 3)),
    "convnext_base": (128, (3, 3, 27, 3)),
    "convnext_large": (192, (3, 3, 27, 3)),
    "convnext_xlarge": (256, (3, 3, 27, 3)),
}
FAMILIES = ["resnet50", "swin_tiny", "convnext_tiny"]


def affine(name, *shape):
    """Weight of the given shape and bias [out] of a module of the original."""
    return {f"{name}.weight": shape, f"{name}.bias": shape[:1]}


def resnet_shapes(stem, depths):
    def conv_norm(name, *shape):
        vectors = ("weight", "bias", "running_mean", "running_var")
        return {f"{name}.weight": shape, **{f"{name}.norm.{vector}": shape[:1] for vector in vectors}}

    shapes, width_in = conv_norm("stem.conv1", stem, 3, 7, 7), stem
    for stage, depth in enumerate(depths):
        width = stem * 2**stage
        shapes |= conv_norm(f"res{stage + 2}.0.shortcut", 4 * width, width_in, 1, 1)
        for i in range(depth):
            block = f"res{stage + 2}.{i}."
            shapes |= conv_norm(block + "conv1", width, width_in, 1, 1)
            shapes |= conv_norm(block + "conv2", width, width, 3, 3)
            shapes |= conv_norm(block + "conv3", 4 * width, width, 1, 1)
            width_in = 4 * width
    return {"backbone." + name: shape for name, shape in shapes.items()}


def swin_shapes(embed, depths, heads, window):
    shapes = affine("patch_embed.proj", embed, 3, 4, 4) | affine("patch_embed.norm", embed)
    for stage, depth in enumerate(depths):
        width = embed * 2**stage
        for i in range(depth):
            block = f"layers.{stage}.blocks.{i}."
            shapes |= affine(block + "norm1", width) | affine(block + "norm2", width)
            shapes[block + "attn.relative_position_bias_table"] = ((2 * window - 1) ** 2, heads * 2**stage)
            shapes |= affine(block + "attn.qkv", 3 * width, width) | affine(block + "attn.proj", width, width)
            shapes |= affine(block + "mlp.fc1", 4 * width, width) | affine(block + "mlp.fc2", width, 4 * width)
        if stage < 3:
            shapes |= affine(f"layers.{stage}.downsample.norm", 4 * width)
            shapes[f"layers.{stage}.downsample.reduction.weight"] = (2 * width, 4 * width)
        shapes |= affine(f"norm{stage}", width)
    return {"backbone." + name: shape for name, shape in shapes.items()}


def convnext_shapes(first, depths):
    shapes = affine("downsample_layers.0.0", first, 3, 4, 4) | affine("downsample_layers.0.1", first)
    for stage, depth in enumerate(depths):
        width = first * 2**stage
        if stage:
            shapes |= affine(f"downsample_layers.{stage}.0", width // 2)
            shapes |= affine(f"downsample_layers.{stage}.1", width, width // 2, 2, 2)
        for i in range(depth):
            block = f"stages.{stage}.{i}."
            shapes[block + "gamma"] = (width,)
            shapes |= affine(block + "dwconv", width, 1, 7, 7) | affine(block + "norm", width)
            shapes |= affine(block + "pwconv1", 4 * width, width) | affine(block + "pwconv2", width, 4 * width)
    outside = {f"norm_layers.res{stage + 2}": first * 2**stage for stage in range(4)}
    shapes = {"backbone." + name: shape for name, shape in shapes.items()}
    return shapes | {key: shape for name, width in outside.items() for key, shape in affine(name, width).items()}


@pytest.mark.parametrize("stage", [2, 3, 4, 5])
def test_maps_match_the_original(stored_vis, reference_maps, stage):
    expected = stored_vis[f"backbone_res{stage}"]
    maps = reference_maps[stage - 2][0]
    actual = np.moveaxis(maps[..., :: maps.shape[-1] // expected.shape[1]], -1, 1)
    assert_close_to_reference(actual, expected, f"res{stage}")


@pytest.mark.parametrize(
    ("name", "shapes", "entries"),
    [
        *((name, resnet_shapes(*RESNETS[name]), count) for name, count in (("resnet50", 265), ("resnet101", 520))),
        *((name, swin_shapes(*sizes), 189 if name == "swin_tiny" else 357) for name, sizes in SWINS.items()),
        *((name, convnext_shapes(*sizes), 186 if name == "convnext_tiny" else 348) for name, sizes in CONVNEXTS.items()),
    ],
    ids=[*RESNETS, *SWINS, *CONVNEXTS],
)
def test_names_and_shapes_are_the_originals(name, shapes, entries):
    made = nn.unbox(jax.eval_shape(make_backbone(name).init, jax.random.key(0), jnp.zeros((1, 64, 64, 3))))
    empty = jax.tree.map(lambda x: np.broadcast_to(np.float32(0), x.shape), made)
    found = names.torch_from_variables({collection: {"backbone": tree} for collection, tree in empty.items()})
    assert {key: array.shape for key, array in found.items()} == {"backbone." + key: shape for key, shape in shapes.items()}
    index_tables = sum(key.endswith("bias_table") for key in found)  # one beside each, and constant
    assert len(found) + index_tables == entries


@pytest.mark.parametrize("name", BACKBONES)
def test_types_sizes_and_logical_axes(name):
    module = make_backbone(name, jnp.bfloat16)
    maps, variables = jax.eval_shape(lambda x: module.init_with_output(jax.random.key(0), x), jnp.zeros((2, 64, 96, 3)))
    assert [x.shape[:3] for x in maps] == [(2, 16, 24), (2, 8, 12), (2, 4, 6), (2, 2, 3)]
    assert all(x.dtype == jnp.bfloat16 for x in maps)
    assert all(x.dtype == jnp.float32 for x in jax.tree.leaves(variables))
    leaves = jax.tree.leaves(variables["params"], is_leaf=lambda x: isinstance(x, nn.LogicallyPartitioned))
    for leaf in leaves:
        axes = getattr(leaf, "names", (None,))
        assert len(axes) == len(nn.unbox(leaf).shape) and (axes == (None,) or axes[-1] == "out")


@pytest.mark.parametrize("name", ["tiny", "resnet50"])
def test_random_network_keeps_its_scale(name):
    """The maps of a random network stay within a factor of ten of each other, the first to the last."""
    images = jax.random.normal(jax.random.key(0), (1, 64, 64, 3))
    maps = jax.jit(lambda x: make_backbone(name).init_with_output(jax.random.key(1), x)[0])(images)
    scales = [float(jnp.sqrt((x**2).mean())) for x in maps]
    assert all(np.isfinite(scales)) and 0.1 < scales[-1] / scales[0] < 10, scales


@pytest.mark.parametrize(
    "module",
    [Swin(32, depths=(1, 1, 1, 1), heads=(1, 2, 4, 8), window=7), ConvNeXt(depths=(1, 1, 1, 1), widths=(32, 64, 128, 256))],
    ids=["swin", "convnext"],
)
def test_first_values(module):
    """Matrices and bias tables from N(0, 0.02), biases 0, norms 1; a Swin's patches as torch's convolutions start."""
    made = jax.jit(module.init)(jax.random.key(0), jnp.zeros((1, 32, 32, 3)))["params"]
    flat = traverse_util.flatten_dict(nn.unbox(made), sep="/")
    bound = {"patch_embed/kernel": (3 * 4 * 4) ** -0.5, "patch_embed/bias": (3 * 4 * 4) ** -0.5}
    for path, x in flat.items():
        kind = path.rsplit("/", 1)[-1]
        if path in bound:
            assert 0.9 * bound[path] < np.abs(x).max() <= bound[path], path
        elif kind in ("kernel", "bias_table"):
            np.testing.assert_allclose(np.std(x), 0.02, rtol=4 / np.sqrt(2 * x.size), err_msg=path)
            assert np.abs(x).max() > 0.04 or x.size < 1000, path  # not cut at two standard deviations
        else:
            np.testing.assert_array_equal(x, {"bias": 0, "scale": 1, "gamma": np.float32(1e-6)}[kind], err_msg=path)


@pytest.mark.parametrize("name", FAMILIES)
def test_normalised_images_are_the_originals(name):
    images = np.random.default_rng(0).integers(0, 256, (2, 3, 4, 3), np.uint8)
    if name == "convnext_tiny":
        expected = (images / 255 - [0.485, 0.456, 0.406]) / [0.229, 0.224, 0.225]
    else:
        expected = (images - np.array([123.675, 116.28, 103.53])) / [58.395, 57.12, 57.375]
    np.testing.assert_allclose(normalize_images(jnp.asarray(images), name), expected, rtol=1e-5, atol=1e-6)


def test_unknown_backbone_names_the_closest():
    with pytest.raises(ConfigError, match=r"backbone='resnet5'.*did you mean resnet50"):
        make_backbone("resnet5")
