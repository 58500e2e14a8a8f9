"""Segments a video, or all videos of a benchmark, with a checkpoint.

A video:
  python -m tarvis_jax.infer --checkpoint=CKPT --task=vos --frames=frames/ --masks=first.png --output=out --overlay
  python -m tarvis_jax.infer --checkpoint=CKPT --task=pet --frames=video.mp4 --points=points.json --output=out
  python -m tarvis_jax.infer --checkpoint=CKPT --task=vis --frames=video.mp4 --classes=youtube_vis --output=out
  python -m tarvis_jax.infer --checkpoint=CKPT --task=vps --frames=frames/ --classes=vipseg --output=out

A benchmark (davis, burst, youtube_vis, ovis, kitti_step, cityscapes_vps, vipseg); the same command goes on after a stop:
  python -m tarvis_jax.infer --checkpoint=CKPT --dataset=davis --data_root=data --split=val --output=out
  python -m tarvis_jax.infer --checkpoint=CKPT --dataset=burst --data_root=data --split=test --output=out --shard=0/4

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
from tarvis_jax.inference.clips import BENCHMARK_CLIPS, MERGES, ClipSettings
from tarvis_jax.shard import shard_argument

TASKS = ("vos", "pet", "vis", "vps")
OF_VIDEO = ("masks", "points", "classes", "save_logits", "overlay")  # flags of one form of the command alone
OF_BENCHMARK = ("data_root", "split", "shard")


def command_line() -> ArgumentParser:
    """The parser of the command."""
    parser = ArgumentParser(prog="python -m tarvis_jax.infer", description=__doc__)
    parser.add_argument("--checkpoint", type=Path, required=True, metavar="CKPT", help="the network's weights")
    source = parser.add_mutually_exclusive_group(required=True)
    source.add_argument("--frames", type=Path, metavar="PATH", help="folder of .jpg or .png files, or a video")
    source.add_argument("--dataset", metavar="NAME", help=f"benchmark: {', '.join(BENCHMARK_CLIPS)}")
    parser.add_argument("--output", type=Path, required=True, metavar="DIR", help="folder for the results")
    task = "vos, pet: given objects; vis, vps: all of some classes. Of benchmarks, burst has two: pet (points) and vos (masks)"
    parser.add_argument("--task", choices=TASKS, help=task)
    parser.add_argument("--overwrite", action="store_true", help="results in --output may be replaced")
    parser.add_argument("--precision", choices=("auto", "float32", "bfloat16"), default="auto", help="(auto: float32 on CPUs)")
    clips = parser.add_argument_group("clips, by default the original's")
    clips.add_argument("--clip_length", type=int, metavar="N", help="frames of a clip")
    clips.add_argument("--clip_overlap", type=int, metavar="N", help="frames that clips share (half of --clip_length)")
    clips.add_argument("--min_side", type=int, metavar="N", help="pixels of the shorter side; 0 keeps the frames' size")
    clips.add_argument("--max_side", type=int, metavar="N", help="pixels that the longer side does not exceed (1333)")
    merge = "masks in frames that clips share: the original's, or those of the mean of both clips' logits"
    clips.add_argument("--overlap_merge", choices=MERGES, help=merge)
    _add_video_flags(parser.add_argument_group("with --frames"))
    _add_benchmark_flags(parser.add_argument_group("with --dataset"))
    return parser


def _add_video_flags(group: argparse._ArgumentGroup) -> None:
    group.add_argument(
        "--masks", type=Path, metavar="PATH", help="palette PNG of object ids for the first frame, or a folder of such"
    )
    group.add_argument("--points", type=Path, metavar="FILE", help='{"objects": [{"id": 1, "frame": 0, "x": 120, "y": 80}]}')
    group.add_argument("--classes", metavar="DATASET", help="whose classes to look for (youtube_vis, vipseg, ...)")
    group.add_argument("--save_logits", action="store_true", help="also write what the network gives for every clip")
    group.add_argument("--overlay", action="store_true", help="also write overlay.mp4 and a contact sheet, overlay.png")


def _add_benchmark_flags(group: argparse._ArgumentGroup) -> None:
    group.add_argument("--data_root", type=Path, metavar="DIR", help="folder with one folder per dataset (data/README.md)")
    group.add_argument("--split", metavar="NAME", help="as the benchmark calls it: val, test, test-dev, ...")
    group.add_argument("--shard", type=shard_argument, metavar="I/N", help="only every N-th video from the I-th (from 0) on")


def _check_video(arguments: argparse.Namespace) -> None:
    """Flags that do not go together, for one video."""
    _refuse(arguments, OF_BENCHMARK, "--frames; it is for benchmarks, with --dataset")
    require(arguments.task is not None, f"--frames needs --task: {', '.join(TASKS)}")
    by_class = arguments.task in ("vis", "vps")
    given = arguments.masks is not None or arguments.points is not None
    require(not (by_class and given), f"--task={arguments.task} finds its objects itself; leave out --masks and --points")
    require(by_class or arguments.classes is None, f"--task={arguments.task} has no classes; leave out --classes")
    require(arguments.task != "vos" or given, "--task=vos needs --masks: the objects' masks (or --points)")
    require(arguments.task != "pet" or given, "--task=pet needs --points: a point on each object (or --masks)")


def _check_benchmark(arguments: argparse.Namespace) -> None:
    """Flags that do not go together, for a benchmark."""
    _refuse(arguments, OF_VIDEO, "--dataset; it is for single videos, with --frames")
    require(arguments.data_root is not None, "--dataset needs --data_root: the folder that holds one folder per dataset")
    require(arguments.split is not None, "--dataset needs --split: val, test, ..., as the benchmark calls it")


def _refuse(arguments: argparse.Namespace, names: Sequence[str], reason: str) -> None:
    for name in names:
        require(getattr(arguments, name) in (None, False), f"--{name} does not go with {reason}")


def _run_video(arguments: argparse.Namespace) -> None:
    """Segments the video that the command line names."""
    _check_video(arguments)
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
    print(f"{arguments.output}: results of {count} frame{'s' * (count != 1)}")


def _run_benchmark(arguments: argparse.Namespace) -> None:
    """Segments the videos of the benchmark that the command line names."""
    _check_benchmark(arguments)
    from data.videos.benchmark import open_benchmark
    from tarvis_jax.checkpoints import find_step_folder
    from tarvis_jax.devices import compute_dtype
    from tarvis_jax.inference.benchmark import WHOLE, BenchmarkJob, BenchmarkRun, benchmark_task
    from tarvis_jax.inference.network import Network

    dataset, split = arguments.dataset, arguments.split
    task = benchmark_task(dataset, arguments.task)
    clips = _clips(arguments, BENCHMARK_CLIPS[dataset])
    videos = open_benchmark(dataset, arguments.data_root, split)
    checkpoint = find_step_folder(arguments.checkpoint).resolve()
    precision = compute_dtype(arguments.precision).name
    job = BenchmarkJob(dataset, split, task, clips, str(checkpoint), precision)
    run = BenchmarkRun(job, videos, arguments.output, arguments.shard or WHOLE)
    run.run(lambda: Network.from_checkpoint(checkpoint, precision), overwrite=arguments.overwrite)


def _clips(arguments: argparse.Namespace, default: ClipSettings) -> ClipSettings:
    """The clips that the flags ask for; a length without an overlap has half of it."""
    length, overlap = arguments.clip_length, arguments.clip_overlap
    if length is not None and overlap is None:
        overlap = length // 2
    same_names = ("min_side", "max_side", "overlap_merge")
    asked = {"length": length, "overlap": overlap} | {name: getattr(arguments, name) for name in same_names}
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
    return exit_status(lambda: _run_video(arguments) if arguments.frames else _run_benchmark(arguments))


if __name__ == "__main__":
    sys.exit(main())
