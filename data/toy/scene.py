"""Drawn images with exact labels: things of several shapes in front of textured stuff; neighbours may be of the same class."""

import dataclasses
from collections.abc import Iterator

import numpy as np

from data.toy.look import (
    IMAGES,
    MIN_VISIBLE,
    ColourPair,
    Look,
    add_blobs,
    as_photo,
    cover_thing,
    draw_pairs,
    draw_stuff,
    paint_thing,
)
from data.toy.shapes import local_coordinates


@dataclasses.dataclass(frozen=True)
class Scene:
    """image: uint8 [h, w, 3], RGB. segment_map: int32 [h, w], position in `names`, the category names of the segments."""

    image: np.ndarray
    segment_map: np.ndarray
    names: tuple[str, ...]


def draw_scene(rng: np.random.Generator, height: int, width: int, look: Look = IMAGES) -> Scene:
    """A scene of 2 to 4 stuff regions and 2 to 6 things."""
    names = [str(name) for name in rng.permutation(list(look.stuff))[: rng.integers(2, 5)]]
    image, segment_map = draw_stuff(rng, height, width, names, look)
    pairs = draw_pairs(rng)
    image = add_blobs(rng, image, pairs, look)
    for thing in _place_things(rng, height, width, look):
        image, segment_map = _add_thing(rng, image, segment_map, thing, pairs, names, look)
    image = as_photo(rng, image)
    present, segment_map = np.unique(segment_map, return_inverse=True)
    return Scene(
        image=image,
        segment_map=segment_map.reshape(height, width).astype(np.int32),
        names=tuple(names[index] for index in present),
    )


@dataclasses.dataclass(frozen=True)
class _Thing:
    """Where a thing is drawn: centre and radius in pixels, angle in radians."""

    name: str
    x: float
    y: float
    radius: float
    angle: float


def _place_things(rng: np.random.Generator, height: int, width: int, look: Look) -> list[_Thing]:
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
            name, radius = str(rng.choice(list(look.things))), side * rng.uniform(0.09, 0.3)
        things.append(_Thing(name, float(np.clip(x, 0, width)), float(np.clip(y, 0, height)), radius, angle))
    return sorted(things, key=lambda thing: thing.y + 0.5 * thing.radius)


def _add_thing(
    rng: np.random.Generator,
    image: np.ndarray,
    segment_map: np.ndarray,
    thing: _Thing,
    pairs: Iterator[ColourPair],
    names: list[str],
    look: Look,
) -> tuple[np.ndarray, np.ndarray]:
    """Image and map with one more thing, unless it would hide another one or be hardly visible itself."""
    u, v = local_coordinates(segment_map.shape, thing.x, thing.y, thing.radius, thing.angle)
    distance = look.things[thing.name](u, v) * thing.radius
    painted = np.where(distance < 0, len(names), segment_map)
    visible = np.bincount(painted.ravel(), minlength=len(names) + 1)
    visible_before = np.bincount(segment_map.ravel(), minlength=len(names) + 1)
    hides = (visible[:-1] < MIN_VISIBLE) & (visible_before[:-1] >= MIN_VISIBLE)
    if visible[-1] < MIN_VISIBLE or hides.any():
        return image, segment_map
    surface = cover_thing(rng, *segment_map.shape, thing.name, pairs, look)
    names.append(thing.name)
    return paint_thing(image, distance, v, surface, thing.radius), painted
