"""Pickles that ask to be run, and other files that are not what they should be."""

import os
import pickle
from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np

MARK = Path("hostile_code_ran")


class Call:
    """Pickled, it is a call of a function."""

    def __init__(self, function: Callable, *arguments: Any) -> None:
        self._call = (function, arguments)

    def __reduce__(self):
        return self._call


def calls() -> dict[str, Any]:
    """Objects whose pickles run something when they are read plainly; each of them would make the file `MARK`."""
    return {
        "system": Call(os.system, f"touch {MARK}"),
        "eval": Call(eval, f"open({str(MARK)!r}, 'w')"),
        "getattr": Call(getattr, "", "upper"),
        "open": Call(open, str(MARK), "w"),
    }


ARRAYS = {"model": {"a": np.arange(6, dtype=np.float32)}}
BROKEN = {
    "empty": b"",
    "text": b"hello\nworld\n",
    "truncated": pickle.dumps(ARRAYS)[:-30],
    "marks without end": b"(" * 100_000 + b".",
    "longer than memory": b"\x80\x04\x8e" + b"\xff" * 7 + b"\x7fabc.",
    "persistent id": b"Pfile\n.",
    "zip": b"PK\x03\x04" + bytes(40),
    "array of objects": pickle.dumps({"model": {"a": np.array([None], dtype=object)}}),
    "records": pickle.dumps({"model": {"a": np.zeros(2, [("x", "f4")])}}),
    "call of ndarray": b"cnumpy\nndarray\n(I5\ntR.",
    "wrong number of bytes": pickle.dumps(ARRAYS).replace(b"K\x06\x85", b"K\x07\x85"),
}
NESTED = b"]" * 100_000 + b"a" * 99_999 + b"."
