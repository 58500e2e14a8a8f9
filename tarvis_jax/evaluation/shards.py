"""Parts of an evaluation that were run separately: one file each, joined to the result of the whole."""

import dataclasses
import functools
import json
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

import tarvis_jax
from data.errors import DataError
from data.writing import require_new, write_text
from tarvis_jax.evaluation.benchmark import State
from tarvis_jax.shard import Shard

_KEYS = ("version", "benchmark", "settings", "videos", "result", "shard", "states")
_OTHER = {"videos": "other videos", "result": "other predictions"}


@dataclasses.dataclass(frozen=True)
class Job:
    """What the shards of one evaluation have in common. `pred` may be in another place on another machine."""

    benchmark: str
    settings: Mapping[str, Any]
    videos: Sequence[str]
    pred: Path

    @functools.cached_property
    def identity(self) -> dict[str, Any]:
        """The content of every shard's file that must be the same, as JSON holds it."""
        content = {
            "version": tarvis_jax.__version__,
            "benchmark": self.benchmark,
            "settings": self.settings,
            "videos": self.videos,
            "result": _fingerprint(self.pred),
        }
        return json.loads(json.dumps(content))


def _fingerprint(pred: Path) -> str:
    """Tells results apart: a digest of a file, or of a folder: of its pred.json, and of its PNGs by name and size.

    Reading all PNGs takes long.
    """
    import hashlib  # brings OpenSSL, which a whole run does not need

    digest = hashlib.sha256()
    for file in (pred, pred / "pred.json"):
        if file.is_file():
            digest.update(file.read_bytes())
    if pred.is_dir():
        for png in sorted(pred.rglob("*.png")):
            digest.update(f"{png.relative_to(pred).as_posix()} {png.stat().st_size}\n".encode())
    return digest.hexdigest()


def require_new_shard(folder: Path, shard: Shard, overwrite: bool) -> None:
    """Raises `DataError` if the folder holds this shard already, unless it may be overwritten."""
    require_new(shard.path(folder), overwrite)


def write_shard(folder: Path, job: Job, shard: Shard, states: Mapping[str, State]) -> Path:
    """Stores the states of a shard's videos; returns the file."""
    path = shard.path(folder)
    content = {**job.identity, "shard": str(shard), "states": states}
    write_text(path, json.dumps(content))
    return path


def merge_shards(folders: Sequence[Path], job: Job) -> dict[str, State]:
    """The states of all videos, in their order. Each shard must be there once, and be of this job."""
    found: dict[Shard, Path] = {}
    states: dict[str, State] = {}
    for path in _shard_files(folders):
        shard, shard_states = _read_shard(path, job)
        if shard in found:
            raise DataError(f"--merge: shard {shard} is there twice: {found[shard]} and {path}")
        found[shard] = path
        states |= shard_states
    counts = sorted({shard.count for shard in found})
    if len(counts) > 1:
        raise DataError(f"--merge: expected the shards of one run, found some of {' and some of '.join(map(str, counts))}")
    missing = [str(shard) for shard in (Shard(index, counts[0]) for index in range(counts[0])) if shard not in found]
    if missing:
        raise DataError(f"--merge: of {counts[0]} shards, these are missing: {', '.join(missing)}")
    return {name: states[name] for name in job.videos}


def _shard_files(folders: Sequence[Path]) -> list[Path]:
    files = []
    for folder in folders:
        found = sorted(folder.glob("shard-*-of-*.json"))
        if not found:
            raise DataError(f"--merge: expected files shard-I-of-N.json, as --shard writes them, in {folder}; found none")
        files += found
    return files


def _read_shard(path: Path, job: Job) -> tuple[Shard, dict[str, State]]:
    """A shard's file, which must be of the job."""
    from data.reading import read_json  # brings NumPy, for which --help need not wait

    content = read_json(path)
    if set(content) != set(_KEYS):
        raise DataError(f"{path}: not a file that --shard wrote; expected the keys {', '.join(_KEYS)}")
    for key, expected in job.identity.items():
        if content[key] != expected:
            found = _OTHER.get(key, f"{key} {content[key]!r} instead of {expected!r}")
            raise DataError(f"--merge: {path} is of another evaluation ({found}); pass the flags with which it was made")
    shard, states = Shard.parse(content["shard"]), content["states"]
    if list(states) != list(shard.videos(job.videos)):
        raise DataError(f"{path}: expected the videos of shard {shard}, found others")
    return shard, states
