"""A part of the videos of a benchmark, for one of several machines: the flag --shard=I/N."""

import argparse
import dataclasses
import re
from collections.abc import Sequence
from pathlib import Path


@dataclasses.dataclass(frozen=True)
class Shard:
    """Part `index` (from 0) of `count`: every count-th video."""

    index: int
    count: int

    @classmethod
    def parse(cls, text: str) -> "Shard":
        """From I/N; anything else is a ValueError."""
        match = re.fullmatch(r"(\d+)/(\d+)", text)
        if not match or not int(match[1]) < int(match[2]):
            raise ValueError(text)
        return cls(int(match[1]), int(match[2]))

    def __str__(self) -> str:
        return f"{self.index}/{self.count}"

    def videos(self, videos: Sequence[str]) -> Sequence[str]:
        """Its part of all videos."""
        return videos[self.index :: self.count]

    def path(self, folder: Path) -> Path:
        return folder / f"shard-{self.index}-of-{self.count}.json"


def shard_argument(text: str) -> Shard:
    """`Shard.parse` as the type of a flag."""
    try:
        return Shard.parse(text)
    except ValueError:
        raise argparse.ArgumentTypeError(f"expected I/N with I from 0 to N - 1, found {text!r}") from None
