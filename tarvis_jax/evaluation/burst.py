"""BURST: HOTA over boxes or masks, track mAP, and OWTA in the open world."""

from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

from data.errors import DataError
from data.fields import field
from data.folders import listing, require_entries
from tarvis_jax.errors import UserError
from tarvis_jax.evaluation.benchmark import Result, State
from tarvis_jax.evaluation.burst_classes import DISTRACTORS, NAMES, OBJECT, merged
from tarvis_jax.evaluation.burst_files import Entry, Truth, read_ground_truth, read_result
from tarvis_jax.evaluation.burst_masks import CategoryOf, Masks, Side, limit, measure_all, read_masks, true_masks
from tarvis_jax.evaluation.burst_report import make_result
from tarvis_jax.evaluation.burst_scores import SPLITS, class_state
from tarvis_jax.evaluation.burst_sequence import match_classes, score_hota

_OPTIONS = {
    "task": ("exemplar_guided", "class_guided", "open_world"),
    "flow": ("trackeval", "burstapi"),
    "similarity": ("box", "mask"),
}
_KEEP_IDS = "exemplar-guided results keep the ids of first_frame_annotations.json"


class Burst:
    """The evaluation of a result file against a folder of ground truth (all_classes.json and so on).

    Args:
        gt: folder with all_classes.json; in the open world with common_classes.json and uncommon_classes.json too.
        pred: the result.
        task: "exemplar_guided" (by masks, boxes and points alike), "class_guided" or "open_world".
        flow: "trackeval" takes the class of an exemplar-guided track from the ground-truth track of the same id, "burstapi"
            (the later toolkit) from the result; otherwise they agree.
        similarity: of HOTA: "box" as the official tools, "mask" for what it would be with the IoU of masks. AP is of masks.

    Raises:
        DataError: a file is broken, or does not fit to the other.
    """

    def __init__(
        self, gt: str | Path, pred: str | Path, task: str = "exemplar_guided", flow: str = "trackeval", similarity: str = "box"
    ) -> None:
        for (name, allowed), value in zip(_OPTIONS.items(), (task, flow, similarity), strict=True):
            if value not in allowed:
                raise UserError(f"--{name}={value}: expected one of {', '.join(allowed)}")
        self._task, self._similarity = task, similarity
        self._ids_are_given = task == "exemplar_guided" and flow == "trackeval"
        splits = SPLITS if task == "open_world" else SPLITS[:1]
        files = {split: f"{split}_classes.json" for split in splits}
        require_entries(Path(gt), list(files.values()), "gt")
        self._truths = {split: read_ground_truth(Path(gt) / file) for split, file in files.items()}
        truth = self._truths["all"]
        self._evaluated = _evaluated_classes(truth.sequences)
        self._truth_of_id = {sequence.id: sequence for sequence in truth.sequences.values()}
        self._uses_categories = task != "open_world" and not self._ids_are_given
        sequences = read_result(Path(pred), truth.split, uses_categories=self._uses_categories)
        self._entries = {name: sequences.pop(sequence.key, []) for name, sequence in truth.sequences.items()}
        self._foreign = ["/".join(key) for key in sequences]
        self._reusable = _reusable_tracks(truth.sequences, self._entries) if self._uses_categories else {}

    @property
    def videos(self) -> Sequence[str]:
        """The official names, split-dataset-sequence, sorted."""
        return list(self._truths["all"].sequences)

    def evaluate_video(self, name: str) -> State:
        """The scores of one sequence: {"classes": {split: {category id: `burst_scores.class_state`}}, "notes"}."""
        truth, entries = self._truths["all"].sequences[name], self._entries[name]
        masks = read_masks(entries, truth, self._category_of(), own_categories=self._uses_categories)
        truths = {split: every.sequences[name] for split, every in self._truths.items() if name in every.sequences}
        pred, *gts = measure_all(truth, [masks, *map(self._true_masks, truths.values())])
        pred = limit(pred)
        score = self._score_objects if self._task == "open_world" else self._score_classes
        found = {split: score(gt, pred, own) for (split, own), gt in zip(truths.items(), gts, strict=True)}
        classes = {split: found.get(split, {}) for split in self._truths}
        return {"classes": classes, "notes": self._notes(truth, entries, pred)}

    def _true_masks(self, truth: Truth) -> Masks:
        """Those of the ground truth; in the open world they are of one class."""
        masks = true_masks(truth)
        return masks.as_one_class(OBJECT) if self._task == "open_world" else masks

    def summarise(self, states: Mapping[str, State]) -> Result:
        return make_result({name: states[name] for name in self.videos}, self._task, self._foreign)

    def _category_of(self) -> CategoryOf:
        """How the category of a predicted track is found."""
        if self._task == "open_world":
            return lambda entry, key: OBJECT
        return _category_in_result if self._uses_categories else self._category_by_id

    def _category_by_id(self, entry: Entry, key: str) -> int:
        """The category of the ground truth's track with this id, in the sequence with the id that the result states."""
        where, values = entry
        truth = self._truth_of_id.get(field(values, "id", int, where))
        if truth is None:
            raise DataError(f"{where}: no sequence of the ground truth has the id {values['id']}; {_KEEP_IDS}")
        category = truth.categories.get(str(int(key)))
        if category is None:
            tracks = listing(list(truth.categories))
            raise DataError(f"{where}: track {key} is not in the ground truth, whose tracks there are {tracks}; {_KEEP_IDS}")
        return category

    def _score_classes(self, gt: Side, pred: Side, truth: Truth) -> dict[str, Any]:
        removes = self._task == "class_guided"
        hota = score_hota(gt, pred, truth, self._evaluated, similarity=self._similarity, removes_unlabelled=removes)
        matches = match_classes(gt, pred, truth, self._evaluated, self._reusable.get(truth.name, ()))
        classes = sorted(hota.keys() | matches.keys())
        return {str(category): class_state(hota.get(category), matches.get(category)) for category in classes}

    def _score_objects(self, gt: Side, pred: Side, truth: Truth) -> dict[str, Any]:
        """All classes of a split as one."""
        hota = score_hota(gt, pred, truth, {OBJECT}, similarity=self._similarity, removes_unlabelled=True)
        return {str(category): class_state(scores, None) for category, scores in hota.items()}

    def _notes(self, truth: Truth, entries: Sequence[Entry], pred: Side) -> dict[str, int]:
        """What makes warnings."""
        images = {path for _, values in entries for path in values["annotated_image_paths"]}
        size = truth.height, truth.width
        tracks = {str(track) for track in pred.masks.track.tolist()}
        keeps_ids = self._task == "exemplar_guided" and not self._ids_are_given
        return {
            "in_result": bool(entries),
            "images": len(truth.paths),
            "images_found": len(images & truth.frame_of_path.keys()),
            "other_size": any((values.get("height", size[0]), values.get("width", size[1])) != size for _, values in entries),
            "other_id": self._ids_are_given and any(values.get("id", truth.id) != truth.id for _, values in entries),
            "other_tracks": keeps_ids and bool(tracks) and not tracks & truth.categories.keys(),
            "masks": len(pred),
            "empty_masks": pred.empty,
            "unknown_classes": sum(category not in NAMES for category in pred.masks.category.tolist()),
        }


def _category_in_result(entry: Entry, key: str) -> int:
    """The category of a track by the result's own 'track_category_ids'."""
    where, values = entry
    listed = field(values, "track_category_ids", dict, where)
    if key not in listed:
        raise DataError(f"{where}: track {key} is missing in 'track_category_ids'")
    return merged(field(listed, key, int, f"{where}: track_category_ids"))


def _evaluated_classes(truths: Mapping[str, Truth]) -> frozenset[int]:
    """Categories that have masks in the ground truth; merging can make one a distractor, which is not evaluated."""
    used = {category for truth in truths.values() for category in truth.categories.values()}
    return frozenset(used & NAMES.keys()) - DISTRACTORS


def _reusable_tracks(truths: Mapping[str, Truth], entries: Mapping[str, Sequence[Entry]]) -> dict[str, set[int]]:
    """Ids of tracks by sequence that TrackEval's matching takes for no match.

    That is 0, unless several sequences have such a track: ids that are not unique are replaced.
    """
    sequences = [name for name, truth in truths.items() if any(_has_track_0(entry, truth) for entry in entries[name])]
    return {sequences[0]: {0}} if len(sequences) == 1 else {}


def _has_track_0(entry: Entry, truth: Truth) -> bool:
    _, values = entry
    frames = zip(values["annotated_image_paths"], values["segmentations"], strict=True)
    return any("0" in masks for path, masks in frames if path in truth.frame_of_path)
