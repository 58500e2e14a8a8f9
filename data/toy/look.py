"""What a drawing may show, and what images and videos of things have in common.

A colour alone tells little: few colours are shared by all things and by unlabelled blobs that belong to the stuff behind, but
each is covered with two of them, and no two with the same two. Where classes are to be learnt, a thing's class shows in its
shape and in one of its two colours. Images are float32 [h, w, 3] in 0..255 while they are drawn.
"""

import dataclasses
import itertools
from collections.abc import Iterator, Mapping, Sequence

import numpy as np

from data.toy.shapes import HELD_OUT_THINGS, THINGS, Shape
from data.toy.textures import HELD_OUT_PATTERNS, HELD_OUT_STUFF, PATTERNS, STUFF, Texture, blend, colour_near, smooth_noise

_COLOURS = 5  # of things and blobs, so that there are pairs for nine of them
_CLASS_COLOURS = {
    "person": (250, 250, 250),
    "car": (20, 20, 20),
    "airplane": (220, 40, 40),
    "umbrella": (250, 220, 40),
    "sports ball": (40, 180, 60),
    "kite": (40, 80, 220),
    "bottle": (40, 210, 220),
    "donut": (220, 60, 200),
}
MIN_VISIBLE = 6  # pixels; a thing of which less can be seen is not drawn


Colour = tuple[int, int, int]  # red, green, blue


@dataclasses.dataclass(frozen=True)
class Look:
    """What may be drawn.

    Attributes:
        things: shapes by name.
        colours: the first of the two of a thing, (r, g, b) by name; that of others is one of those which all share.
        patterns: of the two colours on things.
        stuff: textures by name.
        light: how much it changes in a video, 0..1.
    """

    things: Mapping[str, Shape]
    colours: Mapping[str, Colour]
    patterns: Sequence[Texture]
    stuff: Mapping[str, Texture]
    light: float


IMAGES = Look(THINGS, _CLASS_COLOURS, PATTERNS, STUFF, 0.0)
HELD_OUT = Look(HELD_OUT_THINGS, {}, HELD_OUT_PATTERNS, HELD_OUT_STUFF, 0.5)  # nothing of it is in the images for training


ColourPair = tuple[np.ndarray, np.ndarray]


def draw_pairs(rng: np.random.Generator) -> Iterator[ColourPair]:
    """All pairs of few colours, float32 [3] each, in random order: one for every thing and blob of a drawing, nine at most."""
    hue = rng.random()
    colours = [colour_near(rng, hue + part, 0.65, 0.85) for part in np.arange(_COLOURS) / _COLOURS]
    pairs = list(itertools.combinations(colours, 2))
    return (pairs[index] for index in rng.permutation(len(pairs)))


def draw_surface(rng: np.random.Generator, height: int, width: int, pair: ColourPair, look: Look) -> np.ndarray:
    """A pattern of two colours, [h, w, 3]."""
    strength = look.patterns[rng.integers(len(look.patterns))](rng, height, width)
    return blend(np.broadcast_to(pair[0], (height, width, 3)), strength, pair[1])


def cover_thing(
    rng: np.random.Generator, height: int, width: int, name: str, pairs: Iterator[ColourPair], look: Look
) -> np.ndarray:
    """What a thing is covered with, [h, w, 3]."""
    first, second = next(pairs)
    if name in look.colours:
        first = np.clip(np.float32(look.colours[name]) + rng.normal(0, 12, 3), 0, 255)
    return draw_surface(rng, height, width, (first, second), look)


def paint_thing(image: np.ndarray, distance: np.ndarray, v: np.ndarray, surface: np.ndarray, radius: float) -> np.ndarray:
    """The image [h, w, 3] with a thing, which is darker at its outline.

    Args:
        distance: to its outline in pixels, below 0 inside, [h, w].
        v: how far down the shape a pixel is, [h, w].
        surface: [h, w, 3].
        radius: of the shape, in pixels.
    """
    rim = np.clip(1.1 + distance / max(0.12 * radius, 2.0), 0, 1)  # strongest at the outline
    shaded = blend(surface, 0.9 * rim, 0.5 * surface) * (1.08 - 0.16 * np.clip(v, -1, 1))[..., None]
    return blend(image, np.clip(0.5 - distance, 0, 1), shaded)


def add_blobs(rng: np.random.Generator, image: np.ndarray, pairs: Iterator[ColourPair], look: Look) -> np.ndarray:
    """The image with 1 to 3 irregular blobs, which have no label."""
    height, width = image.shape[:2]
    for _ in range(rng.integers(1, 4)):
        image = blend(image, _blob_alpha(rng, height, width), draw_surface(rng, height, width, next(pairs), look))
    return image


def _blob_alpha(rng: np.random.Generator, height: int, width: int) -> np.ndarray:
    """Opacity [h, w] of an irregular blob."""
    y, x = np.indices((height, width), np.float32)
    centre_x, centre_y = rng.uniform(0, 1, 2) * (width, height)
    theta = np.arctan2(y - centre_y, x - centre_x)
    radius = min(height, width) * rng.uniform(0.06, 0.16)
    outline = 1 + sum(rng.uniform(0.05, 0.25) * np.cos(k * theta + rng.uniform(0, 2 * np.pi)) for k in (2, 3, 4))
    return np.clip(0.5 - (np.hypot(x - centre_x, y - centre_y) - radius * outline), 0, 1)


def draw_stuff(
    rng: np.random.Generator, height: int, width: int, names: Sequence[str], look: Look
) -> tuple[np.ndarray, np.ndarray]:
    """Image [h, w, 3] and map int32 [h, w], position in `names`, of stuff in layers one below the other."""
    stuff_map = _stuff_regions(rng, height, width, len(names))
    image = np.zeros((height, width, 3), np.float32)
    for index, name in enumerate(names):
        image = np.where((stuff_map == index)[..., None], look.stuff[name](rng, height, width), image)
    return image, stuff_map


def _stuff_regions(rng: np.random.Generator, height: int, width: int, count: int) -> np.ndarray:
    """int32 [h, w], 0..count-1: layers with slanted and wavy borders."""
    y, x = np.indices((height, width), np.float32)
    slant, waves, phase = rng.uniform(-0.35, 0.35), rng.uniform(1.0, 3.0), rng.uniform(0, 2 * np.pi)
    level = y / height + slant * (x / width - 0.5) + 0.04 * np.sin(2 * np.pi * waves * x / width + phase)
    level = level + 0.05 * (smooth_noise(rng, height, width, 12.0) - 0.5)
    borders = (np.arange(1, count) + rng.uniform(-0.25, 0.25, count - 1)) / count
    return np.searchsorted(borders, level).astype(np.int32)


def as_photo(rng: np.random.Generator, image: np.ndarray) -> np.ndarray:
    """uint8, with a camera's noise."""
    return np.clip(image + rng.normal(0, 2.5, image.shape), 0, 255).astype(np.uint8)
