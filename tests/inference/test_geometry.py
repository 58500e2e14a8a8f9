"""Sizes of a video: the original's numbers."""

import numpy as np
import pytest

from tarvis_jax.inference.clips import ClipSettings
from tarvis_jax.inference.geometry import Geometry, resized_size


def test_sizes_are_the_original_s(helpers):
    for height, width, min_side, max_side, *expected in helpers["resized_dims_table"].tolist():
        assert list(resized_size((height, width), min_side, max_side)) == expected
    assert resized_size((97, 131), 0, 50) == (97, 131)


def test_padding_is_right_and_below_to_multiples_of_64():
    geometry = Geometry.of((97, 131), ClipSettings())
    assert geometry.padded == (128, 192)
    image = geometry.image(np.zeros((97, 131, 3), np.uint8))
    assert not image[:97, :131].any()
    assert (image[97:] == 128).all()
    assert (image[:, 131:] == 128).all()
    mask = geometry.mask(np.ones((97, 131), bool))
    assert mask.sum() == 97 * 131
    assert mask[:97, :131].all()


def test_resized_frames_are_the_original_s(helpers):
    frame, expected = helpers["cv_resize_in"][0], helpers["cv_resize_out_min_dim64"][0]
    geometry = Geometry.of(frame.shape[:2], ClipSettings(min_side=64))
    assert geometry.resized == expected.shape[:2]
    np.testing.assert_array_equal(geometry.image(frame)[: expected.shape[0], : expected.shape[1]], expected)


def test_resized_masks_are_the_original_s(helpers):
    for mask, expected in zip(helpers["cv_mask_resize_in"][:, 0], helpers["cv_mask_resize_out_min_dim37"][:, 0], strict=True):
        geometry = Geometry.of(mask.shape, ClipSettings(min_side=37))
        found = geometry.mask(mask.astype(bool))[: expected.shape[0], : expected.shape[1]]
        np.testing.assert_array_equal(found, expected.astype(bool))


def test_points_are_the_original_s(helpers):
    """A pixel position in the given frame ends at the stored relative position of the padded image."""
    height, width = helpers["adapt_points_padded_hw"]
    right, below = helpers["adapt_points_padding_right_bottom"]
    size = (int(height - below), int(width - right))
    geometry = Geometry(size, size, (int(height), int(width)))
    for (y, x), (y_padded, x_padded) in zip(helpers["adapt_points_in_yx"][0], helpers["adapt_points_out_yx"][0], strict=True):
        found = geometry.point(x * size[1] - 0.5, y * size[0] - 0.5)
        np.testing.assert_allclose(found, (x_padded, y_padded), atol=1e-6)


def test_restored_logits_are_the_original_s(helpers):
    logits, expected = helpers["result_resize_in"], helpers["result_resize_out_f16"].astype(np.float32)
    right, below = helpers["result_resize_padding_right_bottom"]
    padded = (4 * logits.shape[-2], 4 * logits.shape[-1])
    geometry = Geometry(tuple(helpers["result_resize_orig_hw"].tolist()), (padded[0] - below, padded[1] - right), padded)
    found = geometry.restore(logits)
    assert found.shape == expected.shape
    np.testing.assert_allclose(found, expected, atol=2e-3 * np.abs(expected).max())  # stored in half precision
    assert np.mean((found > 0) == (expected > 0)) > 0.9999


@pytest.mark.parametrize("given", [(97, 131), (200, 90)])
def test_masks_come_back_at_the_given_size(given):
    geometry = Geometry.of(given, ClipSettings(min_side=64))
    logits = np.full((2, geometry.padded[0] // 4, geometry.padded[1] // 4), 3.0, np.float32)
    np.testing.assert_allclose(geometry.restore(logits), np.full((2, *given), 3.0), rtol=1e-6)
    assert geometry.masks_of(logits).all()
