"""Shapes of things: signed distances (below 0 inside) at points u (right), v (down) of a shape with radius 1."""

from collections.abc import Callable

import numpy as np

Shape = Callable[[np.ndarray, np.ndarray], np.ndarray]


def local_coordinates(size: tuple[int, int], x: float, y: float, radius: float, angle: float) -> tuple[np.ndarray, np.ndarray]:
    """u and v, [h, w], of an image's pixels, for a shape at (x, y) of a radius in pixels, turned by an angle in radians."""
    rows, columns = np.indices(size, np.float32)
    cos, sin = np.cos(angle), np.sin(angle)
    u = ((columns - x) * cos + (rows - y) * sin) / radius
    v = ((rows - y) * cos - (columns - x) * sin) / radius
    return u, v


def _disc(u: np.ndarray, v: np.ndarray, radius: float = 1.0) -> np.ndarray:
    return np.hypot(u, v) - radius


def _box(u: np.ndarray, v: np.ndarray, half_width: float, half_height: float) -> np.ndarray:
    du, dv = np.abs(u) - half_width, np.abs(v) - half_height
    return np.hypot(np.maximum(du, 0), np.maximum(dv, 0)) + np.minimum(np.maximum(du, dv), 0)


def _union(*parts: np.ndarray) -> np.ndarray:
    return np.minimum.reduce(parts)


def _ellipse(u: np.ndarray, v: np.ndarray, half_width: float, half_height: float) -> np.ndarray:
    """Not a true distance, but with its sign and about its slope."""
    return (np.hypot(u / half_width, v / half_height) - 1) * min(half_width, half_height)


def _limb(u: np.ndarray, v: np.ndarray, start: tuple[float, float], end: tuple[float, float], radius: float) -> np.ndarray:
    """A line from one point to another, with round ends."""
    du, dv = end[0] - start[0], end[1] - start[1]
    along = np.clip(((u - start[0]) * du + (v - start[1]) * dv) / (du * du + dv * dv), 0, 1)
    return np.hypot(u - start[0] - along * du, v - start[1] - along * dv) - radius


def _polygon(u: np.ndarray, v: np.ndarray, *corners: tuple[float, float]) -> np.ndarray:
    """A convex polygon; its corners run clockwise as seen (u right, v down)."""
    sides = list(zip(corners, (*corners[1:], corners[0]), strict=True))
    beyond = [(u - u0) * (v1 - v0) - (v - v0) * (u1 - u0) for (u0, v0), (u1, v1) in sides]
    outline = _union(*(_limb(u, v, start, end, 0.0) for start, end in sides))
    return np.where(np.maximum.reduce(beyond) < 0, -outline, outline)


# Shapes of the images for training.


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


THINGS: dict[str, Shape] = {
    "person": _person,
    "car": _car,
    "airplane": _airplane,
    "umbrella": _umbrella,
    "sports ball": _disc,
    "kite": _kite,
    "bottle": _bottle,
    "donut": _donut,
}


# Shapes that the images for training never show.


def _walker(u: np.ndarray, v: np.ndarray) -> np.ndarray:
    arms = _union(_limb(u, v, (-0.1, -0.3), (-0.6, -0.7), 0.1), _limb(u, v, (0.1, -0.3), (0.6, 0.05), 0.1))
    legs = _union(_limb(u, v, (0, 0.2), (-0.4, 0.88), 0.12), _limb(u, v, (0, 0.2), (0.4, 0.88), 0.12))
    return _union(_ellipse(u, v + 0.72, 0.2, 0.26), _limb(u, v, (0, -0.25), (0, 0.2), 0.2), arms, legs)


def _van(u: np.ndarray, v: np.ndarray) -> np.ndarray:
    body = _polygon(u, v, (-0.95, -0.4), (0.45, -0.4), (0.95, 0.05), (0.95, 0.4), (-0.95, 0.4))
    return _union(body, _disc(u + 0.5, v - 0.42, 0.2), _disc(u - 0.55, v - 0.42, 0.2))


def _truck(u: np.ndarray, v: np.ndarray) -> np.ndarray:
    wheels = _union(_disc(u + 0.6, v - 0.52, 0.17), _disc(u + 0.15, v - 0.52, 0.17), _disc(u - 0.65, v - 0.52, 0.17))
    return _union(_box(u + 0.25, v + 0.1, 0.7, 0.55), _box(u - 0.65, v - 0.15, 0.25, 0.3), _box(u, v - 0.4, 0.9, 0.08), wheels)


def _bicycle(u: np.ndarray, v: np.ndarray) -> np.ndarray:
    wheels = _union(*(np.abs(np.hypot(u - centre, v - 0.3) - 0.38) - 0.07 for centre in (-0.55, 0.55)))
    frame = _union(_limb(u, v, (-0.55, 0.3), (-0.15, -0.35), 0.08), _limb(u, v, (-0.15, -0.3), (0.4, -0.3), 0.08))
    return _union(wheels, frame, _limb(u, v, (0.55, 0.3), (0.35, -0.55), 0.08), _limb(u, v, (-0.3, -0.45), (0, -0.45), 0.09))


def _fish(u: np.ndarray, v: np.ndarray) -> np.ndarray:
    tail = _polygon(u, v, (-0.95, -0.45), (-0.4, 0.0), (-0.95, 0.45))
    return _union(_ellipse(u - 0.2, v, 0.75, 0.42), tail, _polygon(u, v, (0.1, -0.7), (0.5, -0.3), (-0.1, -0.3)))


def _turtle(u: np.ndarray, v: np.ndarray) -> np.ndarray:
    shell = np.maximum(_ellipse(u, v - 0.25, 0.75, 0.7), v - 0.25)
    feet = _union(_box(u + 0.45, v - 0.4, 0.14, 0.18), _box(u - 0.4, v - 0.4, 0.14, 0.18))
    return _union(shell, _disc(u - 0.8, v - 0.05, 0.2), feet, _box(u + 0.8, v - 0.2, 0.15, 0.06))


def _bird(u: np.ndarray, v: np.ndarray) -> np.ndarray:
    wings = _union(
        _polygon(u, v, (-0.9, -0.75), (0.3, 0.0), (-0.2, 0.15)), _polygon(u, v, (-0.2, 0.0), (0.3, 0.0), (-0.6, 0.8))
    )
    return _union(_ellipse(u - 0.15, v, 0.6, 0.2), _disc(u - 0.75, v + 0.05, 0.2), wings)


def _boat(u: np.ndarray, v: np.ndarray) -> np.ndarray:
    hull = _polygon(u, v, (-0.95, 0.35), (0.95, 0.35), (0.6, 0.75), (-0.6, 0.75))
    return _union(hull, _box(u, v + 0.2, 0.06, 0.6), _polygon(u, v, (0.12, -0.85), (0.75, 0.2), (0.12, 0.2)))


HELD_OUT_THINGS: dict[str, Shape] = {
    "person": _walker,
    "car": _van,
    "truck": _truck,
    "bicycle": _bicycle,
    "fish": _fish,
    "turtle": _turtle,
    "bird": _bird,
    "boat": _boat,
}
