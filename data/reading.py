"""Reading and checking of results and ground truth: id images, run-length encoded masks, JSON files.

Everything here answers a broken file by a `DataError`; nothing is guessed. The letters h, w are an image's height and width.
"""

import json
import os
from collections.abc import Sequence
from pathlib import Path
from typing import Any

import numpy as np

from data.errors import DataError
from data.fields import shortened
from data.folders import listing

_ID_MODES = ("P", "L", "1")
_JSON_NAMES = {dict: "an object {...}", list: "a list [...]"}
_MAX_DIGITS = 7  # of one run length: 35 bits hold every difference of two 32-bit lengths


def _decode(path: Path, modes: Sequence[str], expected: str) -> np.ndarray:
    """The pixels of a PNG of one of PIL's modes, as they are stored."""
    from PIL import Image, UnidentifiedImageError  # benchmarks of JSON files do without

    try:
        with Image.open(path, formats=("PNG",)) as image:  # the ids in a JPEG are blurred
            mode, pixels = image.mode, np.asarray(image)
    except FileNotFoundError:
        raise DataError(f"{path}: no such file") from None
    except UnidentifiedImageError:
        raise DataError(f"{path}: not an image in PNG format, broken or cut off") from None
    except IsADirectoryError:
        raise DataError(f"{path}: a folder, expected {expected}") from None
    except (OSError, SyntaxError, ValueError, Image.DecompressionBombError) as error:  # whatever PIL says of a broken file
        raise DataError(f"{path}: not an image in PNG format, broken or cut off ({error})") from None
    if mode not in modes:
        raise DataError(f"{path}: expected {expected}, found an image of mode {mode}")
    return pixels


def read_ids(path: Path) -> np.ndarray:
    """Palette indices (or grey values) of an 8-bit PNG, uint8 [h, w]. The colours of the palette do not matter."""
    expected = "an 8-bit PNG of ids (mode P or L; not their colours: save palette indices)"
    return _decode(path, _ID_MODES, expected).astype(np.uint8, copy=False)


def read_foreground(path: Path) -> np.ndarray:
    """The mask of a single object, uint8 [h, w]: 1 where the PNG is not black. Its colours must be grey or palette indices."""
    pixels = _decode(path, (*_ID_MODES, "RGB", "RGBA"), "a PNG with one object, not black (0) where it is")
    if pixels.ndim == 3:
        if (pixels[..., :1] != pixels[..., 1:3]).any():
            raise DataError(f"{path}: expected a mask of one object (grey or palette indices), found an image in colour")
        pixels = pixels[..., 0]
    return (pixels != 0).astype(np.uint8)


def read_rgb_ids(path: Path) -> np.ndarray:
    """Segment ids R + 256 G + 65536 B of a colour PNG, int32 [h, w]."""
    rgb = _decode(path, ("RGB", "RGBA"), "an RGB PNG of ids (R + 256 G + 65536 B)").astype(np.int32)
    return rgb[..., 0] + (rgb[..., 1] << 8) + (rgb[..., 2] << 16)


def read_json(path: Path, kind: type = dict) -> Any:
    """Content of a JSON file whose top level is of the kind `dict` or `list`."""
    try:
        content = json.loads(Path(path).read_bytes())
    except FileNotFoundError:
        raise DataError(f"{path}: no such file") from None
    except IsADirectoryError:
        inside = listing(sorted(inside.name for inside in Path(path).iterdir()))
        raise DataError(f"{path}: a folder, expected a JSON file; found {inside}") from None
    except OSError as error:
        raise DataError(f"{path}: cannot be read ({os.strerror(error.errno)})") from None
    except json.JSONDecodeError as error:
        place = f"line {error.lineno}, column {error.colno}"
        raise DataError(f"{path}: not JSON, or cut off ({error.msg} at {place})") from None
    except (ValueError, RecursionError):  # no text; a number of thousands of digits; thousands of brackets
        raise DataError(f"{path}: not JSON") from None
    if not isinstance(content, kind):
        found = _JSON_NAMES.get(type(content), type(content).__name__)
        raise DataError(f"{path}: expected {_JSON_NAMES[kind]} at the top level, found {found}")
    return content


def check_rle(rle: Any, height: int, width: int, where: str) -> None:
    """Raises `DataError` unless `rle` is a compressed COCO RLE {"size": [h, w], "counts": string} of this size.

    pycocotools itself reads beyond the end of broken counts. `where` names the file and the mask, for the message.
    """
    if not isinstance(rle, dict) or "counts" not in rle or "size" not in rle:
        raise DataError(f'{where}: expected an RLE {{"size", "counts"}}, found {shortened(rle)}')
    if not isinstance(rle["size"], list | tuple) or list(rle["size"]) != [height, width]:
        raise DataError(f"{where}: expected an RLE of size [{height}, {width}], found {shortened(rle['size'])}")
    if not isinstance(rle["counts"], str | bytes):
        raise DataError(f"{where}: expected compressed RLE counts (a string), found {shortened(rle['counts'])}")
    corrupt = corrupt_rle([rle["counts"]], height, width)
    if corrupt:
        raise DataError(f"{where}: {corrupt[1]}")


def corrupt_rle(counts: Sequence[str | bytes], height: int, width: int) -> tuple[int, str] | None:
    """Position and reason of a string that is not the compressed counts of an h x w mask, or None if all are.

    Thousands of strings at once cost little more than one.

    >>> corrupt_rle(["<"], 3, 4), corrupt_rle(["<", "<<"], 3, 4)
    (None, (1, 'RLE counts cover 24 pixels, expected 12 (3 x 4)'))
    """
    if not counts:
        return None
    try:
        strings = [text.encode("ascii") if isinstance(text, str) else text for text in counts]
    except UnicodeEncodeError:
        return next(i for i, text in enumerate(counts) if not text.isascii()), "RLE counts are corrupt (not ASCII)"
    lengths = np.array([len(string) for string in strings])
    if not lengths.all():
        return int(np.argmin(lengths)), "RLE counts are empty"
    stops = np.cumsum(lengths)
    digits = np.frombuffer(b"".join(strings), np.uint8) - np.uint8(48)
    if digits.max() > 63:
        bad = np.searchsorted(stops, np.argmax(digits > 63), side="right")
        return int(bad), "RLE counts are corrupt (a character outside '0'..'o')"
    is_last = digits < 32
    complete = is_last[stops - 1]
    if not complete.all():
        return int(np.argmin(complete)), "RLE counts are corrupt (they end within a number)"
    ends = np.flatnonzero(is_last)
    return _wrong_runs(digits, ends, np.searchsorted(ends, stops - lengths), height * width, f"({height} x {width})")


def _wrong_runs(digits: np.ndarray, ends: np.ndarray, firsts: np.ndarray, pixels: int, size: str) -> tuple[int, str] | None:
    """The part of `corrupt_rle` that looks at numbers, as 32-bit integers: what pycocotools reads.

    `digits` are base-32 digits, a number's lowest one first, `ends` the places of the highest ones; `firsts` are the indices of
    the strings' first numbers.
    """

    def string_of(is_bad: np.ndarray) -> int:
        return int(np.searchsorted(firsts, np.argmax(is_bad), side="right")) - 1

    sizes = np.diff(ends, prepend=-1)
    if sizes.max() > _MAX_DIGITS:
        return string_of(sizes > _MAX_DIGITS), "RLE counts are corrupt (a number is too long)"
    numbers = ((digits[ends].view(np.int8) ^ 16) - 16).astype(np.int32)  # the highest digit has the sign
    for place in range(1, sizes.max()):
        longer = np.flatnonzero(sizes > place)
        numbers[longer] = (numbers[longer] << 5) + (digits[ends[longer] - place] & 31)
    runs = _undo_differences(numbers, firsts)
    if runs.min() < 0:
        return string_of(runs < 0), "RLE counts are corrupt (a negative run length)"
    areas = np.add.reduceat(runs, firsts, dtype=np.int64)
    if (areas != pixels).any():
        bad = int(np.argmax(areas != pixels))
        return bad, f"RLE counts cover {areas[bad]} pixels, expected {pixels} {size}"
    return None


def _undo_differences(numbers: np.ndarray, firsts: np.ndarray) -> np.ndarray:
    """Run lengths: from a string's fourth number on, each is stored as its difference to the one two before.

    So every second element of the array is a chain of running sums, which begin anew at the first three numbers of a string.
    """
    sizes = np.diff(firsts, append=len(numbers))
    heads = np.sort(np.concatenate([firsts, firsts[sizes > 1] + 1, firsts[sizes > 2] + 2]))
    runs = np.empty_like(numbers)
    for parity in (0, 1):
        chain = numbers[parity::2].copy()
        own = heads[heads % 2 == parity] // 2
        if len(own):
            chain[own[1:]] -= np.add.reduceat(chain, own)[:-1]
            runs[parity::2] = np.cumsum(chain, out=chain)
    return runs
