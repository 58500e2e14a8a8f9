"""Writes what two baselines of object segmentation find in a video, in the form that the evaluator of DAVIS reads.

Example:
  python -m benchmarks.vos_baselines --frames=JPEGImages/480p/dog --masks=Annotations/480p/dog/00000.png --output=out/baselines
writes out/baselines/first_mask/dog/00000.png, ... and out/baselines/colours/dog/00000.png, ...
"""

import argparse
from pathlib import Path

import numpy as np

from data.reading import read_ids
from tarvis_jax.inference.frames import open_frames
from tarvis_jax.inference.writers.video import save_ids
from tarvis_jax.training.baselines import match_colours, repeat_first_mask

BASELINES = {"first_mask": repeat_first_mask, "colours": match_colours}


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--frames", type=Path, required=True, help="folder of images, called as the sequence")
    parser.add_argument("--masks", type=Path, required=True, help="palette PNG of object ids in the first frame")
    parser.add_argument("--output", type=Path, required=True, help="folder for a folder of each baseline")
    arguments = parser.parse_args()
    frames = open_frames(arguments.frames)
    images, first = np.stack(list(frames)), read_ids(arguments.masks)
    for name, baseline in BASELINES.items():
        folder = arguments.output / name / arguments.frames.name
        folder.mkdir(parents=True, exist_ok=True)
        for index, ids in enumerate(baseline(images, first)):
            save_ids(folder / f"{frames.name(index)}.png", ids)


if __name__ == "__main__":
    main()
