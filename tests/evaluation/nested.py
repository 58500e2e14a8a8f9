"""Comparison of nested results with stored numbers, so that nothing stored is skipped."""

import math
from collections.abc import Mapping
from typing import Any


def flat(nested: Any, path: str = "") -> dict[str, Any]:
    """The leaves of nested dicts and lists by their path."""
    if isinstance(nested, Mapping):
        items = nested.items()
    elif isinstance(nested, list | tuple):
        items = enumerate(nested)
    else:
        return {path: nested}
    return {key: leaf for name, child in items for key, leaf in flat(child, f"{path}/{name}").items()}


def assert_equal_numbers(found: Any, expected: Any, tolerance: float = 1e-9) -> None:
    """Both have the same leaves; numbers differ by no more than the tolerance."""
    found, expected = flat(found), flat(expected)
    assert found.keys() == expected.keys()
    wrong = {path: (found[path], value) for path, value in expected.items() if not _same(found[path], value, tolerance)}
    assert not wrong


def _same(found: Any, expected: Any, tolerance: float) -> bool:
    if isinstance(expected, str):
        return found == expected
    both_nan = math.isnan(found) and math.isnan(expected)
    return both_nan or abs(found - expected) <= tolerance
