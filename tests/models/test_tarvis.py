"""The whole network: the original's stored passes, and properties of a small random network."""

import json
from functools import partial

import flax.linen as nn
import jax
import jax.numpy as jnp
import numpy as np
import pytest
from jax.flatten_util import ravel_pytree

from tarvis_jax.config import ModelConfig
from tarvis_jax.models.object_points import no_prompts, points_in_padded_image
from tarvis_jax.models.queries import ClassRange
from tarvis_jax.models.tarvis import ABSENT, TarViS, background_logits, object_logits
from tests.models.small import SMALL, with_garbage
from tests.parity import assert_close_to_reference

VOCABULARY = (("cityscapes_vps", 19), ("kitti_step", 19), ("ovis", 25), ("vipseg", 124), ("youtube_vis", 40))
PADDED = (128, 192)
ORIGINAL = TarViS(ModelConfig(vocabulary=VOCABULARY))

MODEL = TarViS(SMALL)


def _pad(x):
    """Frames or masks [..., h, w] or [..., h, w, 3] with the padding of the stored passes."""
    images = x.dtype == np.uint8
    at = x.ndim - (3 if images else 2)
    width = [(0, 0)] * x.ndim
    width[at : at + 2] = [(0, have - size) for have, size in zip(PADDED, x.shape[at : at + 2], strict=True)]
    return np.pad(x, width, constant_values=128 if images else False)


def _apply(variables, images, **inputs):
    """Predictions for one clip of the stored passes, and the running queries of all stages [l, q, c]."""
    forward = partial(ORIGINAL.apply, task=inputs.pop("task"), train=False, mutable="intermediates")
    with jax.default_matmul_precision("highest"):
        predictions, sown = jax.jit(forward)(variables, _pad(images)[None], **inputs)
    return predictions, np.concatenate(sown["intermediates"]["decoder"]["queries"])


def _assert_matches(stored, prefix, predictions, queries):
    """Running queries and mask logits of all queries in use against a stored pass."""
    valid = np.asarray(predictions.query_valid[0])
    for layer in (0, 1, 9):
        assert_close_to_reference(queries[layer][valid], stored[f"{prefix}queries_l{layer}"], f"queries after layer {layer}")
    groups = [str(name) for name in stored[f"{prefix}query_group_names"]]
    step = json.loads(str(stored["strides"]))["qs"]
    for layer in (0, 1, 5, 9):
        if f"{prefix}mask_logits_l{layer}" in stored:
            logits = np.concatenate([predictions.mask_logits(group, layer)[0] for group in groups])[valid][::step]
            assert_close_to_reference(logits, stored[f"{prefix}mask_logits_l{layer}"], f"masks, stage {layer}", signs=True)


def _load(shared, name):
    with np.load(shared / "reference" / f"forward_resnet50_{name}.npz") as file:
        return dict(file)


@pytest.mark.slow
@pytest.mark.parametrize("name", ["vis", "vps", "vps_cityscapes"])
def test_classes_match_the_original(shared, reference_variables, name):
    stored = _load(shared, name)
    classes = ClassRange.of(ORIGINAL.config, str(stored["dataset"]).lower())
    task = name.split("_")[0]
    predictions, queries = _apply(reference_variables, stored["images"], task=task, classes=classes)
    _assert_matches(stored, "", predictions, queries)
    assert_close_to_reference(predictions.class_logits[:, 0], stored["class_logits"], "class logits")


@pytest.mark.slow
def test_masks_of_objects_match_the_original(shared, reference_variables):
    stored = _load(shared, "vos")
    first = _mask_prompts(_pad(stored["a_ref_masks"].astype(bool))[:, None], frames=[0])
    _assert_objects_match(stored, "a_", *_apply(reference_variables, stored["a_images"], task="vos", prompts=first))

    masks = np.zeros((3, 3, *PADDED), bool)
    masks[:2, :2] = _masks_of(stored["a_out_vos_logits"][:, 2:])
    masks[2, 2] = _pad(stored["b_ref_masks"].astype(bool))[0]
    second = _mask_prompts(masks, frames=[0, 1, 2])
    _assert_objects_match(stored, "b_", *_apply(reference_variables, stored["b_images"], task="vos", prompts=second))


@pytest.mark.slow
def test_points_match_the_original(shared, reference_variables):
    stored = _load(shared, "pet")
    points = points_in_padded_image(stored["a_ref_points_yx"][:, ::-1], stored["a_images"].shape[1:3], PADDED)
    first = no_prompts(1, 3, 2, *PADDED).replace(
        frames=jnp.array([[0, 1]]),
        valid=jnp.ones((1, 3), bool),
        is_point=jnp.ones((1, 3), bool),
        points=jnp.asarray(points)[None],
        point_frames=jnp.asarray(stored["a_ref_frame_indices"], jnp.int32)[None],
    )
    _assert_objects_match(stored, "a_", *_apply(reference_variables, stored["a_images"], task="vos", prompts=first))

    second = _mask_prompts(_masks_of(stored["a_out_vos_logits"][:, 2:]), frames=[0, 1])
    _assert_objects_match(stored, "b_", *_apply(reference_variables, stored["b_images"], task="vos", prompts=second))


def _assert_objects_match(stored, prefix, predictions, queries):
    _assert_matches(stored, prefix, predictions, queries)
    expected = stored[f"{prefix}out_vos_logits"]
    appeared = expected > ABSENT  # the original blanks an object in the frames before its first
    assert appeared.any(axis=(1, 2, 3)).all()
    assert_close_to_reference(object_logits(predictions, 9)[0][appeared], expected[appeared], "objects", signs=True)
    background = predictions.mask_logits("background_vos", 9)
    step = json.loads(str(stored["strides"]))["out_background_stride"]
    assert_close_to_reference(background[0, ::step], stored[f"{prefix}out_background_logits"], "background", signs=True)
    np.testing.assert_array_equal(background_logits(predictions, 9), background.max(axis=1))


def _masks_of(logits):
    """Masks of padded images from logits at a quarter of their size, [n, t, h, w] both."""
    return np.asarray(jax.image.resize(logits, (*logits.shape[:2], *PADDED), "bilinear")) > 0


def _mask_prompts(masks, frames):
    """Prompts of one clip: masks [n, r, h, w] in reference frames of the given indices."""
    return no_prompts(1, *masks.shape).replace(
        masks=jnp.asarray(masks)[None], frames=jnp.array([frames]), valid=jnp.ones((1, len(masks)), bool)
    )


def test_all_variables_of_the_original_are_made(reference_variables):
    made = nn.unbox(jax.eval_shape(partial(ORIGINAL.init, method="initialise"), jax.random.key(0)))
    assert jax.tree.map(jnp.shape, dict(made)) == jax.tree.map(jnp.shape, reference_variables)


@pytest.fixture(scope="module")
def small_variables():
    return nn.unbox(jax.jit(partial(MODEL.init, method="initialise"))(jax.random.key(0)))


def _random_images(batch):
    return jax.random.randint(jax.random.key(1), (batch, 2, 64, 128, 3), 0, 256, jnp.int32).astype(jnp.uint8)


def _some_prompts():
    """Two samples: a mask and a point object, then a mask object; the other slots and one frame are empty."""
    keys = jax.random.split(jax.random.key(2), 2)
    prompts = no_prompts(2, 4, 2, 64, 128)
    masks = prompts.masks.at[0, 0, 0, 8:40, 16:70].set(True).at[1, 2, :, 3:60, 9:50].set(True)
    masks &= jax.random.bernoulli(keys[0], 0.7, masks.shape)
    return prompts.replace(
        masks=masks,
        frames=jnp.array([[1, -1], [0, 1]]),
        valid=prompts.valid.at[0, 0].set(True).at[0, 3].set(True).at[1, 2].set(True),
        is_point=prompts.is_point.at[0, 3].set(True),
        points=prompts.points.at[0, 3].set(jnp.array([0.3, 0.8])),
        point_frames=prompts.point_frames.at[0, 3].set(1),
    )


@jax.jit
def _outputs_and_gradients(variables, prompts):
    """Outputs of the valid queries in training, and gradients of a loss over them with respect to all parameters."""

    def loss(params):
        inputs = {"task": "vos", "prompts": prompts, "train": True, "point_key": jax.random.key(4)}
        predictions = MODEL.apply({**variables, "params": params}, _random_images(2), **inputs)
        objects = jnp.where(prompts.valid[:, :, None, None, None], object_logits(predictions, 3), 0)
        outputs = (objects, background_logits(predictions, 3), background_logits(predictions, 0))
        return sum(jnp.tanh(x / 10).mean() for x in outputs), outputs

    gradients, outputs = jax.grad(loss, has_aux=True)(variables["params"])
    return outputs, gradients


@pytest.mark.slow
def test_garbage_in_empty_slots_changes_nothing(small_variables):
    expected = _outputs_and_gradients(small_variables, _some_prompts())
    actual = _outputs_and_gradients(small_variables, with_garbage(_some_prompts()))
    for x, y in zip(jax.tree.leaves(actual), jax.tree.leaves(expected), strict=True):
        np.testing.assert_array_equal(x, y)
    assert np.isfinite(ravel_pytree(expected)[0]).all()
    assert np.abs(expected[0][0][0, 3]).max() > 0


@pytest.mark.slow
def test_all_slots_empty(small_variables):
    nothing = no_prompts(2, 4, 2, 64, 128).replace(frames=jnp.array([[-1, -1], [0, 1]]))
    outputs, gradients = _outputs_and_gradients(small_variables, with_garbage(nothing))
    assert np.isfinite(ravel_pytree((outputs, gradients))[0]).all()
    assert np.abs(gradients["object_encoder"]["background_embed"]).max() > 0


@pytest.mark.slow
def test_objects_of_one_sample_do_not_depend_on_the_others(small_variables):
    both, prompts = _outputs_and_gradients(small_variables, _some_prompts())[0], _some_prompts()
    alone = _outputs_and_gradients(small_variables, prompts.replace(valid=prompts.valid.at[1].set(False)))[0]
    np.testing.assert_allclose(both[0][0], alone[0][0], atol=1e-5)


@pytest.mark.slow
def test_bfloat16_stays_near_float32(small_variables):
    classes = ClassRange.of(SMALL, "first")
    exact, coarse = (
        jax.jit(partial(model.apply, task="vis", train=True))(small_variables, _random_images(1), classes=classes)
        for model in (MODEL, MODEL.clone(dtype=jnp.bfloat16))
    )
    assert coarse.features.dtype == jnp.bfloat16
    expected, actual = exact.mask_logits("instance", 0), coarse.mask_logits("instance", 0)
    assert actual.dtype == jnp.float32
    assert np.median(np.abs(actual - expected)) < 0.05 * expected.std()


def test_mistakes_have_clear_messages():
    images = jnp.zeros((1, 1, 64, 64, 3), jnp.uint8)

    def apply(images, prompts=None, **inputs):
        jax.eval_shape(partial(MODEL.init, train=True, **inputs), jax.random.key(0), images, prompts=prompts)

    with pytest.raises(ValueError, match=r"images \(1, 1, 64, 96, 3\): height and width must be multiples of 64"):
        apply(jnp.zeros((1, 1, 64, 96, 3), jnp.uint8), task="vos")
    with pytest.raises(ValueError, match=r"expected \[b, t, h, w, 3\]"):
        apply(images[0], task="vos")
    with pytest.raises(ValueError, match="task 'pet': expected one of vis, vps, vos"):
        apply(images, task="pet")
    with pytest.raises(ValueError, match="task 'vis': classes missing"):
        apply(images, task="vis")
    with pytest.raises(ValueError, match=r"prompts.masks \(1, 1, 1, 64, 128\): expected height and width \(64, 64\)"):
        apply(images, task="vos", prompts=no_prompts(1, 1, 1, 64, 128))
