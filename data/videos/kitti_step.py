"""KITTI-STEP: kitti_step/{training,testing}/image_02/SEQUENCE/FRAME.png (KITTI tracking) and panoptic_maps/val/SEQUENCE."""

from pathlib import Path

from data.errors import DataError
from data.videos.files import image_size, list_frames, require_folder, require_split
from data.videos.video import Video

VAL_SEQUENCES = ("0002", "0006", "0007", "0008", "0010", "0013", "0014", "0016", "0018")  # of training/
_IMAGES = {"val": Path("training") / "image_02", "test": Path("testing") / "image_02"}


def open_split(root: Path, split: str) -> list[Video]:
    """The sequences of "val" (those of panoptic_maps/val, if it is there) or "test" (all), with all their frames."""
    require_split(split, _IMAGES)
    images = root / _IMAGES[split]
    require_folder(images, "SEQUENCE/FRAME.png files")
    names = _val_sequences(root) if split == "val" else sorted(path.name for path in images.iterdir() if path.is_dir())
    if not names:
        raise DataError(f"{images}: expected folders of sequences, found none; data/README.md shows the tree")
    return [_open_video(images / name) for name in names]


def _val_sequences(root: Path) -> list[str]:
    """The nine sequences, or those of them with ground truth where a part of the dataset is there."""
    maps = root / "panoptic_maps" / "val"
    present = [name for name in VAL_SEQUENCES if (maps / name).is_dir()]
    return present or list(VAL_SEQUENCES)


def _open_video(folder: Path) -> Video:
    frames = list_frames(folder, ".png")
    return Video(name=folder.name, frames=frames, reported=tuple(range(len(frames))), size=image_size(frames[0]))
