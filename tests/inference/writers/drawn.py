"""A drawn video whose scores are known, results made of it, and their way through a writer."""

import json
from pathlib import Path

import numpy as np

from data import categories
from data.videos.video import Video
from tarvis_jax.inference.results import FrameResult, PanopticFrame, TrackInfo
from tests.inference.writers import truth

FRAMES, SIZE = 8, (48, 80)
SIDES = {1: 16, 2: 20}  # of the squares, by id
SHIFT = 4  # columns
SHIFTED_IOU = (SIDES[2] - SHIFT) / (SIDES[2] + SHIFT)  # of object 2 and its shifted copy


def labels():
    """int32 [t, h, w]: two squares that move; the first stays in the left half, the second in the right one."""
    ids = np.zeros((FRAMES, *SIZE), np.int32)
    for t in range(FRAMES):
        ids[t, 4 : 4 + SIDES[1], 6 + t : 6 + t + SIDES[1]] = 1
        ids[t, 22 : 22 + SIDES[2], 50 - t : 50 - t + SIDES[2]] = 2
    return ids


def shifted(ids):
    """Object 2 is shifted to the right."""
    return np.where(ids == 2, 0, ids) + 2 * np.roll(ids == 2, SHIFT, axis=2)


def removed(ids):
    """Object 2 is not found."""
    return np.where(ids == 2, 0, ids)


def swapped(ids):
    """Objects 1 and 2 are taken for each other."""
    return np.array([0, 2, 1])[ids]


def broken(ids):
    """Object 2 is a new one, 3, in the second half of the video."""
    later = np.arange(FRAMES)[:, None, None] >= FRAMES // 2
    return np.where((ids == 2) & later, 3, ids)


def make_video(name="drawn", count=FRAMES, **more):
    """The video, or its first frames, as a reader describes it; there are no files."""
    frames = tuple(Path(f"{name}/{t:05d}.jpg") for t in range(count))
    return Video(name=name, frames=frames, reported=tuple(range(count)), size=SIZE, **more)


def object_results(ids):
    """Results of given objects."""
    return [FrameResult(t, {int(i): x == i for i in np.unique(x[x > 0])}) for t, x in enumerate(ids)]


def tracks(dataset, class_of_track):
    """Tracks of class indices."""
    known = categories.load(dataset)
    return [TrackInfo(i, known.ids[c], known.names[c], 0.9, known.isthing[c]) for i, c in class_of_track.items()]


def panoptic_results(ids, stuff, class_of_track):
    """Panoptic results."""
    return [
        FrameResult(t, {}, panoptic=PanopticFrame(truth.class_map(x, stuff, class_of_track), x.astype(np.int32)))
        for t, x in enumerate(ids)
    ]


def write(writer, results_of_video, output):
    """Writes results [(video, frames, tracks if there are any)] as a run over the benchmark does; returns the folder."""
    output.mkdir(parents=True, exist_ok=True)
    parts = []
    for video, results, *found in results_of_video:
        opened = writer.open(video, output)
        for result in results:
            opened.add(result)
        parts.append(json.loads(json.dumps(opened.close(*(found or [()])))))
    writer.assemble([video for video, *_ in results_of_video], parts, output, output)
    return output
