"""Writes drawn videos as DAVIS 2017: davis/{JPEGImages,Annotations}/480p/SEQUENCE/FRAME, ImageSets/2017/val.txt.

The objects are the things of a video's first frame; the others that come later have no mask, as distractors.
"""

from pathlib import Path

import numpy as np
from PIL import Image

from data import categories
from data.toy.files import save_image
from data.toy.layout import Layout, VideoSource
from data.toy.video import DrawnVideo


def write(root: Path, videos: VideoSource) -> None:
    """Writes the split "val"."""
    names = []
    for index, (_, video) in enumerate(videos):
        name = f"toy{index:03d}"
        names.append(name)
        for frame, (image, ids) in enumerate(zip(video.images, object_ids(video), strict=True)):
            save_image(root / "JPEGImages" / "480p" / name / f"{frame:05d}.jpg", image)
            _save_palette_image(root / "Annotations" / "480p" / name / f"{frame:05d}.png", ids)
    listed = root / "ImageSets" / "2017" / "val.txt"
    listed.parent.mkdir(parents=True)
    listed.write_text("".join(f"{name}\n" for name in names), encoding="utf-8")


def object_ids(video: DrawnVideo) -> np.ndarray:
    """Ids uint8 [t, h, w], from 1, of the things that are in the first frame."""
    ids = np.zeros(len(video.things) + 1, np.uint8)
    present = np.unique(video.thing_map[0])
    present = present[present > 0]
    ids[present] = np.arange(1, len(present) + 1)
    return ids[video.thing_map]


def _save_palette_image(path: Path, ids: np.ndarray) -> None:
    path.parent.mkdir(parents=True, exist_ok=True)
    image = Image.fromarray(ids)
    colours = [(0, 0, 0), *categories.load("vipseg").colours]  # any that can be told apart
    image.putpalette([channel for colour in colours for channel in colour])
    image.save(path)


LAYOUT = Layout(write, frames=18)
