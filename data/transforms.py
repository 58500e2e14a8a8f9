"""Augmentations of single frames: pure functions of arrays and of parameters that were drawn before.

Images are uint8 [h, w, 3] RGB, maps any integer type [h, w]. Each `draw_*` takes a numpy Generator and returns parameters,
so that one draw can serve an image and its map, or several frames (facts of the original, section 10).
"""

import dataclasses
import math

import cv2
import numpy as np

HUE_SATURATION = 12  # largest shift; hue in units of 1/255 of a turn
CONTRAST = (0.95, 1.05)
BRIGHTNESS = 25.0
AFFINE_SCALE = (0.9, 1.1)
AFFINE_DEGREES = 20.0
AFFINE_SHEAR_DEGREES = 10.0

# To a colour space, back, and its lightness channel.
_LIGHTNESS_SPACES = (
    (cv2.COLOR_RGB2YCrCb, cv2.COLOR_YCrCb2RGB, 0),
    (cv2.COLOR_RGB2HSV, cv2.COLOR_HSV2RGB, 2),
    (cv2.COLOR_RGB2HLS, cv2.COLOR_HLS2RGB, 1),
    (cv2.COLOR_RGB2Lab, cv2.COLOR_Lab2RGB, 0),
    (cv2.COLOR_RGB2Luv, cv2.COLOR_Luv2RGB, 0),
    (cv2.COLOR_RGB2YUV, cv2.COLOR_YUV2RGB, 0),
)
_OPENCV_HUES = 180  # values of OpenCV's 8-bit hue channel in one turn


@dataclasses.dataclass(frozen=True)
class Jitter:
    """Colour jitter. hue: OpenCV hue units (2 degrees). saturation, brightness: 8-bit values. space: of the brightness."""

    hue: int
    saturation: int
    contrast: float
    brightness: int
    space: int


def draw_jitter(rng: np.random.Generator) -> Jitter:
    """One jitter, for all frames of a clip."""
    hue, saturation = rng.integers(-HUE_SATURATION, HUE_SATURATION + 1, 2)
    return Jitter(
        hue=math.trunc(hue / 255 * _OPENCV_HUES),
        saturation=int(saturation),
        contrast=rng.uniform(*CONTRAST),
        brightness=round(rng.uniform(-BRIGHTNESS, BRIGHTNESS)),
        space=int(rng.integers(len(_LIGHTNESS_SPACES))),
    )


def apply_jitter(image: np.ndarray, jitter: Jitter) -> np.ndarray:
    """Hue and saturation, then contrast, then brightness, as the original orders them."""
    values = np.arange(256)
    hsv = cv2.cvtColor(image, cv2.COLOR_RGB2HSV)
    hues = ((values + jitter.hue) % _OPENCV_HUES).astype(np.uint8)
    hsv = cv2.LUT(hsv, np.stack([hues, _clipped(values + jitter.saturation), _clipped(values)], -1)[None])
    image = cv2.cvtColor(hsv, cv2.COLOR_HSV2RGB)
    image = cv2.LUT(image, _clipped(127 + jitter.contrast * (values - 127)))
    to_space, from_space, channel = _LIGHTNESS_SPACES[jitter.space]
    converted = cv2.cvtColor(image, to_space)
    converted[..., channel] = cv2.LUT(converted[..., channel], _clipped(values + jitter.brightness))
    return cv2.cvtColor(converted, from_space)


def _clipped(values: np.ndarray) -> np.ndarray:
    """To 8 bits: limited, then truncated."""
    return np.clip(values, 0, 255).astype(np.uint8)


def draw_affine(rng: np.random.Generator, height: int, width: int) -> np.ndarray:
    """float64 [2, 3]: where a pixel (x, y) of a frame goes, about the centre of the image.

    First the shear in y, then the shear in x together with scale (one for both axes) and rotation. Both shears are one draw:
    the original's library shares it when it is given a single range (imgaug 0.4.0), which the area of the fill confirms.
    """
    scale = rng.uniform(*AFFINE_SCALE)
    rotation, shear = np.deg2rad(rng.uniform(-1.0, 1.0, 2) * (AFFINE_DEGREES, AFFINE_SHEAR_DEGREES))
    turned = np.array([[math.cos(rotation), -math.sin(rotation)], [math.sin(rotation), math.cos(rotation)]])
    sheared_x = np.array([[1.0, -math.tan(shear)], [0.0, 1.0]])
    sheared_y = np.array([[1.0, 0.0], [math.tan(shear), 1.0]])
    linear = scale * turned @ sheared_x @ sheared_y
    centre = np.array([(width - 1) / 2, (height - 1) / 2])
    return np.concatenate([linear, (centre - linear @ centre)[:, None]], axis=1)


def warp(frame: np.ndarray, matrix: np.ndarray, *, nearest: bool) -> np.ndarray:
    """Moves the pixels of an image or map by `matrix` [2, 3]; the size stays, what comes from outside is 0."""
    height, width = frame.shape[:2]
    flags = cv2.INTER_NEAREST if nearest else cv2.INTER_LINEAR
    return cv2.warpAffine(frame, matrix, (width, height), flags=flags, borderMode=cv2.BORDER_CONSTANT, borderValue=0)


def resized_shape(height: int, width: int, short_side: float, long_limit: float) -> tuple[int, int]:
    """Height and width with the given short side, or with the long side at its limit if it would be exceeded."""
    scale = min(short_side / min(height, width), long_limit / max(height, width))
    return max(round(scale * height), 1), max(round(scale * width), 1)


def resize(frame: np.ndarray, shape: tuple[int, int], *, nearest: bool) -> np.ndarray:
    """Bilinear (no antialiasing) for images, nearest for maps; OpenCV's exact variants, the same on every machine."""
    flags = cv2.INTER_NEAREST_EXACT if nearest else cv2.INTER_LINEAR_EXACT
    return cv2.resize(frame, shape[::-1], interpolation=flags)


def crop(frame: np.ndarray, size: int, position: tuple[float, float]) -> np.ndarray:
    """Window of size x size or less; `position`: where between the top and the bottom, the left and the right border, 0..1."""
    top, left = (int(part * max(length - size, 0)) for part, length in zip(position, frame.shape, strict=False))
    return frame[top : top + size, left : left + size]


def pad(frame: np.ndarray, size: int, value: int) -> np.ndarray:
    """To size x size, right and bottom, with `value`."""
    height, width = frame.shape[:2]
    if (height, width) == (size, size):
        return frame
    padded = np.full((size, size, *frame.shape[2:]), value, frame.dtype)
    padded[:height, :width] = frame
    return padded
