"""Converts checkpoints between PyTorch and this project, and ImageNet weights for the start of a training run.

Examples:
  python -m tarvis_jax.convert from_torch --input=tarvis_resnet50.pth --output=checkpoints/resnet50 --verify
  python -m tarvis_jax.convert to_torch --input=out/finetune --output=tarvis.pth
  python -m tarvis_jax.convert backbone --input=R-50.pkl --output=checkpoints/imagenet_resnet50 --backbone=resnet50

PyTorch files need `pip install -r requirements-convert.txt`. No code that a file holds is run. See docs/conversion.md.
"""

import argparse
import contextlib
import logging
import sys
from collections.abc import Callable, Iterator, Sequence
from pathlib import Path

from tarvis_jax.cli import ArgumentParser, check_command, exit_status
from tarvis_jax.errors import UserError


def from_torch(arguments: argparse.Namespace) -> None:
    """A checkpoint of the original TarViS becomes a checkpoint of this project."""
    from tarvis_jax.checkpoints import require_no_checkpoint, save_weights
    from tarvis_jax.config import as_dict
    from tarvis_jax.conversion.importer import describe, import_checkpoint
    from tarvis_jax.conversion.verify import verify

    require_no_checkpoint(arguments.output, overwrite=arguments.overwrite)
    datasets = [name.strip() for name in arguments.datasets.split(",") if name.strip()]
    config, weights = import_checkpoint(arguments.input, datasets)
    with _writing(arguments.output):
        save_weights(arguments.output, weights, {"model": as_dict(config)})
    print(f"{arguments.output}: {describe(config, weights)}")
    if arguments.verify:
        print(*verify(arguments.output, config), sep="\n")


def to_torch(arguments: argparse.Namespace) -> None:
    """A checkpoint of this project becomes one that the original loads with strict=True."""
    from tarvis_jax.conversion.exporter import export_checkpoint
    from tarvis_jax.conversion.files import require_torch, write_torch

    if arguments.output.is_dir():
        raise UserError(f"{arguments.output}: is a folder, expected the name of a file")
    if arguments.output.exists() and not arguments.overwrite:
        raise UserError(f"{arguments.output}: exists already; choose another --output or pass --overwrite")
    require_torch()
    state = export_checkpoint(arguments.input)
    with _writing(arguments.output):
        write_torch(arguments.output, state)
    print(f"{arguments.output}: {len(state)} entries of the original's state dict")


def backbone(arguments: argparse.Namespace) -> None:
    """ImageNet weights become a checkpoint for config.backbone_from of a training run."""
    from tarvis_jax.checkpoints import BACKBONE_ALONE, require_no_checkpoint, save_weights
    from tarvis_jax.conversion.backbones import import_backbone

    require_no_checkpoint(arguments.output, overwrite=arguments.overwrite)
    weights = import_backbone(arguments.input, arguments.backbone)
    with _writing(arguments.output):
        save_weights(arguments.output, weights, {"model": {"backbone": arguments.backbone}, "part": BACKBONE_ALONE})
    print(f"{arguments.output}: {arguments.backbone}; train with --config.backbone_from={arguments.output}")


@contextlib.contextmanager
def _writing(output: Path) -> Iterator[None]:
    """Makes the folder of a result; what cannot be written is a user's mistake."""
    try:
        output.absolute().parent.mkdir(parents=True, exist_ok=True)
        yield
    except OSError as error:
        raise UserError(f"{output}: cannot be written ({error.strerror or error})") from error


def _parser() -> ArgumentParser:
    parser = ArgumentParser(prog="python -m tarvis_jax.convert", description=__doc__)
    commands = parser.add_subparsers(title="commands", metavar="COMMAND", required=True)

    def add(command: Callable, example: str, source: str, result: str) -> argparse.ArgumentParser:
        text = f"{command.__doc__}\n\nExample:\n  python -m tarvis_jax.convert {command.__name__} {example}"
        added = commands.add_parser(command.__name__, help=command.__doc__, description=text)
        added.set_defaults(command=command)
        added.add_argument("--input", type=Path, required=True, help=source)
        added.add_argument("--output", type=Path, required=True, help=result)
        added.add_argument("--overwrite", action="store_true", help="replace --output if it exists")
        return added

    folder = "folder for the checkpoint, made if needed"
    example = "--input=tarvis_resnet50.pth --output=checkpoints/resnet50 --verify"
    command = add(from_torch, example, 'PyTorch file with {"model": state dict}', folder)
    command.add_argument("--datasets", default="", help="a,b,c: whose classes it has, if not those of a published stage")
    command.add_argument("--verify", action="store_true", help="run a clip afterwards; print shapes and ranges of the outputs")

    source = "workdir, folder of one step, or what from_torch wrote"
    add(to_torch, "--input=out/finetune --output=tarvis.pth", source, "PyTorch file")

    example = "--input=R-50.pkl --output=checkpoints/imagenet_resnet50 --backbone=resnet50"
    command = add(backbone, example, ".pkl of detectron2; .pth of torchvision, of Swin's or ConvNeXt's authors", folder)
    command.add_argument("--backbone", required=True, metavar="NAME", help="resnet50, swin_tiny, ...: what the file holds")
    return parser


def main(argv: Sequence[str] | None = None) -> int:
    """Runs one command; returns its exit status."""
    argv = sys.argv[1:] if argv is None else argv
    parser = _parser()
    check_command(parser, argv, [command.__name__ for command in (from_torch, to_torch, backbone)])
    arguments = parser.parse_args(argv)
    logging.basicConfig(format="%(message)s")
    logging.getLogger("tarvis_jax").setLevel(logging.INFO)
    return exit_status(lambda: arguments.command(arguments))


if __name__ == "__main__":
    sys.exit(main())
