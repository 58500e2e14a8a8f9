"""Losses of masks and classes, against loops written out here."""

import jax
import jax.numpy as jnp
import numpy as np
import pytest

from tarvis_jax.losses.masks import (
    binary_cross_entropy,
    dice,
    mean_over_valid,
    pairwise_binary_cross_entropy,
    pairwise_dice,
    weighted_cross_entropy,
)


@pytest.fixture
def rng():
    return np.random.default_rng(0)


def sigmoid(x):
    return 1 / (1 + np.exp(-x.astype(np.float64)))


def bce(logits, targets):
    p = sigmoid(logits)
    return -np.mean(targets * np.log(p) + (1 - targets) * np.log(1 - p), axis=-1)


def soft_iou_loss(logits, targets):
    p = sigmoid(logits)
    return 1 - (2 * (p * targets).sum(-1) + 1) / (p.sum(-1) + targets.sum(-1) + 1)


def test_rows(rng):
    logits, targets = rng.normal(size=(3, 4, 20)).astype(np.float32) * 5, rng.random((3, 4, 20)).astype(np.float32)
    np.testing.assert_allclose(binary_cross_entropy(logits, targets), bce(logits, targets), rtol=1e-5)
    np.testing.assert_allclose(dice(logits, targets), soft_iou_loss(logits, targets), rtol=1e-5)


def test_pairs_are_rows_of_every_combination(rng):
    logits, targets = rng.normal(size=(2, 30, 5)).astype(np.float32) * 5, rng.random((2, 30, 3)).astype(np.float32)
    every = np.broadcast_arrays(np.swapaxes(logits, 1, 2)[:, :, None], np.swapaxes(targets, 1, 2)[:, None])
    np.testing.assert_allclose(pairwise_binary_cross_entropy(logits, targets), bce(*every), rtol=1e-5)
    np.testing.assert_allclose(pairwise_dice(logits, targets), soft_iou_loss(*every), rtol=1e-5)


def test_weighted_cross_entropy(rng):
    logits, labels = rng.normal(size=(2, 6, 4)).astype(np.float32), rng.integers(0, 4, (2, 6)).astype(np.int32)
    weights = rng.random((2, 6)).astype(np.float32)
    shares = np.exp(logits) / np.exp(logits).sum(-1, keepdims=True)
    nll = -np.log(np.take_along_axis(shares, labels[..., None], axis=-1)[..., 0])
    np.testing.assert_allclose(
        weighted_cross_entropy(logits, labels, weights), (weights * nll).sum() / weights.sum(), rtol=1e-5
    )


def test_entries_of_weight_0_may_have_any_label(rng):
    logits = rng.normal(size=(3, 4)).astype(np.float32)
    weights = jnp.array([1.0, 0.0, 1.0])
    value = jax.value_and_grad(weighted_cross_entropy)
    expected, expected_gradient = value(logits, jnp.array([1, 0, 3]), weights)
    found, gradient = value(logits, jnp.array([1, -100, 3]), weights)
    assert found == expected
    np.testing.assert_array_equal(gradient, expected_gradient)
    nothing, gradient = value(logits, jnp.full(3, -100), jnp.zeros(3))
    assert nothing == 0
    assert not gradient.any()


def test_mean_over_valid_rows():
    rows = np.array([[[1, 2], [3, np.nan]], [[5, np.inf], [7, 8]]], np.float32)  # [b, t, n]
    valid = np.array([[True, False], [True, False]])
    assert mean_over_valid(rows, valid) == 4
    assert mean_over_valid(rows, np.zeros_like(valid)) == 0
