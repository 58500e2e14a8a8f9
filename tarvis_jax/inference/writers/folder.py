"""A folder of results in which nothing is ever half-written."""

import shutil
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from pathlib import Path

from tarvis_jax.errors import UserError

UNFINISHED = ".unfinished"


@contextmanager
def result_folder(folder: Path, names: Sequence[str], *, overwrite: bool) -> Iterator[Path]:
    """Gives a folder to write the results `names` to; they move into `folder` when the block ends without an error.

    Raises:
        UserError: one of them is there already and may not be overwritten, or the folder cannot be made.
    """
    for name in names:
        if (folder / name).exists() and not overwrite:
            raise UserError(f"{folder / name}: exists already; choose another --output or pass --overwrite")
    unfinished = folder / UNFINISHED
    try:
        shutil.rmtree(unfinished, ignore_errors=True)
        unfinished.mkdir(parents=True)
    except OSError as error:
        raise UserError(f"{folder}: cannot be made ({error.strerror}); choose another --output") from error
    try:
        yield unfinished
        for name in names:
            _move(unfinished / name, folder / name)
    finally:
        shutil.rmtree(unfinished, ignore_errors=True)


def _move(source: Path, target: Path) -> None:
    if target.is_dir():
        shutil.rmtree(target)
    source.replace(target)
