"""Writes drawn videos as Cityscapes-VPS: cityscapes_vps/{*_val_city_vps.json,val/{img_all,panoptic_video}/FRAME.png}.

Of the 30 frames of a video all are in img_all, and every 5th is annotated.
"""

from pathlib import Path
from typing import Any

from data import categories
from data.toy.files import INFO, draw_ids, panoptic_categories, save_ids, save_image, save_json, segments_info
from data.toy.layout import Layout, VideoSource

_FRAMES, _STEP = 30, 5
_GROUND_TRUTH = "panpotic_gt_val_city_vps.json"  # as the official evaluation spells it


def write(root: Path, videos: VideoSource) -> None:
    """Writes the split "val", with its ground truth in val/."""
    known = categories.load("cityscapes_vps")
    every: list[dict[str, Any]] = []
    annotated: list[dict[str, Any]] = []
    annotations: list[dict[str, Any]] = []
    for index, (rng, video) in enumerate(videos):
        number = 10 * index + 5  # of all videos val has the 5th, 15th, ...
        ids, segment_map = draw_ids(rng, len(video.segments)), video.segment_map
        for frame, image in enumerate(video.images):
            stem = f"toytown_{index:06d}_{frame:06d}"
            size = {"width": image.shape[1], "height": image.shape[0]}
            every.append({"id": number * 10000 + frame + 1, "file_name": f"{stem}_leftImg8bit.png", **size})
            save_image(root / "val" / "img_all" / f"{stem}_leftImg8bit.png", image)
            if (frame + 1) % _STEP:
                continue
            image_id = f"{number:04d}_{(number - 1) * (_FRAMES // _STEP) + (frame + 1) // _STEP:04d}_{stem}"
            mask_name = f"{image_id}_final_mask.png"
            save_ids(root / "val" / "panoptic_video" / mask_name, ids[segment_map[frame]])
            annotated.append({"id": image_id, "file_name": f"{image_id}_newImg8bit.png", **size})
            infos = segments_info(segment_map[frame], ids, video.segments, known)
            annotations.append({"image_id": image_id, "file_name": mask_name, "segments_info": infos})
    content = {"info": INFO, "images": annotated, "categories": panoptic_categories(known)}
    save_json(root / "im_all_info_val_city_vps.json", content | {"images": every})
    save_json(root / "panoptic_im_val_city_vps.json", content)
    save_json(root / "val" / _GROUND_TRUTH, content | {"annotations": annotations})


LAYOUT = Layout(
    write,
    frames=_FRAMES,
    most_videos=100,  # more would need five digits for the number of an annotated frame
    things={name: name for name in ("person", "car", "truck", "bicycle")},
    stuff={
        "sky": "sky",
        "building": "building",
        "vegetation": "vegitation",  # spelt so in the dataset's list
        "fence": "fence",
        "terrain": "terrain",
        "sidewalk": "sidewalk",
        "road": "road",
    },
)
