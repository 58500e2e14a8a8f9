"""Drawn scenes with exact labels: things of several shapes in front of textured stuff.

Colour alone tells little: things of all classes share their colours with each other and with unlabelled blobs that belong to
the stuff behind; neighbours may be of the same class. Images are float32 [h, w, 3] in 0..255 while they are drawn.
"""

import colorsys
import dataclasses
from collections.abc import Callable

import cv2
import numpy as np

MIN_VISIBLE = 6  # pixels; a thing of which less can be seen is not drawn


@dataclasses.dataclass(frozen=True)
class Scene:
    """image: uint8 [h, w, 3], RGB. segment_map: int32 [h, w], position in `names`, the category names of the segments."""

    image: np.ndarray
    segment_map: np.ndarray
    names: tuple[str, ...]


def draw_scene(rng: np.random.Generator, height: int, width: int) -> Scene:
    """A scene of 2 to 4 stuff regions and 2 to 6 things."""
    stuff_names = [str(name) for name in rng.permutation(list(STUFF))[: rng.integers(2, 5)]]
    segment_map = _stuff_regions(rng, height, width, len(stuff_names))
    image = np.zeros((height, width, 3), np.float32)
    for index, name in enumerate(stuff_names):
        image = np.where((segment_map == index)[..., None], STUFF[name](rng, height, width), image)
    palette = [_colour(rng, rng.random(), 0.55, 0.95) for _ in range(3)]  # few colours: things and blobs share them
    for _ in range(rng.integers(1, 4)):
        image = _blend(image, _blob_alpha(rng, height, width), _surface(rng, height, width, palette))
    names = list(stuff_names)
    for thing in _place_things(rng, height, width):
        image, segment_map = _add_thing(rng, image, segment_map, thing, palette, names)
    image += rng.normal(0, 2.5, image.shape)  # a camera's noise
    present, segment_map = np.unique(segment_map, return_inverse=True)
    return Scene(
        image=np.clip(image, 0, 255).astype(np.uint8),
        segment_map=segment_map.reshape(height, width).astype(np.int32),
        names=tuple(names[index] for index in present),
    )


# Things: signed distances (below 0 inside) at points u (right), v (down) of a shape with radius 1.


def _disc(u: np.ndarray, v: np.ndarray, radius: float = 1.0) -> np.ndarray:
    return np.hypot(u, v) - radius


def _box(u: np.ndarray, v: np.ndarray, half_width: float, half_height: float) -> np.ndarray:
    du, dv = np.abs(u) - half_width, np.abs(v) - half_height
    return np.hypot(np.maximum(du, 0), np.maximum(dv, 0)) + np.minimum(np.maximum(du, dv), 0)


def _union(*parts: np.ndarray) -> np.ndarray:
    return np.minimum.reduce(parts)


def _person(u: np.ndarray, v: np.ndarray) -> np.ndarray:
    body = _box(u, v - 0.1, 0.16, 0.25) - 0.16
    legs = _union(_box(u - 0.17, v - 0.7, 0.09, 0.3), _box(u + 0.17, v - 0.7, 0.09, 0.3))
    return _union(_disc(u, v + 0.68, 0.26), body, legs)


def _car(u: np.ndarray, v: np.ndarray) -> np.ndarray:
    wheels = _union(_disc(u - 0.52, v - 0.36, 0.22), _disc(u + 0.52, v - 0.36, 0.22))
    return _union(_box(u, v - 0.1, 0.92, 0.16) - 0.08, _box(u + 0.08, v + 0.25, 0.42, 0.18) - 0.08, wheels)


def _airplane(u: np.ndarray, v: np.ndarray) -> np.ndarray:
    return _union(_box(u, v, 0.9, 0.06) - 0.08, _box(u - 0.1, v, 0.16, 0.9), _box(u + 0.8, v, 0.1, 0.4))


def _umbrella(u: np.ndarray, v: np.ndarray) -> np.ndarray:
    roof = np.maximum(_disc(u, v, 0.95), v - 0.02)
    return _union(roof, _box(u, v - 0.45, 0.07, 0.5))


def _kite(u: np.ndarray, v: np.ndarray) -> np.ndarray:
    return (np.abs(u) / 0.7 + np.abs(v) - 1) * 0.57


def _bottle(u: np.ndarray, v: np.ndarray) -> np.ndarray:
    return _union(_box(u, v - 0.3, 0.22, 0.55) - 0.1, _box(u, v + 0.6, 0.12, 0.38))


def _donut(u: np.ndarray, v: np.ndarray) -> np.ndarray:
    return np.abs(np.hypot(u, v) - 0.66) - 0.32


THINGS: dict[str, Callable[[np.ndarray, np.ndarray], np.ndarray]] = {
    "person": _person,
    "car": _car,
    "airplane": _airplane,
    "umbrella": _umbrella,
    "sports ball": _disc,
    "kite": _kite,
    "bottle": _bottle,
    "donut": _donut,
}


@dataclasses.dataclass(frozen=True)
class _Thing:
    """Where a thing is drawn: centre and radius in pixels, angle in radians."""

    name: str
    x: float
    y: float
    radius: float
    angle: float


def _place_things(rng: np.random.Generator, height: int, width: int) -> list[_Thing]:
    """2 to 6 things, the later ones in front; some stand beside another one of their class."""
    side = min(height, width)
    things: list[_Thing] = []
    for _ in range(rng.integers(2, 7)):
        angle = rng.normal(0, 0.25)
        if things and rng.random() < 0.4:
            other = things[rng.integers(len(things))]
            direction, distance = rng.uniform(0, 2 * np.pi), other.radius * rng.uniform(1.0, 1.9)
            x, y = other.x + distance * np.cos(direction), other.y + distance * np.sin(direction)
            name, radius = other.name, other.radius * rng.uniform(0.8, 1.25)
        else:
            x, y = rng.uniform(0.08, 0.92, 2) * (width, height)
            name, radius = str(rng.choice(list(THINGS))), side * rng.uniform(0.09, 0.3)
        things.append(_Thing(name, float(np.clip(x, 0, width)), float(np.clip(y, 0, height)), radius, angle))
    return sorted(things, key=lambda thing: thing.y + 0.5 * thing.radius)


def _add_thing(
    rng: np.random.Generator,
    image: np.ndarray,
    segment_map: np.ndarray,
    thing: _Thing,
    palette: list[np.ndarray],
    names: list[str],
) -> tuple[np.ndarray, np.ndarray]:
    """Image and map with one more thing, unless it would hide another one or be hardly visible itself."""
    height, width = segment_map.shape
    y, x = np.indices((height, width), np.float32)
    cos, sin = np.cos(thing.angle), np.sin(thing.angle)
    u = ((x - thing.x) * cos + (y - thing.y) * sin) / thing.radius
    v = ((y - thing.y) * cos - (x - thing.x) * sin) / thing.radius
    distance = THINGS[thing.name](u, v) * thing.radius
    painted = np.where(distance < 0, len(names), segment_map)
    visible = np.bincount(painted.ravel(), minlength=len(names) + 1)
    visible_before = np.bincount(segment_map.ravel(), minlength=len(names) + 1)
    hides = (visible[:-1] < MIN_VISIBLE) & (visible_before[:-1] >= MIN_VISIBLE)
    if visible[-1] < MIN_VISIBLE or hides.any():
        return image, segment_map
    surface = _surface(rng, height, width, palette)
    rim = np.clip(1 + distance / max(0.12 * thing.radius, 1.5), 0, 1)[..., None]  # darker towards the outline
    surface = surface * (1 - 0.45 * rim) * (1.08 - 0.16 * np.clip(v, -1, 1))[..., None]
    names.append(thing.name)
    return _blend(image, np.clip(0.5 - distance, 0, 1), surface), painted


def _surface(rng: np.random.Generator, height: int, width: int, palette: list[np.ndarray]) -> np.ndarray:
    """What a thing or a blob is covered with: a colour of the palette, plain, striped or mottled."""
    colour = palette[rng.integers(len(palette))]
    kind = rng.integers(3)
    if kind == 0:
        return np.broadcast_to(colour, (height, width, 3))
    strength = _stripes(rng, height, width, rng.uniform(4, 9)) if kind == 1 else _smooth_noise(rng, height, width, 3.0)
    return colour * (0.72 + 0.28 * strength[..., None])


def _blob_alpha(rng: np.random.Generator, height: int, width: int) -> np.ndarray:
    """Opacity [h, w] of an irregular blob."""
    y, x = np.indices((height, width), np.float32)
    centre_x, centre_y = rng.uniform(0, 1, 2) * (width, height)
    theta = np.arctan2(y - centre_y, x - centre_x)
    radius = min(height, width) * rng.uniform(0.06, 0.16)
    outline = 1 + sum(rng.uniform(0.05, 0.25) * np.cos(k * theta + rng.uniform(0, 2 * np.pi)) for k in (2, 3, 4))
    return np.clip(0.5 - (np.hypot(x - centre_x, y - centre_y) - radius * outline), 0, 1)


def _blend(image: np.ndarray, alpha: np.ndarray, surface: np.ndarray) -> np.ndarray:
    return image + alpha[..., None] * (surface - image)


# Stuff: regions and textures.


def _stuff_regions(rng: np.random.Generator, height: int, width: int, count: int) -> np.ndarray:
    """int32 [h, w], 0..count-1: layers one below the other, with slanted and wavy borders."""
    y, x = np.indices((height, width), np.float32)
    slant, waves, phase = rng.uniform(-0.35, 0.35), rng.uniform(1.0, 3.0), rng.uniform(0, 2 * np.pi)
    level = y / height + slant * (x / width - 0.5) + 0.04 * np.sin(2 * np.pi * waves * x / width + phase)
    level = level + 0.05 * (_smooth_noise(rng, height, width, 12.0) - 0.5)
    borders = (np.arange(1, count) + rng.uniform(-0.25, 0.25, count - 1)) / count
    return np.searchsorted(borders, level).astype(np.int32)


def _colour(rng: np.random.Generator, hue: float, saturation: float, value: float) -> np.ndarray:
    """float32 [3], near the given colour."""
    hue, saturation, value = np.array([hue, saturation, value]) + rng.normal(0, (0.02, 0.06, 0.06))
    return 255 * np.array(colorsys.hsv_to_rgb(hue % 1.0, np.clip(saturation, 0, 1), np.clip(value, 0, 1)), np.float32)


def _smooth_noise(rng: np.random.Generator, height: int, width: int, scale: float, stretch: float = 1.0) -> np.ndarray:
    """float32 [h, w] in 0..1: noise with spots of `scale` pixels, `stretch` times as high as wide."""
    noise = rng.random((height, width), np.float32)
    noise = cv2.GaussianBlur(noise, (0, 0), sigmaX=scale, sigmaY=scale * stretch, borderType=cv2.BORDER_REFLECT)
    low, high = noise.min(), noise.max()
    return (noise - low) / (high - low)


def _stripes(rng: np.random.Generator, height: int, width: int, period: float) -> np.ndarray:
    """float32 [h, w] in 0..1: straight soft stripes in a random direction."""
    y, x = np.indices((height, width), np.float32)
    direction = rng.uniform(0, np.pi)
    return 0.5 + 0.5 * np.sin(2 * np.pi * (x * np.cos(direction) + y * np.sin(direction)) / period + rng.uniform(0, 6))


def _mix(strength: np.ndarray, low: np.ndarray, high: np.ndarray) -> np.ndarray:
    """[h, w] in 0..1 and two colours -> [h, w, 3]."""
    return low + strength[..., None] * (high - low)


def _sky(rng: np.random.Generator, height: int, width: int) -> np.ndarray:
    blue = _mix(
        np.linspace(0, 1, height)[:, None].repeat(width, 1), _colour(rng, 0.58, 0.55, 0.85), _colour(rng, 0.56, 0.2, 0.97)
    )
    clouds = np.clip(2.2 * _smooth_noise(rng, height, width, 9.0, 0.5) - 1.1, 0, 0.8)
    return _blend(blue, clouds, np.float32([250, 250, 250]))


def _grass(rng: np.random.Generator, height: int, width: int) -> np.ndarray:
    return _mix(_smooth_noise(rng, height, width, 0.7, 4.0), _colour(rng, 0.3, 0.7, 0.3), _colour(rng, 0.25, 0.6, 0.75))


def _sea(rng: np.random.Generator, height: int, width: int) -> np.ndarray:
    y = np.arange(height, dtype=np.float32)[:, None]
    swell = 0.5 + 0.5 * np.sin(2 * np.pi * y / rng.uniform(6, 10) + 7 * _smooth_noise(rng, height, width, 6.0))
    return _mix(swell, _colour(rng, 0.56, 0.75, 0.45), _colour(rng, 0.52, 0.5, 0.8))


def _sand(rng: np.random.Generator, height: int, width: int) -> np.ndarray:
    return _mix(_smooth_noise(rng, height, width, 0.6), _colour(rng, 0.1, 0.45, 0.6), _colour(rng, 0.11, 0.35, 0.95))


def _road(rng: np.random.Generator, height: int, width: int) -> np.ndarray:
    return _mix(_smooth_noise(rng, height, width, 1.5), _colour(rng, 0.6, 0.05, 0.25), _colour(rng, 0.6, 0.05, 0.5))


def _bricks(rng: np.random.Generator, height: int, width: int) -> np.ndarray:
    y, x = np.indices((height, width))
    brick_height = int(rng.integers(6, 10))
    row = y // brick_height
    column = (x + row % 2 * brick_height) // (2 * brick_height)
    joint = (y % brick_height == 0) | ((x + row % 2 * brick_height) % (2 * brick_height) == 0)
    shade = rng.random((row.max() + 1, column.max() + 1), np.float32)[row, column]
    return _blend(_mix(shade, _colour(rng, 0.02, 0.6, 0.45), _colour(rng, 0.04, 0.5, 0.7)), joint, _colour(rng, 0.1, 0.1, 0.75))


def _tiles(rng: np.random.Generator, height: int, width: int) -> np.ndarray:
    y, x = np.indices((height, width))
    tile = int(rng.integers(8, 14))
    joint = (y % tile == 0) | (x % tile == 0)
    return np.where(joint[..., None], _colour(rng, 0.5, 0.05, 0.55), _colour(rng, rng.random(), 0.15, 0.9))


def _wood(rng: np.random.Generator, height: int, width: int) -> np.ndarray:
    plank = np.arange(height)[:, None] // int(rng.integers(8, 13))
    shade = rng.random(plank.max() + 1, np.float32)[plank]
    grain = _smooth_noise(rng, height, width, 8.0, 0.08)
    return _mix(0.5 * shade + 0.5 * grain, _colour(rng, 0.07, 0.65, 0.35), _colour(rng, 0.09, 0.55, 0.75))


def _rug(rng: np.random.Generator, height: int, width: int) -> np.ndarray:
    y, x = np.indices((height, width))
    check = int(rng.integers(5, 10))
    hue = rng.random()
    return _mix((y // check + x // check) % 2, _colour(rng, hue, 0.6, 0.45), _colour(rng, hue + 0.1, 0.4, 0.85))


STUFF: dict[str, Callable[[np.random.Generator, int, int], np.ndarray]] = {
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
