"""DAVIS 2017: davis/{JPEGImages,Annotations}/480p/SEQUENCE/FRAME, ImageSets/2017/SPLIT.txt.

The objects are those of a sequence's first annotation, a palette PNG of ids; what appears later is not asked for.
"""

import dataclasses
from pathlib import Path

import numpy as np

from data.errors import DataError
from data.reading import read_ids
from data.videos.files import image_size, list_frames, require_folder, require_split
from data.videos.video import GivenObject, Video

BACKGROUND, VOID = 0, 255  # ids that are no objects
_RESOLUTION = "480p"


@dataclasses.dataclass(frozen=True)
class DavisVideo(Video):
    """`annotation` is the first palette PNG of the sequence."""

    annotation: Path = Path()

    def given(self, by: str = "mask") -> list[GivenObject]:
        """The objects of the first annotation, in ascending order of their ids."""
        if by != "mask":
            raise DataError("davis gives its objects by masks, not by points; use --task=vos")
        ids = read_ids(self.annotation)
        frame = next(index for index, file in enumerate(self.frames) if file.stem == self.annotation.stem)
        present = [int(i) for i in np.unique(ids) if i not in (BACKGROUND, VOID)]
        if not present:
            raise DataError(f"{self.annotation}: expected palette indices of objects (1, 2, ...), found background only")
        return [GivenObject(i, frame, mask=ids == i) for i in present]


def open_split(root: Path, split: str) -> list[Video]:
    """The sequences of ImageSets/2017/SPLIT.txt ("val", "test-dev", ...), in its order."""
    lists = root / "ImageSets" / "2017"
    require_folder(lists, "lists of sequences (val.txt, ...)")
    require_split(split, sorted(file.stem for file in lists.glob("*.txt")))
    names = list(dict.fromkeys((lists / f"{split}.txt").read_text(encoding="utf-8").split()))
    if not names:
        raise DataError(f"{lists / split}.txt: expected a sequence a line, found nothing")
    return [_open_video(root, name) for name in names]


def _open_video(root: Path, name: str) -> Video:
    frames = list_frames(root / "JPEGImages" / _RESOLUTION / name, ".jpg")
    annotation = list_frames(root / "Annotations" / _RESOLUTION / name, ".png")[0]
    if annotation.stem not in {frame.stem for frame in frames}:
        raise DataError(
            f"{frames[0].parent / annotation.stem}.jpg: no such file, but {annotation} is there; check the download"
        )
    return DavisVideo(
        name=name, frames=frames, reported=tuple(range(len(frames))), size=image_size(annotation), annotation=annotation
    )
