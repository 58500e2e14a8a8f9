"""BURST's scores plainly from the rules: every mask is decoded, every pair and threshold is looped over."""

import collections
import json
import warnings
from pathlib import Path

import numpy as np
from pycocotools import mask as coco_mask
from scipy.optimize import linear_sum_assignment

from tests.evaluation import brute_hota

EPSILON = np.finfo(float).eps
DISTRACTORS = {20, 504, 529, 720}  # those that the drawn files have
MERGED = {504: 347, 720: 347, 912: 529, 967: 529, 207: 554}
AP_THRESHOLDS = np.arange(0.5, 0.96, 0.05)


def scores(gt: Path, pred: Path, task: str, flow: str = "trackeval", similarity: str = "box") -> dict[int, dict[str, float]]:
    """Means over thresholds of every score of every class, as fractions, by category id (of the open world: 1)."""
    truth, result = json.loads(gt.read_text()), json.loads(pred.read_text())
    sequences = sorted(truth["sequences"], key=lambda s: f"{truth['split']}-{s['dataset']}-{s['seq_name']}".replace("/", "-"))
    true = {s["id"]: _true_detections(s) for s in sequences}
    given = task == "exemplar_guided" and flow == "trackeval"
    predicted = {s["id"]: _predicted_detections(s, result, true, given) for s in sequences}
    if task == "open_world":
        for row in (row for rows in (*true.values(), *predicted.values()) for row in rows):
            row["category"] = 1
    with_zero = [key for key, rows in predicted.items() if any(row["track"] == 0 for row in rows)]
    evaluated = sorted({row["category"] for rows in true.values() for row in rows} - DISTRACTORS)
    found = {}
    for category in evaluated:
        parts = [_hota(s, true[s["id"]], predicted[s["id"]], category, task, similarity) for s in sequences]
        reusable = {with_zero[0]} if len(with_zero) == 1 and not given else set()
        matches = [_track_matches(s, true[s["id"]], predicted[s["id"]], category, s["id"] in reusable) for s in sequences]
        found[category] = _combined_hota(parts) | {"AP": float(np.mean(average_precision(matches)))}
    return found


def decode(counts: str, size) -> np.ndarray:
    """The mask of an RLE string, bool [h, w]."""
    with warnings.catch_warnings():
        warnings.simplefilter("ignore", DeprecationWarning)  # pycocotools 2.0.11 with numpy 2
        return coco_mask.decode({"size": list(size), "counts": counts}).astype(bool)


def _decode(mask, sequence) -> np.ndarray:
    return decode(mask["rle"], (sequence["height"], sequence["width"]))


def _frame_number(path: str) -> int:
    return int(path.replace(".jpg", "").replace(".png", "").replace("frame", "").split("_")[-1])


def _true_detections(sequence):
    rows = []
    for path, masks in zip(sequence["annotated_image_paths"], sequence["segmentations"], strict=True):
        for key, mask in masks.items():
            category = sequence["track_category_ids"][key]
            if category not in DISTRACTORS:
                category = MERGED.get(category, category)
                rows.append({"path": path, "track": int(key), "category": category, "mask": _decode(mask, sequence)})
    return rows


def _predicted_detections(sequence, result, true, ids_are_given):
    by_path = collections.defaultdict(list)
    for other in result["sequences"]:
        if (other["dataset"], other["seq_name"]) != (sequence["dataset"], sequence["seq_name"]):
            continue
        for path, masks in zip(other["annotated_image_paths"], other["segmentations"], strict=True):
            for key, mask in masks.items():
                if path not in sequence["annotated_image_paths"]:
                    continue
                category = mask.get("category_id", other["track_category_ids"][key])
                category = MERGED.get(category, category)
                if ids_are_given:
                    same = {row["category"] for row in true[other["id"]] if row["track"] == int(key)}
                    if not same:
                        continue
                    (category,) = same
                row = {"path": path, "track": int(key), "category": category, "score": mask.get("score", 1.0)}
                by_path[path].append(row | {"mask": _decode(mask, sequence)})
    for path, rows in by_path.items():
        if len(rows) > 300:
            by_path[path] = sorted(rows, key=lambda row: -row["score"])[:300]
    return [row for rows in by_path.values() for row in rows]


def _box_iou(first: np.ndarray, second: np.ndarray) -> float:
    if not first.any() or not second.any():
        return 0.0
    boxes = []
    for mask in (first, second):
        rows, columns = np.flatnonzero(mask.any(axis=1)), np.flatnonzero(mask.any(axis=0))
        boxes.append((rows[0], rows[-1] + 1, columns[0], columns[-1] + 1))
    (t1, b1, l1, r1), (t2, b2, l2, r2) = boxes
    overlap = max(0, min(b1, b2) - max(t1, t2)) * max(0, min(r1, r2) - max(l1, l2))
    return overlap / ((b1 - t1) * (r1 - l1) + (b2 - t2) * (r2 - l2) - overlap)


def _mask_iou(first: np.ndarray, second: np.ndarray) -> float:
    union = np.sum(first | second)
    return np.sum(first & second) / union if union else 0.0


def _hota(sequence, true, predicted, category, task, similarity):
    measure = _box_iou if similarity == "box" else _mask_iou
    video = [], [], []
    for path in sorted(sequence["annotated_image_paths"], key=_frame_number):
        if not any(row["path"] == path for row in true):
            continue  # no true object of any class
        gts = [row for row in true if (row["path"], row["category"]) == (path, category)]
        preds = [row for row in predicted if (row["path"], row["category"]) == (path, category)]
        matrix = np.array([[measure(g["mask"], p["mask"]) for p in preds] for g in gts]).reshape(len(gts), len(preds))
        if task != "exemplar_guided":
            kept = _labelled(matrix, category, sequence)
            matrix, preds = matrix[:, kept], [preds[i] for i in kept]
        for part, value in zip(video, (matrix, [g["track"] for g in gts], [p["track"] for p in preds]), strict=True):
            part.append(value)
    return brute_hota.hota(*video)


def _labelled(matrix: np.ndarray, category: int, sequence) -> list[int]:
    close = np.where(matrix < 0.5 - EPSILON, 0, matrix)
    matched = {j for i, j in zip(*linear_sum_assignment(-close), strict=True) if close[i, j] > 0}
    absent = len(matrix) == 0 and category not in sequence["neg_category_ids"]
    removes = absent or category in sequence["not_exhaustive_category_ids"]
    return [j for j in range(matrix.shape[1]) if j in matched or not removes]


def _combined_hota(parts) -> dict[str, float]:
    sums = {key: sum(np.array(part[key], float) for part in parts) for key in ("HOTA_TP", "HOTA_FN", "HOTA_FP")}
    tp, fn, fp = sums.values()
    means = {
        key: sum(np.array(part[key]) * part["HOTA_TP"] for part in parts) / np.maximum(1, tp)
        for key in ("AssA", "AssRe", "AssPr")
    }
    located = sum(np.array(part["LocA"]) * part["HOTA_TP"] for part in parts)
    means["LocA"] = np.where(tp > 0, located / np.maximum(1, tp), 1.0)
    means["DetA"] = tp / np.maximum(1, tp + fn + fp)
    means["DetRe"], means["DetPr"] = tp / np.maximum(1, tp + fn), tp / np.maximum(1, tp + fp)
    means["HOTA"], means["OWTA"] = np.sqrt(means["DetA"] * means["AssA"]), np.sqrt(means["DetRe"] * means["AssA"])
    return {name: float(np.mean(values)) for name, values in means.items()}


def _tracks(rows):
    tracks = {}
    for row in rows:
        tracks.setdefault(row["track"], []).append(row)
    return tracks


def _track_iou(first, second) -> float:
    frames = [{row["path"]: row["mask"] for row in rows} for rows in (first, second)]
    nothing = np.zeros_like(first[0]["mask"])
    pairs = [[frame.get(path, nothing) for frame in frames] for path in frames[0].keys() | frames[1].keys()]
    union = sum(np.sum(a | b) for a, b in pairs)
    return sum(np.sum(a & b) for a, b in pairs) / union if union else 0.0


def _track_matches(sequence, true, predicted, category, has_reusable):
    """(score, outcomes) of each predicted track, and the number of true ones."""
    gts = [rows for rows in _tracks(true).values() if rows[0]["category"] == category]
    preds = [rows for rows in _tracks(predicted).values() if rows[0]["category"] == category]
    if not gts and category not in sequence["neg_category_ids"]:
        preds = []
    scores = [np.mean([r["score"] for r in sorted(rows, key=lambda r: _frame_number(r["path"]))]) for rows in preds]
    ious = [[_track_iou(rows, gt) for gt in gts] for rows in preds]
    reusable = [has_reusable and rows[0]["track"] == 0 for rows in preds]
    exhaustive = category not in sequence["not_exhaustive_category_ids"]
    return match_tracks(ious, scores, exhaustive, reusable), len(gts)


def match_tracks(ious, scores, exhaustive, reusable):
    """(score, outcomes) of predicted tracks, by score; outcomes at each threshold are True, False or None (ignored)."""
    order = sorted(range(len(scores)), key=lambda i: -scores[i])
    outcomes = [[] for _ in scores]
    for threshold in AP_THRESHOLDS:
        taken = set()
        for i in order:
            best = None
            for j, iou in enumerate(ious[i]):
                if j not in taken and iou >= threshold - EPSILON and (best is None or iou >= ious[i][best] - EPSILON):
                    best = j
            if best is not None and not reusable[i]:
                taken.add(best)
            missed = False if exhaustive else None
            outcomes[i].append(missed if best is None else True)
    return [(scores[i], outcomes[i]) for i in order]


def average_precision(matches) -> list[float]:
    """Of each threshold; `matches` are (what `match_tracks` returned, number of true tracks) of each video."""
    positives = sum(count for _, count in matches)
    rows = sorted((row for part, _ in matches for row in part), key=lambda row: -row[0])
    values = []
    for t in range(len(AP_THRESHOLDS)):
        points, hits, misses = [], 0, 0
        for _, outcomes in rows:
            hits += outcomes[t] is True
            misses += outcomes[t] is False
            points.append((hits / positives, hits / (hits + misses + np.spacing(1))))
        recalls = np.linspace(0, 1, 101)
        values.append(np.mean([max((p for reached, p in points if reached >= recall), default=0.0) for recall in recalls]))
    return values
