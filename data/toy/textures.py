"""Colours and textures: what things are covered with, and what the stuff behind them looks like."""

import colorsys
from collections.abc import Callable

import cv2
import numpy as np

Texture = Callable[[np.random.Generator, int, int], np.ndarray]  # rng, h, w -> float32 [h, w, 3], or strength [h, w] in 0..1


def blend(image: np.ndarray, alpha: np.ndarray, surface: np.ndarray) -> np.ndarray:
    """The image [h, w, 3] with a surface over it, where its opacity [h, w] is not 0."""
    return image + alpha[..., None] * (surface - image)


def colour_near(rng: np.random.Generator, hue: float, saturation: float, value: float) -> np.ndarray:
    """float32 [3], near the given colour."""
    hue, saturation, value = np.array([hue, saturation, value]) + rng.normal(0, (0.02, 0.06, 0.06))
    return 255 * np.array(colorsys.hsv_to_rgb(hue % 1.0, np.clip(saturation, 0, 1), np.clip(value, 0, 1)), np.float32)


def smooth_noise(rng: np.random.Generator, height: int, width: int, scale: float, stretch: float = 1.0) -> np.ndarray:
    """float32 [h, w] in 0..1: noise with spots of `scale` pixels, `stretch` times as high as wide."""
    noise = rng.random((height, width), np.float32)
    noise = cv2.GaussianBlur(noise, (0, 0), sigmaX=scale, sigmaY=scale * stretch, borderType=cv2.BORDER_REFLECT)
    low, high = noise.min(), noise.max()
    return (noise - low) / (high - low)


def stripes(rng: np.random.Generator, height: int, width: int, period: float) -> np.ndarray:
    """float32 [h, w] in 0..1: straight soft stripes in a random direction."""
    y, x = np.indices((height, width), np.float32)
    direction = rng.uniform(0, np.pi)
    return 0.5 + 0.5 * np.sin(2 * np.pi * (x * np.cos(direction) + y * np.sin(direction)) / period + rng.uniform(0, 6))


def _mix(strength: np.ndarray, low: np.ndarray, high: np.ndarray) -> np.ndarray:
    """[h, w] in 0..1 and two colours -> [h, w, 3]."""
    return low + strength[..., None] * (high - low)


# Patterns of surfaces, float [h, w] in 0..1.


def _striped(rng: np.random.Generator, height: int, width: int) -> np.ndarray:
    return _hard(stripes(rng, height, width, rng.uniform(4, 18)))


def _mottled(rng: np.random.Generator, height: int, width: int) -> np.ndarray:
    return _hard(smooth_noise(rng, height, width, rng.uniform(1.5, 6)))


def _latticed(rng: np.random.Generator, height: int, width: int) -> np.ndarray:
    return _hard(np.maximum(*(stripes(rng, height, width, rng.uniform(6, 18)) for _ in range(2))), 0.8)


def _waved(rng: np.random.Generator, height: int, width: int) -> np.ndarray:
    y, x = np.indices((height, width), np.float32)
    period, height_of_waves = rng.uniform(5, 16), rng.uniform(1, 6)
    bent = y + height_of_waves * np.sin(2 * np.pi * x / rng.uniform(10, 40))
    return _hard(0.5 + 0.5 * np.sin(2 * np.pi * bent / period))


def _hard(strength: np.ndarray, level: float = 0.5) -> np.ndarray:
    """0 or 1, with a narrow border between them."""
    return np.clip((strength - level) / 0.2 + 0.5, 0, 1)


def _dotted(rng: np.random.Generator, height: int, width: int) -> np.ndarray:
    y, x = np.indices((height, width), np.float32)
    step, shift = rng.uniform(7, 12), rng.uniform(0, 6, 2)
    row = np.floor((y + shift[0]) / step)
    across, down = (x + shift[1] + row % 2 * step / 2) % step - step / 2, (y + shift[0]) % step - step / 2
    return np.clip(np.hypot(across, down) - 0.33 * step, 0, 1)


def _checked(rng: np.random.Generator, height: int, width: int) -> np.ndarray:
    y, x = np.indices((height, width))
    side = int(rng.integers(5, 10))
    return ((x // side + y // side) % 2).astype(np.float32)


def _ringed(rng: np.random.Generator, height: int, width: int) -> np.ndarray:
    y, x = np.indices((height, width), np.float32)
    centre_y, centre_x = rng.uniform(0.3, 0.7, 2) * (height, width)
    return _hard(0.5 + 0.5 * np.sin(2 * np.pi * np.hypot(x - centre_x, y - centre_y) / rng.uniform(8, 14)))


def _halved(rng: np.random.Generator, height: int, width: int) -> np.ndarray:
    y, x = np.indices((height, width), np.float32)
    direction = rng.uniform(0, 2 * np.pi)
    side = (x - width / 2) * np.cos(direction) + (y - height / 2) * np.sin(direction)
    return np.clip(side + 0.5, 0, 1)


PATTERNS: tuple[Texture, ...] = (_striped, _mottled, _latticed, _waved)
HELD_OUT_PATTERNS: tuple[Texture, ...] = (_dotted, _checked, _ringed, _halved)  # never in the images for training

# Stuff of the images for training, float [h, w, 3] in 0..255.


def _sky(rng: np.random.Generator, height: int, width: int) -> np.ndarray:
    blue = _mix(
        np.linspace(0, 1, height)[:, None].repeat(width, 1),
        colour_near(rng, 0.58, 0.55, 0.85),
        colour_near(rng, 0.56, 0.2, 0.97),
    )
    clouds = np.clip(2.2 * smooth_noise(rng, height, width, 9.0, 0.5) - 1.1, 0, 0.8)
    return blend(blue, clouds, np.float32([250, 250, 250]))


def _grass(rng: np.random.Generator, height: int, width: int) -> np.ndarray:
    return _mix(smooth_noise(rng, height, width, 0.7, 4.0), colour_near(rng, 0.3, 0.7, 0.3), colour_near(rng, 0.25, 0.6, 0.75))


def _sea(rng: np.random.Generator, height: int, width: int) -> np.ndarray:
    y = np.arange(height, dtype=np.float32)[:, None]
    swell = 0.5 + 0.5 * np.sin(2 * np.pi * y / rng.uniform(6, 10) + 7 * smooth_noise(rng, height, width, 6.0))
    return _mix(swell, colour_near(rng, 0.56, 0.75, 0.45), colour_near(rng, 0.52, 0.5, 0.8))


def _sand(rng: np.random.Generator, height: int, width: int) -> np.ndarray:
    return _mix(smooth_noise(rng, height, width, 0.6), colour_near(rng, 0.1, 0.45, 0.6), colour_near(rng, 0.11, 0.35, 0.95))


def _road(rng: np.random.Generator, height: int, width: int) -> np.ndarray:
    return _mix(smooth_noise(rng, height, width, 1.5), colour_near(rng, 0.6, 0.05, 0.25), colour_near(rng, 0.6, 0.05, 0.5))


def _bricks(rng: np.random.Generator, height: int, width: int) -> np.ndarray:
    y, x = np.indices((height, width))
    brick_height = int(rng.integers(6, 10))
    row = y // brick_height
    column = (x + row % 2 * brick_height) // (2 * brick_height)
    joint = (y % brick_height == 0) | ((x + row % 2 * brick_height) % (2 * brick_height) == 0)
    shade = rng.random((row.max() + 1, column.max() + 1), np.float32)[row, column]
    return blend(
        _mix(shade, colour_near(rng, 0.02, 0.6, 0.45), colour_near(rng, 0.04, 0.5, 0.7)),
        joint,
        colour_near(rng, 0.1, 0.1, 0.75),
    )


def _tiles(rng: np.random.Generator, height: int, width: int) -> np.ndarray:
    y, x = np.indices((height, width))
    tile = int(rng.integers(8, 14))
    joint = (y % tile == 0) | (x % tile == 0)
    return np.where(joint[..., None], colour_near(rng, 0.5, 0.05, 0.55), colour_near(rng, rng.random(), 0.15, 0.9))


def _wood(rng: np.random.Generator, height: int, width: int) -> np.ndarray:
    plank = np.arange(height)[:, None] // int(rng.integers(8, 13))
    shade = rng.random(plank.max() + 1, np.float32)[plank]
    grain = smooth_noise(rng, height, width, 8.0, 0.08)
    return _mix(0.5 * shade + 0.5 * grain, colour_near(rng, 0.07, 0.65, 0.35), colour_near(rng, 0.09, 0.55, 0.75))


def _rug(rng: np.random.Generator, height: int, width: int) -> np.ndarray:
    y, x = np.indices((height, width))
    check = int(rng.integers(5, 10))
    hue = rng.random()
    return _mix((y // check + x // check) % 2, colour_near(rng, hue, 0.6, 0.45), colour_near(rng, hue + 0.1, 0.4, 0.85))


STUFF: dict[str, Texture] = {
    "sky-other-merged": _sky,
    "grass-merged": _grass,
    "sea": _sea,
    "sand": _sand,
    "road": _road,
    "wall-brick": _bricks,
    "wall-tile": _tiles,
    "floor-wood": _wood,
    "rug-merged": _rug,
}


# Stuff that the images for training never show.


def _dusk(rng: np.random.Generator, height: int, width: int) -> np.ndarray:
    rise = np.linspace(0, 1, height)[:, None].repeat(width, 1) + 0.25 * smooth_noise(rng, height, width, 14.0, 0.4)
    return _mix(np.clip(rise, 0, 1), colour_near(rng, 0.75, 0.35, 0.55), colour_near(rng, 0.06, 0.4, 0.98))


def _facade(rng: np.random.Generator, height: int, width: int) -> np.ndarray:
    y, x = np.indices((height, width))
    step_y, step_x = int(rng.integers(10, 15)), int(rng.integers(8, 12))
    window = (y % step_y >= step_y // 2) & (x % step_x >= step_x // 2)
    light = rng.random((height // step_y + 1, width // step_x + 1))[y // step_y, x // step_x]
    wall, dark = colour_near(rng, 0.09, 0.25, 0.75), colour_near(rng, 0.6, 0.35, 0.25)
    return np.where(window[..., None], _mix(light, dark, colour_near(rng, 0.14, 0.35, 0.8)), wall)


def _leaves(rng: np.random.Generator, height: int, width: int) -> np.ndarray:
    clumps, leaves = smooth_noise(rng, height, width, 6.0), smooth_noise(rng, height, width, 1.2)
    return _mix(0.6 * clumps + 0.4 * leaves, colour_near(rng, 0.38, 0.7, 0.2), colour_near(rng, 0.2, 0.7, 0.6))


def _slats(rng: np.random.Generator, height: int, width: int) -> np.ndarray:
    x = np.arange(width)[None].repeat(height, 0)
    slat = int(rng.integers(6, 10))
    gap = (x % slat < 2).astype(np.float32)
    shade = rng.random(width // slat + 1)[x // slat]
    wood = _mix(shade, colour_near(rng, 0.08, 0.3, 0.55), colour_near(rng, 0.1, 0.2, 0.8))
    return blend(wood, gap, colour_near(rng, 0.08, 0.3, 0.2))


def _soil(rng: np.random.Generator, height: int, width: int) -> np.ndarray:
    patches = smooth_noise(rng, height, width, 9.0) > 0.5
    grain = smooth_noise(rng, height, width, 0.8)
    return _mix(0.5 * patches + 0.5 * grain, colour_near(rng, 0.06, 0.6, 0.3), colour_near(rng, 0.16, 0.45, 0.6))


def _slabs(rng: np.random.Generator, height: int, width: int) -> np.ndarray:
    y, x = np.indices((height, width))
    side = int(rng.integers(10, 16))
    joint = ((x + y) % side < 1) | ((x - y) % side < 1)
    return blend(_mix(smooth_noise(rng, height, width, 5.0), *_greys(rng, 0.55, 0.75)), joint, colour_near(rng, 0.1, 0.1, 0.4))


def _lanes(rng: np.random.Generator, height: int, width: int) -> np.ndarray:
    y, x = np.indices((height, width))
    dash = ((y % 22 < 2) & (x % 30 < 16)).astype(np.float32)
    asphalt = _mix(smooth_noise(rng, height, width, 0.5), *_greys(rng, 0.3, 0.45))
    return blend(asphalt, dash, colour_near(rng, 0.14, 0.1, 0.95))


def _greys(rng: np.random.Generator, dark: float, light: float) -> tuple[np.ndarray, np.ndarray]:
    return colour_near(rng, 0.6, 0.08, dark), colour_near(rng, 0.6, 0.08, light)


HELD_OUT_STUFF: dict[str, Texture] = {  # from the top of a view to its bottom
    "sky": _dusk,
    "building": _facade,
    "vegetation": _leaves,
    "fence": _slats,
    "terrain": _soil,
    "sidewalk": _slabs,
    "road": _lanes,
}
