"""A video of a benchmark, and the objects that are given in it."""

import dataclasses
from pathlib import Path
from typing import Any

import numpy as np


@dataclasses.dataclass(frozen=True)
class GivenObject:
    """An object as the user gives it.

    Attributes:
        object_id: its id.
        frame: index of the frame in the video.
        mask: bool [h, w] of the frame's own size, or None.
        point: (x, y) in pixels of the frame, whole numbers at pixel centres, or None.
    """

    object_id: int
    frame: int
    mask: np.ndarray | None = None
    point: tuple[float, float] | None = None


@dataclasses.dataclass(frozen=True)
class Video:
    """A video of a benchmark. Making one reads lists; `given` reads the masks.

    Attributes:
        name: as results call it.
        frames: the image files that are segmented, in order.
        reported: indices of those frames for which a result is wanted.
        size: (h, w) of the results.
        entry: the video's entry in the benchmark's own annotation file, where it has one; writers copy from it.
    """

    name: str
    frames: tuple[Path, ...]
    reported: tuple[int, ...]
    size: tuple[int, int]
    entry: Any = None

    def given(self) -> list[GivenObject]:
        """The objects that the benchmark gives; none where the task is to find them."""
        return []
