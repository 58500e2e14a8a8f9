"""What is done of a benchmark: a file for each video, by which an interrupted run goes on and several machines share one."""

import dataclasses
import json
import shutil
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from pathlib import Path
from typing import Any

from data.errors import DataError
from data.reading import read_json
from data.writing import write_text

PARTS = "videos"
_KEYS = {"settings", "result"}


@dataclasses.dataclass(frozen=True)
class PartStore:
    """The folder OUTPUT/videos: NAME.json for each video that is done, with the settings that decided its result."""

    output: Path
    settings: Mapping[str, Any]

    def path(self, video: str) -> Path:
        """The file of a video."""
        return self.output / PARTS / f"{video}.json"

    def is_done(self, video: str) -> bool:
        """Whether the result of a video, by these settings, is there."""
        content = self._content(video)
        return content is not None and content["settings"] == self.settings

    def require_same(self, video: str) -> None:
        """Raises `DataError` if a video's result was made with other settings."""
        content = self._content(video)
        if content is not None and content["settings"] != self.settings:
            difference = _difference(content["settings"], self.settings)
            raise DataError(
                f"{self.path(video)}: made with {difference}; pass the flags with which it was made, choose another --output, "
                "or pass --overwrite"
            )

    def read(self, video: str) -> Any:
        """The result of a video that is done."""
        return self._content(video)["result"]

    def write(self, video: str, result: Any) -> None:
        """Stores the result of a video, whose images must be in place."""
        write_text(self.path(video), json.dumps({"settings": self.settings, "result": result}))

    def _content(self, video: str) -> dict[str, Any] | None:
        path = self.path(video)
        if not path.exists():
            return None
        content = read_json(path)
        if set(content) != _KEYS or not isinstance(content["settings"], dict):
            raise DataError(f"{path}: not the result of a video; choose another --output")
        return content


def _difference(found: Mapping[str, Any], expected: Mapping[str, Any]) -> str:
    """The first setting that differs."""
    key = next(key for key in [*expected, *found] if found.get(key) != expected.get(key))
    return f"{key}={found.get(key)}, not {expected.get(key)}"


@contextmanager
def complete_files(unfinished: Path, output: Path) -> Iterator[Path]:
    """Gives a folder; when the block ends without an error, the files in it move to the same places under `output`.

    Raises:
        DataError: a file or folder cannot be made.
    """
    try:
        shutil.rmtree(unfinished, ignore_errors=True)
        unfinished.mkdir(parents=True)
        yield unfinished
        for file in sorted(path for path in unfinished.rglob("*") if path.is_file()):
            target = output / file.relative_to(unfinished)
            target.parent.mkdir(parents=True, exist_ok=True)
            file.replace(target)
    except OSError as error:
        raise DataError(f"{output}: cannot be written ({error.strerror or error})") from error
    finally:
        shutil.rmtree(unfinished, ignore_errors=True)
