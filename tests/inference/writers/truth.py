"""Ground truth of drawn videos in the benchmarks' layouts, as the evaluations take it; labels [t, h, w] hold object ids."""

import json

import numpy as np
from PIL import Image
from pycocotools import mask as coco_mask

from data import categories
from tests.evaluation import burst_folders
from tests.evaluation.panoptic import save_rgb


def class_map(ids, stuff, class_of_track):
    """Class indices of labels [..., w]; the two classes of `stuff` are those of the left and of the right half."""
    width = ids.shape[-1]
    classes = np.broadcast_to(np.where(np.arange(width) < width // 2, *stuff), ids.shape).copy()
    for i, c in class_of_track.items():
        classes[ids == i] = c
    return classes.astype(np.int32)


def burst_file(labels, categories_of_objects):
    """A file with a sequence YFCC100M/clip7 whose objects are given from the second frame on."""
    paths = [f"{t:05d}.png" for t in range(len(labels))]
    truth = burst_folders.sequence(7, labels.shape[1:], paths, categories_of_objects)
    for t in range(1, len(labels)):
        masks = {i: burst_folders.encode(labels[t] == i) for i in categories_of_objects}
        truth["segmentations"][t] = {str(i): {"rle": rle, "is_gt": True} for i, rle in masks.items()}
    return burst_folders.as_file([truth])


def write_youtube_vis(path, labels, class_of_track):
    """The video 3, and an empty video 1."""
    known, (frames, height, width) = categories.load("youtube_vis"), labels.shape
    content = {
        "videos": [{"id": i, "height": height, "width": width, "length": frames} for i in (3, 1)],
        "categories": [{"id": i, "name": name} for i, name in zip(known.ids, known.names, strict=True)],
        "annotations": [],
    }
    for i, c in class_of_track.items():
        masks = [coco_mask.encode(np.asfortranarray(x == i, np.uint8)) for x in labels]
        content["annotations"].append(
            {
                "id": i,
                "video_id": 3,
                "category_id": known.ids[c],
                "iscrowd": 0,
                "areas": [int(coco_mask.area(mask)) for mask in masks],
                "segmentations": [{**mask, "counts": mask["counts"].decode()} for mask in masks],
            }
        )
    path.write_text(json.dumps(content))


def write_kitti_step(folder, labels, stuff, class_of_track):
    """A sequence's folder; the instances are 300, 600, ..."""
    folder.mkdir(parents=True)
    for t, x in enumerate(labels):
        instances = 300 * x.astype(np.int32)
        channels = (class_map(x, stuff, class_of_track), instances // 256, instances % 256)
        Image.fromarray(np.stack(channels, axis=-1).astype(np.uint8)).save(folder / f"{t:05d}.png")


def write_cityscapes_vps(folder, image_ids, labels, stuff, class_of_track):
    """A folder with the images of one video."""
    content = {"categories": _category_rows("cityscapes_vps"), "annotations": []}
    content["images"] = [{"id": i, "file_name": f"{i}_newImg8bit.png"} for i in image_ids]
    for image_id, x in zip(image_ids, labels, strict=True):
        ids, segments = _true_segments(x, stuff, class_of_track)
        content["annotations"].append({"image_id": image_id, "segments_info": segments})
        save_rgb(folder / "panoptic_video" / f"{image_id}_final_mask.png", ids)
    (folder / "panpotic_gt_val_city_vps.json").write_text(json.dumps(content))


def write_vipseg(folder, name, labels, stuff, class_of_track):
    """A folder with one video."""
    files, annotations = [f"{t:05d}.png" for t in range(len(labels))], []
    for file, x in zip(files, labels, strict=True):
        ids, segments = _true_segments(x, stuff, class_of_track)
        annotations.append({"file_name": file, "segments_info": segments})
        save_rgb(folder / "panomasksRGB" / name / file, ids)
    content = {
        "categories": _category_rows("vipseg"),
        "videos": [{"video_id": name, "images": [{"file_name": file} for file in files]}],
        "annotations": [{"video_id": name, "annotations": annotations}],
    }
    (folder / "panoptic_gt_VIPSeg_val.json").write_text(json.dumps(content))


def _category_rows(dataset):
    known = categories.load(dataset)
    rows = zip(known.ids, known.names, known.isthing, strict=True)
    return [{"id": i, "name": name, "isthing": int(isthing)} for i, name, isthing in rows]


def _true_segments(x, stuff, class_of_track):
    """Segment ids [h, w] of a frame's labels (stuff 1000 + class, object i 5000 i), and their list, stuff first."""
    classes = class_map(x, stuff, class_of_track)
    ids = np.where(x == 0, 1000 + classes, 5000 * x.astype(np.int32))
    segments = []
    for i in np.unique(ids).tolist():
        mask = ids == i
        segments.append({"id": i, "category_id": int(classes[mask][0]), "area": int(mask.sum()), "iscrowd": 0})
    return ids, segments
