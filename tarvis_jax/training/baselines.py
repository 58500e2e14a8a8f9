"""What anyone could do without a model, given the objects' masks in a video's first frame: the bar for a trained one."""

import numpy as np

from data.toy.davis import object_ids
from data.toy.video import DrawnVideo

_LEVELS = 8  # of each channel, in the histograms of colours


def find_nothing(video: DrawnVideo) -> np.ndarray:
    """No object anywhere. J and F take an absent object that is not found for right, so even this has a score."""
    return np.zeros(video.images.shape[:3], np.uint8)


def repeat_first_mask(video: DrawnVideo) -> np.ndarray:
    """Every object stays where it is in the first frame; ids, uint8 [t, h, w]."""
    ids = object_ids(video)
    return np.broadcast_to(ids[0], ids.shape)


def match_colours(video: DrawnVideo) -> np.ndarray:
    """A pixel is of the object, or of the background, that has its colour most often in the first frame; uint8 [t, h, w].

    Colours are those of a histogram with 8 levels of red, green and blue; one that the first frame lacks is background.
    """
    first = object_ids(video)[0]
    levels = video.images.astype(int) * _LEVELS // 256
    colours = (levels[..., 0] * _LEVELS + levels[..., 1]) * _LEVELS + levels[..., 2]
    counts = np.stack([np.bincount(colours[0][first == i], minlength=_LEVELS**3) for i in range(first.max() + 1)])
    return counts.argmax(axis=0).astype(np.uint8)[colours]


BASELINES = {"nothing": find_nothing, "first mask repeated": repeat_first_mask, "first frame's colours": match_colours}
