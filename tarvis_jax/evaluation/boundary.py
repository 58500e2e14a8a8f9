"""The boundary measure F of DAVIS (Perazzi et al., CVPR 2016; official tool: davis2017-evaluation).

A pixel set is one Python integer, a bit a pixel, rows a `stride` apart: union, intersection, count and, as shifts, the dilation
of a whole set are single operations of the big integers.
"""

import math

import numpy as np

TOLERANCE = 0.008  # of the image's diagonal

Box = tuple[int, int, int, int]  # top, left, bottom, right; the last two exclusive


def boundary_map(mask: np.ndarray) -> np.ndarray:
    """Pixels that differ from their right, lower or lower right neighbour, bool [h, w], of a bool [h, w] mask.

    The image's border is no boundary: beyond it the mask goes on as in its last row and column.
    """
    result = np.zeros_like(mask)
    result[:, :-1] = mask[:, 1:] != mask[:, :-1]
    result[:-1] |= mask[1:] != mask[:-1]
    result[:-1, :-1] |= mask[1:, 1:] != mask[:-1, :-1]
    return result


def tolerance_radius(height: int, width: int, tolerance: float = TOLERANCE) -> int:
    """Pixels by which boundaries may be apart: the tolerance times the diagonal, rounded up; from 1 on, itself."""
    return int(tolerance if tolerance >= 1 else math.ceil(tolerance * math.hypot(height, width)))


def boundary_f(gt: np.ndarray, pred: np.ndarray, void: np.ndarray | None = None, tolerance: float = TOLERANCE) -> np.ndarray:
    """F = 2PR / (P + R) of a mask's boundary, in 0..1.

    P is the share of predicted boundary pixels that have a ground-truth one within the tolerance, R the reverse. Two empty
    boundaries give 1, one empty boundary 0.

    Args:
        gt, pred: bool [..., h, w].
        void: bool [..., h, w]; both masks are emptied there before their boundaries are taken.
        tolerance: share of the image's diagonal (rounded up to pixels), or pixels if it is 1 or more.

    Returns:
        float64 [...].

    >>> gt = np.zeros((50, 50), bool)
    >>> gt[10:30, 10:30] = True
    >>> float(boundary_f(gt, gt)), float(boundary_f(gt, np.roll(gt, 5))), float(boundary_f(gt, gt & False))
    (1.0, 0.45, 0.0)
    """
    _check_shapes(gt, pred, void)
    gt, pred = np.asarray(gt, bool), np.asarray(pred, bool)
    if void is not None:
        gt, pred = gt & ~np.asarray(void, bool), pred & ~np.asarray(void, bool)
    radius = tolerance_radius(*gt.shape[-2:], tolerance)
    values = [cropped_f(*pair, radius) for pair in zip(_frames(gt), _frames(pred), strict=True)]
    return np.array(values).reshape(gt.shape[:-2])


def cropped_f(gt: np.ndarray, pred: np.ndarray, radius: int) -> float:
    """`boundary_f` of two masks bool [h, w], of which only the part with pixels is looked at."""
    box = mask_box(gt | pred)
    if box is None:
        return 1.0
    window = box_window(box, gt.shape)
    return matched_f(*(Boundary(mask[window], radius) for mask in (gt, pred)))


class Boundary:
    """The boundary of a mask bool [h, w], and all pixels within a radius of it.

    `pixels` and `near` are pixel sets that can be compared with those of masks of the same shape and radius.
    """

    def __init__(self, mask: np.ndarray, radius: int) -> None:
        height, width = mask.shape
        stride = width + radius  # a pixel that is shifted by up to the radius cannot reach another row
        rows = np.zeros((height, stride), bool)
        rows[:, :width] = boundary_map(mask)
        self.pixels = int.from_bytes(np.packbits(rows, bitorder="little").tobytes(), "little")
        self.count = self.pixels.bit_count()
        self.near = _dilated(self.pixels, radius, stride)


def matched_f(gt: Boundary, pred: Boundary) -> float:
    """F of two boundaries of masks of one shape."""
    if not gt.count or not pred.count:
        return float(gt.count == pred.count)
    precision = (pred.pixels & gt.near).bit_count() / pred.count
    recall = (gt.pixels & pred.near).bit_count() / gt.count
    return 2 * precision * recall / (precision + recall) if precision + recall else 0.0


def _dilated(pixels: int, radius: int, stride: int) -> int:
    """All pixels at most `radius` away (a disk): the rows of the disk, from its top, of growing width."""
    wide, reach, result = pixels, 0, 0
    for rows in range(radius, -1, -1):
        half_width = math.isqrt(radius**2 - rows**2)
        while reach < half_width:
            step = min(half_width - reach, 2 * reach + 1)  # leaves no gap
            wide |= wide << step | wide >> step
            reach += step
        result |= wide << rows * stride | wide >> rows * stride
    return result


def mask_box(mask: np.ndarray) -> Box | None:
    """The tight box of the set pixels of a mask [h, w], None if there are none."""
    rows, columns = np.flatnonzero(mask.any(axis=1)), np.flatnonzero(mask.any(axis=0))
    return (int(rows[0]), int(columns[0]), int(rows[-1]) + 1, int(columns[-1]) + 1) if len(rows) else None


def box_window(box: Box, shape: tuple[int, int]) -> tuple[slice, slice]:
    """The part of an image that holds all boundary pixels of masks that lie in the box, and the neighbours that make them."""
    top, left, bottom, right = box
    return slice(max(top - 1, 0), min(bottom + 1, shape[0])), slice(max(left - 1, 0), min(right + 1, shape[1]))


def _frames(masks: np.ndarray) -> np.ndarray:
    return masks.reshape(-1, *masks.shape[-2:])


def _check_shapes(*masks: np.ndarray | None) -> None:
    shapes = {np.shape(mask) for mask in masks if mask is not None}
    if len(shapes) > 1 or len(next(iter(shapes))) < 2:
        raise ValueError(f"expected masks of one shape [..., h, w], found {sorted(shapes)}")
