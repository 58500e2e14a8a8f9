"""Pixels of prompted objects: the original's numbers, and brute force over single pixels."""

import jax
import jax.numpy as jnp
import numpy as np
import pytest

from tarvis_jax.models import object_points
from tarvis_jax.models.object_points import (
    background_pixels,
    cell_counts,
    limit_pixels,
    nearest_samples,
    points_in_padded_image,
    random_subset,
    split_masks,
)
from tests.parity import ROUNDING


@pytest.mark.parametrize("parts", [4, 8])
def test_masks_are_split_as_in_the_original(helpers, parts):
    masks = helpers["divide_object_masks"].astype(bool)  # one of them has three pixels
    actual = jax.jit(split_masks, static_argnums=1)(masks[None], parts)[0]
    np.testing.assert_array_equal(actual, helpers[f"divide_out_{parts}"].reshape(actual.shape))


def test_small_masks_are_repeated():
    for pixels in range(7):
        mask = np.zeros((1, 2, 4, 8), bool)
        mask.reshape(-1)[5 : 5 + pixels] = True
        listed = list(np.flatnonzero(mask)) * (1 if pixels >= 5 else -(-5 // max(pixels, 1)))
        expected = [set(part.tolist()) for part in np.array_split(np.array(listed), 5)]
        assert [set(np.flatnonzero(part).tolist()) for part in split_masks(mask[None], 5)[0, 0]] == expected


@pytest.mark.parametrize("case", ["a", "b"])
def test_background_grid_matches_the_original(helpers, case):
    masks = helpers[f"bg_{case}_object_masks"]
    actual = background_pixels(jnp.asarray(masks)[None], jnp.ones((1, masks.shape[1]), bool), 4)[0]
    np.testing.assert_array_equal(actual, helpers[f"bg_{case}_masks"])


def test_background_without_objects_and_with_an_empty_frame(helpers):
    in_use = jnp.array([[True, False]])
    actual = background_pixels(jnp.zeros((1, 3, 2, 64, 64), bool), in_use, 4)[0]
    np.testing.assert_array_equal(actual[:, :1], helpers["bg_c_masks_no_objects_TxHxW_1x64x64"])
    assert not actual[:, 1].any()


def test_counts_give_the_means_of_the_original_samples(helpers):
    features = np.moveaxis(helpers["sample_fmap"][0], 0, -1).reshape(-1, 8)
    counts = np.asarray(cell_counts(jnp.asarray(helpers["sample_masks"]))).reshape(4, -1)
    for mask in range(4):
        samples = np.repeat(features, counts[mask].astype(int), axis=0)
        expected = helpers[f"sample_out_features_{mask}"]
        if mask == 0:  # no pixels: the original samples one zero
            assert not len(samples) and not expected.any()
            continue
        order, expected_order = np.lexsort(samples.T), np.lexsort(expected.T)
        np.testing.assert_array_equal(samples[order], expected[expected_order])


def test_nearest_samples_match_the_original(helpers):
    features = np.moveaxis(helpers["nearest_fmap"], 1, -1)[:, None]
    points = helpers["nearest_points_xy"]
    frames = jnp.zeros(points.shape[:2], jnp.int32)
    np.testing.assert_array_equal(nearest_samples(features, points, frames)[0].T, helpers["nearest_out"][0])


def test_points_outside_of_the_image_sample_zero():
    points = jnp.array([[[-0.2, 0.5], [1.2, 0.5], [0.5, 1.2], [jnp.inf, 0.5], [jnp.nan, 0.5], [0.5, 0.5]]])
    samples = nearest_samples(jnp.ones((1, 2, 4, 4, 3)), points, jnp.full((1, 6), 9, jnp.int32))
    np.testing.assert_array_equal(samples[0].sum(axis=-1), [0, 0, 0, 0, 0, 3])


def test_points_move_with_the_padding(helpers):
    height, width = helpers["adapt_points_padded_hw"]
    right, bottom = helpers["adapt_points_padding_right_bottom"]
    points = helpers["adapt_points_in_yx"][..., ::-1]
    actual = points_in_padded_image(points, (height - bottom, width - right), (height, width))
    np.testing.assert_allclose(actual[..., ::-1], helpers["adapt_points_out_yx"], rtol=0, atol=ROUNDING)


def _random_sets(key, sets):
    """Disjoint sets of the pixels of 2 x 16 x 16 images, one row each; the first holds few."""
    owner = jax.random.randint(key, (3, 2, 16, 16), -1, sets)
    owner = jnp.where((owner == 0) & (jnp.arange(16) > 0).reshape(1, 1, 1, 16), -1, owner)
    return owner[:, None] == jnp.arange(sets).reshape(1, -1, 1, 1, 1)


def test_random_subset_keeps_the_limit_of_every_set():
    members = _random_sets(jax.random.key(0), 16)
    kept = jax.jit(random_subset, static_argnums=1)(members, 10, jax.random.key(1))
    counts = members.sum((-3, -2, -1))
    assert counts.min() < 10 < counts.max()
    np.testing.assert_array_equal(kept.sum((-3, -2, -1)), np.minimum(counts, 10))
    assert not (kept & ~members).any()


def test_random_subset_is_uniform():
    members = jnp.zeros((2, 1, 8, 8), bool).at[0, :, :4].set(True).at[1, :, 6:].set(True)
    kept = jax.vmap(lambda key: random_subset(members, 8, key))(jax.random.split(jax.random.key(0), 4000))
    frequency = np.asarray(kept.mean(axis=0))
    for i, size in enumerate((32, 16)):
        np.testing.assert_allclose(frequency[i][np.asarray(members[i])], 8 / size, atol=5 * np.sqrt(0.25 / 4000))


def test_a_limit_out_of_reach_needs_no_key():
    members = _random_sets(jax.random.key(0), 4)
    assert limit_pixels(members, 512, 512, None) is members
    with pytest.raises(ValueError, match=r"point_key is missing: a query may stand for 512 pixels .* takes 511 of them"):
        limit_pixels(members, 512, 511, None)


def test_empty_slots_are_cleaned():
    prompts = object_points.ObjectPrompts(
        masks=jnp.ones((1, 3, 2, 8, 8), bool),
        frames=jnp.array([[0, -1]]),
        valid=jnp.array([[True, True, False]]),
        is_point=jnp.array([[False, True, True]]),
        points=jnp.full((1, 3, 2), jnp.nan).at[0, 1].set(0.5),
        point_frames=jnp.array([[7, 1, 9]]),
    )
    cleaned = prompts.cleaned()
    np.testing.assert_array_equal(cleaned.masks.any((-2, -1))[0], [[True, False], [False, False], [False, False]])
    np.testing.assert_array_equal(cleaned.is_point[0], [False, True, False])
    np.testing.assert_array_equal(cleaned.points[0], [[0, 0], [0.5, 0.5], [0, 0]])
    np.testing.assert_array_equal(cleaned.point_frames[0], [0, 1, 0])
