"""Access to the fields of JSON objects that others wrote."""

from collections.abc import Mapping
from typing import Any

from data.errors import DataError

_NAMES = {
    bool: "a truth value or 0 or 1",
    int: "a whole number",
    float: "a number",
    str: "a string",
    list: "a list [...]",
    dict: "an object {...}",
}


def field(entry: Any, key: str, kind: type, where: str) -> Any:
    """`entry[key]`, which must exist and be of the kind bool (or an int), int, float (or an int), str, list or dict.

    `where` names the file and the entry, for the `DataError`.
    """
    if not isinstance(entry, dict):
        raise DataError(f"{where}: expected an object {{...}}, found {shortened(entry)}")
    if key not in entry:
        raise DataError(f"{where}: the key {key!r} is missing; found {', '.join(map(repr, entry)) or 'none'}")
    value = entry[key]
    allowed = {bool: (bool, int), float: (float, int)}.get(kind, (kind,))
    if type(value) not in allowed or not fits(value):
        raise DataError(f"{where}: expected {_NAMES[kind]} as {key!r}, found {shortened(value)}")
    return value


def fits(value: Any) -> bool:
    """False for a whole number that NumPy's integers do not hold; JSON has no limit."""
    return not isinstance(value, int) or abs(value) < 2**63


def distinct_names(names: Mapping[int, str]) -> dict[int, str]:
    """Names by id for a report; with their ids where a name is not unique."""
    taken = list(names.values())
    return {key: f"{name} ({key})" if taken.count(name) > 1 else name for key, name in names.items()}


def shortened(value: Any) -> str:
    """A value for a message, at most 60 characters."""
    text = repr(value)
    return text if len(text) <= 60 else text[:57] + "..."
