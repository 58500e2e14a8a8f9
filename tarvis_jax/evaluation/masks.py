"""Reading and checking of results and ground truth: id images, run-length encoded masks, JSON files.

Everything here answers a broken file by a `DataError`; nothing is guessed. The letters h, w are an image's height and width.
"""

import json
import os
from collections.abc import Sequence
from pathlib import Path
from typing import Any

import numpy as np
from PIL import Image, UnidentifiedImageError

from data.errors import DataError

_ID_MODES = ("P", "L", "1")
_JSON_NAMES = {dict: "an object {...}", list: "a list [...]"}
_MAX_DIGITS = 7  # of one run length: 35 bits hold every difference of two 32-bit lengths


def _decode(path: Path, modes: Sequence[str], expected: str) -> np.ndarray:
    """The pixels of an image file of one of PIL's modes, as they are stored."""
    try:
        with Image.open(path) as image:
            mode, pixels = image.mode, np.asarray(image)
    except FileNotFoundError:
        raise DataError(f"{path}: no such file") from None
    except UnidentifiedImageError:
        raise DataError(f"{path}: not an image, broken or cut off") from None
    except (OSError, SyntaxError, ValueError, Image.DecompressionBombError) as error:  # whatever PIL says of a broken file
        raise DataError(f"{path}: not an image, broken or cut off ({error})") from None
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
    except OSError as error:
        raise DataError(f"{path}: cannot be read ({os.strerror(error.errno)})") from None
    except json.JSONDecodeError as error:
        place = f"line {error.lineno}, column {error.colno}"
        raise DataError(f"{path}: not JSON, or cut off ({error.msg} at {place})") from None
    except (UnicodeDecodeError, RecursionError):
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
        raise DataError(f'{where}: expected an RLE {{"size", "counts"}}, found {_shortened(rle)}')
    if not isinstance(rle["size"], list | tuple) or list(rle["size"]) != [height, width]:
        raise DataError(f"{where}: expected an RLE of size [{height}, {width}], found {_shortened(rle['size'])}")
    if not isinstance(rle["counts"], str | bytes):
        raise DataError(f"{where}: expected compressed RLE counts (a string), found {_shortened(rle['counts'])}")
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
    digits = np.frombuffer(b"".join(strings), np.uint8) - np.uint8(48)
    owners = np.repeat(np.arange(len(strings)), lengths)
    if digits.max() > 63:
        return int(owners[np.argmax(digits > 63)]), "RLE counts are corrupt (a character outside '0'..'o')"
    is_last = (digits & 32) == 0
    complete = is_last[np.cumsum(lengths) - 1]
    if not complete.all():
        return int(np.argmin(complete)), "RLE counts are corrupt (they end within a number)"
    return _wrong_runs(digits, is_last, owners, height, width)


def _wrong_runs(digits, is_last, owners, height: int, width: int) -> tuple[int, str] | None:
    """The part of `corrupt_rle` that looks at numbers: base-32 digits, lowest first, the last one of each marked."""
    ends = np.flatnonzero(is_last)
    starts = np.concatenate([[0], ends[:-1] + 1])
    sizes = ends - starts + 1
    owners = owners[starts]
    if sizes.max() > _MAX_DIGITS:
        return int(owners[np.argmax(sizes > _MAX_DIGITS)]), "RLE counts are corrupt (a number is too long)"
    places = np.arange(len(digits)) - np.repeat(starts, sizes)
    numbers = np.add.reduceat((digits & 31).astype(np.int64) << (5 * places), starts)
    numbers -= np.where(digits[ends] & 16, np.int64(1) << (5 * sizes), 0)  # two's complement
    runs = _undo_differences(numbers, owners)
    if runs.min() < 0:
        return int(owners[np.argmax(runs < 0)]), "RLE counts are corrupt (a negative run length)"
    areas = np.bincount(owners, weights=runs)
    if (areas != height * width).any():
        bad = int(np.argmax(areas != height * width))
        return bad, f"RLE counts cover {int(areas[bad])} pixels, expected {height * width} ({height} x {width})"
    return None


def _undo_differences(numbers: np.ndarray, owners: np.ndarray) -> np.ndarray:
    """Run lengths: from a string's fourth number on, each is stored as its difference to the one two before."""
    places = _places(owners)
    runs = numbers.copy()
    for chain in (np.flatnonzero(places % 2 == 1), np.flatnonzero((places % 2 == 0) & (places > 0))):
        total = np.cumsum(numbers[chain])
        head = np.arange(len(chain)) - _places(owners[chain])
        runs[chain] = total - (total - numbers[chain])[head]
    return runs


def _places(owners: np.ndarray) -> np.ndarray:
    """Of each element of a sorted array: how many equal ones stand before it."""
    index = np.arange(len(owners))
    is_first = np.diff(owners, prepend=-1) != 0
    return index - np.maximum.accumulate(np.where(is_first, index, 0))


def _shortened(value: Any) -> str:
    text = repr(value)
    return text if len(text) <= 60 else text[:57] + "..."
