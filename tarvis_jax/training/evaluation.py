"""Evaluation during training: the four tasks on drawn videos that training never shows.

The objects of VOS and PET have shapes, patterns and backgrounds that no training image has. The classes of VIS and VPS must
have been learnt, so there all is as in the images, but for the patterns on the things, which no image has.
"""

import dataclasses
from collections.abc import Callable, Mapping, Sequence

import jax
import numpy as np

from data.clips import mask_point
from data.toy.davis import object_ids
from data.toy.look import HELD_OUT, IMAGES
from data.toy.video import DrawnVideo, draw_video
from tarvis_jax.config import EvalConfig, TrainConfig
from tarvis_jax.inference.clips import ClipSettings
from tarvis_jax.inference.network import Network
from tarvis_jax.inference.predictor import CLASS_TASKS, OBJECT_TASKS, Predictor
from tarvis_jax.inference.results import FrameResult, TrackInfo
from tarvis_jax.inference.stitching.objects import paint
from tarvis_jax.training.state import TrainState
from tarvis_jax.training.video_scores import ObjectScores, PanopticScores, TaskScores, TrackScores

CLASSES = "coco"  # whose names the drawn things and backgrounds have
HEADLINES = ("vos_J&F", "pet_HOTA", "vis_AP", "vps_VPQ")  # one of each task; their mean says which weights are the best
_FRAMES = 18  # of a video
_SEED = 20_000  # of the videos, the same in every run


@dataclasses.dataclass(frozen=True)
class SegmentedVideo:
    """A video, what the model found in it, and the score of this video alone in percent (vos, pet J&F; vis AP; vps VPQ)."""

    video: DrawnVideo
    frames: Sequence[FrameResult]
    tracks: Sequence[TrackInfo]
    score: float


def draw_object_videos(config: EvalConfig) -> list[DrawnVideo]:
    """The videos of VOS and PET."""
    return [draw_video(np.random.default_rng([_SEED, i]), _FRAMES, *_frame_size(config)) for i in range(config.videos)]


def draw_class_videos(config: EvalConfig) -> list[DrawnVideo]:
    """The videos of VIS and VPS."""
    look = dataclasses.replace(IMAGES, patterns=HELD_OUT.patterns)
    seeds = ([_SEED, 1, i] for i in range(config.videos))
    return [draw_video(np.random.default_rng(seed), _FRAMES, *_frame_size(config), look) for seed in seeds]


def _frame_size(config: EvalConfig) -> tuple[int, int]:
    return config.image_size, config.image_size * 3 // 2


class Evaluation:
    """The evaluation of a run's states, always on the same videos.

    `segmented` holds, for each task, the videos as the state of the last `run` segmented them.
    """

    def __init__(self, config: TrainConfig):
        self._config = config
        self._clips = ClipSettings(config.eval.clip_length, config.eval.clip_overlap)
        self._network: Network | None = None
        objects, classes = draw_object_videos(config.eval), draw_class_videos(config.eval)
        self._videos = dict.fromkeys(OBJECT_TASKS, objects) | dict.fromkeys(CLASS_TASKS, classes)
        self.segmented: Mapping[str, Sequence[SegmentedVideo]] = {}

    def run(self, state: TrainState) -> list[tuple[str, float]]:
        """Segments all videos; (name, value) pairs such as ("vos_J&F", percent)."""
        network = self._load(state)
        segmented, pairs = {}, []
        for task, videos in self._videos.items():
            scores = _make_scores(task)
            segmented[task] = [self._segment(network, task, video, scores) for video in videos]
            pairs += [(f"{task}_{name}", value) for name, value in scores.values().items()]
        self.segmented = segmented
        return pairs

    def _load(self, state: TrainState) -> Network:
        """The state's weights in a network whose programs are compiled once."""
        variables = jax.device_get({"params": state.params, "buffers": state.buffers})
        if self._network is None:
            self._network = Network(self._config.model, variables, self._config.precision)
        return self._network.with_variables(variables)

    def _segment(self, network: Network, task: str, video: DrawnVideo, scores: TaskScores) -> SegmentedVideo:
        frames, tracks = segment_video(network, task, video, self._clips)
        prediction = object_map(frames, video.images.shape[1:3]) if task in OBJECT_TASKS else (frames, tracks)
        return SegmentedVideo(video, frames, tracks, scores.add(video, prediction))


def segment_video(
    network: Network, task: str, video: DrawnVideo, clips: ClipSettings
) -> tuple[list[FrameResult], Sequence[TrackInfo]]:
    """The final results of all frames, and the tracks; the objects of "vos" and "pet" are those of the first frame."""
    predictor = Predictor(network, task, classes=CLASSES if task in CLASS_TASKS else None, clips=clips)
    if task in OBJECT_TASKS:
        _give_objects(predictor, video, by=task)
    results = [result for image in video.images for result in predictor.step(image)]
    return [result for result in (*results, *predictor.finish()) if not result.provisional], predictor.tracks


def object_map(frames: Sequence[FrameResult], size: tuple[int, int]) -> np.ndarray:
    """Ids of the objects of "vos" and "pet", uint8 [t, h, w]; 0 is the background."""
    return np.stack([paint(frame.masks, size) for frame in frames])


def _make_scores(task: str) -> TaskScores:
    makers: dict[str, Callable[[], TaskScores]] = {
        "vos": ObjectScores,
        "pet": ObjectScores,
        "vis": lambda: TrackScores(CLASSES),
        "vps": lambda: PanopticScores(CLASSES),
    }
    return makers[task]()


def _give_objects(predictor: Predictor, video: DrawnVideo, *, by: str) -> None:
    """Gives the objects of the first frame: by their masks for "vos", by their innermost pixels for "pet"."""
    first = object_ids(video)[0]
    for i in range(1, int(first.max()) + 1):
        mask = first == i
        if by == "vos":
            predictor.add_object(i, mask=mask)
        else:
            x, y = mask_point(mask) * mask.shape[::-1] - 0.5
            predictor.add_object(i, point=(float(x), float(y)))


def mean_headline(scores: Mapping[str, float]) -> float:
    """The mean over the tasks of a row of scores."""
    return float(np.mean([scores[name] for name in HEADLINES]))
