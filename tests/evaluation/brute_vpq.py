"""VPQ straight from its definition: full-frame masks, every pair of tubes, for whole label maps in memory.

A video is (gt_ids [t, h, w], pred_ids [t, h, w], gt, pred): for each frame, `gt` maps the true ids to (category, is crowd) and
`pred` the predicted ids to categories, in the order of their lists. 0 is void.
"""

import numpy as np


def tubes(frames):
    """{id: what the first frame that has the id says of it}, in the order of their first listing."""
    found = {}
    for segments in frames:
        for segment_id, info in segments.items():
            if segment_id not in found:
                found[segment_id] = info
    return found


def score_window(gt_ids, pred_ids, gt, pred, counts):
    """Adds the tubes of one window to counts[category] = [sum of IoUs, TP, FP, FN]."""
    gt_tubes, pred_tubes = tubes(gt), tubes(pred)
    gt_matched, pred_matched = set(), set()
    void = gt_ids == 0
    for gt_id, (category, iscrowd) in gt_tubes.items():
        for pred_id, pred_category in pred_tubes.items():
            if iscrowd or category != pred_category:
                continue
            g, p = gt_ids == gt_id, (pred_ids == pred_id) & ~void
            iou = np.sum(g & p) / np.sum(g | p)
            if iou > 0.5:
                counts[category][0] += iou
                counts[category][1] += 1
                gt_matched.add(gt_id)
                pred_matched.add(pred_id)
    for gt_id, (category, iscrowd) in gt_tubes.items():
        if gt_id not in gt_matched and not iscrowd:
            counts[category][3] += 1
    for pred_id, category in pred_tubes.items():
        crowds = [gt_id for gt_id, info in gt_tubes.items() if info == (category, True)]
        unjudged = void | (gt_ids == crowds[-1]) if crowds else void
        p = pred_ids == pred_id
        if pred_id not in pred_matched and np.sum(p & unjudged) <= 0.5 * np.sum(p):
            counts[category][2] += 1


def vpq(videos, isthing, windows):
    """{window: {category: [sum of IoUs, TP, FP, FN]}} and {"VPQ", "VPQ_thing", "VPQ_stuff"} in percent."""
    counts = {size: {category: [0.0, 0, 0, 0] for category in isthing} for size in windows}
    for gt_ids, pred_ids, gt, pred in videos:
        for size in windows:
            for start in range(len(gt_ids) - size + 1):
                window = slice(start, start + size)
                score_window(gt_ids[window], pred_ids[window], gt[window], pred[window], counts[size])
    groups = {
        "VPQ": list(isthing),
        "VPQ_thing": [category for category in isthing if isthing[category]],
        "VPQ_stuff": [category for category in isthing if not isthing[category]],
    }
    means = {}
    for name, group in groups.items():
        by_window = []
        for size in windows:
            present = [counts[size][category] for category in group if any(counts[size][category][1:])]
            qualities = [iou / (tp + fp / 2 + fn / 2) for iou, tp, fp, fn in present]
            by_window.append(100 * sum(qualities) / len(qualities) if qualities else float("nan"))
        means[name] = sum(by_window) / len(windows)
    return counts, means
