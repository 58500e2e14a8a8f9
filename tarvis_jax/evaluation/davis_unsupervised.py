"""DAVIS 2017 unsupervised: proposals of objects that nobody pointed at, matched to the objects of the ground truth.

Source: Caelles et al., arXiv 1905.00737; official tool: davis2017-evaluation.
"""

import numpy as np

from data.errors import DataError
from tarvis_jax.evaluation.assignment import best_assignment
from tarvis_jax.evaluation.benchmark import State
from tarvis_jax.evaluation.boundary import Boundary, box_window, mask_box, matched_f, tolerance_radius
from tarvis_jax.evaluation.davis import VOID, Davis
from tarvis_jax.evaluation.davis_scores import Runs, jaccard

MAX_PROPOSALS = 20


class DavisUnsupervised(Davis):
    """The evaluation of up to 20 proposals a sequence against all its objects.

    All frames count; void pixels (255) of the ground truth do not. The proposals are matched to the objects so that the
    mean of J and F over the frames is largest; an object without a proposal is scored against an empty one. The official
    tool numbers its rows in the order of the proposals; `fixed` numbers them by object.
    """

    task = "unsupervised"
    unscored = 0

    def evaluate_video(self, name: str) -> State:
        """J and F of each object and frame, and the predicted pixels of each proposal."""
        first, count = self.first_frame(name)
        radius = tolerance_radius(*first.shape)
        columns = max(MAX_PROPOSALS, count)
        scores, pixels = [], np.zeros(columns, np.int64)
        for stem in self.scored_frames(name):
            gt, pred = self.read_frame(name, stem, first.shape)
            if pred.max() > MAX_PROPOSALS:
                expected = f"expected proposals with ids 1..{MAX_PROPOSALS}, found {pred.max()}"
                raise DataError(f"{self.pred / name / stem}.png: {expected}")
            pixels += np.bincount(pred.ravel(), minlength=columns + 1)[1:]
            scores.append(pair_scores(gt, np.where(gt == VOID, np.uint8(0), pred), count, columns, radius))
        used = max(int(pixels.nonzero()[0].max(initial=-1)) + 1, count)
        region, boundary = np.moveaxis(np.array(scores), 0, -1)[:, :used]
        proposals, objects = match_proposals(region, boundary)
        if self.fixed:
            proposals, objects = proposals[np.argsort(objects)], np.sort(objects)
        return {
            "J": region[proposals, objects].tolist(),
            "F": boundary[proposals, objects].tolist(),
            "predicted_pixels": pixels[:used].tolist(),
        }


def pair_scores(gt: np.ndarray, pred: np.ndarray, objects: int, proposals: int, radius: int) -> tuple[np.ndarray, np.ndarray]:
    """J and F of each proposal with each object of a frame, float64 [proposals, objects].

    Args:
        gt, pred: ids, uint8 [h, w]. Ground-truth ids above `objects` are background.
        radius: tolerance of F in pixels.
    """
    pairs = Runs.of(gt, pred, objects).counts(objects, proposals)
    gt_areas, pred_areas = pairs.sum(axis=1)[1:], pairs.sum(axis=0)[1:]
    intersection = pairs[1:, 1:].T
    region = jaccard(intersection, pred_areas[:, None] + gt_areas - intersection)
    box = mask_box(gt | pred)
    if box is None:
        return region, np.ones_like(region)
    window = box_window(box, gt.shape)
    gt_boundaries = _boundaries(gt[window], gt_areas, radius)
    pred_boundaries = _boundaries(pred[window], pred_areas, radius)
    boundary = [[matched_f(one, other) for one in gt_boundaries] for other in pred_boundaries]
    return region, np.array(boundary).reshape(region.shape)


def _boundaries(ids: np.ndarray, areas: np.ndarray, radius: int) -> list[Boundary]:
    """Of the ids from 1 on; those without pixels share one."""
    empty = Boundary(np.zeros(ids.shape, bool), radius)
    return [Boundary(ids == i, radius) if area else empty for i, area in enumerate(areas, 1)]


def match_proposals(region: np.ndarray, boundary: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
    """The proposals and their objects, matched one to one so that the sum of the mean scores is largest.

    Args:
        region, boundary: J and F, float64 [proposals, objects, t].

    Returns:
        Two int arrays [objects], in the order of the proposals.
    """
    return best_assignment((region.mean(axis=2) + boundary.mean(axis=2)) / 2)
