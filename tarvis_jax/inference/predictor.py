"""Streaming inference: frames in, masks out, with a working memory that does not grow with the video."""

from collections.abc import Callable, Iterator
from pathlib import Path

import numpy as np

from data import categories
from data.videos.video import GivenObject
from tarvis_jax.config import closest, require
from tarvis_jax.errors import UserError
from tarvis_jax.inference.class_segmenter import ClassSegmenter
from tarvis_jax.inference.clips import BENCHMARK_CLIPS, ClipSettings
from tarvis_jax.inference.geometry import Geometry
from tarvis_jax.inference.network import Network
from tarvis_jax.inference.object_segmenter import ObjectSegmenter
from tarvis_jax.inference.results import ClipLogits, FrameResult, TrackInfo

OBJECT_TASKS, CLASS_TASKS = ("vos", "pet"), ("vis", "vps")
_CLIPS_OF_TASK = {"vos": BENCHMARK_CLIPS["davis"], "pet": BENCHMARK_CLIPS["burst"]}


def default_clips(task: str, classes: str | None) -> ClipSettings:
    """The original's clips: those of DAVIS for "vos", of BURST for "pet", and of the dataset whose classes are looked for.

    A dataset without a video benchmark has those of YouTube-VIS.
    """
    return _CLIPS_OF_TASK.get(task) or BENCHMARK_CLIPS.get(classes, BENCHMARK_CLIPS["youtube_vis"])


class Predictor:
    """Segments one video, fed frame by frame.

    For "vos" and "pet", objects are given with `add_object`, and a frame comes out once no later clip can change it. For "vis"
    and "vps", classes are means over the whole video: `step` gives provisional masks by track id, `finish` the final ones, and
    then `tracks` holds the tracks.

        predictor = Predictor.from_checkpoint(path, task="vos")
        predictor.add_object(1, mask=mask)
        for frame in frames:
            for result in predictor.step(frame):
                ...  # result.frame_index, result.masks
        for result in predictor.finish():
            ...
    """

    def __init__(
        self,
        network: Network,
        task: str,
        *,
        classes: str | None = None,
        clips: ClipSettings | None = None,
        on_clip: Callable[[ClipLogits], None] | None = None,
    ):
        """Prepares for a video.

        Args:
            network: may serve many predictors, one after the other.
            task: "vos", "pet", "vis" or "vps".
            classes: the dataset whose classes are looked for, for "vis" and "vps".
            clips: see `default_clips`.
            on_clip: is given the raw logits of every clip.

        Raises:
            ConfigError: a task that does not exist, or classes that the network has not learnt.
        """
        check_task(network, task, classes)
        self._network, self._task, self._classes, self._on_clip = network, task, classes, on_clip
        self._clips = clips or default_clips(task, classes)
        self._segmenter: ObjectSegmenter | ClassSegmenter | None = None  # made when the size of the frames is known
        self._geometry: Geometry | None = None
        self._to_give: list[GivenObject] = []
        self._images: list[np.ndarray] = []  # of the current clip, from frame `_start` on
        self._start = self._next_frame = 0
        self._unsettled = False  # whether the newest clip may have been the last one
        self._finished = False

    @classmethod
    def from_checkpoint(
        cls,
        path: Path | str,
        task: str,
        *,
        classes: str | None = None,
        clips: ClipSettings | None = None,
        precision: str = "auto",
    ) -> "Predictor":
        """A predictor with the network of a CHECKPOINT; see `__init__` and `Network.from_checkpoint`."""
        return cls(Network.from_checkpoint(path, precision), task, classes=classes, clips=clips)

    @property
    def tracks(self) -> list[TrackInfo]:
        """For "vis" and "vps", after `finish`: the tracks with their classes; a track may stand there with several."""
        return self._segmenter.tracks if isinstance(self._segmenter, ClassSegmenter) else []

    def add_object(self, object_id: int, *, mask: np.ndarray | None = None, point: tuple[float, float] | None = None) -> None:
        """Gives an object in the frame that is fed next.

        Args:
            object_id: a positive number that no other object has.
            mask: bool [h, w], of the frame's size.
            point: (x, y) in pixels, whole numbers at pixel centres.

        Raises:
            UserError: the task takes no objects, the id was given before, neither or both of mask and point are given, or, when
                the frame is fed, they do not fit it.
        """
        if self._task not in OBJECT_TASKS:
            raise UserError(f"task {self._task!r} finds its objects itself; objects are given for {' and '.join(OBJECT_TASKS)}")
        if (mask is None) == (point is None):
            raise UserError(f"object {object_id}: expected a mask or a point, one of the two")
        if object_id < 1:
            raise UserError(f"object {object_id}: expected an id of 1 or more")
        if any(x.object_id == object_id for x in self._to_give):
            raise UserError(f"object {object_id}: given twice in frame {self._next_frame}; ids are unique")
        mask = None if mask is None else np.asarray(mask, bool)
        self._to_give.append(GivenObject(object_id, self._next_frame, mask, point))

    def step(self, frame: np.ndarray) -> list[FrameResult]:
        """Takes the next frame, RGB uint8 [h, w, 3].

        Returns:
            The frames that are done by now, perhaps none.

        Raises:
            UserError: a frame of another type or size, or an object that does not fit.
        """
        self._check_frame(frame)
        if self._segmenter is None:
            self._open(frame.shape[:2])
        results = self._go_on() if self._unsettled else []
        for given in self._to_give:
            self._segmenter.give(given)
        self._to_give = []
        self._images.append(self._geometry.image(frame))
        self._next_frame += 1
        if len(self._images) == self._clips.length:
            results += self._segment()
        return results

    def finish(self) -> Iterator[FrameResult]:
        """Ends the video: the frames that are left ("vos", "pet"), or all frames with their final results ("vis", "vps").

        Raises:
            UserError: an object was given for a frame that never came.
        """
        if self._to_give:
            raise UserError(f"object {self._to_give[0].object_id}: given for frame {self._next_frame}, which never came")
        if self._segmenter is None or self._finished:
            return
        self._finished = True
        if not self._unsettled:
            self._segment()
        yield from self._segmenter.finish()

    def _open(self, size: tuple[int, int]) -> None:
        self._geometry, average = Geometry.of(size, self._clips), self._clips.averages
        if self._task in OBJECT_TASKS:
            self._segmenter = ObjectSegmenter(self._network, self._geometry, self._on_clip, average=average)
        else:
            self._segmenter = ClassSegmenter(
                self._network, self._geometry, self._task, self._classes, self._on_clip, average=average
            )

    def _check_frame(self, frame: np.ndarray) -> None:
        if self._finished:
            raise UserError("the video is finished; make another Predictor for the next one")
        if frame.ndim != 3 or frame.shape[2] != 3 or frame.dtype != np.uint8:
            raise UserError(f"frame {self._next_frame}: {frame.dtype} {frame.shape}; expected RGB, uint8 [h, w, 3]")
        if self._geometry is not None and frame.shape[:2] != self._geometry.given:
            raise UserError(
                f"frame {self._next_frame}: size {frame.shape[:2]}; expected {self._geometry.given}, as the frames before"
            )

    def _go_on(self) -> list[FrameResult]:
        """The newest clip was not the last one: the next one begins."""
        self._unsettled = False
        self._start += self._clips.stride
        self._images = self._images[self._clips.stride :]
        return self._segmenter.go_on(self._start)

    def _segment(self) -> list[FrameResult]:
        """Segments the frames at hand; a clip that is cut short is padded to the length of those before it."""
        length = len(self._images)
        slots = self._clips.length if self._start else length
        images = np.stack(self._images + [self._images[-1]] * (slots - length))
        self._unsettled = True
        return self._segmenter.segment(images, self._start, length)


def check_task(network: Network, task: str, classes: str | None) -> None:
    """Raises `ConfigError` for a task that does not exist, or classes that the network has not learnt."""
    require(task in OBJECT_TASKS + CLASS_TASKS, f"task {task!r} does not exist; {closest(task, OBJECT_TASKS + CLASS_TASKS)}")
    if task in CLASS_TASKS:
        known = dict(network.config.vocabulary)
        require(bool(classes), f"task {task!r} needs the dataset whose classes to look for; known: {', '.join(known)}")
        require(classes in known, f"classes {classes!r}: this checkpoint was not trained for them; {closest(classes, known)}")
        only_things = all(categories.load(classes).isthing)
        require(task == "vis" or not only_things, f"task 'vps': {classes!r} has no stuff classes; take 'vis' or other classes")
