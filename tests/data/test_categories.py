import subprocess
import sys
from pathlib import Path

import pytest

from data import categories

ROOT = Path(__file__).resolve().parents[2]

# dataset: (classes, things), from the datasets' own documentation
COUNTS = {
    "ade20k": (150, 100),
    "burst": (1230, 1230),
    "cityscapes": (34, 10),
    "cityscapes_vps": (19, 8),
    "coco": (133, 80),
    "davis": (0, 0),
    "kitti_step": (19, 2),
    "mapillary": (65, 37),
    "ovis": (25, 25),
    "vipseg": (124, 58),
    "youtube_vis": (40, 40),
}


@pytest.mark.parametrize("dataset", categories.DATASETS)
def test_counts(dataset: str) -> None:
    known = categories.load(dataset)
    assert (len(known), sum(known.isthing)) == COUNTS[dataset]
    assert len(set(known.ids)) == len(known.names) == len(known.colours) == len(known.ignored) == len(known)
    assert list(known.ids) == sorted(known.ids)  # index = rank of the id
    assert all(known.ids[known.index_of_id[category_id]] == category_id for category_id in known.ids)
    assert all(len(colour) == 3 and all(0 <= part <= 255 for part in colour) for colour in known.colours)


def test_coco_classes() -> None:
    known = categories.load("coco")
    assert all(isthing == (category_id <= 90) for category_id, isthing in zip(known.ids, known.isthing, strict=True))
    assert known.names[known.index_of_id[90]] == "toothbrush"
    assert known.names[known.index_of_id[200]] == "rug-merged"
    assert known.index_of_id[200] == 132


def test_only_the_unlabelled_class_of_cityscapes_is_ignored() -> None:
    ignored = {name: sum(categories.load(name).ignored) for name in categories.DATASETS}
    assert {name: count for name, count in ignored.items() if count} == {"cityscapes": 1}
    assert categories.load("cityscapes").ignored[0]


def test_only_burst_has_common_classes() -> None:
    common = {name: sum(categories.load(name).common) for name in categories.DATASETS}
    assert {name: count for name, count in common.items() if count} == {"burst": 78}


def test_vocabularies() -> None:
    pretrain = categories.vocabulary("pretrain")
    assert pretrain == (("ade20k", 150), ("cityscapes", 34), ("coco", 133), ("mapillary", 65))
    assert 1 + sum(count for _, count in pretrain) == 383
    finetune = categories.vocabulary("finetune")
    assert finetune == (("cityscapes_vps", 19), ("kitti_step", 19), ("ovis", 25), ("vipseg", 124), ("youtube_vis", 40))


def test_unknown_names_say_what_exists() -> None:
    with pytest.raises(ValueError, match=r"'lvis'.*youtube_vis"):
        categories.load("lvis")
    with pytest.raises(ValueError, match=r"'both'.*pretrain, finetune"):
        categories.vocabulary("both")


def test_needs_the_standard_library_alone() -> None:
    code = "import sys; from data import categories; categories.load('coco'); print(*sys.modules)"
    # -S leaves out site-packages: an import of anything else would fail.
    run = subprocess.run([sys.executable, "-S", "-c", code], cwd=ROOT, capture_output=True, text=True, check=True)
    assert not {"numpy", "jax", "grain", "cv2"} & set(run.stdout.split())
