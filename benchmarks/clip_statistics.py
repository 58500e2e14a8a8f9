"""Statistics of synthetic pretraining clips, beside a stored table of another loader's.

Example:
  python -m benchmarks.clip_statistics --data_root=DIR --passes=20 --reference=clip_statistics.json
"""

import argparse
import json
import sys
from collections.abc import Iterator, Mapping
from pathlib import Path

import numpy as np

from data import clips, pipeline
from data.errors import DataError
from data.sources.panoptic import UNLABELLED, PanopticSource
from tarvis_jax.config import DataConfig

Values = dict[str, np.ndarray]

ALL_INSTANCES = 255  # slots, so that none is left out
MIN_PAIR_AREA = 50  # pixels in both frames, to be compared between them: the stored table counts that many pairs


def draw_clips(source: PanopticSource, passes: int, seed: int = 0) -> Iterator[clips.Sample]:
    """One clip with an instance per record and pass, in the order of the annotation file."""
    config = DataConfig(
        data_root="", dataset_weights={source.dataset: 1.0}, task_weights={"vis": 1.0}, instance_slots=ALL_INSTANCES
    )
    for position in range(passes * len(source)):
        record = source[position % len(source)]
        rng = np.random.default_rng([seed, position])
        for child in rng.spawn(pipeline.CLIP_TRIES):
            sample = clips.make_clip(record, child, config, dataset=source.dataset, task="vis")
            if sample is not None:
                yield sample
                break


def clip_values(sample: clips.Sample) -> Values:
    """All values of one clip: those of the clip itself, and one per instance (per instance and frame for its area)."""
    images = sample["images"]
    count = int(sample["instance_valid"].sum())
    areas = np.stack([np.bincount(frame.ravel(), minlength=count + 1)[1:] for frame in sample["instance_map"]])
    first = images[0].astype(np.int16)
    return {
        "image_mean": images.mean(axis=(0, 1, 2))[None],
        "image_std": images.std(axis=(0, 1, 2))[None],
        "ignored_fraction": np.array([(sample["semantic_map"] == UNLABELLED).mean()]),
        "instances": np.array([count]),
        "instance_area_fraction": areas[areas > 0] / images[0, ..., 0].size,
        "present_frames": (areas > 0).sum(axis=0),
        "black_fraction": np.array([(images == 0).all(axis=-1).mean()]),
        "abs_frame_difference": np.array([np.abs(images[1] - first).mean()]),
        **_pair_values(sample["instance_map"], areas),
    }


def _pair_values(instance_map: np.ndarray, areas: np.ndarray) -> Values:
    """Of neighbouring frames, for the instances that are in both, and not with a few pixels alone."""
    both = _comparable(areas[0], areas[1])
    shift = np.linalg.norm(_centroids(instance_map[1], areas[1]) - _centroids(instance_map[0], areas[0]), axis=1)
    return {
        "iou_01": _overlaps(instance_map[0], instance_map[1], areas[0], areas[1]),
        "iou_12": _overlaps(instance_map[1], instance_map[2], areas[1], areas[2]),
        "centroid_shift_px": shift[both],
        "area_ratio_01": np.log(areas[1][both] / areas[0][both]),
    }


def _comparable(first_areas: np.ndarray, second_areas: np.ndarray) -> np.ndarray:
    return np.minimum(first_areas, second_areas) >= MIN_PAIR_AREA


def _overlaps(first: np.ndarray, second: np.ndarray, first_areas: np.ndarray, second_areas: np.ndarray) -> np.ndarray:
    """Intersection over union of each instance with itself in the other frame, where it is in both."""
    inter = np.bincount(first[first == second], minlength=len(first_areas) + 1)[1:]
    both = _comparable(first_areas, second_areas)
    return (inter / np.maximum(first_areas + second_areas - inter, 1))[both]


def _centroids(frame: np.ndarray, areas: np.ndarray) -> np.ndarray:
    """[n, 2] (y, x) means of each instance's pixels; 0 for those that are not there."""
    coordinates = np.indices(frame.shape).reshape(2, -1)
    sums = [np.bincount(frame.ravel(), weights=axis, minlength=len(areas) + 1)[1:] for axis in coordinates]
    return np.stack(sums, axis=-1) / np.maximum(areas, 1)[:, None]


def measure(samples: Iterator[clips.Sample]) -> Values:
    """The values of all clips, joined."""
    parts = [clip_values(sample) for sample in samples]
    return {name: np.concatenate([part[name] for part in parts]) for name in parts[0]}


def tolerance(stored: Mapping[str, object]) -> np.ndarray:
    """How far a mean may lie from the stored one: four standard errors or 3 %, whichever is larger."""
    return np.maximum(4 * standard_error(stored), 0.03 * np.abs(np.asarray(stored["mean"])))


def standard_error(stored: Mapping[str, object]) -> np.ndarray:
    """Of the stored mean."""
    return np.asarray(stored["sd"]) / np.sqrt(stored["n"])


def table(values: Values, reference: Mapping[str, object]) -> str:
    """A line per statistic: our mean, the stored one, their difference in its standard errors and relative to it."""
    lines = [f"{'statistic':26}{'ours':>10}{'stored':>10}{'errors':>9}{'percent':>9}"]
    for name, samples in values.items():
        stored = reference.get(name)
        ours = np.atleast_1d(samples.mean(axis=0))
        for channel, mean in enumerate(ours):
            label = f"{name}[{channel}]" if len(ours) > 1 else name
            line = f"{label:26}{mean:10.4f}"
            if stored:
                expected, error = (np.atleast_1d(part)[channel] for part in (stored["mean"], standard_error(stored)))
                line += f"{expected:10.4f}{(mean - expected) / error:+9.1f}{100 * (mean / expected - 1):+9.1f}"
            lines.append(line)
    return "\n".join(lines)


def main() -> int:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--data_root", required=True, help="folder with one folder per dataset")
    parser.add_argument("--dataset", default="coco")
    parser.add_argument("--passes", type=int, default=1, help="clips of every image")
    parser.add_argument("--seed", type=int, default=0)
    parser.add_argument("--reference", type=Path, help="JSON with the stored table")
    arguments = parser.parse_args()
    try:
        reference = json.loads(arguments.reference.read_text()) if arguments.reference else {}
        source = pipeline.sources.open_sources(arguments.data_root, [arguments.dataset])[arguments.dataset]
    except (DataError, OSError, ValueError) as error:
        print(error, file=sys.stderr)
        return 2
    print(table(measure(draw_clips(source, arguments.passes, arguments.seed)), reference))
    return 0


if __name__ == "__main__":
    sys.exit(main())
