"""Segments a video with a checkpoint.

Examples:
  python -m tarvis_jax.infer --checkpoint=CKPT --task=vos --frames=frames/ --masks=first.png --output=out --overlay
  python -m tarvis_jax.infer --checkpoint=CKPT --task=pet --frames=video.mp4 --points=points.json --output=out
  python -m tarvis_jax.infer --checkpoint=CKPT --task=vis --frames=video.mp4 --classes=youtube_vis --output=out
  python -m tarvis_jax.infer --checkpoint=CKPT --task=vps --frames=frames/ --classes=vipseg --output=out

CKPT is a workdir, one step's folder in it, or what `tarvis_jax.convert from_torch` wrote. docs/inference.md has the formats.
"""

import argparse
import dataclasses
import sys
from collections.abc import Sequence
from pathlib import Path

from tarvis_jax.cli import ArgumentParser, exit_status
from tarvis_jax.config import require
from tarvis_jax.errors import UserError
from tarvis_jax.inference.clips import ClipSettings

TASKS = ("vos", "pet", "vis", "vps")


def command_line() -> ArgumentParser:
    """The parser of the command."""
    parser = ArgumentParser(prog="python -m tarvis_jax.infer", description=__doc__)
    parser.add_argument("--checkpoint", type=Path, required=True, metavar="CKPT", help="the network's weights")
    parser.add_argument("--task", choices=TASKS, required=True, help="vos, pet: given objects; vis, vps: all of some classes")
    parser.add_argument("--frames", type=Path, required=True, metavar="PATH", help="folder of .jpg or .png files, or a video")
    parser.add_argument("--output", type=Path, required=True, metavar="DIR", help="folder for the results")
    parser.add_argument(
        "--masks", type=Path, metavar="PATH", help="palette PNG of object ids for the first frame, or a folder of such"
    )
    parser.add_argument("--points", type=Path, metavar="FILE", help='{"objects": [{"id": 1, "frame": 0, "x": 120, "y": 80}]}')
    parser.add_argument("--classes", metavar="DATASET", help="whose classes to look for (youtube_vis, vipseg, ...)")
    parser.add_argument("--clip_length", type=int, metavar="N", help="frames of a clip (as the original's)")
    parser.add_argument("--clip_overlap", type=int, metavar="N", help="frames that clips share (half of --clip_length)")
    parser.add_argument("--min_side", type=int, metavar="N", help="pixels of the shorter side; 0 keeps the frames' size")
    parser.add_argument("--max_side", type=int, metavar="N", help="pixels that the longer side does not exceed (1333)")
    parser.add_argument("--precision", choices=("auto", "float32", "bfloat16"), default="auto", help="(auto: float32 on CPUs)")
    parser.add_argument("--save_logits", action="store_true", help="also write what the network gives for every clip")
    parser.add_argument("--overlay", action="store_true", help="also write overlay.mp4 and a contact sheet, overlay.png")
    parser.add_argument("--overwrite", action="store_true", help="results in --output may be replaced")
    return parser


def _check(arguments: argparse.Namespace) -> None:
    """Flags that do not go together."""
    by_class = arguments.task in ("vis", "vps")
    given = arguments.masks is not None or arguments.points is not None
    require(not (by_class and given), f"--task={arguments.task} finds its objects itself; leave out --masks and --points")
    require(by_class or arguments.classes is None, f"--task={arguments.task} has no classes; leave out --classes")
    require(arguments.task != "vos" or given, "--task=vos needs --masks: the objects' masks (or --points)")
    require(arguments.task != "pet" or given, "--task=pet needs --points: a point on each object (or --masks)")


def run(arguments: argparse.Namespace) -> None:
    """Segments the video that the command line names."""
    _check(arguments)
    # Imported here, so that a misspelt flag is answered at once.
    from tarvis_jax.inference.frames import open_frames
    from tarvis_jax.inference.given_objects import read_masks, read_points
    from tarvis_jax.inference.network import Network
    from tarvis_jax.inference.predictor import default_clips
    from tarvis_jax.inference.video import VideoJob, segment_video

    frames = open_frames(arguments.frames)
    given = read_masks(arguments.masks, frames) if arguments.masks else []
    given += read_points(arguments.points) if arguments.points else []
    network = Network.from_checkpoint(arguments.checkpoint, arguments.precision)
    classes = arguments.classes or _only_dataset(arguments, dict(network.config.vocabulary))
    clips = _clips(arguments, default_clips(arguments.task, classes))
    job = VideoJob(frames, arguments.task, given, classes, clips, arguments.save_logits, arguments.overlay)
    count = segment_video(job, network, arguments.output, overwrite=arguments.overwrite)
    print(f"{arguments.output}: results of {count} frames")


def _clips(arguments: argparse.Namespace, default: ClipSettings) -> ClipSettings:
    """The clips that the flags ask for; a length without an overlap has half of it."""
    length, overlap = arguments.clip_length, arguments.clip_overlap
    if length is not None and overlap is None:
        overlap = length // 2
    asked = {"length": length, "overlap": overlap, "min_side": arguments.min_side, "max_side": arguments.max_side}
    return dataclasses.replace(default, **{name: value for name, value in asked.items() if value is not None})


def _only_dataset(arguments: argparse.Namespace, vocabulary: dict[str, int]) -> str | None:
    """The dataset whose classes the checkpoint knows, if it knows no other."""
    if arguments.task not in ("vis", "vps"):
        return None
    if len(vocabulary) != 1:
        raise UserError(f"--task={arguments.task} needs --classes: {', '.join(vocabulary)}")
    return next(iter(vocabulary))


def main(argv: Sequence[str] | None = None) -> int:
    """Runs the command; returns its exit status."""
    arguments = command_line().parse_args(argv)
    return exit_status(lambda: run(arguments))


if __name__ == "__main__":
    sys.exit(main())
