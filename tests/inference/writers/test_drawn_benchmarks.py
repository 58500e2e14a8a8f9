"""From the readers to the writers and the evaluations: the ground truth of the drawn benchmarks as result has full scores."""

import numpy as np
import pytest
from pycocotools import mask as coco_mask

from data import categories, toyworld
from data.reading import read_ids, read_json, read_rgb_ids
from data.videos.benchmark import open_benchmark
from tarvis_jax import evaluate
from tarvis_jax.inference.benchmark import make_writer
from tarvis_jax.inference.results import FrameResult, PanopticFrame
from tests.evaluation.brute_burst import decode
from tests.inference.writers import drawn

SPLITS = {"youtube_vis": "valid", "ovis": "valid"}


def davis_results(root, video):
    folder = root / "Annotations" / "480p" / video.name
    labels = [read_ids(folder / f"{video.frames[t].stem}.png") for t in video.reported]
    return [drawn.object_results(labels)]


def burst_results(root, video):
    sequences = read_json(root / "annotations" / "val" / "all_classes.json")["sequences"]
    (sequence,) = [x for x in sequences if f"{x['dataset']}/{x['seq_name']}" == video.name]
    masks_of_path = dict(zip(sequence["annotated_image_paths"], sequence["segmentations"], strict=True))
    masks_of_frame = {t: masks_of_path[video.frames[t].name] for t in video.reported}
    return [
        [
            FrameResult(t, {int(i): decode(x["rle"], video.size) for i, x in masks.items()})
            for t, masks in masks_of_frame.items()
        ]
    ]


def track_results(root, video):
    annotations = read_json(root / "ground_truth_valid.json")["annotations"]
    own = [x for x in annotations if x["video_id"] == video.entry["id"]]
    dataset = root.name
    index_of_id = categories.load(dataset).index_of_id
    found = drawn.tracks(dataset, {i: index_of_id[x["category_id"]] for i, x in enumerate(own, start=1)})

    def mask(entry, t):
        lengths = entry["segmentations"][t]
        if lengths is None:
            return None
        return decode(coco_mask.frPyObjects(lengths, *lengths["size"])["counts"].decode(), lengths["size"])

    return [FrameResult(t, {}, instances=[mask(x, t) for x in own]) for t in video.reported], found


def kitti_step_results(root, video):
    results = []
    for t in video.reported:
        ids = read_rgb_ids(root / "panoptic_maps" / "val" / video.name / video.frames[t].name)
        classes, instances = ids & 255, (ids >> 8 & 255) * 256 + (ids >> 16)
        results.append(panoptic(t, np.where(classes == 255, 0, classes), np.where(classes == 255, 0, instances)))
    return [results]


def cityscapes_vps_results(root, video):
    truth = read_json(root / "val" / "panpotic_gt_val_city_vps.json")
    entries = {entry["image_id"]: entry for entry in truth["annotations"]}
    maps = [read_rgb_ids(root / "val" / "panoptic_video" / f"{i}_final_mask.png") for i in video.entry]
    return [segment_results("cityscapes_vps", maps, [entries[i] for i in video.entry])]


def vipseg_results(root, video):
    truth = read_json(root / "panoptic_gt_VIPSeg_val.json")
    (entries,) = [entry["annotations"] for entry in truth["annotations"] if entry["video_id"] == video.name]
    maps = [read_rgb_ids(root / "panomasksRGB" / video.name / f"{video.frames[t].stem}.png") for t in video.reported]
    return [segment_results("vipseg", maps, entries)]


def segment_results(dataset, maps, entries):
    """Results of maps of segment ids and their lists of segments; things are tracks in the order of their listing."""
    known, tracks, results = categories.load(dataset), {}, []
    for t, (ids, entry) in enumerate(zip(maps, entries, strict=True)):
        classes, numbers = np.zeros_like(ids), np.zeros_like(ids)
        for segment in entry["segments_info"]:
            index, mask = known.index_of_id[segment["category_id"]], ids == segment["id"]
            classes[mask] = index
            if known.isthing[index]:
                numbers[mask] = tracks.setdefault(segment["id"], len(tracks) + 1)
        results.append(panoptic(t, classes, numbers))
    return results


def panoptic(t, classes, tracks):
    return FrameResult(t, {}, panoptic=PanopticFrame(classes.astype(np.int32), tracks.astype(np.int32)))


# Each of the functions above returns the results of a video as `drawn.write` takes them: frames, and tracks if there are any.
BENCHMARKS = {  # function, paths of the ground truth and of the result for the evaluation, best scores
    "davis": (davis_results, "", "", {"J&F-Mean": 1}),
    "burst": (burst_results, "annotations/val", "results.json", {"HOTA_all": 100}),
    "youtube_vis": (track_results, "ground_truth_valid.json", "results.json", {"AP": 1}),
    "ovis": (track_results, "ground_truth_valid.json", "results.json", {"AP": 1}),
    "kitti_step": (kitti_step_results, "panoptic_maps/val", "", {"STQ": 1}),
    "cityscapes_vps": (cityscapes_vps_results, "val", "", {"VPQ": 100}),
    "vipseg": (vipseg_results, "", "", {"VPQ": 100, "STQ": 1}),
}


@pytest.mark.parametrize("dataset", BENCHMARKS)
def test_the_ground_truth_has_full_scores(tmp_path, dataset):
    make_results, gt, pred, best = BENCHMARKS[dataset]
    root, split = tmp_path / dataset, SPLITS.get(dataset, "val")
    toyworld.draw_videos(tmp_path, dataset, seed=1, videos=2, size=64)
    writer, videos = make_writer(dataset, split), open_benchmark(dataset, tmp_path, split)
    output = drawn.write(writer, [(video, *make_results(root, video)) for video in videos], tmp_path / "out")
    flags = [f"--gt={root / gt}", f"--pred={output / pred}", f"--output={tmp_path / 'scores'}"]
    assert evaluate.main([dataset, *flags]) == 0
    scores = read_json(tmp_path / "scores" / "results.json")
    assert {key: scores[key] for key in best} == pytest.approx(best, abs=1e-9)
