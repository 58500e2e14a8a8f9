"""Writes drawn videos as VIPSeg at 720p: vipseg/{images,panomasksRGB}/VIDEO/FRAME, panoptic_gt_VIPSeg_val.json, val.txt."""

from pathlib import Path
from typing import Any

from data import categories
from data.toy.files import INFO, draw_ids, panoptic_categories, save_ids, save_image, save_json, segments_info
from data.toy.layout import Layout, VideoSource


def write(root: Path, videos: VideoSource) -> None:
    """Writes the split "val". Stuff is listed first: STQ takes the first segment of a video for a crowd if it is a thing."""
    known = categories.load("vipseg")
    content: dict[str, Any] = {"info": INFO, "videos": [], "annotations": [], "categories": panoptic_categories(known)}
    for index, (rng, video) in enumerate(videos):
        name, ids, segment_map = f"{index}_toy", draw_ids(rng, len(video.segments)), video.segment_map
        images, annotations = [], []
        for frame, (image, segments) in enumerate(zip(video.images, segment_map, strict=True)):
            file_name = f"{frame:08d}.png"
            save_image(root / "images" / name / f"{frame:08d}.jpg", image)
            save_ids(root / "panomasksRGB" / name / file_name, ids[segments])
            images.append({"file_name": file_name, "width": image.shape[1], "height": image.shape[0]})
            infos = segments_info(segments, ids, video.segments, known)
            annotations.append({"file_name": file_name, "segments_info": infos})
        content["videos"].append({"video_id": name, "images": images})
        content["annotations"].append({"video_id": name, "annotations": annotations})
    save_json(root / "panoptic_gt_VIPSeg_val.json", content)
    names = "".join(f"{entry['video_id']}\n" for entry in content["videos"])
    (root / "val.txt").write_text(names, encoding="utf-8")


LAYOUT = Layout(
    write,
    frames=18,
    things={
        "person": "person",
        "car": "car",
        "truck": "truck",
        "bicycle": "bicycle",
        "bird": "other_animal",
        "boat": "ship_or_boat",
    },
    stuff={
        "sky": "sky",
        "building": "building",
        "vegetation": "tree",
        "fence": "handrail_or_fence",
        "terrain": "ground",
        "sidewalk": "path",
        "road": "road",
    },
)
