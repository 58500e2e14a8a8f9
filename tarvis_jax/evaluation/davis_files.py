"""Where DAVIS keeps its sequences, ground truth and results."""

from collections.abc import Iterable, Mapping, Sequence
from pathlib import Path

from data.errors import DataError
from data.folders import listing, wrong_layout
from tarvis_jax.errors import closest

_SERVERS = {
    "semi-supervised": "https://competitions.codalab.org/competitions/21650",
    "unsupervised": "https://competitions.codalab.org/competitions/21739",
}
_HIDDEN_SPLITS = ("test-dev", "test-challenge")


def annotation_folder(root: Path, task: str) -> Path:
    """The folder of a task's ground truth: SEQUENCE/FRAME.png."""
    return root / ("Annotations" if task == "semi-supervised" else "Annotations_unsupervised") / "480p"


def list_sequences(root: Path, year: int, split: str, task: str) -> list[str]:
    """The names in the split's list, in its order."""
    if split in _HIDDEN_SPLITS:
        raise DataError(
            f"--split={split}: its ground truth is not public; submit to the DAVIS challenge on CodaLab: {_SERVERS[task]}"
        )
    if not _has_lists(root):
        raise wrong_layout(root, "gt", "expected a DAVIS folder with ImageSets and Annotations", _has_lists)
    folders = [root / "ImageSets" / name for name in (("2017",) if year == 2017 else ("2016", "480p"))]
    lists = {path.stem: path for folder in reversed(folders) for path in folder.glob("*.txt")}
    if not lists:
        raise DataError(f"--gt={root}: expected lists of sequences in {' or '.join(map(str, folders))}, found none")
    if split not in lists:
        raise DataError(f"--split={split}: no such list in {folders[0]}; {closest(split, lists)}")
    names = [_sequence_name(line) for line in lists[split].read_text().splitlines() if line.strip()]
    if not names:
        raise DataError(f"{lists[split]}: expected a sequence a line, found nothing")
    return list(dict.fromkeys(names))


def _has_lists(root: Path) -> bool:
    return (root / "ImageSets").is_dir()


def _sequence_name(line: str) -> str:
    """DAVIS 2017 lists sequences, DAVIS 2016 lists frames: /JPEGImages/480p/SEQUENCE/00000.jpg /Annotations/..."""
    first = line.split()[0]
    return Path(first).parent.name if "/" in first else first


def list_frames(folder: Path, sequences: Iterable[str]) -> dict[str, list[str]]:
    """The names (stems) of the ground-truth frames of each sequence, in order."""
    if not folder.is_dir():
        raise DataError(f"{folder}: no such folder; expected the ground truth there, as SEQUENCE/FRAME.png")
    frames = {name: _png_stems(folder / name) for name in sequences}
    for name, stems in frames.items():
        if not stems:
            raise DataError(f"{folder / name}: expected the ground truth of sequence {name} as FRAME.png, found no PNG")
    return frames


def check_results(pred: Path, scored: Mapping[str, Sequence[str]]) -> None:
    """Raises `DataError` unless there is SEQUENCE/FRAME.png for every frame that is scored."""
    missing = [name for name in scored if not (pred / name).is_dir()]
    if len(missing) == len(scored):
        expected = f"expected SEQUENCE/FRAME.png for the sequences {listing(missing)}"
        raise wrong_layout(pred, "pred", expected, lambda folder: any((folder / name).is_dir() for name in scored))
    if missing:
        raise DataError(f"--pred={pred}: {len(missing)} of {len(scored)} sequences are missing: {listing(missing)}")
    for name, stems in scored.items():
        absent = sorted(set(stems) - set(_png_stems(pred / name)))
        if absent:
            files = listing([f"{stem}.png" for stem in absent])
            found = listing(sorted(path.name for path in (pred / name).iterdir()))
            raise DataError(f"{pred / name}: {len(absent)} of {len(stems)} scored frames are missing: {files}; found {found}")


def _png_stems(folder: Path) -> list[str]:
    return sorted(path.stem for path in folder.glob("*.png"))
