"""Checks that a folder of results or ground truth has the layout of its benchmark."""

from collections.abc import Callable, Sequence
from pathlib import Path

from data.errors import DataError

_SHOWN = 5  # names in a message


def require_entries(folder: Path, names: Sequence[str], option: str) -> None:
    """Raises `DataError` unless the folder, given by the command line's `option`, has all these files and folders.

    If a folder above or below has them, the message says so.
    """
    missing = [name for name in names if not (folder / name).exists()]
    if missing:
        expected = listing([f"{name} missing" for name in missing])
        raise wrong_layout(folder, option, expected, lambda near: all((near / name).exists() for name in names))


def wrong_layout(folder: Path, option: str, expected: str, is_right: Callable[[Path], bool]) -> DataError:
    """The error for a folder that is not laid out as `expected`; `is_right` tells whether another folder would do."""
    if not folder.is_dir():
        found = "a file, expected a folder" if folder.exists() else "no such folder"
        return DataError(f"--{option}={folder}: {found}")
    inside = subfolders(folder)
    near = [path for path in (*inside, *folder.resolve().parents[:2]) if is_right(path)]
    near += [path for path in inside for path in subfolders(path) if is_right(path)] if not near else []
    hint = f"; did you mean --{option}={near[0]}?" if near else ""
    found = listing(sorted(path.name + "/" * path.is_dir() for path in folder.iterdir()))
    return DataError(f"--{option}={folder}: {expected}; found {found}{hint}")


def subfolders(folder: Path) -> list[Path]:
    """The folders in a folder that are not hidden, sorted."""
    return sorted(path for path in folder.iterdir() if path.is_dir() and not path.name.startswith("."))


def listing(names: Sequence[str]) -> str:
    """The first names of a list, for a message."""
    more = f", ... ({len(names)} in all)" if len(names) > _SHOWN else ""
    return (", ".join(names[:_SHOWN]) or "nothing") + more
