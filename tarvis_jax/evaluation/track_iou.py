"""IoU of tracks of masks over a video: the overlap that track mAP (YouTube-VIS, OVIS, BURST) is built on.

Masks are compressed COCO RLEs, {"size": [h, w], "counts": string}.
"""

import dataclasses
import itertools
from collections.abc import Iterator, Mapping, Sequence
from typing import Any

import numpy as np
from pycocotools import mask as coco_mask

from data.rle import Shapes, measure
from tarvis_jax.evaluation.hota import pair_up

Rle = Mapping[str, Any]
Track = Mapping[int, Rle]  # frame -> mask; a frame in which the object is absent has none, or an empty mask

_AREA_CHUNK = 255  # pycocotools 2.0.11 with numpy 2 raises OverflowError beyond
_BLOCK = 2000  # masks of both sides that are compared at a time; all pairs of 300 masks in a frame are 90,000


@dataclasses.dataclass(frozen=True)
class TrackMasks:
    """n masks of tracks, sorted by group; those in the same group are compared.

    group: int [n], from 0 on: the frame, or a number for frame and class.
    track: int [n], index of the track that has the mask.
    row: int [n], which of some `Shapes` it is.
    num_tracks: number of tracks; some may have no mask.
    """

    group: np.ndarray
    track: np.ndarray
    row: np.ndarray
    num_tracks: int

    @classmethod
    def sort(cls, group: np.ndarray, track: np.ndarray, row: np.ndarray, num_tracks: int) -> "TrackMasks":
        """Of masks in any order."""
        order = group.argsort(kind="stable")
        return cls(group[order], track[order], row[order], num_tracks)


def mask_areas(rles: Sequence[Rle]) -> np.ndarray:
    """Pixels of each of n masks, int64 [n]; the masks must be whole (`data.rle.measure`), of any sizes."""
    chunks = [coco_mask.area(rles[start : start + _AREA_CHUNK]) for start in range(0, len(rles), _AREA_CHUNK)]
    return np.concatenate([np.empty(0, np.int64), *chunks], dtype=np.int64)


def track_ious(pred_tracks: Sequence[Track], gt_tracks: Sequence[Track]) -> np.ndarray:
    """IoU of each of p predicted tracks with each of g ground-truth tracks of one video, float64 [p, g].

    The IoU of two tracks is the sum over all frames of the pixels in both, divided by the sum over all frames of the pixels in
    either (Yang et al., Video Instance Segmentation, ICCV 2019); frames with only one of the two count in the second sum. It is
    0 for two tracks without a pixel. All masks have the same size.

    >>> full, empty = {"size": [2, 2], "counts": "04"}, {"size": [2, 2], "counts": "4"}
    >>> track_ious([{0: full, 1: full}], [{0: full}, {0: empty, 1: full, 2: full}, {}]).round(3).tolist()
    [[0.5, 0.333, 0.0]]
    """
    rles = [rle for track in (*pred_tracks, *gt_tracks) for rle in track.values()]
    height, width = rles[0]["size"] if rles else (0, 0)
    shapes = measure([rle["counts"] for rle in rles], height, width)
    rows = np.split(np.arange(len(rles)), [sum(map(len, pred_tracks))])
    pred, gt = (_by_frame(tracks, own) for tracks, own in zip((pred_tracks, gt_tracks), rows, strict=True))
    return grouped_ious(pred, gt, shapes)


def _by_frame(tracks: Sequence[Track], row: np.ndarray) -> TrackMasks:
    frame = np.fromiter(itertools.chain.from_iterable(tracks), int, len(row))
    return TrackMasks.sort(frame, np.repeat(np.arange(len(tracks)), list(map(len, tracks))), row, len(tracks))


def grouped_ious(pred: TrackMasks, gt: TrackMasks, shapes: Shapes) -> np.ndarray:
    """What `track_ious` returns, where only masks of the same group share pixels."""
    intersections = np.zeros(pred.num_tracks * gt.num_tracks)
    for of_pred, of_gt in _blocks(pred.group, gt.group):
        base = min(pred.group[of_pred.start], gt.group[of_gt.start])
        pairs = pair_up(gt.group[of_gt] - base, pred.group[of_pred] - base)
        p, g = pairs.pred + of_pred.start, pairs.gt + of_gt.start
        pixels = shapes.shared(pred.row[p], gt.row[g])
        intersections += np.bincount(pred.track[p] * gt.num_tracks + gt.track[g], pixels, minlength=len(intersections))
    intersections = intersections.reshape(pred.num_tracks, gt.num_tracks)
    pred_areas, gt_areas = (np.bincount(side.track, shapes.area[side.row], minlength=side.num_tracks) for side in (pred, gt))
    unions = pred_areas[:, None] + gt_areas - intersections
    return np.divide(intersections, unions, out=np.zeros_like(intersections), where=unions > 0)


def _blocks(pred_group: np.ndarray, gt_group: np.ndarray) -> Iterator[tuple[slice, slice]]:
    """Slices of both sides with the same groups, of about `_BLOCK` masks together; none without masks of one side."""
    every = np.sort(np.concatenate([pred_group, gt_group]))
    edges = every[::_BLOCK]
    stops = [np.append(group.searchsorted(edges), len(group)).tolist() for group in (pred_group, gt_group)]
    for (p, p_stop), (g, g_stop) in zip(*map(itertools.pairwise, stops), strict=True):
        if p < p_stop and g < g_stop:
            yield slice(p, p_stop), slice(g, g_stop)
