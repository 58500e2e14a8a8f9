"""Temporal neck: the original's numbers, its windows, and a random network."""

import flax.linen as nn
import jax
import jax.numpy as jnp
import numpy as np
import pytest

from tarvis_jax.config import ModelConfig
from tarvis_jax.models import temporal_neck
from tarvis_jax.models.backbones import make_backbone
from tarvis_jax.models.temporal_neck import TemporalLayer, TemporalNeck, from_tokens, from_windows, to_tokens, to_windows
from tests.parity import assert_close_to_reference

CHANNEL_STRIDE = 8  # of the stored features
SHAPES = ((4, 6), (8, 12), (16, 24))
SMALL = ModelConfig(backbone="tiny", width=64, neck_layers=1, neck_hidden=64)


@pytest.mark.parametrize("stride", [32, 16, 8, 4])
def test_neck_matches_the_original(stored_vis, reference_features, stride):
    actual = getattr(reference_features, f"stride{stride}")[0, ..., ::CHANNEL_STRIDE]
    assert_close_to_reference(np.moveaxis(actual, -1, 1), stored_vis[f"neck_{stride}x"], f"stride{stride}")


def test_reference_weights_are_all_used(reference_variables, reference_maps):
    made = nn.unbox(jax.eval_shape(TemporalNeck(ModelConfig()).init, jax.random.key(0), *reference_maps))
    assert jax.tree.map(jnp.shape, made) == {"params": jax.tree.map(jnp.shape, reference_variables["params"]["neck"])}


def _numbered_levels(frames):
    """Levels [1, t, h, w, 2] that hold every token's frame and its number within the frame."""
    numbers = np.arange(sum(h * w for h, w in SHAPES))
    tokens = np.stack(np.meshgrid(np.arange(frames), numbers, indexing="ij"), axis=-1)[None]
    return from_tokens(jnp.asarray(tokens), SHAPES), tokens


def test_windows_hold_the_tokens_that_the_original_lists(helpers):
    expected = helpers["patch_indices_ksize1_4x6"]  # [windows, 84], tokens of one frame
    levels, _ = _numbered_levels(frames=3)
    windows = np.asarray(to_windows(levels))[0].reshape(len(expected), -1, 2)
    for frame in range(3):
        numbers = [sorted(window[window[:, 0] == frame, 1]) for window in windows]
        assert numbers == [sorted(row) for row in expected]


def test_tokens_and_windows_come_back():
    levels, tokens = _numbered_levels(frames=2)
    np.testing.assert_array_equal(to_tokens(levels), tokens)
    np.testing.assert_array_equal(to_tokens(from_windows(to_windows(levels), 2)), tokens)


def test_long_clips_are_attended_row_by_row_with_the_same_result(monkeypatch):
    layer = TemporalLayer(heads=4, hidden=16)
    x = jax.random.normal(jax.random.key(0), (2, 2, 3, 10, 16))
    positions = jax.random.normal(jax.random.key(1), (1, 2, 3, 10, 16))
    variables = layer.init(jax.random.key(2), x, positions)
    at_once = layer.apply(variables, x, positions)
    monkeypatch.setattr(temporal_neck, "TOKENS_AT_ONCE", 9)
    by_row = jax.jit(layer.apply)(variables, x, positions)
    np.testing.assert_allclose(by_row, at_once, rtol=0, atol=1e-5)
    assert "while" in jax.jit(layer.apply).lower(variables, x, positions).as_text()
    assert jax.tree.structure(layer.init(jax.random.key(2), x, positions)) == jax.tree.structure(variables)


def _backbone_and_neck(dtype=jnp.float32):
    """A small network: a function of (its variables, images) to features, random variables, images [1, 2, 64, 64, 3]."""
    backbone, neck = make_backbone(SMALL.backbone, dtype), TemporalNeck(SMALL, dtype)
    images = jax.random.normal(jax.random.key(0), (1, 2, 64, 64, 3))

    def maps(variables, images):
        return [x.reshape(*images.shape[:2], *x.shape[1:]) for x in backbone.apply(variables, images[0])]

    @jax.jit
    def init(images):
        first = backbone.init(jax.random.key(1), images[0])
        return first, neck.init(jax.random.key(2), *maps(first, images))

    return (lambda variables, images: neck.apply(variables[1], *maps(variables[0], images))), init(images), images


def test_gradients_reach_every_weight_of_a_small_network():
    """Off its start, where the zero matrices of the sampling points keep gradients back."""
    apply, variables, images = _backbone_and_neck()

    def loss(params):
        merged = ({**variables[0], "params": params[0]}, {"params": params[1]})
        return sum((x**3).mean() for x in apply(merged, images))

    rng = np.random.default_rng(0)
    params = nn.unbox(tuple(v["params"] for v in variables))
    params = jax.tree.map(lambda x: x + jnp.asarray(0.02 * rng.standard_normal(x.shape, np.float32)), params)
    gradients, _ = jax.tree.flatten_with_path(jax.jit(jax.grad(loss))(params))
    for path, gradient in gradients:
        assert np.isfinite(gradient).all(), jax.tree_util.keystr(path)
        assert np.any(gradient), jax.tree_util.keystr(path)


def test_every_matrix_names_its_axes():
    _, (_, variables), _ = _backbone_and_neck()
    is_box = lambda x: isinstance(x, nn.LogicallyPartitioned)  # noqa: E731
    for path, leaf in jax.tree.leaves_with_path(variables, is_leaf=is_box):
        assert is_box(leaf) == (nn.unbox(leaf).ndim > 1), jax.tree_util.keystr(path)
        assert not is_box(leaf) or leaf.names[-1] == "out", jax.tree_util.keystr(path)


def test_features_come_in_the_dtype_of_the_network():
    apply, variables, images = _backbone_and_neck(jnp.bfloat16)
    features = jax.jit(apply)(variables, images)
    assert [x.shape for x in features] == [(1, 2, n, n, 64) for n in (2, 4, 8, 16)]
    assert all(x.dtype == jnp.bfloat16 for x in features)
    assert all(np.isfinite(x.astype(jnp.float32)).all() for x in features)


def test_frames_reach_each_other_within_their_window_only():
    """Without deformable layers in between, one temporal layer passes a change on inside of its 64 x 64 pixels alone."""
    layer = TemporalLayer(heads=4, hidden=16)
    levels = [jax.random.normal(jax.random.key(i), (1, 3, h, w, 16)) for i, (h, w) in enumerate(SHAPES)]
    positions = jnp.zeros_like(to_windows(levels))
    variables = layer.init(jax.random.key(3), to_windows(levels), positions)

    def run(levels):
        return from_windows(layer.apply(variables, to_windows(levels), positions), 3)

    changed = [levels[0].at[0, 1, 3, 0].add(1.0), *levels[1:]]
    for level, (before, after) in enumerate(zip(run(levels), run(changed), strict=True)):
        moved = np.asarray(jnp.abs(after - before).max(axis=(0, 4)) > 1e-7)
        side, expected = 2 * 2**level, np.zeros_like(moved)
        expected[:, side:, :side] = True
        np.testing.assert_array_equal(moved, expected)


@pytest.mark.parametrize(("sizes", "message"), [((24, 12, 6, 3), "multiple of 64"), ((16, 8, 5, 2), "res4.*expected")])
def test_wrong_sizes_are_refused(sizes, message):
    maps = [jnp.zeros((1, 1, n, n, 8)) for n in sizes]
    with pytest.raises(ValueError, match=message):
        TemporalNeck(SMALL).init(jax.random.key(0), *maps)
