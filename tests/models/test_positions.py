"""Sine embeddings against the original's stored ones."""

import numpy as np

from tarvis_jax.models.positions import sine_2d, sine_3d
from tests.parity import ROUNDING


def test_normalised_plane(helpers):
    expected = helpers["pos2d_neck_4x6"][0].transpose(1, 2, 0)
    np.testing.assert_allclose(sine_2d(4, 6, 256), expected, rtol=0, atol=ROUNDING)


def test_unnormalised_plane(helpers):
    expected = helpers["pos2d_objenc_unnormalized_8x12"][0].transpose(1, 2, 0)
    np.testing.assert_allclose(sine_2d(8, 12, 256, normalize=False), expected, rtol=0, atol=ROUNDING)


def test_space_time_of_the_neck(helpers):
    expected = helpers["pos3d_neck_btchw_T3_4x6"][0].transpose(0, 2, 3, 1)
    np.testing.assert_allclose(sine_3d(3, 4, 6, 256)[0], expected, rtol=0, atol=ROUNDING)


def test_space_time_of_the_decoder(helpers):
    expected = helpers["pos3d_decoder_bcthw_T3_4x6"][0].transpose(1, 2, 3, 0)
    np.testing.assert_allclose(sine_3d(3, 4, 6, 256)[0], expected, rtol=0, atol=ROUNDING)


def test_first_half_of_the_channels_is_y():
    embedding = np.asarray(sine_2d(5, 7, 32))
    assert (embedding[:, :1, :16] == embedding[:, :, :16]).all()
    assert (embedding[:1, :, 16:] == embedding[:, :, 16:]).all()
    assert len(np.unique(embedding[:, 0, :16], axis=0)) == 5
    assert len(np.unique(embedding[0, :, 16:], axis=0)) == 7
