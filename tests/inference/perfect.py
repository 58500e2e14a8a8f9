"""A network that is always right, and the videos that it can read: objects are squares whose colour is their id."""

import numpy as np

from tarvis_jax.config import ModelConfig
from tarvis_jax.inference.network import ClassPrediction, ObjectPrediction

SURE = 5.0
CELL = 4  # pixels of the network's logits
VOCABULARY = (("kitti_step", 19), ("youtube_vis", 40))


def draw_video(frames, paths, size=(64, 96)):
    """Frames uint8 [t, h, w, 3] and labels uint8 [t, h, w].

    Args:
        frames: number t.
        paths: for each id, a function from the frame to the cell (row, column) of a square's corner, None where there is none.
        size: (h, w), multiples of the cell.
    """
    labels = np.zeros((frames, *size), np.uint8)
    for i, path in paths.items():
        for t in range(frames):
            if (corner := path(t)) is not None:
                row, column = (CELL * x for x in corner)
                labels[t, row : row + 4 * CELL, column : column + 4 * CELL] = i
    return np.repeat(labels[..., None], 3, axis=-1), labels


class PerfectNetwork:
    """Stands in for `Network`; `calls` lists (frame slots, length, object slots) of its passes."""

    config = ModelConfig(vocabulary=VOCABULARY)

    def __init__(self, class_of_id=None, queries=6):
        self.class_of_id, self.queries, self.calls = class_of_id or {}, queries, []
        self.rng = np.random.default_rng(0)

    def segment_objects(self, images, length, prompts, seed):
        cells = images[:, ::CELL, ::CELL, 0].astype(int)
        self.calls.append((len(images), length, prompts.valid.shape[1]))
        logits = np.full((prompts.valid.shape[1], *cells.shape), -SURE, np.float32)
        for slot in np.flatnonzero(prompts.valid[0]):
            logits[slot, cells == self._id_at(images, prompts, slot)] = SURE
        logits[:, length:] = np.nan  # nobody may look there
        return ObjectPrediction(logits, np.zeros((16, *cells.shape), np.float32))

    @staticmethod
    def _id_at(images, prompts, slot):
        """The id in the image where the prompt points to."""
        if prompts.is_point[0, slot]:
            x, y = (prompts.points[0, slot] * images.shape[2:0:-1]).astype(int)
            return images[prompts.point_frames[0, slot], y, x, 0]
        ids = set()
        for reference, frame in enumerate(prompts.frames[0]):
            if frame >= 0:
                ids |= set(images[frame, ..., 0][prompts.masks[0, slot, reference]].tolist())
        (only,) = ids
        return only

    def segment_classes(self, images, length, task, dataset):
        """Ids in random order as instances, the other queries empty background."""
        cells = images[:, ::CELL, ::CELL, 0].astype(int)
        self.calls.append((len(images), length, 0))
        classes = dict(self.config.vocabulary)[dataset]
        masks = np.full((self.queries, *cells.shape), -SURE, np.float32)
        class_logits = np.zeros((self.queries, 1 + classes), np.float32)
        class_logits[:, 0] = 2 * SURE
        present = np.unique(cells[:length])
        present = present[(present > 0) & (present < 128)]
        for query, i in zip(self.rng.permutation(self.queries), present, strict=False):
            masks[query, cells == i] = SURE
            class_logits[query] = 0
            class_logits[query, self.class_of_id[int(i)]] = 2 * SURE
        semantics = np.full((classes + (task == "vis"), *cells.shape), -SURE, np.float32)
        semantics[2] = np.where(cells == 0, SURE, -SURE)
        return ClassPrediction(masks, class_logits, semantics)
