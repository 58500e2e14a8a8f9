"""COCO 2017 panoptic: DATA_ROOT/coco/{train2017, annotations/panoptic_train2017{.json,/}}."""

from pathlib import Path

from data.sources.panoptic import PanopticLayout, PanopticSource


def open_source(data_root: Path) -> PanopticSource:
    """The training split."""
    root = data_root / "coco"
    annotations = root / "annotations"
    return PanopticSource(
        PanopticLayout(
            dataset="coco",
            images=root / "train2017",
            annotations=annotations / "panoptic_train2017.json",
            segment_maps=annotations / "panoptic_train2017",
        )
    )
