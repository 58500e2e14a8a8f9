"""One reader per dataset, each for the dataset's official layout below a common data root."""

from collections.abc import Iterable
from pathlib import Path

from data.errors import DataError
from data.sources import ade20k, cityscapes, coco, mapillary
from data.sources.panoptic import PanopticSource

IMAGE_DATASETS = {"ade20k": ade20k, "cityscapes": cityscapes, "coco": coco, "mapillary": mapillary}


def open_sources(data_root: str, datasets: Iterable[str]) -> dict[str, PanopticSource]:
    """Source of each dataset, by name. Raises `DataError`, which names what is missing."""
    root = Path(data_root)
    if not root.is_dir():
        raise DataError(f"data_root: expected a folder at {root}, found nothing; data/README.md shows the trees")
    sources = {}
    for dataset in sorted(datasets):
        if dataset not in IMAGE_DATASETS:
            raise DataError(f"datasets: expected some of {', '.join(IMAGE_DATASETS)}, found {dataset!r}; remove it")
        sources[dataset] = IMAGE_DATASETS[dataset].open_source(root)
    return sources
