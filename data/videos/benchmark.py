"""Opens a benchmark by its name."""

from collections.abc import Callable
from pathlib import Path

from data.errors import DataError
from data.videos import burst, cityscapes_vps, davis, kitti_step, vipseg, youtube_vis
from data.videos.video import Video
from tarvis_jax.errors import closest

# dataset -> reader of (the dataset's folder, split)
BENCHMARKS: dict[str, Callable[[Path, str], list[Video]]] = {
    "davis": davis.open_split,
    "burst": burst.open_split,
    "youtube_vis": youtube_vis.open_split,
    "ovis": youtube_vis.open_ovis_split,
    "kitti_step": kitti_step.open_split,
    "cityscapes_vps": cityscapes_vps.open_split,
    "vipseg": vipseg.open_split,
}


def open_benchmark(dataset: str, data_root: Path, split: str) -> list[Video]:
    """The videos of a split, in the order of the benchmark's own list. Images and masks are not read yet.

    Args:
        dataset: one of `BENCHMARKS`.
        data_root: the folder that holds one folder per dataset, laid out as data/README.md shows.
        split: as the benchmark calls it.

    Raises:
        DataError: an unknown dataset or split, or something is missing; the message names the path.
    """
    if dataset not in BENCHMARKS:
        raise DataError(f"dataset {dataset!r}: not a video benchmark; {closest(dataset, BENCHMARKS)}")
    root = Path(data_root) / dataset
    if not root.is_dir():
        raise DataError(f"{root}: no such folder; expected {dataset} there, data/README.md shows the tree")
    return BENCHMARKS[dataset](root, split)
