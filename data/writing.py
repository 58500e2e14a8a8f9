"""Files that are never half-written and never lost by accident."""

from pathlib import Path

from data.errors import DataError


def require_new(path: Path, overwrite: bool) -> None:
    """Makes the folder of a file to come. Raises `DataError` if the file exists, unless it may be overwritten."""
    _make_folder(path)
    if path.exists() and not overwrite:
        raise DataError(f"{path}: exists already; pass another --output, or --overwrite")


def _make_folder(path: Path) -> None:
    try:
        path.parent.mkdir(parents=True, exist_ok=True)
    except OSError as error:
        raise DataError(f"{path.parent}: cannot be made a folder ({error.strerror})") from None


def write_text(path: Path, text: str) -> None:
    """Writes under a temporary name and renames; makes the folder."""
    write_bytes(path, text.encode())


def write_bytes(path: Path, content: bytes) -> None:
    """As `write_text`."""
    _make_folder(path)
    try:
        unfinished = path.with_name(f"{path.name}.unfinished")
        unfinished.write_bytes(content)
        unfinished.replace(path)
    except OSError as error:
        raise DataError(f"{path}: cannot be written ({error.strerror})") from None
