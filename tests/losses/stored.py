"""The original's stored losses, and how to feed its tensors to ours."""

import jax
import jax.numpy as jnp
import numpy as np

from tarvis_jax.models.decoder import Predictions
from tarvis_jax.models.queries import GROUPS

SLOTS = 4  # the stored samples have 3 and 2 instances


class StoredCase:
    """One stored case: `in`, `out`, `grad`, and points and matches in the order in which the original drew them.

    `samples` is the batch size b; all have two frames. `slots` are those of instances, of which samples may fill fewer.
    """

    def __init__(self, arrays, name, *, samples=2, stages=2, slots=SLOTS):
        self.arrays, self.name, self.samples, self.stages, self.slots = arrays, name, samples, stages, slots

    def __getitem__(self, key):
        return self.arrays[f"{self.name}/{key}"]

    def calls(self, kind):
        """Stored points of a kind, one array a call."""
        return [self.arrays[k] for k in sorted(self.arrays) if k.startswith(f"{self.name}/coords/") and k.endswith(f"_{kind}")]

    def instance_map(self):
        """The masks of both samples as uint32 [b, t, h, w], bit s for slot s."""
        masks = [self[f"in/gt_masks_{b}"] for b in range(self.samples)]
        return np.stack([sum((m.astype(np.uint32) << i for i, m in enumerate(sample)), np.uint32(0)) for sample in masks])

    def batch(self):
        counts = [len(self[f"in/gt_masks_{b}"]) for b in range(self.samples)]
        batch = {"instance_map": self.instance_map(), "instance_valid": np.arange(self.slots) < np.array(counts)[:, None]}
        if f"{self.name}/in/gt_classes_0" in self.arrays:
            classes = [self[f"in/gt_classes_{b}"] for b in range(self.samples)]
            batch["instance_class"] = np.stack([np.pad(c, (0, self.slots - len(c))) for c in classes]).astype(np.int32)
        return batch

    def match(self, stage, sample):
        """Query and slot of every match, in the original's order."""
        key = f"match/{self.samples * stage + sample:03d}"
        return self[f"{key}_query_idx"], self[f"{key}_gt_idx"]

    def instance_rows(self, kind, stage):
        """Points that the original drew for (sample, match, frame) as [b, t, slot, p, 2]; 0 in empty slots."""
        points = self.calls(kind)[stage]
        drawn = iter(points.reshape(-1, 2, *points.shape[1:]))  # one match at a time: [t, p, 2]
        rows = np.zeros((self.samples, 2, self.slots, *points.shape[1:]), np.float32)
        for sample in range(self.samples):
            for slot in self.match(stage, sample)[1]:
                rows[sample, :, slot] = next(drawn)
        return rows

    def instance_draws(self):
        """Stored points of the instance losses by name, [l, b, ...]."""
        return {
            "match": np.stack(self.calls("matcher")).reshape(self.stages, self.samples, -1, 2),
            "mask_oversampled": np.stack([self.instance_rows("oversampled", s) for s in range(self.stages)]),
            "mask_random": np.stack([self.instance_rows("random", s) for s in range(self.stages)]),
        }

    def semantic_draws(self):
        """Stored points of the semantic loss, which comes last, by name, [l, b, t, p, 2]."""
        return {
            f"semantic_{kind}": np.stack([x.reshape(self.samples, 2, -1, 2) for x in self.calls(kind)[-self.stages :]])
            for kind in ("oversampled", "random")
        }

    def object_draws(self, objects):
        """Stored points of the losses of given objects, and of the background in front of them, [l, b, t, r, p, 2]."""
        draws = {}
        for kind in ("oversampled", "random"):
            rows = np.stack([x.reshape(self.samples, 1 + objects, 2, -1, 2) for x in self.calls(kind)]).swapaxes(2, 3)
            empty = self.slots - objects
            draws[f"mask_{kind}"] = np.pad(rows, ((0, 0), (0, 0), (0, 0), (0, empty), (0, 0), (0, 0)))
        return draws


class StoredDraws:
    """Stands in for `PointDraws`: arrays [l, *shape] by name."""

    def __init__(self, arrays):
        self.arrays = {name: jnp.asarray(x) for name, x in arrays.items()}

    def uniform(self, stage, name, shape):
        drawn = self.arrays[name]
        assert drawn.shape[1:] == shape, f"{name}: {shape} asked for, {drawn.shape[1:]} stored"
        return drawn[stage]

    def only(self, stage):
        return StoredDraws({name: x[stage : stage + 1] for name, x in self.arrays.items()})


def predictions_of(logits, class_logits=None, per_object=1):
    """Predictions whose mask logits are exactly those given.

    Every query of every stage has a feature channel of its own, which its embedding picks.

    Args:
        logits: for each group [l, b, q, t, h, w].
        class_logits: [l, b, q, 1 + k].
        per_object: queries of one object.
    """
    groups = [group for group in GROUPS if group in logits]
    stacked = np.concatenate([logits[group] for group in groups], axis=2)
    stages, b, q = stacked.shape[:3]
    features = np.moveaxis(stacked, (0, 2), (-2, -1)).reshape(b, *stacked.shape[3:], stages * q)
    picks = np.broadcast_to(np.eye(stages * q, dtype=np.float32).reshape(stages, 1, q, -1), (stages, b, q, stages * q))
    ends = np.cumsum([logits[group].shape[2] for group in groups])[:-1]
    embeddings = dict(zip(groups, map(jnp.asarray, np.split(picks, ends, axis=2)), strict=True))
    class_logits = None if class_logits is None else jnp.asarray(class_logits)
    return Predictions(jnp.asarray(features), embeddings, class_logits, jnp.ones((b, q), bool), per_object)


def logits_of(features, stages):
    """Inverse of the packing above, for gradients: features [b, t, h, w, l * q] to [l, b, q, t, h, w]."""
    x = np.asarray(features)
    return np.moveaxis(x.reshape(*x.shape[:-1], stages, -1), (-2, -1), (0, 2))


def stage_of(predictions, stage):
    """The predictions of one stage alone, as if there were no other."""
    part = slice(stage, stage + 1)
    return predictions.replace(
        mask_embeddings=jax.tree.map(lambda x: x[part], predictions.mask_embeddings),
        class_logits=None if predictions.class_logits is None else predictions.class_logits[part],
    )
