"""Small DAVIS folders on disk, and what is drawn into them."""

import json

import numpy as np
from PIL import Image


def save_ids(path, ids, palette=True):
    """Ids [h, w] as a palette PNG, or a grey one."""
    path.parent.mkdir(parents=True, exist_ok=True)
    image = Image.fromarray(np.asarray(ids, np.uint8))
    if palette:
        image.putpalette([value for i in range(256) for value in (i, 255 - i, i // 2)])
    image.save(path)


class DavisFolders:
    """A DAVIS folder and a result beside it."""

    def __init__(self, root):
        self.gt, self.pred, self.output = root / "DAVIS", root / "pred", root / "scores"
        self.list = self.gt / "ImageSets" / "2017" / "val.txt"
        self.list.parent.mkdir(parents=True)
        self.list.write_text("")

    def add(self, name, gt, pred, folder="Annotations"):
        """A sequence: ids [t, h, w] of ground truth and result."""
        self.list.write_text(self.list.read_text() + f"{name}\n")
        for target, frames in ((self.gt / folder / "480p", gt), (self.pred, pred)):
            for t, ids in enumerate(frames):
                save_ids(target / name / f"{t:05d}.png", ids)

    def path(self, name, frame):
        """A predicted frame."""
        return self.pred / name / f"{frame:05d}.png"

    def flags(self, *more):
        return ["davis", f"--gt={self.gt}", f"--pred={self.pred}", *map(str, more)]

    def results(self):
        return json.loads((self.output / "results.json").read_text())


def moving_boxes(rng, frames=5, height=40, width=60, objects=2):
    """Ids [t, h, w] of rectangles that move and hide each other."""
    result = np.zeros((frames, height, width), np.uint8)
    for i in range(1, objects + 1):
        top, left = rng.integers(0, height - 8), rng.integers(0, width - 8)
        size, step = rng.integers(6, 20, 2), rng.integers(-2, 3, 2)
        for t in range(frames):
            y, x = max(top + t * step[0], 0), max(left + t * step[1], 0)
            result[t, y : y + size[0], x : x + size[1]] = i
    return result


def distorted(rng, ids):
    """A result that is nearly right: moved, with holes."""
    moved = np.stack([np.roll(frame, rng.integers(-3, 4, 2), axis=(0, 1)) for frame in ids])
    return np.where(rng.random(ids.shape) < 0.02, 0, moved).astype(np.uint8)


def link_frames(folder, sources, count):
    """A long sequence at no cost: frame t is a link to sources[t % len(sources)]."""
    folder.mkdir(parents=True, exist_ok=True)
    for t in range(count):
        (folder / f"{t:05d}.png").symlink_to(sources[t % len(sources)])
