"""IoU of tracks of masks over a video: the overlap that track mAP (YouTube-VIS, OVIS, BURST) is built on.

Masks are compressed COCO RLEs, {"size": [h, w], "counts": string}, that have been checked (`data.rle.measure`): pycocotools
itself hangs or reads beyond the end of broken ones. Nothing is decoded.
"""

import dataclasses
import itertools
from collections.abc import Iterator, Mapping, Sequence
from typing import Any

import numpy as np
from pycocotools import mask as coco_mask

Rle = Mapping[str, Any]
Track = Mapping[int, Rle]  # frame -> mask; a frame in which the object is absent has none, or an empty mask

_AREA_CHUNK = 255  # pycocotools 2.0.11 with numpy 2 raises OverflowError beyond
_BLOCK = 128  # masks of both sides that are compared at a time


@dataclasses.dataclass(frozen=True)
class TrackMasks:
    """n masks of tracks, of which those in the same group are compared.

    counts: compressed counts.
    group: int [n], ascending, from 0 on: the frame, or a number for frame and class.
    track: int [n], index of the track that has the mask.
    area: int [n], pixels.
    num_tracks: number of tracks; some may have no mask.
    """

    counts: list[str | bytes]
    group: np.ndarray
    track: np.ndarray
    area: np.ndarray
    num_tracks: int

    def areas(self) -> np.ndarray:
        """Pixels of each track in all frames, float64 [num_tracks]."""
        return np.bincount(self.track, self.area, minlength=self.num_tracks)

    def rles(self, chosen: slice, height: int, width: int) -> list[Rle]:
        """Some of the masks as RLEs that state another width in each group.

        pycocotools does not compare masks of different sizes, so one call compares those of many groups. Nothing else depends
        on the width, as runs go down the columns.
        """
        masks = zip(self.counts[chosen], (self.group[chosen] + width).tolist(), strict=True)
        return [{"size": [height, own_width], "counts": counts} for counts, own_width in masks]


def mask_areas(rles: Sequence[Rle]) -> np.ndarray:
    """Pixels of each of n masks, int64 [n]."""
    chunks = [coco_mask.area(rles[start : start + _AREA_CHUNK]) for start in range(0, len(rles), _AREA_CHUNK)]
    return np.concatenate([np.empty(0, np.int64), *chunks], dtype=np.int64)


def track_ious(pred_tracks: Sequence[Track], gt_tracks: Sequence[Track]) -> np.ndarray:
    """IoU of each of p predicted tracks with each of g ground-truth tracks of one video, float64 [p, g].

    The IoU of two tracks is the sum over all frames of the pixels in both, divided by the sum over all frames of the pixels in
    either (Yang et al., Video Instance Segmentation, ICCV 2019); frames with only one of the two count in the second sum. It is
    0 for two tracks without a pixel.

    >>> full, empty = {"size": [2, 2], "counts": "04"}, {"size": [2, 2], "counts": "4"}
    >>> track_ious([{0: full, 1: full}], [{0: full}, {0: empty, 1: full, 2: full}, {}]).round(3).tolist()
    [[0.5, 0.333, 0.0]]
    """
    size = next((rle["size"] for track in (*pred_tracks, *gt_tracks) for rle in track.values()), (0, 0))
    return grouped_ious(_by_frame(pred_tracks), _by_frame(gt_tracks), *size)


def _by_frame(tracks: Sequence[Track]) -> TrackMasks:
    rows = [(frame, index, rle) for index, track in enumerate(tracks) for frame, rle in track.items()]
    rows.sort(key=lambda row: row[0])
    frame, index = (np.array([row[column] for row in rows], int) for column in (0, 1))
    return TrackMasks([rle["counts"] for _, _, rle in rows], frame, index, mask_areas([rle for _, _, rle in rows]), len(tracks))


def grouped_ious(pred: TrackMasks, gt: TrackMasks, height: int, width: int) -> np.ndarray:
    """What `track_ious` returns, where only masks [height, width] of the same group share pixels."""
    intersections = np.zeros(pred.num_tracks * gt.num_tracks)
    for p, g, pixels in _intersections(pred, gt, height, width):
        intersections += np.bincount(pred.track[p] * gt.num_tracks + gt.track[g], pixels, minlength=len(intersections))
    intersections = intersections.reshape(pred.num_tracks, gt.num_tracks)
    unions = pred.areas()[:, None] + gt.areas() - intersections
    return np.divide(intersections, unions, out=np.zeros_like(intersections), where=unions > 0)


def _intersections(
    pred: TrackMasks, gt: TrackMasks, height: int, width: int
) -> Iterator[tuple[np.ndarray, np.ndarray, np.ndarray]]:
    """Masks of both sides that overlap, and the pixels that they share, block by block."""
    for of_pred, of_gt in _blocks(pred.group, gt.group):
        pred_rles, gt_rles = pred.rles(of_pred, height, width), gt.rles(of_gt, height, width)
        shares = coco_mask.iou(pred_rles, gt_rles, [1] * len(gt_rles))  # of a "crowd": intersection / area of the prediction
        p, g = np.nonzero(shares > 0)
        yield p + of_pred.start, g + of_gt.start, np.rint(shares[p, g] * pred.area[of_pred][p])


def _blocks(pred_group: np.ndarray, gt_group: np.ndarray) -> Iterator[tuple[slice, slice]]:
    """Slices of both sides with the same groups, of `_BLOCK` masks or few more; groups that one side lacks may be left out."""
    every = np.sort(np.concatenate([pred_group, gt_group]))
    edges = np.unique(every[::_BLOCK])
    stops = [np.append(group.searchsorted(edges), len(group)).tolist() for group in (pred_group, gt_group)]
    for (p, p_stop), (g, g_stop) in zip(*map(itertools.pairwise, stops), strict=True):
        if p < p_stop and g < g_stop:
            yield slice(p, p_stop), slice(g, g_stop)
