"""A drawn DAVIS for `benchmarks.evaluation`."""

import dataclasses
from collections.abc import Iterator, Sequence
from pathlib import Path

import cv2
import numpy as np
from PIL import Image

from tarvis_jax.evaluation.davis import Davis
from tests.evaluation import brute_davis
from tests.evaluation.davis_folders import DavisFolders


@dataclasses.dataclass(frozen=True)
class DavisSize:
    """A drawn DAVIS: sequences of 480 x 854 with objects of a radius in pixels, and how many frames are scored plainly."""

    sequences: int
    frames: int
    objects: int
    radius: tuple[float, float]
    plain_frames: int

    def draw(self, folder: Path, seed: int) -> int:
        """Blobs that move, turn and hide each other; the result is moved by a pixel or two and wavy."""
        davis = DavisFolders(folder)
        for number in range(self.sequences):
            blobs = [_Blob(np.random.default_rng([seed, number, i]), self.radius) for i in range(self.objects)]
            davis.add(f"sequence{number}", self._frames(blobs, 0.0), self._frames(blobs, 2.0))
        return self.sequences * (self.frames - 2)

    def _frames(self, blobs: Sequence["_Blob"], error: float) -> Iterator[np.ndarray]:
        for t in range(self.frames):
            ids = np.zeros((480, 854), np.uint8)
            for i, blob in enumerate(blobs, 1):
                cv2.fillPoly(ids, [blob.outline(t, error)], i)
            yield ids

    def plain(self, folder: Path) -> int:
        """J and F of the objects of frames at equal distances."""
        benchmark = Davis(folder / "DAVIS", folder / "pred")
        scored = [(name, stem) for name in benchmark.videos for stem in benchmark.scored_frames(name)]
        chosen = scored[:: max(len(scored) // self.plain_frames, 1)]
        for name, stem in chosen:
            gt, pred = (np.asarray(Image.open(path / name / f"{stem}.png")) for path in (benchmark.folder, benchmark.pred))
            for i in range(1, self.objects + 1):
                brute_davis.region_j(gt == i, pred == i)
                brute_davis.boundary_f(gt == i, pred == i)
        return len(chosen)


def davis_flags(folder: Path) -> Sequence[str]:
    return ["davis", f"--gt={folder / 'DAVIS'}", f"--pred={folder / 'pred'}"]


class _Blob:
    """A closed outline of random waves that moves and turns."""

    def __init__(self, rng: np.random.Generator, radius: tuple[float, float]) -> None:
        self.angles = np.linspace(0, 2 * np.pi, 120, endpoint=False)
        waves = sum(rng.normal(0, 0.3 / k) * np.cos(k * self.angles + rng.uniform(0, 6)) for k in range(1, 9))
        self.radii = rng.uniform(*radius) * np.clip(1 + waves, 0.3, 2)
        self.position, self.step = rng.uniform((60, 60), (794, 420)), rng.uniform(-2, 2, 2)

    def outline(self, frame: int, error: float) -> np.ndarray:
        """Corners, int32 [n, 2] (x, y)."""
        angles = self.angles + frame / 40
        radii = self.radii + error * np.cos(5 * self.angles + frame / 3)
        centre = self.position + 30 * np.sin(self.step * frame / 30) + error * np.cos([frame, 2 * frame])
        return np.rint(centre + radii[:, None] * np.stack([np.cos(angles), np.sin(angles)], axis=1)).astype(np.int32)
