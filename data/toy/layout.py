"""What a drawn video dataset is: how long its videos are, what its classes are called, how it is written."""

import dataclasses
from collections.abc import Callable, Iterator
from pathlib import Path

import numpy as np

from data.toy.look import HELD_OUT, Look
from data.toy.video import DrawnVideo, draw_video

VideoSource = Iterator[tuple[np.random.Generator, DrawnVideo]]  # with a generator for further draws


@dataclasses.dataclass(frozen=True)
class Layout:
    """A dataset.

    Attributes:
        write: writes the validation split under a folder that is there.
        frames: of a video.
        things: name of the class by the shape of the thing, for the shapes that may be drawn; the same for `stuff`.
        most_videos: how many videos the split can have.
    """

    write: Callable[[Path, VideoSource], None]
    frames: int
    things: dict[str, str] = dataclasses.field(default_factory=lambda: {name: name for name in HELD_OUT.things})
    stuff: dict[str, str] = dataclasses.field(default_factory=lambda: {name: name for name in HELD_OUT.stuff})
    most_videos: int = 999  # three digits

    def draw(self, seeds: Iterator[list[int]], height: int, width: int) -> VideoSource:
        """The videos of these seeds, one after the other, with the dataset's names."""
        for seed in seeds:
            rng = np.random.default_rng(seed)
            video = draw_video(rng, self.frames, height, width, self._look)
            things = tuple(self.things[name] for name in video.things)
            yield rng, dataclasses.replace(video, things=things, stuff=tuple(self.stuff[name] for name in video.stuff))

    @property
    def _look(self) -> Look:
        things = {name: shape for name, shape in HELD_OUT.things.items() if name in self.things}
        stuff = {name: texture for name, texture in HELD_OUT.stuff.items() if name in self.stuff}
        return dataclasses.replace(HELD_OUT, things=things, stuff=stuff)
