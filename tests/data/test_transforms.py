import math

import cv2
import numpy as np
import pytest

from data import transforms


@pytest.fixture
def rng() -> np.random.Generator:
    return np.random.default_rng(0)


def jitter(**changes: float) -> transforms.Jitter:
    return transforms.Jitter(**{"hue": 0, "saturation": 0, "contrast": 1.0, "brightness": 0, "space": 1, **changes})


def test_drawn_jitter_covers_its_ranges(rng: np.random.Generator) -> None:
    drawn = [transforms.draw_jitter(rng) for _ in range(3000)]
    # trunc(v / 255 * 180) for v = -12..12
    assert {part.hue for part in drawn} == set(range(-8, 9))
    assert {part.saturation for part in drawn} == set(range(-12, 13))
    assert {part.brightness for part in drawn} == set(range(-25, 26))
    assert {part.space for part in drawn} == set(range(6))
    contrasts = [part.contrast for part in drawn]
    assert 0.95 <= min(contrasts) < 0.951 < 1.049 < max(contrasts) <= 1.05


def test_hue_and_saturation(rng: np.random.Generator) -> None:
    image = rng.integers(0, 256, (20, 30, 3), np.uint8)
    hsv = cv2.cvtColor(image, cv2.COLOR_RGB2HSV).astype(int)
    hsv[..., 0] = (hsv[..., 0] - 7) % 180
    hsv[..., 1] = np.clip(hsv[..., 1] + 11, 0, 255)
    expected = cv2.cvtColor(hsv.astype(np.uint8), cv2.COLOR_HSV2RGB)
    expected = cv2.cvtColor(cv2.cvtColor(expected, cv2.COLOR_RGB2HSV), cv2.COLOR_HSV2RGB)  # the unchanged lightness
    np.testing.assert_array_equal(transforms.apply_jitter(image, jitter(hue=-7, saturation=11)), expected)


def test_contrast_is_clipped_and_truncated() -> None:
    grey = np.arange(256, dtype=np.uint8)[None, :, None].repeat(3, 2)  # greys survive every colour space that is used here
    for contrast in (0.95, 0.973, 1.0, 1.05):
        expected = [min(max(math.trunc(127 + contrast * (value - 127)), 0), 255) for value in range(256)]
        np.testing.assert_array_equal(transforms.apply_jitter(grey, jitter(contrast=contrast))[0, :, 1], expected)


@pytest.mark.parametrize("space", range(6))
@pytest.mark.parametrize("brightness", [-25, 13])
def test_brightness_moves_the_lightness(space: int, brightness: int) -> None:
    grey = np.arange(40, 200, dtype=np.uint8)[None, :, None].repeat(3, 2)
    changed = transforms.apply_jitter(grey, jitter(brightness=brightness, space=space)).astype(int) - grey
    if space in (0, 1, 2, 5):  # the channel has the scale of the grey values
        assert np.abs(changed - brightness).max() <= 2
    else:
        assert (changed * np.sign(brightness) > 5).all()
    assert np.ptp(changed, axis=2).max() <= 3  # a grey stays grey, up to the rounding of 8-bit Lab and Luv


def test_affine_against_a_loop(rng: np.random.Generator) -> None:
    """Every pixel of a warped map comes from where the inverse of shear, shear, scale and rotation says."""
    height, width = 23, 31
    frame = rng.integers(1, 1000, (height, width)).astype(np.int16)
    matrix = transforms.draw_affine(np.random.default_rng(5), height, width)
    warped = transforms.warp(frame, matrix, nearest=True)
    linear, shift = matrix[:, :2], matrix[:, 2]
    unsure = 0
    for y in range(height):
        for x in range(width):
            source_x, source_y = np.linalg.solve(linear, np.array([x, y]) - shift)
            if min(abs(value - math.floor(value) - 0.5) for value in (source_x, source_y)) < 0.02:
                unsure += 1  # between two pixels: OpenCV's fixed point may round either way
                continue
            row, column = round(source_y), round(source_x)
            inside = 0 <= row < height and 0 <= column < width
            assert warped[y, x] == (frame[row, column] if inside else 0)
    assert unsure < 0.1 * height * width


def test_affine_keeps_the_centre_and_its_ranges(rng: np.random.Generator) -> None:
    height, width = 40, 61
    centre = np.array([30.0, 19.5])
    scales, turns = [], []
    for _ in range(2000):
        matrix = transforms.draw_affine(rng, height, width)
        np.testing.assert_allclose(matrix[:, :2] @ centre + matrix[:, 2], centre, atol=1e-9)
        linear = matrix[:, :2]
        scales.append(np.sqrt(np.linalg.det(linear)))
        turns.append(np.degrees(np.arctan2(linear[1, 0], linear[0, 0])))
    # Shears keep the area; those by s degrees turn an axis by about s.
    assert 0.9 - 1e-9 <= min(scales) < 0.905
    assert 1.095 < max(scales) <= 1.1 + 1e-9
    assert 25 < max(turns) <= 31
    assert -31 <= min(turns) < -25
    assert abs(np.mean(turns)) < 1


@pytest.mark.parametrize(
    ("height", "width", "short", "limit", "expected"),
    [
        (480, 854, 512, 1024, (512, 911)),
        (480, 854, 800, 1333, (749, 1333)),
        (375, 1242, 320, 1333, (320, 1060)),
        (1920, 1080, 448, 1333, (796, 448)),
        (333, 500, 576, 1333, (576, 865)),
    ],
)
def test_resized_shape(height: int, width: int, short: int, limit: int, expected: tuple[int, int]) -> None:
    assert transforms.resized_shape(height, width, short, limit) == expected


def test_resized_shape_agrees_with_the_stored_table(shared) -> None:
    table = np.load(shared / "reference" / "helpers.npz")["resized_dims_table"]
    for height, width, short, limit, new_height, new_width in table.tolist():
        assert transforms.resized_shape(height, width, short, limit) == (new_height, new_width)


def test_nearest_resize_takes_pixel_centres(rng: np.random.Generator) -> None:
    frame = rng.integers(0, 30_000, (14, 9)).astype(np.int16)
    resized = transforms.resize(frame, (21, 30), nearest=True)
    rows = [int((y + 0.5) * 14 / 21) for y in range(21)]
    columns = [int((x + 0.5) * 9 / 30) for x in range(30)]
    np.testing.assert_array_equal(resized, frame[np.ix_(rows, columns)])


def test_bilinear_resize_of_a_ramp() -> None:
    ramp = np.arange(0, 200, 10, dtype=np.uint8)[None, :, None].repeat(20, 0).repeat(3, 2)
    resized = transforms.resize(ramp, (20, 40), nearest=False)
    expected = [min(max((x + 0.5) / 2 - 0.5, 0), 19) * 10 for x in range(40)]
    assert np.abs(resized[7, :, 1] - expected).max() <= 0.5


def test_crop_and_pad(rng: np.random.Generator) -> None:
    frame = rng.integers(0, 255, (70, 100, 3), np.uint8)
    np.testing.assert_array_equal(transforms.crop(frame, 64, (0.5, 0.99)), frame[3:67, 35:99])
    narrow = transforms.crop(frame[:50], 64, (0.9, 0.0))
    np.testing.assert_array_equal(narrow, frame[:50, :64])
    padded = transforms.pad(narrow, 64, 128)
    np.testing.assert_array_equal(padded[:50], narrow)
    assert (padded[50:] == 128).all()
    assert padded.shape == (64, 64, 3)
