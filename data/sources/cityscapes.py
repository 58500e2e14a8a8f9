"""Cityscapes panoptic: DATA_ROOT/cityscapes/{leftImg8bit/train/CITY, gtFine/cityscapes_panoptic_train{.json,/}}, 34 ids."""

from pathlib import Path

from data.sources.panoptic import PanopticLayout, PanopticSource


def image_name(file_name: str) -> str:
    """The JSON says CITY_SEQ_FRAME_gtFine_leftImg8bit.png for the image CITY/CITY_SEQ_FRAME_leftImg8bit.png."""
    return f"{file_name.split('_')[0]}/{file_name.replace('gtFine_', '')}"


def open_source(data_root: Path) -> PanopticSource:
    """The training split."""
    root = data_root / "cityscapes"
    annotations = root / "gtFine"
    return PanopticSource(
        PanopticLayout(
            dataset="cityscapes",
            images=root / "leftImg8bit" / "train",
            annotations=annotations / "cityscapes_panoptic_train.json",
            segment_maps=annotations / "cityscapes_panoptic_train",
            image_name=image_name,
        )
    )
