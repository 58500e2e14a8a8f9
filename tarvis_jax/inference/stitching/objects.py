"""Masks of given objects over consecutive clips (facts of the original, section 12, "Accumulators").

Within a clip a pixel belongs to the object with the highest logit, if that is above 0. In frames that two clips share, an
object has its mask of the later clip; the earlier one stays where the later clip has none. The video's last clip gives only the
frames that no clip before it had.

Two mistakes of the original are mended: its last clip takes the ids of the clip before, and a video that fits into one clip
gets no masks at all.
"""

from collections.abc import Iterator, Sequence

import numpy as np

Masks = dict[int, np.ndarray]  # of one frame, bool [h, w] by object id; no empty ones


def masks_of_logits(ids: Sequence[int], logits: np.ndarray) -> Masks:
    """Masks of one frame from the objects' logits [n, h, w]."""
    best, is_object = logits.argmax(axis=0), logits.max(axis=0) > 0
    masks = {i: (best == index) & is_object for index, i in enumerate(ids)}
    return {i: mask for i, mask in masks.items() if mask.any()}


class ObjectStitcher:
    """Takes the clips of a video in turn and hands out the frames that no later clip can change.

    Whether a clip is the last one shows only when the video ends or goes on, so the frames of a clip are held until then.
    """

    def __init__(self) -> None:
        self._order: dict[int, None] = {}  # ids as they first had a mask
        self._held: dict[int, Masks] = {}  # frames that a later clip may still change
        self._newest: dict[int, Masks] = {}  # frames of the newest clip
        self._averaged: Sequence[int] | None = None  # its ids, if its masks take the clip before into account

    def add(self, frames: dict[int, Masks], averaged: Sequence[int] | None = None) -> None:
        """Takes a clip; the one before must have been settled.

        Args:
            frames: the masks of its frames by frame index, rising.
            averaged: the ids of the clip, if its masks are those of both clips' mean in frames that it shares with the one
                before: then they hold there, and earlier ones of these ids do not, whether or not the clip is the last one.
        """
        self._newest, self._averaged = frames, averaged

    def settle(self, next_start: int | None) -> Iterator[tuple[int, Masks]]:
        """Says where the next clip starts, None if there is none, and yields the frames before it, each once.

        Yields:
            Frame index and masks; the order of the ids is that in which they first had a mask.
        """
        for frame, masks in self._newest.items():
            earlier = self._held.get(frame, {})
            if self._averaged is not None:
                earlier = {i: mask for i, mask in earlier.items() if i not in self._averaged}
            elif frame in self._held and next_start is None:
                masks = {}  # the last clip changes nothing
            self._held[frame] = earlier | masks
            self._order.update(dict.fromkeys(self._held[frame]))
        self._newest = {}
        for frame in sorted(f for f in self._held if next_start is None or f < next_start):
            masks = self._held.pop(frame)
            yield frame, {i: masks[i] for i in self._order if i in masks}


def paint(masks: Masks, size: tuple[int, int]) -> np.ndarray:
    """One label map uint8 [h, w] of object ids 1..255, later masks over earlier ones."""
    labels = np.zeros(size, np.uint8)
    for i, mask in masks.items():
        labels[mask] = i
    return labels
