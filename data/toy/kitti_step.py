"""Writes drawn videos as KITTI-STEP: kitti_step/{training/image_02,panoptic_maps/val}/SEQUENCE/FRAME.png."""

from pathlib import Path

import numpy as np

from data import categories
from data.toy.files import save_ids, save_image
from data.toy.layout import Layout, VideoSource
from data.toy.video import DrawnVideo
from data.videos.kitti_step import VAL_SEQUENCES


def write(root: Path, videos: VideoSource) -> None:
    """Writes the first sequences of the split "val"."""
    for name, (_, video) in zip(VAL_SEQUENCES, videos, strict=False):
        for frame, (image, labels) in enumerate(zip(video.images, _labels(video), strict=True)):
            save_image(root / "training" / "image_02" / name / f"{frame:06d}.png", image)
            save_ids(root / "panoptic_maps" / "val" / name / f"{frame:06d}.png", labels)


def _labels(video: DrawnVideo) -> np.ndarray:
    """int32 [t, h, w] of R + 256 G + 65536 B, where R is the class and 256 G + B the instance; 0 for what is no thing."""
    known = categories.load("kitti_step")
    classes = np.array([known.names.index(name) for name in video.segments])
    numbers = np.arange(len(classes)) - len(video.stuff) + 1
    instances = np.where(np.array(known.isthing)[classes], numbers, 0)
    labels = classes + ((instances >> 8) << 8) + ((instances & 255) << 16)
    return labels[video.segment_map]


LAYOUT = Layout(
    write,
    frames=18,
    things={name: name for name in ("person", "car", "truck", "bicycle")},
    most_videos=len(VAL_SEQUENCES),
)
