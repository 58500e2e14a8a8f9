"""COCO's compressed run-length encodings: whether they are whole, and areas, boxes and overlaps of their masks.

A mask [h, w] is read column by column as runs of equal pixels, zeros and ones in turn, zeros first. A string holds the lengths
of the runs, from the fourth on as the difference to the one two before. A number is written in digits of base 32, lowest first,
a digit d as the character 48 + d, or 80 + d where more follow; the highest digit has the sign.

Letters: n masks, k pairs of a run of zeros and the run of ones behind it, over all masks.
"""

import dataclasses
from collections.abc import Iterator, Sequence
from typing import Any

import numpy as np
from pycocotools import mask as coco_mask

_MAX_DIGITS = 7  # of one run length: 35 bits hold every difference of two 32-bit lengths
_BLOCK = 100_000  # characters or edges at a time, so that the arrays stay in the processor's cache


class CorruptRle(ValueError):  # noqa: N818
    """A string that is not the encoding of a mask of the expected size; the text says why.

    Attributes:
        index: which of the strings.
    """

    def __init__(self, index: int, reason: str) -> None:
        super().__init__(reason)
        self.index = index


@dataclasses.dataclass(frozen=True)
class _Runs:
    """Lengths of runs, int32 [2, k] (zeros, ones), as 32-bit integers: what pycocotools reads.

    `first` and `last` (int [n]) are each mask's first and last pair; `padded` (bool [n]) tells whose last run of ones is not in
    the string and is 0.
    """

    lengths: np.ndarray
    first: np.ndarray
    last: np.ndarray
    padded: np.ndarray


@dataclasses.dataclass(frozen=True)
class Shapes:
    """n masks of the same size.

    counts, height, width: what they were made of.
    odd: bool [n], which have runs of no pixels between others. Encoders write none, and pycocotools has its own view of them.
    area: pixels, int64 [n].
    box: tight boxes (x, y, w, h), float64 [n, 4], as pycocotools has them; an empty mask's is (0, 0, 0, 0).
    edges: where runs of ones begin and end, in turn, counted in pixels column by column; int, of all masks one after another.
    first, size: where each mask's edges begin and how many they are, int [n].
    """

    counts: Sequence[str | bytes]
    height: int
    width: int
    odd: np.ndarray
    area: np.ndarray
    box: np.ndarray
    edges: np.ndarray
    first: np.ndarray
    size: np.ndarray

    def shared(self, i: np.ndarray, j: np.ndarray) -> np.ndarray:
        """How many pixels the masks i and j (int [m] each) of each pair have in common, int64 [m]."""
        low, high = self.box[:, :2], self.box[:, :2] + self.box[:, 2:]
        overlap = np.minimum(high[i], high[j]) > np.maximum(low[i], low[j])
        pairs = np.flatnonzero(overlap[:, 0] & overlap[:, 1])
        shared = np.zeros(len(i), np.int64)
        for block in _blocks((self.size[i] + self.size[j])[pairs]):
            a, b = i[pairs[block]], j[pairs[block]]
            shared[pairs[block]] = (self.area[a] + self.area[b] - self._different(a, b)) // 2
        for pair in np.flatnonzero(self.odd[i] | self.odd[j]) if self.odd.any() else ():
            first, second = (_as_rle(self.counts[mask[pair]], self.height, self.width) for mask in (i, j))
            share = coco_mask.iou([first], [second], [1])  # of a "crowd": shared pixels / area
            shared[pair] = np.rint(np.nan_to_num(share) * self.area[i[pair]]).item()
        return shared

    def _different(self, i: np.ndarray, j: np.ndarray) -> np.ndarray:
        """How many pixels only one of the masks i and j (int [m] each) has, int64 [m].

        They lie between the edges of both masks in their order: from the first to the second, from the third to the fourth.
        """
        masks = np.stack([i, j], axis=1).ravel()
        sizes = self.size[masks]
        stops = sizes.cumsum()
        edges = self.edges[np.arange(stops[-1]) + (self.first[masks] - stops + sizes).repeat(sizes)]
        edges = edges + (np.arange(len(masks)) // 2 << 40).repeat(sizes)  # the edges of a pair stay together
        edges.sort(kind="stable")  # that merges what is sorted already
        return np.add.reduceat(edges[1::2] - edges[::2], (stops - sizes)[::2] // 2)


def measure(counts: Sequence[str | bytes], height: int, width: int) -> Shapes:
    """The h x w masks of compressed counts, which are checked: pycocotools itself reads beyond the end of broken ones.

    Thousands of strings at once cost little more than one.

    Raises:
        CorruptRle: a string is no encoding of an h x w mask.

    >>> shapes = measure(["048", "13", "<"], 3, 4)
    Traceback (most recent call last):
        ...
    data.rle.CorruptRle: RLE counts cover 4 pixels, expected 12 (3 x 4)
    >>> shapes = measure(["048", "138", "<"], 3, 4)
    >>> shapes.area.tolist(), shapes.box.tolist(), shapes.shared(np.array([0]), np.array([1])).tolist()
    ([4, 3, 0], [[0.0, 0.0, 2.0, 3.0], [0.0, 0.0, 2.0, 3.0], [0.0, 0.0, 0.0, 0.0]], [3])
    """
    parts = []
    for block in _blocks(np.fromiter(map(len, counts), int, len(counts))):
        try:
            parts.append(_measure(counts[block], height, width))
        except CorruptRle as error:
            raise CorruptRle(block.start + error.index, str(error)) from None
    *columns, size = parts[0] if len(parts) == 1 else map(np.concatenate, zip(_NO_MASKS, *parts, strict=True))
    return Shapes(counts, height, width, *columns, size.cumsum() - size, size)


_NO_MASKS = np.empty(0, bool), np.empty(0, np.int64), np.empty((0, 4)), np.empty(0, np.int32), np.empty(0, int)


def _blocks(lengths: np.ndarray) -> Iterator[slice]:
    """Slices of things of these lengths that make about `_BLOCK` together."""
    starts = np.flatnonzero(np.diff(lengths.cumsum() // _BLOCK, prepend=-1)).tolist()
    return map(slice, starts, [*starts[1:], len(lengths)])


def _measure(counts: Sequence[str | bytes], height: int, width: int) -> tuple[np.ndarray, ...]:
    """The columns odd, area, box, edges and size of `Shapes`, of one mask or more."""
    runs = _undo_differences(_read_numbers(counts))
    area = _check_sums(runs, height, width)
    (zeros, ones), first = runs.lengths, runs.first
    steps = zeros + ones
    steps[first[1:]] -= height * width
    stop = steps.cumsum(dtype=np.int32 if height * width < 2**31 else np.int64)
    start = stop - ones
    odd = _have_void_runs(runs)
    if odd.any():
        box = coco_mask.toBbox([_as_rle(text, height, width) for text in counts])
    else:
        box = _boxes(runs, start, stop, height)
    return odd, area, box, np.stack([start, stop], axis=1).ravel(), 2 * (runs.last + 1 - first)


def _as_rle(counts: str | bytes, height: int, width: int) -> dict[str, Any]:
    return {"size": [height, width], "counts": counts}


def _read_numbers(counts: Sequence[str | bytes]) -> _Runs:
    """The numbers in the strings, each string padded with a 0 if it has an odd number of them; differences are not undone."""
    digits, starts, stops = _digits(counts)
    has_more = digits > 31
    if has_more[stops - 1].any():
        raise CorruptRle(int(np.argmax(has_more[stops - 1])), "RLE counts are corrupt (they end within a number)")
    low = np.flatnonzero(has_more)  # all digits of a number but the highest; few, as most numbers have one digit
    low_before, low_up_to = low.searchsorted(starts), low.searchsorted(stops)
    sizes = stops - starts - (low_up_to - low_before)
    padded = sizes % 2 == 1
    is_highest = ~has_more
    is_highest[stops[~padded]] = False
    numbers = (digits[is_highest] ^ 16).view(np.int8) - np.int8(16)  # the highest digit has the sign
    pairs = (sizes + 1) // 2
    last = pairs.cumsum() - 1
    first = last + 1 - pairs
    lengths = np.array(numbers.reshape(-1, 2).T, np.int32, order="C")
    if len(low):
        place = low - np.arange(len(low)) + (2 * first - starts + low_before).repeat(low_up_to - low_before)
        _add_low_digits(lengths, place, digits[low] & 31, first)
    return _Runs(lengths, first, last, padded)


def _digits(counts: Sequence[str | bytes]) -> tuple[np.ndarray, np.ndarray, np.ndarray]:
    """The base-32 digits of all strings, a 0 behind each, uint8, with 32 added where more follow; and the strings' ends.

    These are the places where a string begins and where its 0 is, int [n] each.
    """
    texts = [text if isinstance(text, str) else text.decode("latin-1") for text in counts]
    joined = "0".join([*texts, ""])
    if not joined.isascii():
        raise CorruptRle(next(i for i, text in enumerate(texts) if not text.isascii()), "RLE counts are corrupt (not ASCII)")
    lengths = np.fromiter(map(len, texts), int, len(texts))
    if not lengths.all():
        raise CorruptRle(int(np.argmin(lengths)), "RLE counts are empty")
    digits = np.frombuffer(joined.encode("ascii"), np.uint8) - np.uint8(48)
    stops = (lengths + 1).cumsum() - 1
    if digits.max() > 63:
        bad = int(np.searchsorted(stops, np.argmax(digits > 63)))
        raise CorruptRle(bad, "RLE counts are corrupt (a character outside '0'..'o')")
    return digits, stops - lengths, stops


def _add_low_digits(lengths: np.ndarray, place: np.ndarray, digits: np.ndarray, first: np.ndarray) -> None:
    """Makes numbers of several digits of their highest ones; `digits` are the others, each of the number at `place`."""
    is_lowest = np.ones(len(place), bool)
    np.not_equal(place[1:], place[:-1], out=is_lowest[1:])
    lowest = np.flatnonzero(is_lowest)
    sizes = np.append(lowest[1:], len(place)) - lowest
    pair, kind = np.divmod(place[lowest], 2)
    if sizes.max() >= _MAX_DIGITS:
        raise CorruptRle(_owner(first, pair[np.argmax(sizes)]), "RLE counts are corrupt (a number is too long)")
    power = np.arange(len(place)) - lowest.repeat(sizes)
    values = np.add.reduceat(digits.astype(np.int64) << 5 * power, lowest)
    lengths[kind, pair] = (lengths[kind, pair].astype(np.int64) << 5 * sizes) + values


def _owner(first: np.ndarray, pair: np.integer) -> int:
    """The mask that a pair of runs is of."""
    return int(first.searchsorted(pair, side="right")) - 1


def _undo_differences(numbers: _Runs) -> _Runs:
    """The lengths of the runs: running sums of the numbers of each kind, which begin anew with every mask.

    The first run of zeros is not part of its sum. Sums of all masks together may overflow, those of one are right.
    """
    lengths, first, last = numbers.lengths, numbers.first, numbers.last
    first_zeros = lengths[0, first]
    lengths[0, first] = 0
    sums = lengths.cumsum(axis=1, dtype=np.int32)[:, last[:-1]]
    lengths[:, first[1:2]] -= sums[:, :1]
    lengths[:, first[2:]] -= sums[:, 1:] - sums[:, :-1]
    lengths.cumsum(axis=1, out=lengths)
    lengths[0, first] = first_zeros
    lengths[1, last[numbers.padded]] = 0
    return numbers


def _check_sums(runs: _Runs, height: int, width: int) -> np.ndarray:
    """Raises `CorruptRle` unless every mask's runs cover h x w pixels; returns how many of them are ones, int64 [n]."""
    if runs.lengths.min() < 0:
        bad = _owner(runs.first, np.argmax((runs.lengths < 0).any(axis=0)))
        raise CorruptRle(bad, "RLE counts are corrupt (a negative run length)")
    zeros, ones = np.add.reduceat(runs.lengths, runs.first, axis=1, dtype=np.int64)
    pixels = zeros + ones
    if (pixels != height * width).any():
        bad = int(np.argmax(pixels != height * width))
        reason = f"RLE counts cover {pixels[bad]} pixels, expected {height * width} ({height} x {width})"
        raise CorruptRle(bad, reason)
    return ones


def _boxes(runs: _Runs, start: np.ndarray, stop: np.ndarray, height: int) -> np.ndarray:
    """float64 [n, 4], from the pixels at which runs of ones start and stop, int [k] each."""
    column = start // height
    top = start - column * height
    bottom = top + runs.lengths[1]
    pad = runs.last[runs.padded]
    top[pad], bottom[pad] = height, 0
    low, high = np.minimum.reduceat(top, runs.first), np.maximum.reduceat(bottom, runs.first)
    left, right = column[runs.first], (stop[runs.last - runs.padded] - 1) // height + 1
    full = high > height  # a run goes on in the next column
    boxes = np.empty((len(left), 4))
    boxes[:, 0], boxes[:, 1] = left, np.where(full, 0, low)
    boxes[:, 2], boxes[:, 3] = right - left, np.where(full, height, high - low)
    boxes[high == 0] = 0
    return boxes


def _have_void_runs(runs: _Runs) -> np.ndarray:
    """Which masks (bool [n]) have runs of no pixels, but for zeros in front of all ones."""
    is_void = runs.lengths == 0
    is_void[0, runs.first] = False
    is_void[1, runs.last[runs.padded]] = False
    odd = np.zeros(len(runs.first), bool)
    odd[runs.first.searchsorted(np.flatnonzero(is_void.any(axis=0)), side="right") - 1] = True
    return odd
