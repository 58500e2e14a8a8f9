"""Mapillary Vistas 1.2 panoptic: DATA_ROOT/mapillary/training/{images, panoptic/{panoptic_2018.json, *.png}}, ids 1..65."""

from pathlib import Path

from data.sources.panoptic import PanopticLayout, PanopticSource

RESIZE_BEFORE = (800, 1333)  # the original shrinks these large images before anything else


def open_source(data_root: Path) -> PanopticSource:
    """The training split."""
    root = data_root / "mapillary" / "training"
    annotations = root / "panoptic"
    return PanopticSource(
        PanopticLayout(
            dataset="mapillary",
            images=root / "images",
            annotations=annotations / "panoptic_2018.json",
            segment_maps=annotations,
            resize_before=RESIZE_BEFORE,
        )
    )
