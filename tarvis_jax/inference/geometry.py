"""The sizes of a video: as given, as resized for the network, as padded; and the ways between them."""

import dataclasses

import cv2
import numpy as np

from tarvis_jax.inference.clips import ClipSettings
from tarvis_jax.models.object_points import CELL, points_in_padded_image
from tarvis_jax.models.tarvis import SIDE

PADDING = 128  # colour value of padded pixels

Size = tuple[int, int]  # (h, w)


def resized_size(size: Size, min_side: int, max_side: int) -> Size:
    """Size whose shorter side is `min_side`, or whose longer side is `max_side` where it would be longer.

    Sides are rounded half to even. `min_side` 0 keeps the size.
    """
    if not min_side:
        return size
    scale = min_side / min(size)
    if scale * max(size) > max_side:
        scale = max_side / max(size)
    return round(scale * size[0]), round(scale * size[1])


@dataclasses.dataclass(frozen=True)
class Geometry:
    """Frames of size `given` are resized to `resized` and padded right and below to `padded`, multiples of 64."""

    given: Size
    resized: Size
    padded: Size

    @classmethod
    def of(cls, given: Size, settings: ClipSettings) -> "Geometry":
        """The sizes of a video whose frames are (h, w) = `given`."""
        resized = resized_size(given, settings.min_side, settings.max_side)
        height, width = (-(-side // SIDE) * SIDE for side in resized)
        return cls(given, resized, (height, width))

    def image(self, frame: np.ndarray) -> np.ndarray:
        """A frame uint8 [h, w, 3] as the network takes it."""
        if self.resized != self.given:
            frame = cv2.resize(frame, self.resized[::-1], interpolation=cv2.INTER_LINEAR)
        return self._pad(frame, PADDING)

    def mask(self, mask: np.ndarray) -> np.ndarray:
        """A mask bool [h, w], resized by bilinear interpolation and a threshold of 0.5."""
        if self.resized != self.given:
            resized = cv2.resize(mask.astype(np.float32), self.resized[::-1], interpolation=cv2.INTER_LINEAR)
            mask = resized > 0.5
        return self._pad(mask, False)

    def point(self, x: float, y: float) -> np.ndarray:
        """A point in pixels of the given frame, whole numbers at pixel centres, as (x, y) in 0..1 of the padded image."""
        share = np.array([(x + 0.5) / self.given[1], (y + 0.5) / self.given[0]])
        return points_in_padded_image(share, self.resized, self.padded)

    def masks_of(self, logits: np.ndarray) -> np.ndarray:
        """Masks bool [..., H, W] at the padded size of logits [..., H / 4, W / 4]."""
        return _per_map(logits, lambda x: _enlarge(x) > 0, self.padded, bool)

    def restore(self, logits: np.ndarray) -> np.ndarray:
        """Logits [..., H / 4, W / 4] of padded images at the given size: enlarged, the padding cut off, resized.

        Both steps are bilinear without antialiasing, between pixel centres. float32 [..., h, w].
        """
        height, width = self.resized

        def restore_one(x: np.ndarray) -> np.ndarray:
            inner = np.ascontiguousarray(_enlarge(x)[:height, :width])
            return cv2.resize(inner, self.given[::-1], interpolation=cv2.INTER_LINEAR) if self.given != self.resized else inner

        return _per_map(logits, restore_one, self.given, np.float32)

    def _pad(self, x: np.ndarray, value: int) -> np.ndarray:
        below, right = (padded - size for padded, size in zip(self.padded, self.resized, strict=True))
        return np.pad(x, ((0, below), (0, right), *[(0, 0)] * (x.ndim - 2)), constant_values=value)


def _enlarge(logits: np.ndarray) -> np.ndarray:
    return cv2.resize(logits, None, fx=CELL, fy=CELL, interpolation=cv2.INTER_LINEAR)


def _per_map(logits: np.ndarray, function, size: Size, dtype) -> np.ndarray:
    """`function` of every map of logits [..., h', w']: [..., *size] of a type."""
    maps = np.asarray(logits, np.float32).reshape(-1, *logits.shape[-2:])
    out = np.empty((len(maps), *size), dtype)
    for i, x in enumerate(maps):
        out[i] = function(x)
    return out.reshape(*logits.shape[:-2], *size)
