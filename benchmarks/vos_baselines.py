"""Writes what two baselines of object segmentation find in a video, in the form that the evaluator of DAVIS reads.

Example:
  python -m benchmarks.vos_baselines --frames=JPEGImages/480p/dog --masks=Annotations/480p/dog/00000.png --output=out/baselines
writes out/baselines/first_mask/dog/00000.png, ... and out/baselines/colours/dog/00000.png, ...
"""

import argparse
import sys
from pathlib import Path

import numpy as np

from tarvis_jax.cli import ArgumentParser, exit_status
from tarvis_jax.errors import UserError
from tarvis_jax.inference.frames import open_frames
from tarvis_jax.inference.given_objects import read_masks
from tarvis_jax.inference.stitching.objects import paint
from tarvis_jax.inference.writers.video import save_ids
from tarvis_jax.training.baselines import match_colours, repeat_first_mask

BASELINES = {"first_mask": repeat_first_mask, "colours": match_colours}


def _run(arguments: argparse.Namespace) -> None:
    frames = open_frames(arguments.frames)
    images = list(frames)
    masks = {given.object_id: given.mask for given in read_masks(arguments.masks, frames)}
    first = paint(masks, next(iter(masks.values())).shape)
    for index, image in enumerate(images):
        if image.shape[:2] != first.shape:
            found = f"frame {frames.name(index)} of {image.shape[:2]} pixels (h, w)"
            raise UserError(
                f"{arguments.frames}: expected frames of the size of {arguments.masks}, {first.shape}, found {found}"
            )
    video = np.stack(images)
    for name, baseline in BASELINES.items():
        folder = arguments.output / name / arguments.frames.name
        folder.mkdir(parents=True, exist_ok=True)
        for index, ids in enumerate(baseline(video, first)):
            save_ids(folder / f"{frames.name(index)}.png", ids)


def main() -> int:
    """Writes as the command line says; returns the exit status."""
    parser = ArgumentParser(prog="python -m benchmarks.vos_baselines", description=__doc__)
    parser.add_argument("--frames", type=Path, required=True, help="folder of images, called as the sequence")
    parser.add_argument("--masks", type=Path, required=True, help="palette PNG of object ids in the first frame")
    parser.add_argument("--output", type=Path, required=True, help="folder for a folder of each baseline")
    return exit_status(lambda: _run(parser.parse_args()))


if __name__ == "__main__":
    sys.exit(main())
