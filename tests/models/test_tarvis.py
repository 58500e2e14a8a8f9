"""The whole network: which variables it has, and properties of a small random one. Its numbers: `test_stored_forward.py`."""

import dataclasses
from functools import partial

import flax.linen as nn
import jax
import jax.numpy as jnp
import numpy as np
import pytest
from flax.errors import InvalidRngError
from jax.flatten_util import ravel_pytree

from tarvis_jax.models.decoder import Predictions
from tarvis_jax.models.object_points import no_prompts
from tarvis_jax.models.queries import ClassRange
from tarvis_jax.models.tarvis import ABSENT, TarViS, background_logits, object_logits
from tests.models.small import SMALL, with_garbage
from tests.models.stored_forward import original_model

MODEL = TarViS(SMALL)


def test_all_variables_of_the_original_are_made(reference_variables, reference_backbone):
    model = original_model(reference_backbone)
    made = {"buffers": {}} | nn.unbox(jax.eval_shape(partial(model.init, method="initialise"), jax.random.key(0)))
    assert jax.tree.map(jnp.shape, made) == jax.tree.map(jnp.shape, reference_variables)


def test_object_and_background_logits_are_the_largest_of_their_queries():
    keys = jax.random.split(jax.random.key(0), 3)
    predictions = Predictions(
        features=jax.random.normal(keys[0], (1, 2, 4, 6, 8)),
        mask_embeddings={
            "background_vos": jax.random.normal(keys[1], (3, 1, 5, 8)),
            "vos": jax.random.normal(keys[2], (3, 1, 6, 8)),
        },
        class_logits=None,
        query_valid=jnp.array([[True] * 9 + [False] * 2]),
        per_object=2,
    )
    background, objects = (predictions.mask_logits(group, 1) for group in ("background_vos", "vos"))
    np.testing.assert_array_equal(background_logits(predictions, 1), background.max(axis=1))
    found = object_logits(predictions, 1)
    np.testing.assert_array_equal(found[0, 0], jnp.maximum(objects[0, 0], objects[0, 1]))
    np.testing.assert_array_equal(found[0, 1], jnp.maximum(objects[0, 2], objects[0, 3]))
    assert (found[0, 2] == ABSENT).all()


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


def test_paths_are_dropped_in_training_alone():
    """A Swin asks for a random key then; nothing else does."""
    model = TarViS(dataclasses.replace(SMALL, backbone="swin_tiny"))
    variables = jax.eval_shape(partial(model.init, method="initialise"), jax.random.key(0))

    def trace(train, rngs):
        apply = partial(model.apply, task="vis", classes=ClassRange.of(SMALL, "first"), train=train, rngs=rngs)
        return jax.eval_shape(apply, variables, jnp.zeros((1, 1, 64, 64, 3), jnp.uint8))

    assert trace(False, None) == trace(True, {"drop_path": jax.random.key(0)})
    with pytest.raises(InvalidRngError, match="drop_path"):
        trace(True, None)


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
