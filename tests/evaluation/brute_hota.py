"""HOTA straight from its definition: loops over thresholds and frames, for one video and class."""

import numpy as np
from scipy.optimize import linear_sum_assignment

EPSILON = np.finfo(float).eps


def alignment(similarities, gt_ids, pred_ids) -> dict[tuple[int, int], float]:
    """Soft IoU of every pair of tracks over the whole video."""
    overlap: dict[tuple[int, int], float] = {}
    gt_frames: dict[int, int] = {}
    pred_frames: dict[int, int] = {}
    for matrix, gts, preds in zip(similarities, gt_ids, pred_ids, strict=True):
        for gt in gts:
            gt_frames[gt] = gt_frames.get(gt, 0) + 1
        for pred in preds:
            pred_frames[pred] = pred_frames.get(pred, 0) + 1
        for row, gt in enumerate(gts):
            for column, pred in enumerate(preds):
                similarity = matrix[row, column]
                total = matrix[:, column].sum() + matrix[row].sum() - similarity
                soft = similarity / total if total > EPSILON else 0.0
                overlap[gt, pred] = overlap.get((gt, pred), 0.0) + soft
    return {(gt, pred): c / (gt_frames[gt] + pred_frames[pred] - c) for (gt, pred), c in overlap.items()}


def matches(similarities, gt_ids, pred_ids) -> list[list[tuple[int, int, float]]]:
    """For each frame the assigned (gt id, pred id, similarity)."""
    aligned = alignment(similarities, gt_ids, pred_ids)
    frames = []
    for matrix, gts, preds in zip(similarities, gt_ids, pred_ids, strict=True):
        scores = np.array([[aligned[gt, pred] * matrix[i, j] for j, pred in enumerate(preds)] for i, gt in enumerate(gts)])
        rows, columns = linear_sum_assignment(-scores.reshape(len(gts), len(preds)))
        frames.append([(gts[i], preds[j], matrix[i, j]) for i, j in zip(rows, columns, strict=True)])
    return frames


def hota(similarities, gt_ids, pred_ids) -> dict[str, list[float]]:
    """Each score as a list over the 19 thresholds."""
    assigned = matches(similarities, gt_ids, pred_ids)
    rows = [_at_threshold(alpha, assigned, gt_ids, pred_ids) for alpha in np.arange(0.05, 0.99, 0.05)]
    return {name: [row[name] for row in rows] for name in rows[0]}


def _at_threshold(alpha: float, assigned, gt_ids, pred_ids) -> dict[str, float]:
    kept = [(gt, pred, s) for frame in assigned for gt, pred, s in frame if s >= alpha - EPSILON]
    tp = len(kept)
    num_gt, num_pred = sum(map(len, gt_ids)), sum(map(len, pred_ids))
    association = {"AssA": 0.0, "AssRe": 0.0, "AssPr": 0.0}
    for gt, pred, _ in kept:  # every true positive is judged by the tracks that it joins
        together = sum((gt, pred) == (other_gt, other_pred) for other_gt, other_pred, _ in kept)
        gt_frames = sum(gt in frame for frame in gt_ids)
        pred_frames = sum(pred in frame for frame in pred_ids)
        association["AssA"] += together / (gt_frames + pred_frames - together) / tp
        association["AssRe"] += together / gt_frames / tp
        association["AssPr"] += together / pred_frames / tp
    det_a = tp / max(1, num_gt + num_pred - tp)
    det_re, det_pr = tp / max(1, num_gt), tp / max(1, num_pred)
    return {
        "HOTA": (det_a * association["AssA"]) ** 0.5,
        "DetA": det_a,
        "DetRe": det_re,
        "DetPr": det_pr,
        **association,
        "LocA": sum(s for *_, s in kept) / tp if tp else 1.0,
        "OWTA": (det_re * association["AssA"]) ** 0.5,
        "HOTA_TP": tp,
        "HOTA_FN": num_gt - tp,
        "HOTA_FP": num_pred - tp,
    }
