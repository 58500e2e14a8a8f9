"""ADE20K (SceneParse150) panoptic: DATA_ROOT/ade20k/{images/training, ade20k_panoptic_train{.json,/}}, ids 0..149."""

from pathlib import Path

from data.sources.panoptic import PanopticLayout, PanopticSource


def open_source(data_root: Path) -> PanopticSource:
    """The training split."""
    root = data_root / "ade20k"
    return PanopticSource(
        PanopticLayout(
            dataset="ade20k",
            images=root / "images" / "training",
            annotations=root / "ade20k_panoptic_train.json",
            segment_maps=root / "ade20k_panoptic_train",
        )
    )
