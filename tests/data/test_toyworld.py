import hashlib
import json
import subprocess
import sys
from pathlib import Path

import numpy as np
import pytest
from PIL import Image

from data import categories, toyworld
from data.errors import DataError
from data.toy import coco
from data.toy.look import HELD_OUT, IMAGES
from data.toy.scene import draw_scene

ROOT = Path(__file__).resolve().parents[2]


def digest(root: Path) -> dict[str, str]:
    files = (file for file in root.rglob("*") if file.is_file())
    return {str(file.relative_to(root)): hashlib.sha256(file.read_bytes()).hexdigest() for file in files}


def read(file: Path) -> np.ndarray:
    with Image.open(file) as image:
        return np.asarray(image).astype(int)


def run(*arguments: str) -> subprocess.CompletedProcess:
    return subprocess.run([sys.executable, "-m", "data.toyworld", *arguments], cwd=ROOT, capture_output=True, text=True)


@pytest.mark.parametrize("split", ["train2017", "val2017"])
def test_segments_agree_with_their_pngs(toy_root: Path, split: str) -> None:
    annotations = toy_root / "coco" / "annotations"
    content = json.loads((annotations / f"panoptic_{split}.json").read_text())
    known = categories.load("coco")
    assert len(content["images"]) == len(content["annotations"]) == (24 if split == "train2017" else 6)
    assert [category["id"] for category in content["categories"]] == list(known.ids)
    for image, annotation in zip(content["images"], content["annotations"], strict=True):
        assert image["id"] == annotation["image_id"]
        png = read(annotations / f"panoptic_{split}" / annotation["file_name"])
        jpg = read(toy_root / "coco" / split / image["file_name"])
        assert png.shape == jpg.shape == (image["height"], image["width"], 3)
        assert all(72 <= side <= 120 for side in png.shape[:2])  # 3/4 to 5/4 of 96
        ids = png @ [1, 256, 65536]
        segments = annotation["segments_info"]
        assert set(np.unique(ids).tolist()) == {segment["id"] for segment in segments}
        for segment in segments:
            ys, xs = np.nonzero(ids == segment["id"])
            assert segment["area"] == len(ys)
            assert segment["bbox"] == [xs.min(), ys.min(), xs.max() + 1 - xs.min(), ys.max() + 1 - ys.min()]
            assert segment["iscrowd"] == 0
        things = [segment["category_id"] for segment in segments if segment["category_id"] <= 90]
        stuff = [segment["category_id"] for segment in segments if segment["category_id"] > 90]
        assert 1 <= len(things) <= 6
        assert 1 <= len(set(stuff)) == len(stuff) <= 4


def test_scenes_are_varied() -> None:
    scenes = [draw_scene(np.random.default_rng(seed), 96, 120) for seed in range(60)]
    names = [name for scene in scenes for name in scene.names]
    assert set(names) == {*IMAGES.things, *IMAGES.stuff}
    assert any(len(set(scene.names)) < len(scene.names) for scene in scenes)  # neighbours of one class
    counts = [sum(name in IMAGES.things for name in scene.names) for scene in scenes]
    assert set(counts) >= {2, 3, 4, 5}


def test_a_colour_of_a_thing_tells_its_class() -> None:
    """Mean colours of things of two classes differ between the classes; of held-out things, within them alone."""
    for look, names, tells in ((IMAGES, ("sports ball", "umbrella"), True), (HELD_OUT, ("truck", "fish"), False)):
        colours: dict[str, list[np.ndarray]] = {name: [] for name in names}
        for seed in range(160):
            scene = draw_scene(np.random.default_rng(seed), 128, 128, look)
            for index, name in enumerate(scene.names):
                if name in names:
                    colours[name].append(scene.image[scene.segment_map == index].mean(axis=0))
        first, second = (np.array(found) for found in colours.values())
        between, within = np.linalg.norm(first.mean(0) - second.mean(0)), np.linalg.norm(first.std(0))
        assert between > within if tells else between < 0.5 * within, (between, within)


def test_drawing_depends_on_the_seed_alone(toy_root: Path, tmp_path: Path) -> None:
    again, shorter, other = (tmp_path / name for name in ("again", "shorter", "other"))
    toyworld.draw_coco(again, seed=3, images=24, size=96)
    assert digest(again) == digest(toy_root)
    toyworld.draw_coco(shorter, seed=3, images=4, size=96)
    images = {name: value for name, value in digest(shorter).items() if name.endswith((".jpg", ".png"))}
    assert images.items() <= digest(toy_root).items()
    toyworld.draw_coco(other, seed=4, images=4, size=96)
    assert not set(images.values()) & set(digest(other).values())


def test_results_are_not_overwritten_unasked(tmp_path: Path) -> None:
    toyworld.draw_coco(tmp_path, images=2, size=40)
    before = digest(tmp_path)
    with pytest.raises(DataError, match="--overwrite"):
        toyworld.draw_coco(tmp_path, seed=1, images=2, size=40)
    assert digest(tmp_path) == before
    toyworld.draw_coco(tmp_path, seed=1, images=3, size=40, overwrite=True)
    assert digest(tmp_path) != before
    assert [path.name for path in tmp_path.iterdir()] == ["coco"]  # no unfinished folder is left


def test_an_interrupted_drawing_leaves_nothing(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    def fail(*_: object) -> None:
        raise KeyboardInterrupt

    monkeypatch.setattr(coco, "segments_info", fail)
    with pytest.raises(KeyboardInterrupt):
        toyworld.draw_coco(tmp_path, images=2, size=40)
    assert not list(tmp_path.iterdir())


def test_the_command(tmp_path: Path) -> None:
    result = run(f"--output={tmp_path}/new/toy", "--images=2", "--size=40")
    assert (result.returncode, result.stderr) == (0, "")
    assert (tmp_path / "new" / "toy" / "coco" / "val2017").is_dir()
    again = run(f"--output={tmp_path}/new/toy", "--images=2")
    assert again.returncode == 2
    assert again.stderr.count("\n") == 1
    assert "--overwrite" in again.stderr
    wrong = run(f"--output={tmp_path}/b", "--images=0")
    assert (wrong.returncode, wrong.stderr) == (2, "error: --images: expected 1 or more, found 0\n")
    assert "python -m data.toyworld --output=" in run("--help").stdout


DRAWN = ("davis", "kitti_step")  # with JPEGs, with PNGs alone


def test_drawn_videos_depend_on_seed_and_dataset_alone(tmp_path: Path) -> None:
    first, more, other = (tmp_path / name for name in ("first", "more", "other"))
    for dataset in DRAWN:
        toyworld.draw_videos(first, dataset, seed=1, videos=1, size=40)
        toyworld.draw_videos(more, dataset, seed=1, videos=2, size=40)
        toyworld.draw_videos(other, dataset, seed=2, videos=1, size=40)
    images = {name: value for name, value in digest(first).items() if name.endswith((".jpg", ".png"))}
    assert len(images) == 72
    assert images.items() <= digest(more).items()
    assert not set(images.values()) & set(digest(other).values())
    davis = read(first / "davis" / "JPEGImages" / "480p" / "toy000" / "00000.jpg")
    kitti = read(first / "kitti_step" / "training" / "image_02" / "0002" / "000000.png")
    assert davis.shape == kitti.shape == (30, 50, 3)
    assert np.abs(davis - kitti).mean() > 10


def test_the_command_draws_what_is_named(tmp_path: Path) -> None:
    toy, twice = tmp_path / "toy", "--datasets=ovis,burst,ovis"
    result = run(f"--output={toy}", twice, "--videos=1", "--size=32")
    assert (result.returncode, result.stderr) == (0, "")
    assert sorted(path.name for path in toy.iterdir()) == ["burst", "ovis"]
    before = digest(toy)
    again = run(f"--output={toy}", "--datasets=davis,burst", "--videos=1", "--size=32")
    assert again.returncode == 2
    assert f"{toy / 'burst'}: expected nothing there" in again.stderr
    assert digest(toy) == before  # davis is not drawn either


@pytest.mark.parametrize(
    ("flag", "message"),
    [
        ("--datasets=davis,oviss", "cannot draw 'oviss'; did you mean ovis or"),
        ("--datasets=", "cannot draw ''"),
        ("--videos=0", "--videos: expected 1 or more, found 0"),
        ("--size=31", "--size: expected 32 or more, found 31"),
        ("--vidoes=3", "unknown argument --vidoes=3; did you mean --videos"),
    ],
)
def test_mistakes_are_one_line(tmp_path: Path, capsys: pytest.CaptureFixture[str], flag: str, message: str) -> None:
    argv = [f"--output={tmp_path / 'toy'}", flag]
    try:
        status = toyworld.main(argv)
    except SystemExit as error:
        status = error.code
    captured = capsys.readouterr()
    assert (status, captured.out, captured.err.count("\n")) == (2, "", 1)
    assert message in captured.err
    assert not list(tmp_path.iterdir())


def test_kitti_step_has_nine_sequences(tmp_path: Path) -> None:
    with pytest.raises(DataError, match="--videos=10: kitti_step has 9"):
        toyworld.draw_videos(tmp_path, "kitti_step", videos=10)


def test_a_place_that_cannot_be_written_is_named(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    (tmp_path / "file").touch()
    assert toyworld.main([f"--output={tmp_path / 'file'}", "--datasets=davis", "--videos=1", "--size=32"]) == 2
    assert capsys.readouterr().err.startswith(f"error: {tmp_path / 'file'}")
