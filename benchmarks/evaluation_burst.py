"""A drawn exemplar-guided BURST for `benchmarks.evaluation`."""

import dataclasses
import json
from collections.abc import Sequence
from pathlib import Path

import cv2
import numpy as np

from tarvis_jax.evaluation.burst_classes import DISTRACTORS, MERGED, NAMES
from tests.evaluation import brute_burst
from tests.evaluation.burst_folders import BurstFolders, as_file, encode, sequence

CLASSES = sorted(NAMES.keys() - DISTRACTORS - MERGED.keys())


@dataclasses.dataclass(frozen=True)
class BurstSize:
    """A drawn BURST: sequences with annotated frames of a size and tracks in all of them, three of a class.

    The classes are BURST's first ones; `plain_sequences` of the sequences are scored plainly.
    """

    sequences: int
    frames: int
    tracks: int
    classes: int
    plain_sequences: int
    size: tuple[int, int] = (480, 854)

    def draw(self, folder: Path, seed: int) -> int:
        """Ellipses that move and turn; the result's are moved by some pixels, and one in ten is missing."""
        files = [self._sequence(np.random.default_rng([seed, number]), number) for number in range(1, self.sequences + 1)]
        truth, result = zip(*files, strict=True)
        BurstFolders(folder).write(as_file(truth), as_file(result))
        return self.sequences * self.frames

    def _sequence(self, rng: np.random.Generator, number: int) -> tuple[dict, dict]:
        """A sequence of the ground truth and the result's."""
        paths = [f"frame{i:04d}.jpg" for i in range(1, 6 * self.frames, 6)]
        chosen = rng.choice(CLASSES[: self.classes], -(-self.tracks // 3), replace=False).repeat(3)[: self.tracks].tolist()
        truth, result = (sequence(number, self.size, paths, dict(enumerate(chosen, 1))) for _ in range(2))
        for track in range(1, self.tracks + 1):
            start, step, axes = rng.uniform(60, self.size, 2), rng.uniform(-6, 6, 2), rng.uniform(20, 90, 2)
            for frame in range(self.frames):
                error = rng.normal(0, 6, 3)
                truth["segmentations"][frame][str(track)] = {"rle": self._ellipse(start + frame * step, axes, 3.0 * frame)}
                if rng.random() < 0.9:
                    centre = start + frame * step + error[:2]
                    result["segmentations"][frame][str(track)] = {"rle": self._ellipse(centre, axes + error[2], 3.0 * frame)}
        return truth, result

    def _ellipse(self, centre: np.ndarray, axes: np.ndarray, angle: float) -> str:
        """The RLE of an ellipse whose centre (y, x) is taken modulo the frame's size."""
        mask = np.zeros(self.size, np.uint8)
        y, x = np.mod(centre, self.size).astype(int).tolist()
        return encode(cv2.ellipse(mask, (x, y), tuple(np.maximum(axes, 2).astype(int).tolist()), angle, 0, 360, 1, -1))

    def plain(self, folder: Path) -> int:
        """All scores of the first sequences."""
        files = BurstFolders(folder / "plain")
        whole = [json.loads(path.read_text()) for path in (folder / "gt" / "all_classes.json", folder / "result.json")]
        files.write(*(as_file(content["sequences"][: self.plain_sequences]) for content in whole))
        brute_burst.scores(files.gt / "all_classes.json", files.pred, "exemplar_guided")
        return self.plain_sequences * self.frames


def burst_flags(folder: Path) -> Sequence[str]:
    return ["burst", f"--gt={folder / 'gt'}", f"--pred={folder / 'result.json'}"]
