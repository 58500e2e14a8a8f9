"""The measures of DAVIS, written from their definitions: full frames, no shortcuts."""

import itertools
import math

import numpy as np


def boundary_map(mask):
    """Where the mask differs from its right, lower or lower right neighbour; beyond the border it repeats its last pixels."""
    padded = np.pad(mask, ((0, 1), (0, 1)), mode="edge")
    return (mask != padded[:-1, 1:]) | (mask != padded[1:, :-1]) | (mask != padded[1:, 1:])


def dilate(mask, radius):
    """All pixels of the image that are at most `radius` away from a set one."""
    height, width = mask.shape
    padded = np.pad(mask, radius)
    result = np.zeros_like(mask)
    for dy, dx in itertools.product(range(-radius, radius + 1), repeat=2):
        if dy**2 + dx**2 <= radius**2:
            result |= padded[radius + dy : radius + dy + height, radius + dx : radius + dx + width]
    return result


def radius_of(shape, tolerance=0.008):
    return int(tolerance) if tolerance >= 1 else math.ceil(tolerance * math.sqrt(shape[0] ** 2 + shape[1] ** 2))


def region_j(gt, pred):
    union = (gt | pred).sum()
    return (gt & pred).sum() / union if union else 1.0


def boundary_f(gt, pred, tolerance=0.008):
    radius = radius_of(gt.shape, tolerance)
    gt, pred = boundary_map(gt), boundary_map(pred)
    if not gt.any() or not pred.any():
        return float(gt.any() == pred.any())
    precision = (pred & dilate(gt, radius)).sum() / pred.sum()
    recall = (gt & dilate(pred, radius)).sum() / gt.sum()
    return 2 * precision * recall / (precision + recall) if precision + recall else 0.0


def sequence_scores(gt, pred):
    """J and F [objects, frames] of semi-supervised masks, ids [t, h, w], first and last frame left out."""
    count = int(np.where(gt[0] == 255, 0, gt[0]).max())
    pairs = [[(g == i, p == i) for g, p in zip(gt[1:-1], pred[1:-1], strict=True)] for i in range(1, count + 1)]
    return [np.array([[measure(*pair) for pair in frames] for frames in pairs]) for measure in (region_j, boundary_f)]


def unsupervised_scores(gt, pred):
    """J and F [objects, frames] of the best matching of proposals to objects, in the order of the objects; void is cut out."""
    count = int(np.where(gt[0] == 255, 0, gt[0]).max())
    proposals = max(int(pred.max()), count)
    pred = np.where(gt == 255, 0, pred)

    def scores(measure, i, k):
        return np.array([measure(g == i, p == k) for g, p in zip(gt, pred, strict=True)])

    table = {
        (i, k): (scores(region_j, i, k), scores(boundary_f, i, k)) for i in range(1, count + 1) for k in range(1, proposals + 1)
    }
    best = max(
        itertools.permutations(range(1, proposals + 1), count),
        key=lambda chosen: sum(np.mean(table[pair]) for pair in enumerate(chosen, 1)),
    )
    return [np.array([table[pair][measure] for pair in enumerate(best, 1)]) for measure in (0, 1)]
