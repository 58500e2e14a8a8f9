"""The masks of a sequence of BURST as columns, after the reading rules of the official tools."""

import dataclasses
import math
from collections.abc import Callable, Sequence
from typing import Any

import numpy as np

from data.errors import DataError
from data.fields import field, fits, shortened
from data.reading import corrupt_rle
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

    def __len__(self) -> int:
        return len(self.counts)

    def select(self, indices: np.ndarray) -> "Masks":
        """The masks with these indices."""
        columns = (self.frame, self.track, self.category, self.score)
        return Masks([self.counts[i] for i in indices.tolist()], *(column[indices] for column in columns))

    def as_one_class(self, category: int) -> "Masks":
        """The masks with the same category each."""
        return dataclasses.replace(self, category=np.full(len(self), category))


def true_masks(truth: Truth) -> Masks:
    """The masks of the ground truth, without distractors."""
    masks = _read(truth.entry, truth, lambda _, key: truth.categories[key], own_categories=False)
    return _check(masks, truth, truth.entry[0])


def predicted_masks(truth: Truth, entries: Sequence[Entry], category_of: CategoryOf, own_categories: bool) -> Masks:
    """The masks of a result in the images that the ground truth has, at most `MAX_DETECTIONS` an image.

    With `own_categories`, the "category_id" of a mask is its category; else, and where it has none, `category_of` its track is.
    """
    if not entries:
        return _join([])
    masks = _join([_read(entry, truth, category_of, own_categories) for entry in entries])
    return _limit(_check(masks, truth, entries[0][0]))


def _read(entry: Entry, truth: Truth, category_of: CategoryOf, own_categories: bool) -> Masks:
    """The masks of one entry that are not dropped; not checked."""
    keys: list[str] = []
    counts: list[str] = []
    scores: list[float] = []
    own: list[int | None] = []
    frames, sizes = [], []
    where, values = entry
    for path, masks in zip(values["annotated_image_paths"], values["segmentations"], strict=True):
        frame = truth.frame_of_path.get(path)
        if frame is None:  # results may have any frame rate
            continue
        try:
            counts += [mask["rle"] for mask in masks.values()]
            scores += [mask.get("score", 1.0) for mask in masks.values()]
            own += [mask.get("category_id") for mask in masks.values()]
        except (AttributeError, KeyError, TypeError):
            for key, mask in masks.items():
                field(mask, "rle", str, f"{where}: image {path}, track {key}")
            raise
        keys += masks
        frames.append(frame)
        sizes.append(len(masks))
    track_of = {key: _track_id(key, where) for key in dict.fromkeys(keys)}
    categories = _categories(keys, own, lambda key: category_of(entry, key), own_categories, where)
    columns = np.repeat(np.array(frames, int), sizes), np.array([track_of[key] for key in keys], int), categories
    masks = Masks(counts, *columns, _as_scores(scores, keys, where))
    return masks.select(np.flatnonzero(categories != DROPPED)) if DROPPED in categories else masks


def _categories(
    keys: Sequence[str], own: Sequence[Any], category_of: Callable[[str], int], own_categories: bool, where: str
) -> np.ndarray:
    """int [n]: the category of each mask."""
    if not own_categories or not any(category is not None for category in own):
        category = {key: category_of(key) for key in dict.fromkeys(keys)}
        return np.array([category[key] for key in keys], int)
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


def _join(parts: Sequence[Masks]) -> Masks:
    if len(parts) == 1:
        return parts[0]
    counts = [string for part in parts for string in part.counts]
    frame, track, category = (
        np.concatenate([np.empty(0, int), *(getattr(part, name) for part in parts)]) for name in ("frame", "track", "category")
    )
    return Masks(counts, frame, track, category, np.concatenate([np.empty(0), *(part.score for part in parts)]))


def _check(masks: Masks, truth: Truth, where: str) -> Masks:
    """The masks, if each is whole and alone under its track id in its frame."""

    def place(index: int) -> str:
        return f"{where}: image {truth.paths[masks.frame[index]]}, track {masks.track[index]}"

    no_text = next((i for i, string in enumerate(masks.counts) if not isinstance(string, str)), None)
    if no_text is not None:
        raise DataError(f"{place(no_text)}: expected the counts of a compressed RLE (a string) as 'rle'")
    corrupt = corrupt_rle(masks.counts, truth.height, truth.width)
    if corrupt:
        raise DataError(f"{place(corrupt[0])}: {corrupt[1]}")
    keys = masks.frame * 2**31 + masks.track
    first = np.unique(keys, return_index=True)[1]
    if len(first) < len(masks):
        twice = next(i for i in range(len(masks)) if i not in set(first.tolist()))
        raise DataError(f"{place(twice)}: it stands there twice")
    return masks


def _limit(masks: Masks) -> Masks:
    """The masks image by image, in the order of the images' first appearance; of a crowded image the best, by score."""
    if not len(masks):
        return masks
    crowded = np.bincount(masks.frame) > MAX_DETECTIONS
    first_seen = np.zeros(len(crowded), int)
    first_seen[masks.frame[::-1]] = np.arange(len(masks))[::-1]
    order = np.lexsort((np.where(crowded[masks.frame], -masks.score, 0), first_seen[masks.frame]))
    starts = np.flatnonzero(np.diff(masks.frame[order], prepend=-1))
    place = np.arange(len(masks)) - np.repeat(starts, np.diff(starts, append=len(masks)))
    kept = order[place < MAX_DETECTIONS]
    return masks if np.array_equal(kept, np.arange(len(masks))) else masks.select(kept)
