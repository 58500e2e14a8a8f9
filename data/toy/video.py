"""Drawn videos with exact labels: things that move, turn, grow, pass before each other, enter late, leave and return.

The camera pans over the stuff behind, and the light changes. Some things go beside another one of their class; blobs without a
label share the colours and patterns of the things.
"""

import dataclasses
from collections.abc import Iterator, Sequence

import cv2
import numpy as np
from scipy.interpolate import PchipInterpolator

from data.toy.look import (
    HELD_OUT,
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

_PATCH = 96  # pixels; side of the surface that a thing carries with it
_PATCH_SCALE = 0.4  # of it, per radius: the patch reaches a little beyond the shape


@dataclasses.dataclass(frozen=True)
class DrawnVideo:
    """A video of t frames with n things.

    Attributes:
        images: uint8 [t, h, w, 3], RGB.
        thing_map: int32 [t, h, w]: 1 + the thing in front, 0 where there is only stuff.
        stuff_map: int32 [t, h, w]: the stuff, also behind things; position in `stuff`.
        things: names of the things.
        stuff: names of the stuff.
    """

    images: np.ndarray
    thing_map: np.ndarray
    stuff_map: np.ndarray
    things: tuple[str, ...]
    stuff: tuple[str, ...]

    @property
    def segment_map(self) -> np.ndarray:
        """int32 [t, h, w]: the segment of each pixel, position in `segments`."""
        return np.where(self.thing_map > 0, len(self.stuff) - 1 + self.thing_map, self.stuff_map)

    @property
    def segments(self) -> tuple[str, ...]:
        """Names of all segments: the stuff, then the things."""
        return self.stuff + self.things


def draw_video(rng: np.random.Generator, frames: int, height: int, width: int, look: Look = HELD_OUT) -> DrawnVideo:
    """A video of 3 to 6 things before 2 to 4 kinds of stuff. At least one thing is to be seen in the first frame."""
    names = list(look.stuff)
    names = [names[index] for index in sorted(rng.permutation(len(names))[: rng.integers(2, 5)])]
    pairs = draw_pairs(rng)
    background, stuff_map = _pan(rng, frames, height, width, names, pairs, look)
    actors = _cast(rng, frames, height, width, pairs, look)
    light = _light(rng, frames, look.light)
    images, thing_map = np.empty_like(background, dtype=np.uint8), np.empty_like(stuff_map)
    for frame in range(frames):
        image, thing_map[frame] = _paint_frame(background[frame], actors, frame, look)
        images[frame] = as_photo(rng, image * light[frame])
    return DrawnVideo(images, thing_map, stuff_map, tuple(actor.name for actor in actors), tuple(names))


def _pan(
    rng: np.random.Generator,
    frames: int,
    height: int,
    width: int,
    names: Sequence[str],
    pairs: Iterator[ColourPair],
    look: Look,
) -> tuple[np.ndarray, np.ndarray]:
    """Images [t, h, w, 3] and stuff maps [t, h, w] of windows that move over a larger view, by whole pixels."""
    margin = min(height, width) // 3
    view, view_map = draw_stuff(rng, height + margin, width + margin, names, look)
    view = add_blobs(rng, view, pairs, look)
    corners = np.round(_glide(rng.uniform(0, margin, (3, 2)), np.linspace(0, 1, 3), frames)).astype(int)
    windows = [(slice(y, y + height), slice(x, x + width)) for y, x in corners]
    return np.stack([view[window] for window in windows]), np.stack([view_map[window] for window in windows])


def _light(rng: np.random.Generator, frames: int, change: float) -> np.ndarray:
    """Factors [t, 3] of red, green and blue: brightness and tint of three moments, and what lies between them."""
    brightness, tint = rng.uniform(-1, 0.5, (3, 1)), rng.uniform(-0.25, 0.25, (3, 3))
    moments = (1 + change * brightness) * (1 + change * tint)
    return _glide(moments, np.linspace(0, 1, 3), frames)


def _glide(points: np.ndarray, times: Sequence[float], frames: int) -> np.ndarray:
    """Values [t, ...] that pass smoothly from point to point, [p, ...] at times 0..1, without shooting beyond any."""
    return PchipInterpolator(times, points)(np.linspace(0, 1, frames))


@dataclasses.dataclass(frozen=True)
class _Actor:
    """A thing with its surface [s, s, 3] and its course: centre (x, y) [t, 2] and radius [t] in pixels, angle [t]."""

    name: str
    surface: np.ndarray
    centre: np.ndarray
    radius: np.ndarray
    angle: np.ndarray


def _cast(
    rng: np.random.Generator, frames: int, height: int, width: int, pairs: Iterator[ColourPair], look: Look
) -> list[_Actor]:
    """3 to 6 things from the back to the front; one enters late, one leaves and returns, and the one in front stays."""
    plans = [_enter, _return, *(_stay for _ in range(rng.integers(0, 4)))]
    plans = [plans[index] for index in rng.permutation(len(plans))] + [_stay]
    actors: list[_Actor] = []
    for index, plan in enumerate(plans):
        beside = actors[rng.integers(index)] if plan is _stay and 0 < index < len(plans) - 1 and rng.random() < 0.6 else None
        name = beside.name if beside else str(rng.choice(list(look.things)))
        radius = min(height, width) * rng.uniform(0.14, 0.26) * _glide(rng.uniform(0.75, 1.25, 3), np.linspace(0, 1, 3), frames)
        angle = _glide(rng.normal(0, 0.5, 3), np.linspace(0, 1, 3), frames)
        surface = cover_thing(rng, _PATCH, _PATCH, name, pairs, look).astype(np.float32)
        if beside:
            direction = rng.uniform(0, 2 * np.pi)
            step = rng.uniform(1.2, 1.8) * np.array([np.cos(direction), np.sin(direction)])
            centre = beside.centre + beside.radius[:, None] * step
        else:
            centre = _glide(*plan(rng, np.array([width, height]), radius.max()), frames)
        actors.append(_Actor(name, surface, centre, radius, angle))
    return actors


# Courses: points (x, y) [p, 2] and the times 0..1 at which a thing passes them.


def _stay(rng: np.random.Generator, size: np.ndarray, radius: float) -> tuple[np.ndarray, list[float]]:
    """Within the view."""
    steps = np.vstack([rng.uniform(0.2, 0.8, 2), rng.uniform(-0.3, 0.3, (3, 2))])
    return np.clip(np.cumsum(steps, axis=0), 0.1, 0.9) * size, [0, 1 / 3, 2 / 3, 1]


def _enter(rng: np.random.Generator, size: np.ndarray, radius: float) -> tuple[np.ndarray, list[float]]:
    """From beyond the left or right border into the view."""
    outside, inside = _by_a_side(rng, size, radius)
    return np.stack([outside, outside, inside, rng.uniform(0.3, 0.7, 2) * size]), [0, rng.uniform(0.15, 0.4), 0.65, 1]


def _return(rng: np.random.Generator, size: np.ndarray, radius: float) -> tuple[np.ndarray, list[float]]:
    """Out of the view and back."""
    outside, inside = _by_a_side(rng, size, radius)
    there = inside + rng.uniform(-0.15, 0.15, 2) * size
    return np.stack([inside, inside, outside, outside, there]), [0, 0.15, 0.45, 0.6, 1]


def _by_a_side(rng: np.random.Generator, size: np.ndarray, radius: float) -> tuple[np.ndarray, np.ndarray]:
    """A point beyond the left or the right border, from which nothing of a thing is to be seen, and one inside near it."""
    width, height = size
    y, depth = rng.uniform(0.2, 0.8) * height, rng.uniform(0.15, 0.35) * width
    outside, inside = -1.3 * radius, depth
    if rng.random() < 0.5:
        outside, inside = width - outside, width - inside
    return np.array([outside, y]), np.array([inside, y])


def _paint_frame(image: np.ndarray, actors: Sequence[_Actor], frame: int, look: Look) -> tuple[np.ndarray, np.ndarray]:
    """The image [h, w, 3] with the things, and the map [h, w] of the one in front."""
    coordinates = [
        local_coordinates(image.shape[:2], *actor.centre[frame], actor.radius[frame], actor.angle[frame]) for actor in actors
    ]
    distances = [look.things[actor.name](u, v) * actor.radius[frame] for actor, (u, v) in zip(actors, coordinates, strict=True)]
    visible = np.bincount(_front(distances, range(len(actors))).ravel(), minlength=len(actors) + 1)[1:]
    shown = np.flatnonzero(visible >= MIN_VISIBLE)
    for index in shown:
        actor, (u, v) = actors[index], coordinates[index]
        places = [((_PATCH_SCALE * axis + 0.5) * (_PATCH - 1)).astype(np.float32) for axis in (u, v)]
        surface = cv2.remap(actor.surface, *places, cv2.INTER_LINEAR, borderMode=cv2.BORDER_REFLECT)
        image = paint_thing(image, distances[index], v, surface, actor.radius[frame])
    return image, _front(distances, shown)


def _front(distances: Sequence[np.ndarray], shown: Sequence[int]) -> np.ndarray:
    """1 + the last of the shown things that covers a pixel, 0 for none."""
    front = np.zeros(distances[0].shape, np.int32)
    for index in shown:
        front[distances[index] < 0] = index + 1
    return front
