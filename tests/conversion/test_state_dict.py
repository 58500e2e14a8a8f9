"""State dicts are found, compared and brought to float32; every difference is told."""

import logging
from pathlib import Path

import numpy as np
import pytest
from jax.numpy import bfloat16

from tarvis_jax.conversion import state_dict
from tarvis_jax.errors import UserError

FILE = Path("weights.pth")
A, B = np.zeros(2, np.float32), np.ones((2, 3), np.float32)


def test_a_state_dict_under_model_or_alone():
    assert state_dict.find_state_dict({"model": {"a": A}, "optimizer": {"lr": 1.0}, "iteration": 5}, FILE) == {"a": A}
    assert state_dict.find_state_dict({"a": A, "b": B}, FILE) == {"a": A, "b": B}


@pytest.mark.parametrize(
    ("content", "found"),
    [
        ([A], "holds a list"),
        ({}, "an empty one"),
        ({"model": [A]}, "no dict of tensors"),
        ({"model": {"a": A, "b": {"c": B}}}, "'b', a dict"),
        ({"state_dict": {"a": A}, "epoch": 3}, "'state_dict', a dict"),
        ({"model": {3: A}}, "'3', a ndarray"),
        ({"model": {"a\nb": A}}, r"'a\\nb', a ndarray"),
    ],
)
def test_anything_else_is_an_error(content, found):
    with pytest.raises(UserError, match=found) as error:
        state_dict.find_state_dict(content, FILE)
    assert "weights.pth" in str(error.value) and '{"model": {name: tensor}}' in str(error.value)


def test_all_differences_are_counted_and_the_first_listed():
    expected = dict.fromkeys("abcdef", A) | {"x": B}
    with pytest.raises(UserError) as error:
        state_dict.require_same_entries({"a": A, "x": A, "y": B}, expected, "weights.pth does not fit")
    assert str(error.value) == (
        "weights.pth does not fit: 5 missing: b [2], c [2], d [2], e [2], ...; 1 unexpected: y [2, 3]; "
        "1 of another shape: x [2] (expected [2, 3])"
    )
    state_dict.require_same_entries(expected, dict(reversed(expected.items())), "another order is no difference")


def test_constants_with_other_values():
    mean, grid = {"pixel_mean": np.float32([123.675, 116.28, 103.53])}, {"encoder.bg_grid_size": np.int64([4, 4])}
    for dtype in (np.float32, np.float64, np.float16, bfloat16):
        state_dict.require_same_constants({"pixel_mean": mean["pixel_mean"].astype(dtype)}, mean, FILE)
    with pytest.raises(UserError, match=r"weights\.pth: pixel_mean is \[103\.53 +116\.28 +123\.675\], .* \[123\.675 +116\.28"):
        state_dict.require_same_constants({"pixel_mean": mean["pixel_mean"][::-1]}, mean, FILE)
    with pytest.raises(UserError, match=r"bg_grid_size is \[4 8\], this model computes with \[4 4\] alone"):
        state_dict.require_same_constants({"encoder.bg_grid_size": np.int64([4, 8])}, grid, FILE)


@pytest.mark.parametrize("dtype", [np.float16, bfloat16])
def test_half_precision_is_held_exactly(dtype, caplog):
    values = np.random.default_rng(0).normal(size=100).astype(dtype)
    with caplog.at_level(logging.INFO, "tarvis_jax"):
        found = state_dict.as_float32({"a": values, "b": values[:3], "c": A}, FILE)
    assert found["a"].dtype == np.float32 and np.array_equal(found["a"].astype(dtype), values)
    assert f"2 tensors from {np.dtype(dtype)} to float32, exactly" in caplog.text


def test_double_precision_is_rounded_and_the_largest_error_told(caplog):
    with caplog.at_level(logging.INFO, "tarvis_jax"):
        found = state_dict.as_float32({"a": np.array([1.0, 0.1]), "b": np.array([3.0])}, FILE)
    assert np.array_equal(found["a"], np.float32([1.0, 0.1]))
    error = abs(0.1 - float(np.float32(0.1)))
    assert f"2 tensors from float64 to float32, rounded by at most {error:.1e}" in caplog.text


def test_float32_is_not_copied(caplog):
    with caplog.at_level(logging.INFO, "tarvis_jax"):
        assert state_dict.as_float32({"b": B}, FILE)["b"] is B
    assert not caplog.text


@pytest.mark.parametrize("value", [np.float32(np.nan), np.float32(np.inf), np.float64(1e300)])
def test_values_that_are_not_finite_in_float32(value):
    with pytest.raises(UserError, match=r"weights\.pth: decoder\.x holds NaN or infinite values"):
        state_dict.as_float32({"decoder.y": A, "decoder.x": np.array([0, value], value.dtype)}, FILE)


def test_types_other_than_floating_point():
    with pytest.raises(UserError, match=r"weights\.pth: x has type int64, expected floating-point numbers"):
        state_dict.as_float32({"x": np.arange(3)}, FILE)
