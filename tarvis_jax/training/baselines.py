"""What anyone could do without a model, given the objects' masks in a video's first frame: the bar for a trained one.

Each takes images uint8 [t, h, w, 3] and the ids in the first frame, uint8 [h, w], 0 for the background; it gives ids uint8
[t, h, w].
"""

import numpy as np

_LEVELS = 8  # of each channel, in the histograms of colours


def find_nothing(images: np.ndarray, first: np.ndarray) -> np.ndarray:
    """No object anywhere. J and F take an absent object that is not found for right, so even this has a score."""
    return np.zeros((len(images), *first.shape), np.uint8)


def repeat_first_mask(images: np.ndarray, first: np.ndarray) -> np.ndarray:
    """Every object stays where it is in the first frame."""
    return np.broadcast_to(first, (len(images), *first.shape))


def match_colours(images: np.ndarray, first: np.ndarray) -> np.ndarray:
    """A pixel is of the object, or of the background, that has its colour most often in the first frame.

    Colours are those of a histogram with 8 levels of red, green and blue; one that the first frame lacks is background.
    """
    levels = images // (256 // _LEVELS)
    colours = (levels[..., 0] * np.int32(_LEVELS) + levels[..., 1]) * _LEVELS + levels[..., 2]
    counts = np.stack([np.bincount(colours[0][first == i], minlength=_LEVELS**3) for i in range(first.max() + 1)])
    return counts.argmax(axis=0).astype(np.uint8)[colours]


BASELINES = {"nothing": find_nothing, "first mask repeated": repeat_first_mask, "first frame's colours": match_colours}
