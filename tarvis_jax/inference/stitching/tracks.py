"""The tracks of a video as instance segmentation reports them (facts of the original, section 12, "Accumulators")."""

from collections.abc import Mapping, Sequence
from typing import NamedTuple

import numpy as np
from scipy.special import softmax

from tarvis_jax.inference.stitching.instances import Track


class ScoredTrack(NamedTuple):
    """A track with one of its classes: 1-based class and its probability. A track may be reported with several classes."""

    track_id: int
    instance_class: int
    score: float


def best_tracks(tracks: Mapping[int, Track], count: int) -> list[ScoredTrack]:
    """The `count` best pairs of a track and a class, from the best score down."""
    pairs = []
    for track_id, track in tracks.items():
        probabilities = softmax(track.class_logits)
        pairs += [ScoredTrack(track_id, c, float(p)) for c, p in enumerate(probabilities) if c > 0]
    return sorted(pairs, key=lambda pair: -pair.score)[:count]


def disjoint_masks(masks: Mapping[int, np.ndarray], pairs: Sequence[ScoredTrack]) -> list[np.ndarray | None]:
    """One frame's masks of the pairs, without the pixels that a better pair of the same class has there.

    Args:
        masks: bool [h, w] by track id; a track may be absent.
        pairs: from `best_tracks`.

    Returns:
        For each pair its mask, None where the track is absent.
    """
    taken: dict[int, np.ndarray] = {}
    result = []
    for track_id, instance_class, _ in pairs:
        mask = masks.get(track_id)
        if mask is not None:
            before = taken.get(instance_class)
            own = mask if before is None else mask & ~before
            taken[instance_class] = mask if before is None else mask | before
            mask = own
        result.append(mask)
    return result
