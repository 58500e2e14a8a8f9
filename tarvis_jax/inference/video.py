"""One video from its frames to the files of its results."""

import dataclasses
import sys
from collections import defaultdict
from collections.abc import Iterator, Sequence
from contextlib import ExitStack
from pathlib import Path

from tqdm import tqdm

from data import categories
from data.videos.video import GivenObject
from tarvis_jax.errors import UserError
from tarvis_jax.inference.clips import ClipSettings
from tarvis_jax.inference.frames import Frames, read_ahead
from tarvis_jax.inference.network import Network
from tarvis_jax.inference.overlay import OverlayWriter, draw_overlay
from tarvis_jax.inference.predictor import OBJECT_TASKS, Predictor
from tarvis_jax.inference.results import FrameResult
from tarvis_jax.inference.writers.folder import result_folder
from tarvis_jax.inference.writers.video import LogitsWriter, MaskWriter, PanopticWriter, TrackWriter, VideoWriter


@dataclasses.dataclass(frozen=True)
class VideoJob:
    """What to do with a video.

    Attributes:
        frames: the video.
        task: "vos", "pet", "vis" or "vps".
        given: the objects of "vos" and "pet".
        classes: the dataset whose classes "vis" and "vps" look for.
        clips: how the video is cut.
        save_logits: whether `logits.npz` is written.
        overlay: whether pictures are.
    """

    frames: Frames
    task: str
    given: Sequence[GivenObject]
    classes: str | None
    clips: ClipSettings
    save_logits: bool = False
    overlay: bool = False


def segment_video(job: VideoJob, network: Network, folder: Path, *, overwrite: bool) -> int:
    """Segments a video and writes its results into a folder, all of them or none.

    Returns:
        The number of frames.

    Raises:
        UserError: frames or objects that do not fit, or results that are there already.
    """
    names = [*_writer_class(job.task).names]
    names += LogitsWriter.names if job.save_logits else ()
    names += OverlayWriter.names if job.overlay else ()
    with result_folder(folder, names, overwrite=overwrite) as unfinished, ExitStack() as stack:
        logits = stack.enter_context(LogitsWriter(unfinished)) if job.save_logits else None
        predictor = Predictor(network, job.task, classes=job.classes, clips=job.clips, on_clip=logits)
        return _write_results(job, predictor, unfinished)


def _writer_class(task: str) -> type[VideoWriter]:
    return MaskWriter if task in OBJECT_TASKS else {"vis": TrackWriter, "vps": PanopticWriter}[task]


def _make_writer(job: VideoJob, folder: Path) -> VideoWriter:
    if job.task in OBJECT_TASKS:
        return MaskWriter(folder, job.frames)
    if job.task == "vis":
        return TrackWriter(folder)
    return PanopticWriter(folder, job.frames, categories.load(job.classes))


def _write_results(job: VideoJob, predictor: Predictor, folder: Path) -> int:
    writer, count = _make_writer(job, folder), 0
    pictures = OverlayWriter(folder, len(job.frames), job.frames.fps) if job.overlay else None
    # Results come some frames behind the video, or at its end; the frames are read once more rather than kept.
    for image, result in zip(iter(job.frames), final_results(job, predictor), strict=False):
        writer.add(result, image.shape[:2])
        if pictures is not None:
            pictures.add(result.frame_index, _picture(job, predictor, image, result))
        count += 1
    writer.close(predictor.tracks)
    if pictures is not None:
        pictures.close()
    return count


def _picture(job: VideoJob, predictor: Predictor, image, result: FrameResult):
    captions: dict[int, str] = {}
    for track in predictor.tracks:
        captions.setdefault(track.id, f"{track.id} {track.category} {track.score:.2f}")
    colours = categories.load(job.classes).colours if job.classes else ()
    return draw_overlay(image, result, captions, colours)


def final_results(job: VideoJob, predictor: Predictor) -> Iterator[FrameResult]:
    """Feeds a video to a predictor and yields its final results, frame after frame.

    Raises:
        UserError: an object is given in a frame that the video does not have.
    """
    waiting: dict[int, list[GivenObject]] = defaultdict(list)
    for x in job.given:
        waiting[x.frame].append(x)
    count = 0
    with tqdm(total=len(job.frames), unit="frame", desc=job.task, leave=False, disable=not sys.stderr.isatty()) as progress:
        for image in read_ahead(job.frames, job.clips.stride):
            for x in waiting.pop(count, ()):
                predictor.add_object(x.object_id, mask=x.mask, point=x.point)
            yield from (result for result in predictor.step(image) if not result.provisional)
            count += 1
            progress.update()
        for frame, objects in waiting.items():
            raise UserError(f"object {objects[0].object_id}: given in frame {frame}, but the video has {count} frames (from 0)")
        yield from predictor.finish()
