"""How often each pair of labels meets in two label maps: the counts behind VPQ and STQ."""

import numpy as np


def count_pairs(first: np.ndarray, second: np.ndarray) -> tuple[np.ndarray, np.ndarray, np.ndarray]:
    """The pairs of labels of two integer maps of one shape (labels 0 .. 2^31 - 1), sorted, and their numbers of pixels.

    Returns three int64 arrays [m]: labels of the first map, labels of the second, pixels that have both.

    >>> count_pairs(np.array([[1, 1], [2, 2]]), np.array([[7, 7], [7, 5]]))
    (array([1, 2, 2]), array([7, 5, 7]), array([2, 1, 1]))
    """
    first, second = first.reshape(-1), second.reshape(-1)
    if not first.size:
        return (np.zeros(0, np.int64),) * 3
    changes = (first[1:] != first[:-1]) | (second[1:] != second[:-1])
    starts = np.concatenate([[0], np.flatnonzero(changes) + 1])
    lengths = np.diff(starts, append=first.size)  # label maps are piecewise constant: far fewer runs than pixels
    return sum_pairs(first[starts], second[starts], lengths)


def sum_pairs(first: np.ndarray, second: np.ndarray, pixels: np.ndarray) -> tuple[np.ndarray, np.ndarray, np.ndarray]:
    """Adds up the pixels of equal pairs; shapes and order as those of `count_pairs`."""
    keys, owners = np.unique((first.astype(np.int64) << 32) | second.astype(np.int64), return_inverse=True)
    totals = np.bincount(owners, weights=pixels, minlength=len(keys)).astype(np.int64)
    return keys >> 32, keys & 0xFFFFFFFF, totals
