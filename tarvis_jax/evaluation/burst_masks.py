"""The masks of a sequence of BURST as columns, after the reading rules of the official tools."""

import bisect
import dataclasses
import functools
import itertools
import math
from collections.abc import Callable, Sequence
from typing import Any

import numpy as np

from data.errors import DataError
from data.fields import field, fits, shortened
from data.rle import CorruptRle, Shapes, measure
from tarvis_jax.evaluation.burst_classes import DROPPED, merged
from tarvis_jax.evaluation.burst_files import Entry, Truth

MAX_DETECTIONS = 300  # of an image, those with the highest scores

CategoryOf = Callable[[Entry, str], int]  # category of a track of a result, by its key in the file; may be DROPPED


@dataclasses.dataclass(frozen=True)
class Masks:
    """n masks of a sequence, in the order in which the official tools see them."""

    where: str  # they stand, for messages
    counts: list[Any]  # what should be compressed COCO RLEs of the sequence's size
    frame: np.ndarray  # int [n]
    track: np.ndarray  # int [n]
    category: np.ndarray  # int [n], merged
    score: np.ndarray  # float64 [n]

    def __len__(self) -> int:
        return len(self.counts)

    @functools.cached_property
    def tracks(self) -> tuple[np.ndarray, np.ndarray, np.ndarray]:
        """The ids of the t tracks, ascending, the first mask of each, and which track each mask is of, int [t], [t], [n]."""
        return np.unique(self.track, return_index=True, return_inverse=True)

    @property
    def columns(self) -> tuple[np.ndarray, ...]:
        """The arrays."""
        return self.frame, self.track, self.category, self.score

    def select(self, chosen: np.ndarray) -> "Masks":
        """The masks with these indices."""
        return Masks(self.where, [self.counts[i] for i in chosen.tolist()], *(column[chosen] for column in self.columns))

    def as_one_class(self, category: int) -> "Masks":
        """The masks with the same category each."""
        return dataclasses.replace(self, category=np.full(len(self), category))


@dataclasses.dataclass(frozen=True)
class Side:
    """The masks of the ground truth or of the prediction, and which of the `shapes` (int [n]) each of them is."""

    masks: Masks
    shapes: Shapes
    row: np.ndarray

    def __len__(self) -> int:
        return len(self.row)

    @property
    def empty(self) -> int:
        """How many masks have no pixel."""
        return int(np.count_nonzero(self.shapes.area[self.row] == 0))


def true_masks(truth: Truth) -> Masks:
    """The masks of the ground truth, without distractors; their RLEs are not looked at."""
    return read_masks([truth.entry], truth, lambda _, key: truth.categories[key], own_categories=False)


def read_masks(entries: Sequence[Entry], truth: Truth, category_of: CategoryOf, own_categories: bool) -> Masks:
    """The masks of the parts of a sequence in the images that the ground truth has, each alone under its track id in its frame.

    Classes without a place in the scores are dropped, RLEs not looked at. With `own_categories`, the "category_id" of a mask is
    its category; else, and where it has none, `category_of` its track is.
    """
    parts = [_read(entry, truth, category_of, own_categories) for entry in entries]
    masks = parts[0] if len(parts) == 1 else _join(parts)
    keys = masks.frame * 2**31 + masks.track
    in_order = np.sort(keys)
    if (in_order[1:] == in_order[:-1]).any():
        first = set(np.unique(keys, return_index=True)[1].tolist())
        twice = next(i for i in range(len(masks)) if i not in first)
        raise DataError(f"{_place(masks, twice, truth)}: it stands there twice")
    return masks


def _join(parts: Sequence[Masks]) -> Masks:
    none = Masks("", [], *(np.empty(0, int) for _ in range(3)), np.empty(0))
    columns = zip(*(part.columns for part in (none, *parts)), strict=True)
    where = parts[0].where if parts else ""
    return Masks(where, [string for part in parts for string in part.counts], *map(np.concatenate, columns))


def _read(entry: Entry, truth: Truth, category_of: CategoryOf, own_categories: bool) -> Masks:
    """The masks of one entry that are not dropped."""
    where, values = entry
    frames = [truth.frame_of_path.get(path) for path in values["annotated_image_paths"]]
    known = [frame is not None for frame in frames]  # results may have any frame rate
    images = list(itertools.compress(values["segmentations"], known))
    keys, masks = (list(itertools.chain.from_iterable(parts)) for parts in (images, map(dict.values, images)))
    try:
        counts, scores = [mask["rle"] for mask in masks], [mask.get("score", 1.0) for mask in masks]
        own = [mask.get("category_id") for mask in masks] if own_categories else []
    except (AttributeError, KeyError, TypeError):
        _check_rles(entry, known)
        raise
    frame = np.repeat(np.array(list(itertools.compress(frames, known)), int), list(map(len, images)))
    track = _by_key(keys, lambda key: _track_id(key, where))
    category = _categories(keys, own, lambda key: category_of(entry, key), where)
    masks = Masks(where, counts, frame, track, category, _as_scores(scores, keys, where))
    return masks.select(np.flatnonzero(category != DROPPED)) if DROPPED in category else masks


def _check_rles(entry: Entry, known: Sequence[bool]) -> None:
    """Raises `DataError` if a mask in a known image is no object with an "rle"."""
    where, values = entry
    images = zip(values["annotated_image_paths"], values["segmentations"], strict=True)
    for path, masks in itertools.compress(images, known):
        for key, mask in masks.items():
            field(mask, "rle", str, f"{where}: image {path}, track {key}")


def _by_key(keys: Sequence[str], value_of: Callable[[str], int]) -> np.ndarray:
    """int [n]: the value of each key, which is found once for equal ones."""
    values = {key: value_of(key) for key in dict.fromkeys(keys)}
    return np.fromiter(map(values.__getitem__, keys), int, len(keys))


def _categories(keys: Sequence[str], own: Sequence[Any], category_of: Callable[[str], int], where: str) -> np.ndarray:
    """int [n]: the category of each mask; that of its track, unless it has an own one."""
    if all(category is None for category in own):
        return _by_key(keys, category_of)
    found = []
    for key, category in zip(keys, own, strict=True):
        if category is not None and (type(category) is not int or not fits(category)):
            raise DataError(f"{where}: expected a whole number as 'category_id' of track {key}, found {shortened(category)}")
        found.append(category_of(key) if category is None else merged(category))
    return np.array(found, int)


def _track_id(key: str, where: str) -> int:
    if not key.isdecimal() or int(key) >= 2**31:
        raise DataError(f"{where}: expected whole numbers from 0 on as track ids in 'segmentations', found {key!r}")
    return int(key)


def _as_scores(scores: Sequence[Any], keys: Sequence[str], where: str) -> np.ndarray:
    types = set(map(type, scores))
    if types <= {int, float} and (int not in types or all(map(fits, scores))):
        values = np.array(scores, float)
        if np.isfinite(values).all():
            return values
    bad = next(i for i, score in enumerate(scores) if not _is_finite(score))
    raise DataError(f"{where}: expected a finite number as 'score' of track {keys[bad]}, found {shortened(scores[bad])}")


def _is_finite(score: Any) -> bool:
    return type(score) in (int, float) and fits(score) and math.isfinite(score)


def measure_all(truth: Truth, sides: Sequence[Masks]) -> list[Side]:
    """The masks of both sides of a sequence, which are checked: each must be whole."""
    counts = list(itertools.chain.from_iterable(masks.counts for masks in sides))
    stops = list(itertools.accumulate(map(len, sides)))

    def place(index: int) -> str:
        side = bisect.bisect(stops, index)
        return _place(sides[side], index - stops[side], truth)  # counted from the side's end

    if set(map(type, counts)) - {str}:
        bad = next(i for i, string in enumerate(counts) if not isinstance(string, str))
        raise DataError(f"{place(bad)}: expected the counts of a compressed RLE (a string) as 'rle'")
    try:
        shapes = measure(counts, truth.height, truth.width)
    except CorruptRle as error:
        raise DataError(f"{place(error.index)}: {error}") from None
    return [Side(masks, shapes, np.arange(stop - len(masks), stop)) for masks, stop in zip(sides, stops, strict=True)]


def _place(masks: Masks, index: int, truth: Truth) -> str:
    return f"{masks.where}: image {truth.paths[masks.frame[index]]}, track {masks.track[index]}"


def limit(side: Side) -> Side:
    """The masks image by image, in the order of the images' first appearance.

    At most `MAX_DETECTIONS` of an image, those with the best scores.
    """
    masks = side.masks
    sizes = np.bincount(masks.frame)
    starts = np.flatnonzero(np.diff(masks.frame, prepend=-1))
    if sizes.max(initial=0) <= MAX_DETECTIONS and len(starts) == np.count_nonzero(sizes):
        return side
    crowded = sizes > MAX_DETECTIONS
    first_seen = np.zeros(len(crowded), int)
    first_seen[masks.frame[::-1]] = np.arange(len(masks))[::-1]
    order = np.lexsort((np.where(crowded[masks.frame], -masks.score, 0), first_seen[masks.frame]))
    starts = np.flatnonzero(np.diff(masks.frame[order], prepend=-1))
    place = np.arange(len(masks)) - np.repeat(starts, np.diff(starts, append=len(masks)))
    kept = order[place < MAX_DETECTIONS]
    return Side(masks.select(kept), side.shapes, side.row[kept])
