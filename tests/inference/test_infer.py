"""The infer command with a small random network: files, flags and mistakes."""

import json

import cv2
import numpy as np
import pytest
from PIL import Image
from pycocotools import mask as rle

from data import categories
from tarvis_jax import infer
from tarvis_jax.inference.clips import ClipSettings
from tarvis_jax.inference.network import Network
from tarvis_jax.inference.predictor import Predictor

SIZE = (60, 90)
CLIPS = ("--clip_length=2", "--clip_overlap=1", "--min_side=0")


@pytest.fixture
def video(tmp_path):
    folder = tmp_path / "video"
    folder.mkdir()
    rng = np.random.default_rng(0)
    for i in range(3):
        cv2.imwrite(str(folder / f"{i:03d}.png"), rng.integers(0, 256, (*SIZE, 3), np.uint8))
    labels = np.zeros(SIZE, np.uint8)
    labels[10:30, 10:40], labels[35:55, 50:80] = 1, 5
    Image.fromarray(labels).save(tmp_path / "first.png")
    (tmp_path / "points.json").write_text(json.dumps({"objects": [{"id": 2, "frame": 1, "x": 20, "y": 30}]}))
    return tmp_path


def run(checkpoint, folder, *flags, output="out"):
    paths = (f"--checkpoint={checkpoint}", f"--frames={folder / 'video'}", f"--output={folder / output}")
    return infer.main([*paths, *CLIPS, *flags])


@pytest.mark.slow
def test_objects_become_palette_pngs(checkpoint, video, capsys):
    masks, points = f"--masks={video / 'first.png'}", f"--points={video / 'points.json'}"
    assert run(checkpoint, video, "--task=vos", masks, points, "--save_logits", "--overlay") == 0
    for i in range(3):
        with Image.open(video / "out" / "masks" / f"{i:03d}.png") as image:
            assert (image.mode, image.size) == ("P", SIZE[::-1])
            assert set(np.unique(image)) <= ({0, 1, 5} if i == 0 else {0, 1, 2, 5})
    with np.load(video / "out" / "logits.npz") as logits:
        assert logits["clip0/frames"].tolist() == [0, 1]
        assert logits["clip0/object_ids"].tolist() == [1, 5, 2]
        assert logits["clip0/mask_logits"].shape == (3, 2, 16, 32)
        assert (logits["clip0/mask_logits"][2, 0] == -1000).all()  # not there before the frame in which it is given
        assert logits["clip1/frames"].tolist() == [1, 2]
        assert logits["clip1/background_logits"].shape == (16, 2, 16, 32)
    sheet = cv2.imread(str(video / "out" / "overlay.png"))
    assert sheet.shape == (320, 3 * 480, 3)
    assert cv2.VideoCapture(str(video / "out" / "overlay.mp4")).get(cv2.CAP_PROP_FRAME_COUNT) == 3

    assert run(checkpoint, video, "--task=vos", masks) == 2
    assert "masks: exists already; choose another --output or pass --overwrite" in capsys.readouterr().err
    assert run(checkpoint, video, "--task=vos", masks, "--overwrite") == 0


@pytest.mark.slow
def test_instances_become_tracks(checkpoint, video):
    assert run(checkpoint, video, "--task=vis", "--classes=youtube_vis", "--save_logits", "--overlay") == 0
    tracks = json.loads((video / "out" / "tracks.json").read_text())
    assert len(tracks) == 10
    known = categories.load("youtube_vis")
    for track in tracks:
        assert set(track) == {"track_id", "category_id", "category", "score", "segmentations"}
        assert known.names[known.index_of_id[track["category_id"]]] == track["category"]
        assert len(track["segmentations"]) == 3
        assert all(x is None or x["size"] == list(SIZE) for x in track["segmentations"])
        assert all(x is None or rle.area({**x, "counts": x["counts"].encode()}) > 0 for x in track["segmentations"])
    assert [t["score"] for t in tracks] == sorted((t["score"] for t in tracks), reverse=True)
    with np.load(video / "out" / "logits.npz") as logits:
        assert logits["clip0/mask_logits"].shape == (12, 2, 16, 32)
        assert logits["clip1/class_logits"].shape == (12, 41)
        assert logits["clip1/semantic_logits"].shape == (41, 2, 16, 32)


@pytest.mark.slow
def test_panoptic_maps_have_constant_ids(checkpoint, video):
    assert run(checkpoint, video, "--task=vps", "--classes=kitti_step", "--save_logits", "--overlay") == 0
    frames = json.loads((video / "out" / "panoptic.json").read_text())
    assert [frame["file_name"] for frame in frames] == ["000.png", "001.png", "002.png"]
    meaning = {}
    for frame in frames:
        rgb = np.array(Image.open(video / "out" / "panoptic" / frame["file_name"])).astype(int)
        ids = rgb @ [1, 256, 65536]
        assert set(np.unique(ids)) == {segment["id"] for segment in frame["segments_info"]}
        for segment in frame["segments_info"]:
            assert meaning.setdefault(segment["id"], segment) == segment
            assert ("track_id" in segment) == segment["isthing"]
    with np.load(video / "out" / "logits.npz") as logits:
        assert logits["clip0/semantic_logits"].shape == (19, 2, 16, 32)


MISTAKES = [
    (("--task=vos",), "--task=vos needs --masks"),
    (("--task=pet",), "--task=pet needs --points"),
    (("--task=vis", "--masks=first.png"), "finds its objects itself"),
    (("--task=vos", "--masks=first.png", "--classes=ovis"), "--task=vos has no classes"),
    (("--task=vis",), "needs --classes: kitti_step, youtube_vis"),
    (("--task=vis", "--classes=ovis"), "'ovis': this checkpoint was not trained for them"),
    (("--task=vos", "--masks=first.png", "--clip_overlap=2"), "--clip_overlap=2: expected 1 to 1"),
    (("--task=vos", "--masks=first.png", "--checkpoint=nowhere"), "nowhere: no such folder"),
    (("--task=vos", "--masks=first.png", "--frames=nowhere"), "nowhere: does not exist"),
    (("--task=vos", "--masks=other_size.png"), "mask of shape (50, 90); expected (60, 90), the size of the frames"),
    (("--task=pet", "--points=outside.json"), "point (90, 5) lies outside of frame 0 of 90 x 60 pixels"),
    (("--task=pet", "--points=late.json"), "given in frame 7, but the video has 3 frames"),
    (("--task=vos", "--masks=first.png", "--points=same_id.json"), "object 1: given twice in frame 0"),
]


@pytest.mark.parametrize(("flags", "message"), MISTAKES, ids=[message for _, message in MISTAKES])
def test_mistakes_are_one_line_and_leave_nothing(checkpoint, video, monkeypatch, capsys, flags, message):
    monkeypatch.chdir(video)
    Image.fromarray(np.ones((50, 90), np.uint8)).save("other_size.png")
    for name, entry in {"outside": (3, 0, 90, 5), "late": (3, 7, 1, 1), "same_id": (1, 0, 1, 1)}.items():
        row = dict(zip(("id", "frame", "x", "y"), entry, strict=True))
        (video / f"{name}.json").write_text(json.dumps({"objects": [row]}))
    assert run(checkpoint, video, *flags) == 2
    error = capsys.readouterr().err
    assert message in error
    assert error.startswith("error: ")
    assert error.count("\n") == 1
    assert not (video / "out").exists() or not list((video / "out").iterdir())


def test_unknown_flags_name_the_closest(capsys):
    with pytest.raises(SystemExit) as exit_info:
        infer.main(["--checkpoint=c", "--task=vos", "--frames=f", "--output=o", "--mask=m.png"])
    assert exit_info.value.code == 2
    assert "did you mean --masks" in capsys.readouterr().err


@pytest.mark.slow
def test_few_programs_are_compiled(checkpoint):
    """One for each size and number of object slots: clips that are cut short, points and masks add none."""
    network = Network.from_checkpoint(checkpoint)
    frames = np.random.default_rng(0).integers(0, 256, (7, *SIZE, 3), np.uint8)

    def compiled(objects):
        predictor = Predictor(network, "vos", clips=ClipSettings(4, 2))
        for i in range(objects):
            mask = np.zeros(SIZE, bool)
            mask[8 * i : 8 * i + 8, 8 * i :] = True
            predictor.add_object(2 * i + 1, **({"mask": mask} if i % 2 else {"point": (10, 8 * i)}))
        for frame in frames:
            predictor.step(frame)
        list(predictor.finish())
        return network._segment_objects._cache_size()

    assert [compiled(objects) for objects in (1, 4, 3, 5, 7)] == [1, 1, 1, 2, 2]
