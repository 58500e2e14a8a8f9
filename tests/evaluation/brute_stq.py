"""STQ straight from its definition: every class and every pair of tubes as masks of a whole sequence.

A sequence is (gt_class, gt_instance, pred_class, pred_instance), each [t, h, w]; `ignored` marks pixels without a class.
"""

import numpy as np


def class_ious(sequences, num_classes, ignored):
    """IoUs of the classes that occur; "unlabelled" is one more class that can only be wrong."""
    ious = []
    for category in (*range(num_classes), ignored):
        intersection = union = 0
        for gt_class, _, pred_class, _ in sequences:
            labelled = gt_class != ignored
            g, p = (gt_class == category) & labelled, (pred_class == category) & labelled
            intersection += np.sum(g & p)
            union += np.sum(g | p)
        if union:
            ious.append(intersection / union)
    return ious


def association(sequence, things):
    """Sum of the true tubes' association qualities, and their number."""
    gt_class, gt_instance, pred_class, pred_instance = sequence
    gt_thing, pred_thing = np.isin(gt_class, list(things)), np.isin(pred_class, list(things))
    crowd = gt_thing & (gt_instance == 0)
    gt_tubes = {(c, i) for c, i in zip(gt_class[gt_thing & ~crowd], gt_instance[gt_thing & ~crowd], strict=True)}
    pred_tubes = {(c, i) for c, i in zip(pred_class[pred_thing & ~crowd], pred_instance[pred_thing & ~crowd], strict=True)}
    total = 0.0
    for gt_id in gt_tubes:
        g = (gt_class == gt_id[0]) & (gt_instance == gt_id[1])
        for pred_id in pred_tubes:
            p = (pred_class == pred_id[0]) & (pred_instance == pred_id[1]) & ~crowd
            together = np.sum(g & p)
            total += together * (together / np.sum(g | p)) / np.sum(g)
    return total, len(gt_tubes)


def stq(sequences, num_classes, things, ignored=255):
    """{"STQ", "AQ", "IoU"} as fractions."""
    ious = class_ious(sequences, num_classes, ignored)
    sums = [association(sequence, things) for sequence in sequences]
    tubes = sum(count for _, count in sums)
    aq = sum(total for total, _ in sums) / tubes if tubes else 0.0
    iou = sum(ious) / len(ious)
    return {"STQ": (aq * iou) ** 0.5, "AQ": aq, "IoU": iou}
