"""Object encoder: pixels counted in cells against single pixels, and gradients. test_tarvis.py has the original's numbers."""

from functools import partial

import flax.linen as nn
import jax
import jax.numpy as jnp
import numpy as np
import pytest

from tarvis_jax.models.layers import attend
from tarvis_jax.models.object_encoder import ObjectEncoder, own_keys
from tarvis_jax.models.object_points import no_prompts
from tests.models.small import SMALL, random_features, with_garbage

ENCODER = ObjectEncoder(SMALL)
FEATURES = random_features(1, 3, 64, 64)
KEY = jax.random.key(5)


@pytest.fixture(scope="module")
def variables():
    init = partial(ENCODER.init, train=True)
    return nn.unbox(jax.jit(init)(jax.random.key(0), FEATURES, _prompts(), point_key=KEY))


def _prompts():
    """A mask object of 63 pixels in the frames 0 and 2, a point object in frame 2, an empty slot."""
    prompts = no_prompts(1, 3, 2, 64, 64)
    return prompts.replace(
        masks=prompts.masks.at[0, 0, 0, 10:17, 30:38].set(True).at[0, 0, 1, 3:10, 5].set(True),
        frames=jnp.array([[0, 2]]),
        valid=jnp.array([[True, True, False]]),
        is_point=jnp.array([[False, True, False]]),
        points=prompts.points.at[0, 1].set(jnp.array([0.3, 0.8])),
        point_frames=jnp.array([[0, 2, 0]]),
    )


def _encode(variables, features, prompts, key=KEY):
    return jax.jit(partial(ENCODER.apply, train=True))(variables, features, prompts, point_key=key)


def test_counted_cells_are_attended_like_single_pixels():
    rng = np.random.default_rng(0)
    query, key, value = (rng.normal(size=(1, n, 2, 4)).astype(np.float32) for n in (3, 6, 6))
    counts = np.array([[[3, 0, 16, 1, 0], [0, 0, 0, 0, 0], [0, 2, 0, 0, 0]]], np.float32)  # the sixth key is that of no pixels
    bias = own_keys(jnp.asarray(counts), jnp.zeros((1, 2), bool), per_object=2)[..., :6]
    actual = attend(query, key, value, bias)
    for q, row in enumerate(([0] * 3 + [2] * 16 + [3], [5], [1, 1])):
        single = attend(query[:, q : q + 1], key[:, row], value[:, row], None)
        np.testing.assert_allclose(actual[:, q], single[:, 0], atol=1e-6)


def test_points_see_their_own_keys_alone():
    by_point = jnp.array([[False, False, True, False, True, False]])
    bias = own_keys(jnp.ones((1, 7, 2)).at[0, 3].set(0).at[0, 5].set(0), by_point, per_object=2)[0, 0]
    seen = [np.flatnonzero(row == 0).tolist() for row in np.asarray(bias)]
    assert seen == [[0, 1], [0, 1], [0, 1], [7, 8, 9, 10], [0, 1], [11, 12, 13, 14], [0, 1]]


def test_shapes_and_validity(variables):
    queries = _encode(variables, FEATURES, _prompts())
    assert queries.objects.shape == (1, 6, 64) and queries.background.shape == (1, 16, 64) and queries.per_object == 2
    np.testing.assert_array_equal(queries.valid[0], [True, True, True, False, False, False])
    evaluated = jax.eval_shape(partial(ENCODER.apply, train=False), variables, FEATURES, _prompts())
    assert evaluated.objects.shape == (1, 9, 64)


def test_only_points_send_gradients_into_the_features_they_are_taken_from(variables):
    @jax.jit
    def gradient(prompts):
        def total(features):
            queries = ENCODER.apply(variables, features, prompts, train=True, point_key=KEY)
            return (queries.objects**3).sum() + (queries.background**3).sum()

        return jax.grad(total)(FEATURES)

    for level in gradient(_prompts()):
        reached = np.argwhere(np.abs(level).sum(-1) > 0)
        assert reached.tolist() == [[0, 2, int(0.8 * level.shape[2]), int(0.3 * level.shape[3])]]
    assert not any(x.any() for x in gradient(_prompts().replace(valid=jnp.array([[True, False, False]]))))


@pytest.mark.parametrize("empty", [False, True])
def test_garbage_in_empty_slots_changes_nothing(variables, empty):
    prompts = no_prompts(1, 3, 2, 64, 64).replace(frames=jnp.array([[2, -1]])) if empty else _prompts()
    expected, actual = (_values_and_gradients(variables, x) for x in (prompts, with_garbage(prompts)))
    for x, y in zip(jax.tree.leaves(actual), jax.tree.leaves(expected), strict=True):
        assert np.isfinite(x).all()
        np.testing.assert_array_equal(x, y)
    assert np.abs(expected[1]["params"]["background_embed"]).max() > 0


@jax.jit
def _values_and_gradients(variables, prompts):
    def total(variables):
        queries = ENCODER.apply(variables, FEATURES, prompts, train=True, point_key=KEY)
        objects = jnp.where(queries.valid[..., None], queries.objects, 0)
        return (objects**3).sum() + (queries.background**3).sum(), (objects, queries.background)

    gradients, values = jax.grad(total, has_aux=True)(variables)
    return values, gradients


def test_random_pixels_are_those_of_the_key(variables):
    same = [_encode(variables, FEATURES, _prompts()).background for _ in range(2)]
    np.testing.assert_array_equal(*same)
    assert np.abs(same[0] - _encode(variables, FEATURES, _prompts(), jax.random.key(6)).background).max() > 1e-3


def test_objects_depend_on_their_pixels_alone(variables):
    """Frame 1 is no reference frame; a cell without pixels of any query has no influence."""
    expected = _encode(variables, FEATURES, _prompts())
    changed = FEATURES._replace(stride4=FEATURES.stride4.at[0, 1].set(9))
    np.testing.assert_array_equal(_encode(variables, changed, _prompts()).objects, expected.objects)
    everywhere = FEATURES._replace(stride4=FEATURES.stride4.at[0, 0].set(9))
    assert np.abs(_encode(variables, everywhere, _prompts()).objects - expected.objects).max() > 1e-3
