"""The masks of a sequence of BURST as columns, after the reading rules of the official tools."""

import dataclasses
import itertools
import math
from collections.abc import Callable, Sequence
from typing import Any

import numpy as np

from data.errors import DataError
from data.fields import field, fits, shortened
from data.rle import CorruptRle, measure
from tarvis_jax.evaluation.burst_classes import DROPPED, merged
from tarvis_jax.evaluation.burst_files import Entry, Truth

MAX_DETECTIONS = 300  # of an image, those with the highest scores

CategoryOf = Callable[[Entry, str], int]  # category of a track of a result, by its key in the file; may be DROPPED


@dataclasses.dataclass(frozen=True)
class Masks:
    """n masks of a sequence, in the order in which the official tools see them."""

    counts: list[str]  # compressed COCO RLE of the sequence's size
    frame: np.ndarray  # int [n]
    track: np.ndarray  # int [n]
    category: np.ndarray  # int [n], merged
    score: np.ndarray  # float64 [n]
    area: np.ndarray  # int [n], pixels
    box: np.ndarray  # float64 [n, 4], tight (x, y, w, h) in pixels; of an empty mask zeros

    def __len__(self) -> int:
        return len(self.counts)

    @property
    def columns(self) -> tuple[np.ndarray, ...]:
        """All but the counts."""
        return self.frame, self.track, self.category, self.score, self.area, self.box

    def select(self, indices: np.ndarray) -> "Masks":
        """The masks with these indices."""
        return Masks([self.counts[i] for i in indices.tolist()], *(column[indices] for column in self.columns))

    def as_one_class(self, category: int) -> "Masks":
        """The masks with the same category each."""
        return dataclasses.replace(self, category=np.full(len(self), category))


def true_masks(truth: Truth) -> Masks:
    """The masks of the ground truth, without distractors."""
    return _read_all([truth.entry], truth, lambda _, key: truth.categories[key], own_categories=False)


def predicted_masks(truth: Truth, entries: Sequence[Entry], category_of: CategoryOf, own_categories: bool) -> Masks:
    """The masks of a result in the images that the ground truth has, at most `MAX_DETECTIONS` an image.

    With `own_categories`, the "category_id" of a mask is its category; else, and where it has none, `category_of` its track is.
    """
    return _limit(_read_all(entries, truth, category_of, own_categories))


def _read_all(entries: Sequence[Entry], truth: Truth, category_of: CategoryOf, own_categories: bool) -> Masks:
    """The masks of the parts of a sequence that are not dropped, each whole and alone under its track id in its frame."""
    parts = [_read(entry, truth, category_of, own_categories) for entry in entries]
    masks = parts[0] if len(parts) == 1 else _join(parts)
    keys = masks.frame * 2**31 + masks.track
    in_order = np.sort(keys)
    if (in_order[1:] == in_order[:-1]).any():
        first = set(np.unique(keys, return_index=True)[1].tolist())
        twice = next(i for i in range(len(masks)) if i not in first)
        raise DataError(f"{_place(entries[0], truth, masks.frame[twice], masks.track[twice])}: it stands there twice")
    return masks


def _join(parts: Sequence[Masks]) -> Masks:
    none = Masks([], *(np.empty(0, int) for _ in range(3)), np.empty(0), np.empty(0, int), np.empty((0, 4)))
    columns = zip(*(part.columns for part in (none, *parts)), strict=True)
    return Masks([string for part in parts for string in part.counts], *map(np.concatenate, columns))


def _read(entry: Entry, truth: Truth, category_of: CategoryOf, own_categories: bool) -> Masks:
    """The masks of one entry that are not dropped, each whole."""
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
    columns = frame, track, category, _as_scores(scores, keys, where)
    if DROPPED in category:
        kept = category != DROPPED
        counts, columns = list(itertools.compress(counts, kept.tolist())), [column[kept] for column in columns]
    return Masks(counts, *columns, *_measure(counts, entry, truth, *columns[:2]))


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


def _measure(
    counts: Sequence[Any], entry: Entry, truth: Truth, frame: np.ndarray, track: np.ndarray
) -> tuple[np.ndarray, np.ndarray]:
    """Areas and boxes of the masks."""
    if set(map(type, counts)) - {str}:
        bad = next(i for i, string in enumerate(counts) if not isinstance(string, str))
        expected = "expected the counts of a compressed RLE (a string) as 'rle'"
        raise DataError(f"{_place(entry, truth, frame[bad], track[bad])}: {expected}")
    try:
        return measure(counts, truth.height, truth.width)
    except CorruptRle as error:
        raise DataError(f"{_place(entry, truth, frame[error.index], track[error.index])}: {error}") from None


def _place(entry: Entry, truth: Truth, frame: int, track: int) -> str:
    return f"{entry[0]}: image {truth.paths[frame]}, track {track}"


def _limit(masks: Masks) -> Masks:
    """The masks image by image, in the order of the images' first appearance; of a crowded image the best, by score."""
    sizes = np.bincount(masks.frame)
    starts = np.flatnonzero(np.diff(masks.frame, prepend=-1))
    if sizes.max(initial=0) <= MAX_DETECTIONS and len(starts) == np.count_nonzero(sizes):
        return masks
    crowded = sizes > MAX_DETECTIONS
    first_seen = np.zeros(len(crowded), int)
    first_seen[masks.frame[::-1]] = np.arange(len(masks))[::-1]
    order = np.lexsort((np.where(crowded[masks.frame], -masks.score, 0), first_seen[masks.frame]))
    starts = np.flatnonzero(np.diff(masks.frame[order], prepend=-1))
    place = np.arange(len(masks)) - np.repeat(starts, np.diff(starts, append=len(masks)))
    return masks.select(order[place < MAX_DETECTIONS])
