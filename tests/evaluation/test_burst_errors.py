"""Broken results and ground truth of BURST: one line each that names the place and what is wrong, or a warning."""

import copy
import json
import math
import re

import pytest

from tarvis_jax.errors import UserError
from tarvis_jax.evaluation.benchmark import PERFECT
from tarvis_jax.evaluation.burst import Burst
from tests.evaluation.burst_folders import BurstFolders, as_file, encode, rectangle, sequence

SIZE = (30, 40)
PATHS = [f"frame{i:04d}.jpg" for i in (1, 7, 13)]
CLASS_GUIDED, BURSTAPI, OPEN_WORLD = "--task=class_guided", "--flow=burstapi", "--task=open_world"
EMPTY = encode(rectangle(SIZE, (0, 0), (0, 0)))


@pytest.fixture
def truth():
    """Two sequences with two tracks each, all in every frame."""
    sequences = [sequence(number, SIZE, PATHS, {1: 78, 2: 347}) for number in (1, 2)]
    for drawn in sequences:
        for t, masks in enumerate(drawn["segmentations"]):
            masks |= {str(track): {"rle": encode(rectangle(SIZE, (10 * track + t, 5), (6, 9)))} for track in (1, 2)}
    return as_file(sequences)


@pytest.fixture
def folders(tmp_path, truth):
    """The ground truth, and as the result the same."""
    folders = BurstFolders(tmp_path)
    folders.write(truth, truth)
    return folders


def _mask(content):
    """A mask in the second frame of the second sequence."""
    return content["sequences"][1]["segmentations"][1]["2"]


def _set(key, value):
    return lambda content: content.update({key: value})


def _set_in_sequence(key, value):
    return lambda content: content["sequences"][1].update({key: value})


def _set_in_mask(key, value):
    return lambda content: _mask(content).update({key: value})


def _rename_track(new):
    def edit(content):
        for drawn in content["sequences"]:
            drawn["track_category_ids"][new] = drawn["track_category_ids"].pop("2")
            for masks in drawn["segmentations"]:
                masks[new] = masks.pop("2")

    return edit


def _repeat_sequence(content):
    content["sequences"].append(copy.deepcopy(content["sequences"][1]))


def _shorten(content):
    content["sequences"][1]["segmentations"].pop()


def _forget_track(content):
    del content["sequences"][1]["track_category_ids"]["2"]


MASK = r"result\.json: sequence YFCC100M/clip2: image frame0007\.jpg, track 2"


@pytest.mark.parametrize(
    ("edit", "flags", "reason"),
    [
        (lambda content: content.pop("sequences"), (), r"result\.json: the key 'sequences' is missing"),
        (_set("sequences", {}), (), r"result\.json: expected a list \[...\] as 'sequences'"),
        (_set("sequences", [3]), (), r"result\.json: sequences\[0\]: expected an object {...}, found 3"),
        (_set("split", "test"), (), r"result\.json: a result of the split 'test', but the ground truth is of 'val'"),
        (_set("categories", [{"id": 78, "name": "cat"}]), (CLASS_GUIDED,), r"category 78 is 'cat' there, but 'bear' in BURST"),
        (_set("categories", [{"id": 78, "name": "cat"}]), (BURSTAPI,), r"category 78 is 'cat' there, but 'bear' in BURST"),
        (_set("categories", ["bear"]), (BURSTAPI,), r"categories: expected an object {...}, found 'bear'"),
        (_set("categories", 3), (BURSTAPI,), r"expected a list \[...\] as 'categories'"),
        (_shorten, (), "3 'annotated_image_paths', but 2 'segmentations'"),
        (_set_in_sequence("annotated_image_paths", [1, 2, 3]), (), "expected names of images in 'annotated_image_paths'"),
        (_set_in_sequence("dataset", None), (), r"sequences\[1\]: expected a string as 'dataset', found None"),
        (_set_in_sequence("segmentations", [[], {}, {}]), (), 'image frame0001.jpg: expected an object {"track id"'),
        (
            _set_in_sequence("segmentations", [5, {}, {}]),
            (CLASS_GUIDED,),
            'image frame0001.jpg: expected an object {"track id"',
        ),
        (_set_in_sequence("segmentations", [{"1": "x"}, {}, {}]), (), r"image frame0001\.jpg, track 1: expected an object"),
        (lambda content: _mask(content).pop("rle"), (), r"image frame0007\.jpg, track 2: the key 'rle' is missing"),
        (_set_in_mask("rle", {"size": SIZE, "counts": "0"}), (), f"{MASK}: expected the counts of a compressed RLE"),
        (_set_in_mask("rle", encode(rectangle((60, 80), (0, 0), (5, 5)))), (), rf"{MASK}: .* cover 4800 pixels, expected 1200"),
        (_set_in_mask("rle", "~~~"), (), f"{MASK}: RLE counts are corrupt"),
        (_set_in_mask("rle", EMPTY[:-1]), (), f"{MASK}: RLE counts"),
        (_set_in_mask("score", "high"), (), "expected a finite number as 'score' of track 2, found 'high'"),
        (_set_in_mask("score", float("nan")), (), "expected a finite number as 'score' of track 2, found nan"),
        (_set_in_mask("score", 10**400), (), "expected a finite number as 'score' of track 2, found 1000"),
        (_set_in_mask("category_id", 2**63), (BURSTAPI,), "expected a whole number as 'category_id' of track 2, found 9223"),
        (_set_in_mask("category_id", "bear"), (BURSTAPI,), "expected a whole number as 'category_id' of track 2, found 'bear'"),
        (
            _rename_track("3"),
            (),
            r"track 3 is not in the ground truth, whose tracks there are 1, 2; exemplar-guided results keep",
        ),
        (_rename_track("x"), (), "expected whole numbers from 0 on as track ids in 'segmentations', found 'x'"),
        (_rename_track("-1"), (BURSTAPI,), "expected whole numbers from 0 on as track ids in 'segmentations', found '-1'"),
        (_set_in_sequence("id", 9), (), "no sequence of the ground truth has the id 9; exemplar-guided results keep"),
        (lambda content: content["sequences"][1].pop("id"), (), "the key 'id' is missing"),
        (_forget_track, (CLASS_GUIDED,), "track 2 is missing in 'track_category_ids'"),
        (_set_in_sequence("track_category_ids", None), (CLASS_GUIDED,), r"expected an object {...} as 'track_category_ids'"),
        (_set_in_sequence("track_category_ids", {"1": 78, "2": "cup"}), (CLASS_GUIDED,), "expected a whole number as '2'"),
        (_set_in_sequence("track_category_ids", {"1": 78, "2": 10**30}), (CLASS_GUIDED,), "expected a whole number as '2'"),
        (_repeat_sequence, (), r"image frame0001\.jpg, track 1: it stands there twice"),
    ],
)
def test_broken_results(folders, truth, fails, edit, flags, reason):
    edit(truth)
    folders.write(result=truth)
    assert re.search(reason, fails(*folders.flags(*flags)))


@pytest.mark.parametrize(
    ("edit", "reason"),
    [
        (lambda content: content.pop("split"), r"all_classes\.json: the key 'split' is missing"),
        (_set("sequences", []), r"all_classes\.json: no sequences"),
        (_repeat_sequence, "two sequences have the same dataset and seq_name"),
        (_set_in_sequence("id", 1), "two sequences have the same id"),
        (
            _set_in_sequence("annotated_image_paths", ["a.jpg", "b.jpg", "c.jpg"]),
            r"expected names like frame0001\.jpg .* found 'a.jpg'",
        ),
        (_set_in_sequence("annotated_image_paths", [PATHS[0]] * 3), "an image stands twice among 'annotated_image_paths'"),
        (_set_in_sequence("segmentations", [[], {}, {}]), 'image frame0001.jpg: expected an object {"track id"'),
        (_set_in_sequence("height", "30"), "expected a whole number as 'height'"),
        (_set_in_sequence("neg_category_ids", None), r"expected a list \[...\] as 'neg_category_ids'"),
        (_forget_track, "track 2 is missing in 'track_category_ids'"),
        (
            _set_in_mask("rle", "~"),
            r"all_classes\.json: sequence YFCC100M/clip2: image frame0007\.jpg, track 2: RLE counts",
        ),
    ],
)
def test_broken_ground_truth(folders, truth, fails, edit, reason):
    edit(truth)
    folders.write(truth=truth)
    assert re.search(reason, fails(*folders.flags()))


def test_layout(folders, truth, fails):
    assert "all_classes.json: a file, expected a folder" in fails(
        "burst", f"--gt={folders.gt / 'all_classes.json'}", "--pred=x"
    )
    message = fails("burst", f"--gt={folders.gt.parent}", f"--pred={folders.pred}")
    assert f"all_classes.json missing; found gt/, result.json; did you mean --gt={folders.gt}?" in message
    assert "no such file" in fails("burst", f"--gt={folders.gt}", "--pred=nowhere.json")
    assert "a folder, expected a JSON file; found" in fails("burst", f"--gt={folders.gt}", f"--pred={folders.gt}")
    folders.pred.write_text(json.dumps(truth)[:-100])
    assert "result.json: not JSON, or cut off" in fails(*folders.flags())
    (folders.gt / "common_classes.json").unlink()
    assert "common_classes.json missing" in fails(*folders.flags(OPEN_WORLD))


def _drop_sequence(content):
    del content["sequences"][1]


def _drop_images(content):
    for key in ("annotated_image_paths", "segmentations"):
        del content["sequences"][1][key][1:]


def _other_images(content):
    content["sequences"][1]["annotated_image_paths"] = ["a.jpg", "b.jpg", "c.jpg"]


def _no_masks(content):
    for drawn in content["sequences"]:
        drawn["segmentations"] = [{} for _ in PATHS]


def _empty_masks(content):
    for drawn in content["sequences"]:
        for masks in drawn["segmentations"]:
            masks |= {key: {"rle": EMPTY} for key in masks}


def _swap_ids(content):
    first, second = content["sequences"]
    first["id"], second["id"] = second["id"], first["id"]


NOT_FOUND = r"1 of 2 sequences are not in the result \(their objects count as not found\): val-YFCC100M-clip2"


@pytest.mark.parametrize(
    ("edit", "flags", "score", "warning"),
    [
        (lambda content: None, (), 100, re.escape(PERFECT)),
        (
            lambda content: None,
            (CLASS_GUIDED,),
            100,
            "all 4 predicted tracks have the score 1.0: their order, and so AP, is arbitrary",
        ),
        (lambda content: None, (OPEN_WORLD,), 100, None),
        (_set("sequences", []), (), 0, "no sequence of the ground truth is in the result: every score is 0"),
        (_no_masks, (), 0, "the result has no masks: every score is 0"),
        (_no_masks, (OPEN_WORLD,), 0, "the result has no masks: every score is 0"),
        (_empty_masks, (), 0, "all 12 predicted masks are empty: none has a pixel"),
        (_set_in_mask("rle", EMPTY), (), None, "1 of 12 predicted masks are empty; each counts as a false positive"),
        (_drop_sequence, (), None, NOT_FOUND),
        (_other_images, (), None, "1 of 2 sequences have no image of the ground truth in the result: val-"),
        (_drop_images, (), None, "1 of 2 sequences have only some of the annotated images in the result: val-"),
        (
            _set_in_sequence("seq_name", "other"),
            (),
            None,
            "the ground truth does not have 1 of the result's sequences: YFCC100M/other",
        ),
        (_set_in_sequence("height", 40), (), 100, "have another height and width in the result"),
        (_rename_track("77"), (BURSTAPI,), 100, re.escape(PERFECT)),
        (_swap_ids, (), 100, "2 of 2 sequences have the id of another sequence in the result, and the classes of its tracks"),
        (
            _set_in_mask("category_id", 99999),
            (CLASS_GUIDED,),
            None,
            "1 of 12 predicted masks have category ids that BURST does not have",
        ),
    ],
)
def test_warnings(folders, truth, run, edit, flags, score, warning):
    edit(truth)
    folders.write(result=truth)
    status, _, err = run(*folders.flags(*flags, f"--output={folders.output}"))
    assert status == 0
    lines = [line for line in err.splitlines() if line.startswith("warning: ")]
    assert re.search(warning, lines[0]) if warning else not lines
    found = folders.results()["OWTA_all" if flags == (OPEN_WORLD,) else "HOTA_all"]
    assert found == score if score is not None else 0 < found < 100


def test_a_split_without_classes_has_no_score(folders, run):
    """Both classes are common ones; the official script divides by zero."""
    assert run(*folders.flags(f"--output={folders.output}"))[0] == 0
    found = folders.results()
    assert found["HOTA_com"] == 100 and math.isnan(found["HOTA_unc"])


def test_ids_that_are_all_wrong_are_reported_where_they_do_not_matter(folders, truth, run):
    for drawn in truth["sequences"]:
        for key in ("1", "2"):
            drawn["track_category_ids"][f"{key}0"] = drawn["track_category_ids"].pop(key)
        drawn["segmentations"] = [{f"{key}0": mask for key, mask in masks.items()} for masks in drawn["segmentations"]]
    folders.write(result=truth)
    _, _, err = run(*folders.flags(BURSTAPI))
    assert "2 of 2 sequences have no track id of the ground truth in the result: val-" in err


def test_unknown_options():
    with pytest.raises(UserError, match="--flow=cocoapi: expected one of trackeval, burstapi"):
        Burst("gt", "pred.json", flow="cocoapi")
