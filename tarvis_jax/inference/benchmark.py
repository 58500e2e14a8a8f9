"""A checkpoint over a benchmark: one video after the other, and at the end the files that its server or tool takes."""

import dataclasses
import time
from collections import Counter
from collections.abc import Callable, Sequence
from pathlib import Path
from typing import Any

from tqdm import tqdm

from data.errors import DataError
from data.folders import listing, subfolders
from data.videos.video import Video
from tarvis_jax.config import closest, require
from tarvis_jax.inference.clips import ClipSettings
from tarvis_jax.inference.frames import ImageFiles
from tarvis_jax.inference.network import Network
from tarvis_jax.inference.predictor import CLASS_TASKS, Predictor, check_task
from tarvis_jax.inference.video import VideoJob, final_results
from tarvis_jax.inference.writers.benchmark import BenchmarkWriter
from tarvis_jax.inference.writers.burst import BurstWriter
from tarvis_jax.inference.writers.cityscapes_vps import CityscapesVpsWriter
from tarvis_jax.inference.writers.davis import DavisWriter
from tarvis_jax.inference.writers.kitti_step import KittiStepWriter
from tarvis_jax.inference.writers.parts import PARTS, PartStore, complete_files
from tarvis_jax.inference.writers.vipseg import VipsegWriter
from tarvis_jax.inference.writers.youtube_vis import YoutubeVisWriter
from tarvis_jax.shard import Shard

TASKS_OF_BENCHMARK = {
    "davis": ("vos",),
    "burst": ("pet", "vos"),
    "youtube_vis": ("vis",),
    "ovis": ("vis",),
    "kitti_step": ("vps",),
    "cityscapes_vps": ("vps",),
    "vipseg": ("vps",),
}
WHOLE = Shard(0, 1)


@dataclasses.dataclass(frozen=True)
class BenchmarkJob:
    """What decides the results of a benchmark's videos.

    Attributes:
        dataset: the benchmark.
        split: its part.
        task: one of the benchmark's in `TASKS_OF_BENCHMARK`.
        clips: how the videos are cut.
        checkpoint: the step's folder.
        precision: in which the network computes.
    """

    dataset: str
    split: str
    task: str
    clips: ClipSettings
    checkpoint: str
    precision: str

    @property
    def classes(self) -> str | None:
        """The dataset whose classes are looked for, None if objects are given."""
        return self.dataset if self.task in CLASS_TASKS else None

    def settings(self) -> dict[str, Any]:
        """All of it by the names of the flags, as JSON holds it."""
        settings = dataclasses.asdict(self)
        clips = settings.pop("clips")
        return settings | {"clip_length": clips.pop("length"), "clip_overlap": clips.pop("overlap"), **clips}


def benchmark_task(dataset: str, asked: str | None) -> str:
    """The task of a benchmark, its first one unless another is asked for.

    Raises:
        ConfigError: no such benchmark, or not a task of it.
    """
    require(dataset in TASKS_OF_BENCHMARK, f"--dataset={dataset}: no such benchmark; {closest(dataset, TASKS_OF_BENCHMARK)}")
    tasks = TASKS_OF_BENCHMARK[dataset]
    require(asked is None or asked in tasks, f"--task={asked}: {dataset} is of the task {' or '.join(tasks)}; leave --task out")
    return asked or tasks[0]


def make_writer(dataset: str, split: str) -> BenchmarkWriter:
    """The writer of a benchmark's results."""
    if dataset == "davis":
        return DavisWriter(split)
    return {
        "burst": BurstWriter,
        "youtube_vis": YoutubeVisWriter,
        "ovis": YoutubeVisWriter,
        "kitti_step": KittiStepWriter,
        "cityscapes_vps": CityscapesVpsWriter,
        "vipseg": VipsegWriter,
    }[dataset]()


class BenchmarkRun:
    """A run over a benchmark, or a shard of one, that goes on where an earlier one stopped.

    Each video that is done is stored in the folder of results. Whichever run finds all videos there, those of other shards
    included, writes the files of the whole.

    Args:
        job: what decides the results.
        videos: all of the benchmark.
        output: folder of the results.
        shard: the part of the videos to segment.

    Raises:
        DataError: two videos have the same name.
    """

    def __init__(self, job: BenchmarkJob, videos: Sequence[Video], output: Path, shard: Shard = WHOLE):
        self._job, self._videos, self._output, self._shard = job, videos, output, shard
        self._own = shard.videos(videos)
        twice = [name for name, count in Counter(video.name for video in videos).items() if count > 1]
        if twice:
            raise DataError(f"{job.dataset}: two videos of {job.split} are called {twice[0]}; expected different names")
        self._writer = make_writer(job.dataset, job.split)
        self._store = PartStore(output, job.settings())
        self._unfinished = output / PARTS / f".unfinished-{shard.index}-of-{shard.count}"

    def run(self, load_network: Callable[[], Network], *, overwrite: bool) -> None:
        """Segments what is missing, writes the files of the whole if all videos are done, and says how things stand.

        Args:
            load_network: called if there is anything to segment.
            overwrite: whether results that are there may be replaced; then all videos are segmented.

        Raises:
            UserError: other results are there, frames or objects that do not fit, classes that the network has not learnt.
        """
        if not overwrite:
            self._check_output()
            if self._is_finished():
                print(f"{self._output}: finished already; --overwrite does it again")
                return
        missing = [video for video in self._own if overwrite or not self._store.is_done(video.name)]
        if missing:
            network = load_network()
            check_task(network, self._job.task, self._job.classes)
            if overwrite:
                self._remove_results()
            self._segment(missing, network)
        self._assemble()

    def _check_output(self) -> None:
        """Raises `DataError` unless what is in the folder of results comes from an earlier run of this job."""
        output = self._output
        if output.exists() and not output.is_dir():
            raise DataError(f"--output={output}: a file; expected a folder")
        for video in self._own:
            self._store.require_same(video.name)
        foreign = [name for name in self._writer.files if (output / name).exists() and self._open_videos()]
        if output.is_dir() and not (output / PARTS).exists():
            foreign += [f"{folder.name}/" for folder in subfolders(output)]
        if foreign:
            raise DataError(f"--output={output}: holds {listing(foreign)} already; choose another --output or pass --overwrite")

    def _is_finished(self) -> bool:
        return all((self._output / name).exists() for name in self._writer.files) and not self._open_videos()

    def _open_videos(self) -> list[str]:
        """Names of the videos of the benchmark that are not done."""
        return [video.name for video in self._videos if not self._store.is_done(video.name)]

    def _remove_results(self) -> None:
        for name in self._writer.files:
            (self._output / name).unlink(missing_ok=True)
        for video in self._own:
            self._store.path(video.name).unlink(missing_ok=True)

    def _segment(self, videos: Sequence[Video], network: Network) -> None:
        """Segments videos; prints a line for each."""
        left, done, start = sum(len(video.frames) for video in videos), 0, time.monotonic()
        for number, video in enumerate(videos, start=1):
            video_start = time.monotonic()
            self._segment_video(video, network)
            now, frames = time.monotonic(), len(video.frames)
            left, done = left - frames, done + frames
            rate, time_left = frames / (now - video_start), tqdm.format_interval(left * (now - start) / done)
            progress = f"{number}/{len(videos)} {video.name}"
            print(f"{progress}: {frames} frames, {rate:.1f} frames/s, {time_left} left", flush=True)

    def _segment_video(self, video: Video, network: Network) -> None:
        job = self._job
        given = video.given(by="point" if job.task == "pet" else "mask")
        video_job = VideoJob(ImageFiles(video.frames, video.size), job.task, given, job.classes, job.clips)
        predictor = Predictor(network, job.task, classes=job.classes, clips=job.clips)
        reported = set(video.reported)
        with complete_files(self._unfinished, self._output) as folder:
            results = self._writer.open(video, folder)
            for result in final_results(video_job, predictor):
                if result.frame_index in reported:
                    results.add(result)
            part = results.close(predictor.tracks)
        self._store.write(video.name, part)

    def _assemble(self) -> None:
        """Writes the files of the whole if all videos are done; says what there is."""
        others = self._open_videos()
        if others:
            print(f"{self._output}: {len(others)} videos are left to other shards: {listing(others)}")
            return
        with complete_files(self._unfinished, self._output) as folder:
            parts = (self._store.read(video.name) for video in self._videos)
            self._writer.assemble(self._videos, parts, folder, self._output)
        print(f"{self._output}: results of all {len(self._videos)} videos")
