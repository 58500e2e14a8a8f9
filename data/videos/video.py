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
        entry: what the benchmark's own files say of the video and its results repeat; each reader says what it is.
    """

    name: str
    frames: tuple[Path, ...]
    reported: tuple[int, ...]
    size: tuple[int, int]
    entry: Any = None

    def given(self, by: str = "mask") -> list[GivenObject]:
        """The objects that the benchmark gives, by "mask" or "point"; none where the task is to find them.

        Raises:
            DataError: the file of the objects is broken, or the benchmark does not give them in this way.
        """
        return []
