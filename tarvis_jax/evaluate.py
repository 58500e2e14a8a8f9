"""Scores results against ground truth, as the benchmarks' official tools do.

Examples:
  python -m tarvis_jax.evaluate davis --gt=data/davis --pred=out/davis --output=out/davis_scores
  python -m tarvis_jax.evaluate burst --gt=data/burst/annotations/val --pred=out/burst/results.json --workers=8
  python -m tarvis_jax.evaluate youtube_vis --gt=data/youtube_vis/valid.json --pred=out/youtube_vis/results.json

Needs neither JAX nor PyTorch (requirements-eval.txt). docs/evaluation.md has the rules of every benchmark.
"""

import argparse
import dataclasses
import gc
import os
import sys
from collections.abc import Callable, Iterable, Mapping, Sequence
from pathlib import Path
from typing import Any

from tarvis_jax.cli import ArgumentParser, check_command, exit_status
from tarvis_jax.errors import UserError
from tarvis_jax.evaluation import report
from tarvis_jax.evaluation.benchmark import Benchmark, Result
from tarvis_jax.evaluation.runner import evaluate_videos
from tarvis_jax.evaluation.shards import Job, merge_shards, require_new_shard, write_shard
from tarvis_jax.shard import shard_argument


@dataclasses.dataclass(frozen=True)
class Command:
    """A benchmark on the command line.

    Attributes:
        purpose: what it scores, in a line.
        gt, pred: what the two flags mean.
        open: makes the benchmark of the settings; imports it, as nobody waits for the others.
        example: values of the flags, for the help.
        flags: further flags with their options for argparse. They and `--fixed` are the settings.
        fixed: what `--fixed` mends; "" if there is nothing.
        several: whether several results can be compared.
    """

    purpose: str
    gt: str
    pred: str
    open: Callable[..., Benchmark]
    example: str
    flags: Mapping[str, Mapping[str, Any]] = dataclasses.field(default_factory=dict)
    fixed: str = ""
    several: bool = False


def _open_davis(gt: Path, pred: Path, task: str, year: int, **settings: Any) -> Benchmark:
    if task == "semi-supervised":
        from tarvis_jax.evaluation.davis import Davis

        return Davis(gt, pred, year=year, **settings)
    if year == 2016:
        raise UserError("--task=unsupervised: DAVIS 2016 has one object a sequence and scores both tasks alike; leave it out")
    from tarvis_jax.evaluation.davis_unsupervised import DavisUnsupervised

    return DavisUnsupervised(gt, pred, **settings)


def _open_burst(gt: Path, pred: Path, **settings: Any) -> Benchmark:
    from tarvis_jax.evaluation.burst import Burst

    return Burst(gt, pred, **settings)


def _open_youtube_vis(gt: Path, pred: Path, *, dataset: str = "youtube_vis") -> Benchmark:
    from tarvis_jax.evaluation.ytvis import YoutubeVis

    return YoutubeVis(gt, pred, dataset)


def _open_ovis(gt: Path, pred: Path) -> Benchmark:
    return _open_youtube_vis(gt, pred, dataset="ovis")


def _open_kitti_step(gt: Path, pred: Path) -> Benchmark:
    from tarvis_jax.evaluation.kitti_step import KittiStep

    return KittiStep(gt, pred)


def _open_cityscapes_vps(gt: Path, pred: Path) -> Benchmark:
    from tarvis_jax.evaluation.cityscapes_vps import CityscapesVps

    return CityscapesVps(gt, pred)


def _open_vipseg(gt: Path, pred: Path, **settings: Any) -> Benchmark:
    from tarvis_jax.evaluation.vipseg import Vipseg

    return Vipseg(gt, pred, **settings)


COMMANDS = {
    "davis": Command(
        "J&F of DAVIS 2017 and 2016",
        gt="DAVIS folder with ImageSets and Annotations (or Annotations_unsupervised)",
        pred="folder with SEQUENCE/FRAME.png, palette PNGs of object ids",
        open=_open_davis,
        example="--gt=data/davis --pred=out/davis --output=out/davis_scores --plot",
        flags={
            "--year": {"type": int, "choices": (2017, 2016), "default": 2017, "help": "2016: one object a sequence"},
            "--split": {"default": "val", "metavar": "NAME", "help": "list of sequences in ImageSets (val)"},
            "--task": {
                "choices": ("semi-supervised", "unsupervised"),
                "default": "semi-supervised",
                "help": "(semi-supervised)",
            },
        },
        fixed="the decay of sequences with more than 256 scored frames; unsupervised rows are numbered by object",
    ),
    "burst": Command(
        "HOTA of BURST (OWTA for open_world)",
        gt="folder with all_classes.json, common_classes.json, uncommon_classes.json, info/",
        pred="result in BURST's format; several times to compare several",
        open=_open_burst,
        example="--gt=data/burst/annotations/val --pred=ours.json --pred=theirs.json --workers=4",
        flags={
            "--task": {
                "choices": ("exemplar_guided", "class_guided", "open_world"),
                "default": "exemplar_guided",
                "help": "exemplar_guided (default) is that of masks, boxes and points alike",
            },
            "--flow": {
                "choices": ("trackeval", "burstapi"),
                "default": "trackeval",
                "help": "official tool, where they differ (trackeval)",
            },
            "--similarity": {
                "choices": ("box", "mask"),
                "default": "box",
                "help": "box (default): the published numbers; mask: what they would be with the IoU of masks",
            },
        },
        several=True,
    ),
    "youtube_vis": Command(
        "AP of YouTube-VIS",
        gt="annotation file",
        pred="results.json, as the server takes it",
        open=_open_youtube_vis,
        example="--gt=data/youtube_vis/valid.json --pred=out/youtube_vis/results.json",
    ),
    "ovis": Command(
        "AP of OVIS",
        gt="annotation file",
        pred="results.json, as the server takes it",
        open=_open_ovis,
        example="--gt=data/ovis/annotations_valid.json --pred=out/ovis/results.json",
    ),
    "kitti_step": Command(
        "STQ of KITTI-STEP",
        gt="folder with SEQUENCE/FRAME.png (R class, 256 G + B instance)",
        pred="the same layout",
        open=_open_kitti_step,
        example="--gt=data/kitti_step/panoptic_maps/val --pred=out/kitti_step --output=out/kitti_step_scores",
    ),
    "cityscapes_vps": Command(
        "VPQ of Cityscapes-VPS",
        gt="folder with panpotic_gt_val_city_vps.json and panoptic_video/",
        pred="folder with pred.json and pan_pred/",
        open=_open_cityscapes_vps,
        example="--gt=data/cityscapes_vps/val --pred=out/cityscapes_vps --workers=4",
    ),
    "vipseg": Command(
        "VPQ and STQ of VIPSeg",
        gt="folder with panoptic_gt_VIPSeg_val.json and panomasksRGB/",
        pred="folder with pred.json and pan_pred/",
        open=_open_vipseg,
        example="--gt=data/vipseg --pred=out/vipseg --workers=4",
        fixed="the first thing of a video is not taken for a crowd in STQ",
    ),
}


def _positive(text: str) -> int:
    if not text.isdecimal() or int(text) < 1:
        raise argparse.ArgumentTypeError(f"expected a whole number from 1 on, found {text!r}")
    return int(text)


def _path(text: str) -> Path:
    if not text:
        raise argparse.ArgumentTypeError("expected a path, found nothing (a variable that is not set?)")
    return Path(text)


def command_line(benchmarks: Iterable[str] = tuple(COMMANDS)) -> ArgumentParser:
    """The parser of the command for these benchmarks."""
    parser = ArgumentParser(prog="python -m tarvis_jax.evaluate", description=__doc__)
    commands = parser.add_subparsers(title="benchmarks", required=True, metavar="BENCHMARK", dest="benchmark")
    for name in benchmarks:
        command = COMMANDS[name]
        example = f"example:\n  python -m tarvis_jax.evaluate {name} {command.example}"
        sub = commands.add_parser(name, help=command.purpose, description=f"{command.purpose}.", epilog=example)
        sub.add_argument("--gt", type=_path, required=True, metavar="PATH", help=command.gt)
        sub.add_argument("--pred", type=_path, required=True, action="append", metavar="PATH", help=command.pred)
        for flag, options in command.flags.items():
            sub.add_argument(flag, **options)
        if command.fixed:
            sub.add_argument("--fixed", action="store_true", help=f"without the official tool's bugs: {command.fixed}")
        _add_common_flags(sub)
    return parser


def _add_common_flags(parser: ArgumentParser) -> None:
    parser.add_argument("--output", type=_path, metavar="DIR", help="folder for results.json and CSV files")
    parser.add_argument("--overwrite", action="store_true", help="results in --output may be replaced")
    parser.add_argument("--workers", type=_positive, default=1, metavar="N", help="processes (1)")
    parser.add_argument("--worst", type=_positive, default=0, metavar="K", help="also print the K lowest scores")
    parser.add_argument("--plot", action="store_true", help="also draw curves, as PNG files in --output")
    parts = parser.add_mutually_exclusive_group()
    parts.add_argument(
        "--shard", type=shard_argument, metavar="I/N", help="only every N-th video from the I-th (from 0) on, for --merge"
    )
    parts.add_argument(
        "--merge",
        type=_path,
        nargs="+",
        action="extend",
        metavar="DIR",
        help="join the results of all shards, in these folders",
    )


def _check(arguments: argparse.Namespace) -> None:
    """Flags that do not go together."""
    if arguments.output is None and (arguments.plot or arguments.shard or arguments.overwrite):
        flag = "--plot" if arguments.plot else "--shard" if arguments.shard else "--overwrite"
        raise UserError(f"{flag} needs --output=DIR, a folder for the files")
    if len(arguments.pred) > 1 and not COMMANDS[arguments.benchmark].several:
        raise UserError(f"--pred: {arguments.benchmark} takes one result at a time, found {len(arguments.pred)}")
    if len(arguments.pred) > 1 and (arguments.shard or arguments.merge):
        raise UserError("--shard and --merge take one --pred at a time")
    if arguments.shard and (arguments.plot or arguments.worst):
        raise UserError("--shard stores a part and shows nothing; give --plot and --worst to --merge")
    if arguments.merge and arguments.workers > 1:
        raise UserError("--merge evaluates nothing; leave --workers out")


def _named(paths: Sequence[Path]) -> dict[str, Path]:
    """The result files by their stems, with their folders where stems are not unique."""
    stems = [path.stem for path in paths]
    names = stems if len(set(stems)) == len(stems) else [f"{path.absolute().parent.name}/{path.stem}" for path in paths]
    if len(set(names)) < len(names):
        raise UserError(f"--pred: expected files of different names, found {', '.join(map(str, paths))}")
    return dict(zip(names, paths, strict=True))


def _open(arguments: argparse.Namespace, pred: Path) -> tuple[Benchmark, Job]:
    """The benchmark of one result, and what its shards have in common."""
    command = COMMANDS[arguments.benchmark]
    keys = [flag.removeprefix("--") for flag in command.flags] + ["fixed"] * bool(command.fixed)
    settings = {key: getattr(arguments, key) for key in keys}
    benchmark = command.open(arguments.gt, pred, **settings)
    return benchmark, Job(arguments.benchmark, settings, benchmark.videos, pred)


def _run_shard(arguments: argparse.Namespace) -> None:
    require_new_shard(arguments.output, arguments.shard, arguments.overwrite)
    benchmark, job = _open(arguments, arguments.pred[0])
    states = evaluate_videos(benchmark, arguments.shard.videos(benchmark.videos), arguments.workers)
    print(write_shard(arguments.output, job, arguments.shard, states))


def _result(arguments: argparse.Namespace, pred: Path) -> Result:
    benchmark, job = _open(arguments, pred)
    if arguments.merge:
        return benchmark.summarise(merge_shards(arguments.merge, job))
    return benchmark.summarise(evaluate_videos(benchmark, benchmark.videos, arguments.workers))


def _run(arguments: argparse.Namespace) -> None:
    _check(arguments)
    if arguments.shard:
        _run_shard(arguments)
        return
    if arguments.output is not None:
        report.require_new_results(arguments.output, arguments.overwrite)
    results = {name: _result(arguments, pred) for name, pred in _named(arguments.pred).items()}
    try:
        report.show(results, arguments.worst)
    finally:  # whatever becomes of what is printed, as when a pipe is closed
        if arguments.output is not None:
            report.write(results, arguments.output, plot=arguments.plot)


def main(argv: Sequence[str] | None = None) -> int:
    """Evaluates as the command line says; returns the exit status."""
    os.environ.setdefault("OPENBLAS_NUM_THREADS", "1")  # no measure multiplies matrices; threads cost time when numpy starts
    gc.set_threshold(100_000)  # files of masks are many objects, which none of the searches for unused cycles finds in one
    argv = sys.argv[1:] if argv is None else argv
    asked = argv[:1] if argv[:1] and argv[0] in COMMANDS else COMMANDS
    parser = command_line(asked)  # the others' flags take their time
    check_command(parser, argv, COMMANDS)
    return exit_status(lambda: _run(parser.parse_args(argv)))


if __name__ == "__main__":
    sys.exit(main())
