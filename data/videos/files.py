"""Checks of what should be there, which the readers of all benchmarks share."""

from collections.abc import Collection, Sequence
from pathlib import Path

from PIL import Image

from data.errors import DataError
from tarvis_jax.errors import closest


def require_split(split: str, splits: Collection[str]) -> None:
    """Raises `DataError` unless the split is one of those that exist."""
    if split not in splits:
        raise DataError(f"split {split!r}: no such split; {closest(split, splits)}")


def require_folder(folder: Path, content: str) -> None:
    """Raises `DataError` unless the folder is there; `content` says what should be in it."""
    if not folder.is_dir():
        found = "a file" if folder.exists() else "nothing"
        raise DataError(f"{folder}: expected a folder with {content}, found {found}; data/README.md shows the tree")


def require_file(file: Path, content: str) -> None:
    """Raises `DataError` unless the file is there; `content` says what it holds."""
    if not file.is_file():
        raise DataError(f"{file}: expected {content}, found nothing; data/README.md shows the tree")


def require_frames(frames: Sequence[Path], video: str) -> None:
    """Raises `DataError`, which names the first one missing, unless all frames of a video are there."""
    inside = {folder: _names(folder) for folder in {frame.parent for frame in frames}}
    missing = [frame for frame in frames if frame.name not in inside[frame.parent]]
    if missing:
        raise DataError(
            f"{missing[0]}: no such file; {len(missing)} of the {len(frames)} frames of video {video} are missing; complete "
            "the download (data/README.md shows the tree)"
        )


def _names(folder: Path) -> set[str]:
    return {path.name for path in folder.iterdir()} if folder.is_dir() else set()


def list_frames(folder: Path, suffix: str) -> tuple[Path, ...]:
    """The files of a folder with this suffix, sorted; there must be one."""
    require_folder(folder, f"FRAME{suffix} files")
    frames = tuple(sorted(folder.glob(f"*{suffix}")))
    if not frames:
        raise DataError(f"{folder}: expected FRAME{suffix} files, found none; data/README.md shows the tree")
    return frames


def image_size(file: Path) -> tuple[int, int]:
    """(h, w) of an image, from its header."""
    try:
        with Image.open(file) as image:
            return image.height, image.width
    except OSError as error:
        raise DataError(f"{file}: cannot be read as an image ({error}); download it again") from None
