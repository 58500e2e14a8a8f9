"""Colours of ids: those of the PASCAL VOC and DAVIS palettes, the same for an id in every picture."""

import numpy as np

_BITS = 8


def id_colours(count: int = 256) -> np.ndarray:
    """RGB colours uint8 [count, 3] of the ids 0..count-1.

    The bits of an id are dealt to the channels in turn, its lowest three bits to the highest bits of red, green and blue; so
    neighbouring ids differ most. Ids that are equal modulo 2^24 share a colour.
    """
    ids = np.arange(count)
    colours = np.zeros((count, 3), np.int64)
    for level in range(_BITS):
        for channel in range(3):
            colours[:, channel] |= ((ids >> (3 * level + channel)) & 1) << (_BITS - 1 - level)
    return colours.astype(np.uint8)
