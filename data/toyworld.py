"""Draws small datasets in their official layouts, with exact ground truth, for demos and tests.

Examples:
  python -m data.toyworld --output=/tmp/toy --images=400
  python -m data.toyworld --output=/tmp/toy --datasets=davis,burst,youtube_vis --videos=4
write /tmp/toy/coco, /tmp/toy/davis, ..., so that /tmp/toy is a data_root. The videos show shapes, patterns and backgrounds that
the images never show.
"""

import argparse
import shutil
import sys
import tempfile
import zlib
from collections.abc import Callable, Sequence
from pathlib import Path

from data.errors import DataError
from data.toy import burst, cityscapes_vps, coco, davis, kitti_step, vipseg, youtube_vis
from tarvis_jax.cli import ArgumentParser, exit_status
from tarvis_jax.errors import UserError, closest

IMAGES = 200  # of COCO's training split
VIDEOS = 4  # of each video dataset
SIZE = 128  # pixels; typical side
_SMALLEST = 32  # of it; things need some pixels
VIDEO_LAYOUTS = {
    "davis": davis.LAYOUT,
    "burst": burst.LAYOUT,
    "youtube_vis": youtube_vis.LAYOUT,
    "ovis": youtube_vis.OVIS_LAYOUT,
    "kitti_step": kitti_step.LAYOUT,
    "cityscapes_vps": cityscapes_vps.LAYOUT,
    "vipseg": vipseg.LAYOUT,
}
DATASETS = ("coco", *VIDEO_LAYOUTS)


def draw_coco(output: Path, *, seed: int = 0, images: int = IMAGES, size: int = SIZE, overwrite: bool = False) -> Path:
    """Writes output/coco, the panoptic training and validation splits of COCO 2017, and returns that folder.

    The folder appears when it is complete. Image i depends on the seed, `size` and i alone. Raises `DataError` if it exists and
    is not to be overwritten.
    """
    return _complete(output / "coco", lambda root: coco.write(root, seed, images, size), overwrite)


def draw_videos(
    output: Path, dataset: str, *, seed: int = 0, videos: int = VIDEOS, size: int = SIZE, overwrite: bool = False
) -> Path:
    """Writes output/DATASET, the validation split of one of `VIDEO_LAYOUTS`, and returns that folder.

    The folder appears when it is complete. Frames have 3/4 by 5/4 of `size` pixels. Video i depends on the seed, the dataset,
    `size` and i alone. Raises `DataError` if the folder exists and is not to be overwritten, or if the split cannot have so
    many videos.
    """
    layout = VIDEO_LAYOUTS[dataset]
    if videos > layout.most_videos:
        raise DataError(f"--videos={videos}: {dataset} has {layout.most_videos} validation sequences; choose fewer")
    seeds = ([seed, zlib.crc32(dataset.encode()), index] for index in range(videos))
    drawn = layout.draw(seeds, size * 3 // 4, size * 5 // 4)
    return _complete(output / dataset, lambda root: layout.write(root, drawn), overwrite)


def _complete(target: Path, write: Callable[[Path], None], overwrite: bool) -> Path:
    """Has a folder written under another name, and renames it."""
    _require_new(target, overwrite)
    target.parent.mkdir(parents=True, exist_ok=True)
    unfinished = Path(tempfile.mkdtemp(prefix=f".{target.name}-", dir=target.parent))
    try:
        write(unfinished)
        unfinished.chmod(0o755)  # mkdtemp's folders are private
        if target.exists():
            shutil.rmtree(target)
        unfinished.rename(target)
    finally:
        shutil.rmtree(unfinished, ignore_errors=True)
    return target


def _require_new(target: Path, overwrite: bool) -> None:
    if target.exists() and not overwrite:
        raise DataError(f"{target}: expected nothing there, found a result; choose another --output or pass --overwrite")


def _datasets(text: str) -> list[str]:
    names = text.split(",")
    unknown = [name for name in names if name not in DATASETS]
    if unknown:
        raise argparse.ArgumentTypeError(f"cannot draw {unknown[0]!r}; {closest(unknown[0], DATASETS)}")
    return list(dict.fromkeys(names))


def command_line() -> ArgumentParser:
    """The parser of the command."""
    parser = ArgumentParser(prog="python -m data.toyworld", description=__doc__)
    parser.add_argument("--output", type=Path, required=True, help="folder for the datasets, made if needed")
    parser.add_argument(
        "--datasets", type=_datasets, default=["coco"], metavar="A,B,...", help=f"of {', '.join(DATASETS)} (default coco)"
    )
    parser.add_argument("--seed", type=int, default=0, help="other seeds draw other images (default %(default)s)")
    parser.add_argument(
        "--images", type=int, default=IMAGES, help="training images of coco; a quarter more for val (default %(default)s)"
    )
    parser.add_argument("--videos", type=int, default=VIDEOS, help="videos of each video dataset (default %(default)s)")
    parser.add_argument("--size", type=int, default=SIZE, help="typical side in pixels (default %(default)s)")
    parser.add_argument("--overwrite", action="store_true", help="replace what is there")
    return parser


def _run(arguments: argparse.Namespace) -> None:
    for name, least in (("seed", 0), ("images", 1), ("videos", 1), ("size", _SMALLEST)):
        if getattr(arguments, name) < least:
            raise UserError(f"--{name}: expected {least} or more, found {getattr(arguments, name)}")
    settings = {"seed": arguments.seed, "size": arguments.size, "overwrite": arguments.overwrite}
    for dataset in arguments.datasets:
        _require_new(arguments.output / dataset, arguments.overwrite)
    try:
        for dataset in arguments.datasets:
            if dataset == "coco":
                print(f"{draw_coco(arguments.output, images=arguments.images, **settings)}: {arguments.images} training images")
            else:
                folder = draw_videos(arguments.output, dataset, videos=arguments.videos, **settings)
                print(f"{folder}: {arguments.videos} videos")
    except OSError as error:
        raise DataError(f"{error.filename or arguments.output}: cannot be written ({error.strerror})") from None


def main(argv: Sequence[str] | None = None) -> int:
    """Draws as the command line says; returns the exit status."""
    parser = command_line()
    return exit_status(lambda: _run(parser.parse_args(argv)))


if __name__ == "__main__":
    sys.exit(main())
