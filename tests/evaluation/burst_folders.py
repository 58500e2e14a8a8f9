"""Small BURST folders on disk, and what is drawn into them."""

import copy
import json

import numpy as np
from pycocotools import mask as coco_mask

from tests.evaluation.brute_burst import decode

NAMES = {1: "acorn", 20: "armchair", 78: "bear", 207: "cap_(headwear)", 300: "concrete_mixer", 347: "cup"}
CATEGORIES = (1, 20, 78, 207, 300, 347, 504, 805, 967)  # with distractors, merged ones, and one that becomes a distractor


class BurstFolders:
    """A folder of ground truth and a result beside it."""

    def __init__(self, root):
        self.gt, self.pred, self.output = root / "gt", root / "result.json", root / "scores"
        self.gt.mkdir(parents=True, exist_ok=True)

    def write(self, truth=None, result=None):
        """Writes what is given; the ground truth of common and of uncommon classes is that of all."""
        if truth is not None:
            for split in ("all", "common", "uncommon"):
                (self.gt / f"{split}_classes.json").write_text(json.dumps(truth))
        if result is not None:
            self.pred.write_text(json.dumps(result))

    def flags(self, *more):
        return ["burst", f"--gt={self.gt}", f"--pred={self.pred}", *map(str, more)]

    def results(self):
        return json.loads((self.output / "results.json").read_text())


def encode(mask):
    """The RLE string of a mask [h, w]."""
    return coco_mask.encode(np.asfortranarray(mask, np.uint8))["counts"].decode()


def sequence(number, size, paths, tracks):
    """A sequence whose frames have no masks yet; `tracks` is {track id: category id}."""
    return {
        "width": size[1],
        "height": size[0],
        "id": number,
        "seq_name": f"clip{number}",
        "dataset": ("YFCC100M", "LaSOT")[number % 2],
        "fps": 6,
        "all_image_paths": list(paths),
        "annotated_image_paths": list(paths),
        "neg_category_ids": [],
        "not_exhaustive_category_ids": [],
        "track_category_ids": {str(track): category for track, category in tracks.items()},
        "segmentations": [{} for _ in paths],
    }


def as_file(sequences):
    """The content of a file."""
    return {"split": "val", "categories": [{"id": key, "name": name} for key, name in NAMES.items()], "sequences": sequences}


def draw_truth(rng, num_sequences=3, frames=6):
    """Rectangles that move, in some of the frames, which stand in random order."""
    sequences = []
    for number in range(1, num_sequences + 1):
        size = tuple(rng.integers(16, 40, 2).tolist())
        paths = [f"{'img_' if number % 2 else 'frame'}{i + 7}.jpg" for i in rng.permutation(frames).tolist()]
        tracks = rng.choice(CATEGORIES, rng.integers(2, 6)).tolist()
        drawn = sequence(number, size, paths, dict(enumerate(tracks, 1)))
        drawn["neg_category_ids"] = rng.choice(CATEGORIES, 2).tolist()
        drawn["not_exhaustive_category_ids"] = rng.choice(CATEGORIES, 1).tolist()
        for track in range(1, len(tracks) + 1):
            corner, extent = rng.integers(0, 16, 2), rng.integers(4, 14, 2)
            for masks in drawn["segmentations"]:
                if rng.random() < 0.7:
                    masks[str(track)] = {"rle": encode(rectangle(size, corner + rng.integers(-2, 3, 2), extent)), "is_gt": True}
        sequences.append(drawn)
    return as_file(sequences)


def rectangle(size, corner, extent):
    """A mask of a size with a rectangle."""
    mask = np.zeros(size, np.uint8)
    (top, left), (height, width) = np.maximum(corner, 0), extent
    mask[top : top + height, left : left + width] = 1
    return mask


def draw_result(rng, truth, task, own_categories=False):
    """A result with errors: moved, missing, empty and invented masks, wrong classes, other frames, equal scores."""
    result = copy.deepcopy(truth)
    result["sequences"] = [drawn for drawn in result["sequences"] if rng.random() < 0.9]
    for drawn in result["sequences"]:
        size = drawn["height"], drawn["width"]
        for masks in drawn["segmentations"]:
            for key in [key for key in masks if rng.random() < 0.2]:
                del masks[key]
            for mask in masks.values():
                mask["rle"] = encode(_distorted(rng, mask["rle"], size))
                mask["score"] = float(rng.integers(1, 5) / 4)
                if own_categories and rng.random() < 0.3:
                    mask["category_id"] = int(rng.choice(CATEGORIES))
        for key in drawn["track_category_ids"]:
            if rng.random() < 0.3:
                drawn["track_category_ids"][key] = int(rng.choice(CATEGORIES))
        if task != "exemplar_guided":
            _invent_tracks(rng, drawn, size)
        order = rng.permutation(len(drawn["annotated_image_paths"])).tolist()
        drawn["annotated_image_paths"] = [*(drawn["annotated_image_paths"][i] for i in order), "frame99.jpg"]
        drawn["segmentations"] = [*(drawn["segmentations"][i] for i in order), drawn["segmentations"][0]]
    return result


def _distorted(rng, rle, size):
    mask = decode(rle, size)
    choice = rng.random()
    if choice < 0.1:
        return np.zeros(size, np.uint8)
    return mask if choice < 0.4 else np.roll(mask, rng.integers(-2, 3, 2), axis=(0, 1))


def _invent_tracks(rng, drawn, size):
    """More tracks, one with the id 0 perhaps; some are doubles of true ones."""
    for track in rng.choice([0, 11, 12, 13], rng.integers(0, 4), replace=False).tolist():
        drawn["track_category_ids"][str(track)] = int(rng.choice(CATEGORIES))
        for masks in drawn["segmentations"]:
            if rng.random() < 0.6:
                copied = [mask["rle"] for mask in masks.values()]
                drawn_new = encode(rectangle(size, rng.integers(0, 16, 2), rng.integers(3, 12, 2)))
                masks[str(track)] = {"rle": rng.choice(copied) if copied and rng.random() < 0.5 else drawn_new, "score": 0.5}
