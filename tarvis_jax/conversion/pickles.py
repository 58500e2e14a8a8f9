"""Reads numpy arrays out of pickles without running what a pickle asks to be run.

A pickle names functions and classes to call. The few that numpy's arrays are made of are replaced by the stand-ins below, which
hold data and do nothing else; every other name is an error.
"""

import contextlib
import pickle
import re
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import numpy as np

from tarvis_jax.errors import UserError


class ForbiddenNameError(pickle.UnpicklingError):
    """A pickle wants something that is not data; the message says what."""


class StoredType:
    """Stands for `numpy.dtype`: a plain type of numbers."""

    def __init__(self, code: str, *_: Any) -> None:
        if not re.fullmatch(r"[fiub][1248]", code):
            raise ForbiddenNameError(f"an array of numpy type {code!r}")
        self._code, self._order = code, "="

    def __setstate__(self, state: tuple) -> None:
        self._order = {"<": "<", ">": ">"}.get(state[1], "=")

    def dtype(self) -> np.dtype:
        return np.dtype(self._order + self._code)


class StoredArray:
    """Stands for `numpy.ndarray`; `array` is there once the pickle has told its state."""

    array: np.ndarray | None = None

    def __setstate__(self, state: tuple) -> None:
        shape, dtype, column_major, content = state[-4:]
        self.fill(content, dtype, shape, "F" if column_major else "C")

    def fill(self, content: bytes | str, dtype: StoredType, shape: tuple[int, ...], order: str) -> None:
        content = content.encode("latin1") if isinstance(content, str) else content  # strings are Python 2's bytes
        array = np.frombuffer(content, dtype.dtype()).reshape(shape, order=order)
        self.array = array.astype(array.dtype.newbyteorder("="), copy=False)


def _empty_array(*_: Any) -> StoredArray:
    return StoredArray()


def _array_of_buffer(content: bytes, dtype: StoredType, shape: tuple[int, ...], order: str) -> StoredArray:
    array = StoredArray()
    array.fill(content, dtype, shape, order)
    return array


def _scalar(dtype: StoredType, content: bytes | str) -> StoredArray:
    return _array_of_buffer(content, dtype, (), "C")


def _bytes_of(text: str, encoding: str) -> bytes:
    """Stands for `_codecs.encode`, by which old protocols write bytes."""
    if encoding != "latin1":
        raise ForbiddenNameError(f"_codecs.encode with {encoding!r}")
    return text.encode("latin1")


STAND_INS = {
    "numpy.dtype": StoredType,
    "numpy.ndarray": StoredArray,
    "_codecs.encode": _bytes_of,
    **{f"numpy.{core}.multiarray._reconstruct": _empty_array for core in ("core", "_core")},
    **{f"numpy.{core}.multiarray.scalar": _scalar for core in ("core", "_core")},
    **{f"numpy.{core}.numeric._frombuffer": _array_of_buffer for core in ("core", "_core")},
}
_KNOWN = {**STAND_INS, "collections.OrderedDict": dict}


class _ArrayUnpickler(pickle.Unpickler):
    """Knows dicts, lists, strings, numbers and the stand-ins."""

    def find_class(self, module: str, name: str) -> Any:
        if (full := f"{module}.{name}") not in _KNOWN:
            raise ForbiddenNameError(repr(full))
        return _KNOWN[full]


def read_pickle(path: Path) -> Any:
    """What a pickle holds, with `StoredArray` for arrays.

    Raises:
        UserError: no readable pickle, or one that holds anything but numpy arrays, numbers, strings, dicts and lists.
    """
    with clear_errors(path, "pickle of numpy arrays"), path.open("rb") as file:
        return _ArrayUnpickler(file, encoding="latin1").load()


@contextlib.contextmanager
def clear_errors(path: Path, kind: str) -> Iterator[None]:
    """Turns whatever can go wrong with a file of a kind into a `UserError`."""
    try:
        yield
    except OSError as error:
        raise UserError(f"{path}: cannot be read ({error.strerror or error})") from error
    except ForbiddenNameError as error:
        raise _forbidden(path, str(error)) from error
    except Exception as error:  # what a damaged or hostile file can raise has no end
        if named := re.search(r"GLOBAL (\S+)", str(error)):  # PyTorch's words for a forbidden name
            raise _forbidden(path, repr(named[1])) from error
        reason = "".join(filter(str.isprintable, next(iter(str(error).splitlines()), "")[:120]))
        raise UserError(f"{path}: no {kind}, or a damaged one ({type(error).__name__}: {reason})") from error


def _forbidden(path: Path, what: str) -> UserError:
    return UserError(
        f"{path}: holds {what}, which is more than arrays, numbers, strings, dicts and lists; reading it could run code, so it "
        'is not read; if you trust the file, save {"model": tensors by name} from it into a new one'
    )
