"""Broken results and ground truth of DAVIS: one line each that names the place and what is wrong."""

import shutil

import numpy as np
import pytest
from PIL import Image

from tests.evaluation.davis_folders import moving_boxes, save_ids


@pytest.fixture
def good(davis):
    """Two sequences with results that can be scored."""
    for seed, name in enumerate(("cat", "dog")):
        gt = moving_boxes(np.random.default_rng(seed))
        davis.add(name, gt, gt)
    return davis


def _frame(davis):
    return np.asarray(Image.open(davis.path("dog", 2)))


def _as_colours(davis):
    Image.open(davis.path("dog", 2)).convert("RGB").save(davis.path("dog", 2))


def _as_16_bit(davis):
    Image.fromarray(_frame(davis).astype(np.uint16)).save(davis.path("dog", 2))


def _as_jpeg(davis):
    for path in sorted((davis.pred / "dog").iterdir()):
        Image.fromarray(np.asarray(Image.open(path))).save(path.with_suffix(".jpg"))
        path.unlink()


def _truncated(davis):
    path = davis.path("dog", 2)
    path.write_bytes(path.read_bytes()[:60])


def _not_an_image(davis):
    davis.path("dog", 2).write_text("nothing")


def _scaled(davis):
    save_ids(davis.path("dog", 2), np.where(_frame(davis) > 0, 255, 0), palette=False)


def _void_predicted(davis):
    save_ids(davis.path("dog", 2), np.where(_frame(davis) == 1, 255, _frame(davis)))


def _id_beyond(davis):
    save_ids(davis.path("dog", 2), np.where(_frame(davis) > 0, _frame(davis) + 1, 0))


def _other_size(davis):
    save_ids(davis.path("dog", 2), _frame(davis)[::2, ::2])


def _missing_frame(davis):
    davis.path("dog", 3).unlink()


def _missing_sequence(davis):
    shutil.rmtree(davis.pred / "dog")


def _other_names(davis):
    for path in sorted((davis.pred / "dog").iterdir()):
        path.rename(path.with_name(f"frame_{path.name}"))


def _empty_folder(davis):
    shutil.rmtree(davis.pred)
    davis.pred.mkdir()


def _no_folder(davis):
    shutil.rmtree(davis.pred)


def _a_file(davis):
    shutil.make_archive(str(davis.pred), "zip", davis.pred)
    davis.pred = davis.pred.with_suffix(".zip")


def _pred_too_high(davis):
    (davis.pred.parent / "submissions").mkdir()
    davis.pred.rename(davis.pred.parent / "submissions" / "run1")
    davis.pred = davis.pred.parent / "submissions"


def _pred_too_low(davis):
    davis.pred /= "dog"


def _gt_too_low(davis):
    davis.gt = davis.gt / "Annotations" / "480p"


def _gt_too_high(davis):
    davis.gt = davis.gt.parent


def _gt_missing(davis):
    davis.gt = davis.gt / "nowhere"


def _gt_without_sequence(davis):
    shutil.rmtree(davis.gt / "Annotations" / "480p" / "dog")


def _gt_without_list(davis):
    davis.list.unlink()


def _gt_empty_list(davis):
    davis.list.write_text("\n")


def _gt_two_frames(davis):
    for path in sorted((davis.gt / "Annotations" / "480p" / "dog").iterdir())[2:]:
        path.unlink()


def _gt_of_2016(davis):
    for path in (davis.gt / "Annotations" / "480p" / "dog").iterdir():
        save_ids(path, np.where(np.asarray(Image.open(path)) > 0, 255, 0), palette=False)


def _gt_broken(davis):
    (davis.gt / "Annotations" / "480p" / "dog" / "00000.png").write_bytes(b"\x89PNG")


@pytest.mark.parametrize(
    ("break_it", "words"),
    [
        (_as_colours, ["pred/dog/00002.png", "mode P or L", "mode RGB"]),
        (_as_16_bit, ["pred/dog/00002.png", "mode P or L", "mode I;16"]),
        (_as_jpeg, ["pred/dog", "3 of 3 scored frames are missing", "00001.png", "found 00000.jpg"]),
        (_truncated, ["pred/dog/00002.png", "cut off"]),
        (_not_an_image, ["pred/dog/00002.png", "not an image"]),
        (_scaled, ["pred/dog/00002.png", "0..2", "found 255", "scaled to 0/255"]),
        (_void_predicted, ["pred/dog/00002.png", "found 255", "void (255) is not for results"]),
        (_id_beyond, ["pred/dog/00002.png", "expected ids 0..2, the objects of dog's first frame", "found 3"]),
        (_other_size, ["pred/dog/00002.png", "60 x 40", "found 30 x 20"]),
        (_missing_frame, ["pred/dog", "1 of 3 scored frames are missing: 00003.png"]),
        (_missing_sequence, ["--pred=", "1 of 2 sequences are missing: dog"]),
        (_other_names, ["3 of 3 scored frames are missing", "found frame_00000.png"]),
        (_empty_folder, ["--pred=", "expected SEQUENCE/FRAME.png", "found nothing"]),
        (_no_folder, ["--pred=", "no such folder"]),
        (_a_file, ["pred.zip", "a file, expected a folder"]),
        (_pred_too_high, ["submissions: expected SEQUENCE/FRAME.png", "did you mean --pred=", "submissions/run1?"]),
        (_pred_too_low, ["pred/dog: expected SEQUENCE/FRAME.png", "did you mean --pred=", "pred?"]),
        (_gt_too_low, ["--gt=", "did you mean --gt=", "DAVIS?"]),
        (_gt_too_high, ["--gt=", "did you mean --gt=", "DAVIS?"]),
        (_gt_missing, ["--gt=", "no such folder"]),
        (_gt_without_sequence, ["Annotations/480p/dog", "found no PNG"]),
        (_gt_without_list, ["--gt=", "ImageSets/2017", "found none"]),
        (_gt_empty_list, ["val.txt", "expected a sequence a line"]),
        (_gt_two_frames, ["Annotations/480p/dog", "expected 3 frames or more", "found 2"]),
        (_gt_of_2016, ["Annotations/480p/dog/00000.png", "--year=2016"]),
        (_gt_broken, ["Annotations/480p/dog/00000.png", "cut off"]),
    ],
)
def test_broken_input(good, fails, break_it, words):
    break_it(good)
    err = fails(*good.flags())
    assert [word for word in words if word not in err] == [], err


@pytest.mark.parametrize("split", ["test-dev", "test-challenge"])
def test_hidden_ground_truth(good, fails, split):
    err = fails(*good.flags(f"--split={split}"))
    assert "not public" in err and "CodaLab" in err and "https://" in err


def test_other_split(good, fails):
    assert "did you mean val?" in fails(*good.flags("--split=vall"))


def test_ids_in_a_list_of_another_year(good, fails):
    assert "ImageSets/2016" in fails(*good.flags("--year=2016"))


def test_2016_masks_in_colour(good, fails):
    (good.gt / "ImageSets" / "2016").mkdir()
    good.list.rename(good.gt / "ImageSets" / "2016" / "val.txt")
    _as_colours(good)
    assert "an image in colour" in fails(*good.flags("--year=2016"))
