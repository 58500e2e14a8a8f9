"""A run over a benchmark with a network that is always right: scores, stops, shards, mistakes."""

import copy
import dataclasses
import re
import shutil
from functools import partial

import cv2
import numpy as np
import pytest
from PIL import Image

from data import categories
from data.errors import DataError
from data.videos.burst import BurstVideo
from data.videos.davis import DavisVideo
from data.videos.video import Video
from tarvis_jax.config import ConfigError, ModelConfig
from tarvis_jax.errors import UserError
from tarvis_jax.evaluation.burst import Burst
from tarvis_jax.evaluation.cityscapes_vps import CityscapesVps
from tarvis_jax.evaluation.davis import Davis
from tarvis_jax.evaluation.kitti_step import KittiStep
from tarvis_jax.evaluation.vipseg import Vipseg
from tarvis_jax.evaluation.ytvis import YoutubeVis
from tarvis_jax.inference.benchmark import WHOLE, BenchmarkJob, BenchmarkRun, benchmark_task
from tarvis_jax.inference.clips import ClipSettings
from tarvis_jax.shard import Shard
from tests.evaluation.burst_folders import BurstFolders
from tests.evaluation.davis_folders import DavisFolders, save_ids
from tests.evaluation.evaluated import evaluated
from tests.inference.perfect import CELL, SURE, PerfectNetwork, draw_video
from tests.inference.writers import truth

SIZE = (64, 96)
MOVING = {1: lambda t: (1, 1 + t % 10), 2: lambda t: (9, 18 - t % 8)}


def make_job(dataset, split="val", **more):
    settings = {"checkpoint": "ckpt/100", "task": benchmark_task(dataset, None), "clips": ClipSettings(4, 2, 0)}
    return BenchmarkJob(dataset, split, precision="float32", **(settings | more))


def draw(folder, count=8, paths=MOVING):
    """A video's frames as files, whose colours are the ids, and its labels: the squares as the network's logits show them."""
    frames, labels = draw_video(count, paths, SIZE)
    files = tuple(folder / f"{t:05d}.png" for t in range(count))
    folder.mkdir(parents=True)
    for file, frame in zip(files, frames, strict=True):
        Image.fromarray(frame).save(file)
    rounded = np.zeros_like(labels)
    for frame, cells in zip(rounded, labels[:, ::CELL, ::CELL], strict=True):
        for i in paths:
            logits = np.where(cells == i, SURE, -SURE).astype(np.float32)
            frame[cv2.resize(logits, None, fx=CELL, fy=CELL, interpolation=cv2.INTER_LINEAR) > 0] = i
    return files, rounded


def make_video(name, files, kind=Video, **more):
    return kind(name=name, frames=files, reported=tuple(range(len(files))), size=SIZE, **more)


def run(job, videos, output, network=None, shard=WHOLE, overwrite=False):
    network = PerfectNetwork() if network is None else network
    BenchmarkRun(job, videos, output, shard).run(lambda: network, overwrite=overwrite)


def never():
    raise AssertionError("nothing is left to segment")


def class_network(class_of_track):
    """A network that knows all benchmarks, for tracks of class indices."""
    network = PerfectNetwork({i: c + 1 for i, c in class_of_track.items()})
    network.config = ModelConfig(vocabulary=tuple((name, len(categories.load(name))) for name in categories.FINETUNE))
    return network


# Each draws a benchmark of one video, runs it, and returns the evaluation.


def run_davis(root):
    (video,) = davis_videos(root, ["a"])
    folders = DavisFolders(root)
    folders.add("a", video.labels, video.labels)
    run(make_job("davis"), [video], root / "out")
    return Davis(folders.gt, root / "out", year=2017)


def run_burst(root, task):
    categories_of_objects = {1: 1, 2: 78}
    files, labels = draw(root / "frames")
    content = truth.burst_file(labels, categories_of_objects)
    folders = BurstFolders(root)
    folders.write(content)
    entry = copy.deepcopy(content.pop("sequences")[0])
    entry["segmentations"][2:] = [{}] * (len(labels) - 2)
    for i, first in entry["segmentations"][1].items():
        y, x = np.argwhere(labels[1] == int(i)).mean(axis=0).round().tolist()
        first["point"] = {"x": x, "y": y}
    video = make_video("YFCC100M/clip7", files[1:], BurstVideo, entry=entry, header=content)
    run(make_job("burst", task=task), [video], root / "out")
    return Burst(folders.gt, root / "out" / "results.json")


def run_youtube_vis(root):
    classes = {1: 4, 2: 24}
    files, labels = draw(root / "frames")
    truth.write_youtube_vis(root / "gt.json", labels, classes)
    run(make_job("youtube_vis"), [make_video("video", files, entry={"id": 3})], root / "out", class_network(classes))
    return YoutubeVis(root / "gt.json", root / "out" / "results.json", "youtube_vis")


def run_kitti_step(root):
    classes = {1: 11, 2: 13}
    files, labels = draw(root / "frames")
    truth.write_kitti_step(root / "gt" / "0002", labels, (2, 2), classes)
    run(make_job("kitti_step"), [make_video("0002", files)], root / "out", class_network(classes))
    return KittiStep(root / "gt", root / "out")


def run_cityscapes_vps(root):
    classes, ids = {1: 11, 2: 13}, tuple(f"0005_{t:04d}_city" for t in range(6))
    files, labels = draw(root / "frames", len(ids))
    truth.write_cityscapes_vps(root / "gt", ids, labels, (2, 2), classes)
    run(make_job("cityscapes_vps"), [make_video("0005", files, entry=ids)], root / "out", class_network(classes))
    return CityscapesVps(root / "gt", root / "out")


def run_vipseg(root):
    classes = {1: 41, 2: 48}
    files, labels = draw(root / "frames")
    truth.write_vipseg(root / "gt", "7_abc", labels, (0, 0), classes)  # the network's class 2 is a thing, so no class of a rest
    run(make_job("vipseg"), [make_video("7_abc", files)], root / "out", class_network(classes))
    return Vipseg(root / "gt", root / "out")


SCORES = {
    "davis": (run_davis, {"J&F-Mean": 1}),
    "burst": (partial(run_burst, task="pet"), {"HOTA_all": 100}),
    "burst from masks": (partial(run_burst, task="vos"), {"HOTA_all": 100}),
    "youtube_vis": (run_youtube_vis, {"AP": 1, "AR10": 1}),
    "kitti_step": (run_kitti_step, {"STQ": 1}),
    "cityscapes_vps": (run_cityscapes_vps, {"VPQ": 100}),
    "vipseg": (run_vipseg, {"VPQ": 100, "STQ": 1}),
}


@pytest.mark.parametrize("name", SCORES)
def test_a_network_that_is_always_right_has_full_scores(tmp_path, name):
    run_one, expected = SCORES[name]
    summary = evaluated(run_one(tmp_path)).summary
    assert {key: summary[key] for key in expected} == pytest.approx(expected, rel=1e-12)


@dataclasses.dataclass(frozen=True)
class LabelledVideo(DavisVideo):
    """A sequence with its true labels."""

    labels: np.ndarray | None = None


def davis_videos(root, names=("a", "b", "c")):
    videos = []
    for name in names:
        files, labels = draw(root / "frames" / name)
        first = root / "first" / name / files[0].name
        save_ids(first, labels[0])
        videos.append(make_video(name, files, LabelledVideo, annotation=first, labels=labels))
    return videos


class DyingNetwork(PerfectNetwork):
    """Is gone after some clips, as in a kill."""

    def segment_objects(self, *arguments, **seed):
        if len(self.calls) == 4:
            raise KeyboardInterrupt
        return super().segment_objects(*arguments, **seed)


def content(folder):
    """All files, by path."""
    return {path.relative_to(folder): path.read_bytes() for path in sorted(folder.rglob("*")) if path.is_file()}


def test_an_interrupted_run_goes_on_with_what_is_missing(tmp_path, capsys):
    videos, job, output = davis_videos(tmp_path), make_job("davis", "test-dev"), tmp_path / "out"
    run(job, videos, tmp_path / "whole")
    capsys.readouterr()
    with pytest.raises(KeyboardInterrupt):
        run(job, videos, output, DyingNetwork())  # a video has 3 clips
    assert sorted(path.name for path in output.iterdir()) == ["a", "videos"]
    leftover = output / "videos" / ".unfinished-0-of-1" / "b" / "00000.png"  # a real kill leaves it
    leftover.parent.mkdir(parents=True)
    leftover.write_bytes(b"half")
    network = PerfectNetwork()
    run(job, videos, output, network)
    assert len(network.calls) == 2 * 3
    assert content(output) == content(tmp_path / "whole")
    lines = capsys.readouterr().out.splitlines()
    assert [re.sub(r"[\d.]+ frames/s, [\d:]+ left", "RATE", line) for line in lines[1:]] == [
        "1/2 b: 8 frames, RATE",
        "2/2 c: 8 frames, RATE",
        f"{output}: results of all 3 videos",
    ]


def test_a_finished_run_says_so_and_does_nothing_unless_told_to(tmp_path, capsys):
    videos, job, output = davis_videos(tmp_path), make_job("davis", "test-dev"), tmp_path / "out"
    run(job, videos, output)
    BenchmarkRun(job, videos, output).run(never, overwrite=False)
    assert "finished already; --overwrite does it again" in capsys.readouterr().out
    before, network = content(output), PerfectNetwork()
    (output / "a" / "00000.png").write_bytes(b"damaged")
    run(job, videos, output, network, overwrite=True)
    assert len(network.calls) == 3 * 3
    assert content(output) == before
    (output / "test-dev.zip").unlink()
    BenchmarkRun(job, videos, output).run(never, overwrite=False)  # the last step alone
    assert content(output) == before


def test_shards_add_up_to_the_whole(tmp_path, capsys):
    videos, job = davis_videos(tmp_path), make_job("davis", "test-dev")
    run(job, videos, tmp_path / "whole")
    networks = [PerfectNetwork(), PerfectNetwork()]
    for index in (1, 0):
        run(job, videos, tmp_path / "out", networks[index], Shard(index, 2))
        assert (tmp_path / "out" / "test-dev.zip").exists() == (index == 0)
    assert [len(network.calls) for network in networks] == [2 * 3, 3]
    assert content(tmp_path / "out") == content(tmp_path / "whole")
    assert "2 videos are left to other shards: a, c" in capsys.readouterr().out
    run(job, videos, tmp_path / "more", shard=Shard(4, 5))  # more shards than videos
    assert "3 videos are left to other shards: a, b, c" in capsys.readouterr().out


def test_other_settings_are_an_error(tmp_path):
    videos, output = davis_videos(tmp_path), tmp_path / "out"
    run(make_job("davis"), videos, output, shard=Shard(0, 3))
    with pytest.raises(DataError, match=r"a.json: made with checkpoint=ckpt/100, not ckpt/200; .* or pass --overwrite"):
        run(make_job("davis", checkpoint="ckpt/200"), videos, output)
    longer = make_job("davis", clips=ClipSettings(6, 2, 0))
    with pytest.raises(DataError, match="made with clip_length=4, not 6"):
        run(longer, videos, output)
    run(longer, videos, output, shard=Shard(1, 3))  # is not asked for the others'
    run(longer, videos, output, overwrite=True)
    run(longer, videos, output)


def test_results_of_others_are_not_touched(tmp_path):
    videos, output = davis_videos(tmp_path, ["a"]), tmp_path / "out"
    shutil.copytree(videos[0].frames[0].parent, output / "a")
    before = content(output)
    with pytest.raises(DataError, match="out: holds a/ already; choose another --output or pass --overwrite"):
        run(make_job("davis"), videos, output)
    assert content(output) == before
    run(make_job("davis"), videos, output, overwrite=True)
    assert content(output) != before
    video = make_video("video", videos[0].frames, entry={"id": 3})
    (output / "results.json").write_text("of another benchmark")
    with pytest.raises(DataError, match=r"holds results.json already"):
        run(make_job("youtube_vis"), [video], output, class_network({1: 4, 2: 24}))


def test_a_video_without_tracks_is_stuff(tmp_path):
    files, _ = draw(tmp_path / "frames", paths={})
    run(make_job("kitti_step"), [make_video("0002", files)], tmp_path / "out", class_network({}))
    images = [np.asarray(Image.open(path)) for path in sorted((tmp_path / "out" / "0002").iterdir())]
    np.testing.assert_array_equal(images, np.broadcast_to([2, 0, 0], (8, *SIZE, 3)))


def test_mistakes_are_told_before_anything_is_written(tmp_path):
    (video,) = davis_videos(tmp_path, ["a"])
    output = tmp_path / "out"
    other_size = dataclasses.replace(video, size=(64, 95))
    with pytest.raises(UserError, match=r"00000.png: size \(64, 96\); expected \(64, 95\), the size of its results"):
        run(make_job("davis"), [other_size], output)
    with pytest.raises(ConfigError, match="'ovis': this checkpoint was not trained for them"):
        run(make_job("ovis"), [make_video("b", video.frames, entry={"id": 1})], output)
    video.frames[5].unlink()
    with pytest.raises(UserError, match=r"00005.png: no such file"):
        run(make_job("davis"), [video], output)
    assert content(output) == {}
    with pytest.raises(DataError, match="davis: two videos of val are called a; expected different names"):
        run(make_job("davis"), [video, video], output)
    (tmp_path / "file").write_text("")
    with pytest.raises(DataError, match="file: a file; expected a folder"):
        run(make_job("davis"), [video], tmp_path / "file")


def test_tasks_of_benchmarks():
    assert benchmark_task("burst", None) == "pet"
    assert benchmark_task("burst", "vos") == "vos"
    with pytest.raises(ConfigError, match="--dataset=davies: no such benchmark; did you mean davis"):
        benchmark_task("davies", None)
    with pytest.raises(ConfigError, match="--task=pet: davis is of the task vos; leave --task out"):
        benchmark_task("davis", "pet")
