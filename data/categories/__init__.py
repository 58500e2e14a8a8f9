"""Category ids, names and colours of the eleven datasets, as the original reads them. Standard library alone.

A class index is the position in a dataset's list; that is also the class's row in the semantic queries. Instance classes are
1-based: index + 1.
"""

import colorsys
import dataclasses
import functools
import json
from pathlib import Path

PRETRAIN = ("ade20k", "cityscapes", "coco", "mapillary")
FINETUNE = ("cityscapes_vps", "kitti_step", "ovis", "vipseg", "youtube_vis")  # those with class queries
DATASETS = tuple(sorted((*PRETRAIN, *FINETUNE, "burst", "davis")))

_STAGES = {"pretrain": PRETRAIN, "finetune": FINETUNE}
_GOLDEN_RATIO = 0.618034  # steps of it spread hues evenly, whatever the number of classes


@dataclasses.dataclass(frozen=True)
class Categories:
    """The k classes of a dataset, in the order of their rows in the semantic queries.

    `ignored` tells which classes count as unlabelled in training (Cityscapes id 0 alone), `common` which are of BURST's common
    split.
    """

    dataset: str
    ids: tuple[int, ...]
    names: tuple[str, ...]
    isthing: tuple[bool, ...]
    colours: tuple[tuple[int, int, int], ...]
    ignored: tuple[bool, ...]
    common: tuple[bool, ...]

    def __len__(self) -> int:
        return len(self.ids)

    @functools.cached_property
    def index_of_id(self) -> dict[int, int]:
        """Class index of a category id of the dataset's own annotations."""
        return {category_id: index for index, category_id in enumerate(self.ids)}


def _spread_colour(index: int) -> tuple[int, int, int]:
    """A colour for a class of a dataset that publishes none."""
    red, green, blue = colorsys.hsv_to_rgb(index * _GOLDEN_RATIO % 1.0, 0.65, 0.9)
    return round(255 * red), round(255 * green), round(255 * blue)


@functools.cache
def load(dataset: str) -> Categories:
    """The categories of one of `DATASETS`; `davis` has none. Raises ValueError for another name."""
    if dataset not in DATASETS:
        raise ValueError(f"no categories of dataset {dataset!r}; known: {', '.join(DATASETS)}")
    rows = json.loads((Path(__file__).parent / f"{dataset}.json").read_text(encoding="utf-8"))["categories"]
    return Categories(
        dataset=dataset,
        ids=tuple(row["id"] for row in rows),
        names=tuple(row["name"] for row in rows),
        isthing=tuple(bool(row["isthing"]) for row in rows),
        colours=tuple(tuple(row.get("color", _spread_colour(index))) for index, row in enumerate(rows)),
        ignored=tuple(bool(row.get("ignored", 0)) for row in rows),
        common=tuple(bool(row.get("common", 0)) for row in rows),
    )


def vocabulary(stage: str) -> tuple[tuple[str, int], ...]:
    """(dataset, number of classes k) of a training stage, sorted by name: the rows of the semantic queries after the first.

    `stage`: "pretrain" (382 classes) or "finetune" (227 classes). Raises ValueError for another name.
    """
    if stage not in _STAGES:
        raise ValueError(f"no training stage {stage!r}; known: {', '.join(_STAGES)}")
    return tuple((dataset, len(load(dataset))) for dataset in sorted(_STAGES[stage]))
