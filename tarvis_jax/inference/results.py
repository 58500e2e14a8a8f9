"""What inference hands out: frames, tracks, and the raw logits of a clip for those who want them."""

import dataclasses
from collections.abc import Mapping, Sequence

import numpy as np


@dataclasses.dataclass(frozen=True)
class TrackInfo:
    """A track of a video with one of its classes.

    Attributes:
        id: track id, from 1.
        category_id: in the dataset's own annotations.
        category: its name.
        score: probability of the class, mean over the video.
        is_thing: whether it is a thing class.
    """

    id: int
    category_id: int
    category: str
    score: float
    is_thing: bool


@dataclasses.dataclass(frozen=True)
class PanopticFrame:
    """One frame of panoptic segmentation: class index int32 [h, w] and track id int32 [h, w], 0 where no track is."""

    class_map: np.ndarray
    track_map: np.ndarray


@dataclasses.dataclass(frozen=True)
class FrameResult:
    """One frame of a video.

    Attributes:
        frame_index: from 0.
        masks: bool [h, w] by object id or track id; no empty ones.
        provisional: whether the classes, and so what is a track, may still change.
        instances: for "vis", in final results: a mask or None for each of the predictor's `tracks`.
        panoptic: for "vps", in final results.
    """

    frame_index: int
    masks: Mapping[int, np.ndarray]
    provisional: bool = False
    instances: Sequence[np.ndarray | None] | None = None
    panoptic: PanopticFrame | None = None


@dataclasses.dataclass(frozen=True)
class ClipLogits:
    """What the network gives for a clip before any stitching.

    `frames` are the indices of its frames [t]; `arrays` are those that the interface lists for `--save_logits`.
    """

    frames: np.ndarray
    arrays: Mapping[str, np.ndarray]
