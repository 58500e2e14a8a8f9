"""YouTube-VIS and OVIS: average precision of tracks."""

from collections.abc import Iterable, Mapping, Sequence
from pathlib import Path
from typing import Any

import numpy as np

from data.folders import listing
from tarvis_jax.evaluation.benchmark import PERFECT, Curve, Result, State, Table
from tarvis_jax.evaluation.track_ap import ABSENT, AREA_RANGES, IOU_THRESHOLDS, Matches, match_tracks, mean_precision, track_ap
from tarvis_jax.evaluation.track_iou import Track, mask_areas, track_ious
from tarvis_jax.evaluation.ytvis_files import add_results, mean_true_areas, predicted_tracks, read_ground_truth, true_tracks

_ALMOST_1 = 1 - 1e-9  # the official precision adds an epsilon to its denominator
_CLASS_COLUMNS = ("AP", "AP50", "AP75", "AR1", "AR10", "AR100")


class YoutubeVis:
    """The evaluation of a results.json against a ground truth's JSON; `dataset` is `youtube_vis` or `ovis`."""

    def __init__(self, gt: str | Path, pred: str | Path, dataset: str = "youtube_vis") -> None:
        self._dataset = read_ground_truth(Path(gt), dataset)
        add_results(self._dataset, Path(pred))
        self._id_of_name = {name: video_id for video_id, name in self._dataset.video_names.items()}

    @property
    def videos(self) -> Sequence[str]:
        return [self._dataset.video_names[video_id] for video_id in self._dataset.videos]

    def evaluate_video(self, name: str) -> State:
        video = self._dataset.videos[self._id_of_name[name]]
        predicted, true = predicted_tracks(video), true_tracks(video)
        predicted_areas, true_areas = _mean_areas(predicted), mean_true_areas(video)
        scores = np.array([float(entry["score"]) for _, entry in video.predicted])
        crowd = np.array([bool(entry.get("iscrowd", 0)) for _, entry in video.true], bool)
        predicted_category, true_category = (
            np.array([entry["category_id"] for _, entry in entries], int) for entries in (video.predicted, video.true)
        )
        categories = {}
        for category in sorted({*predicted_category.tolist(), *true_category.tolist()}):
            p, g = np.flatnonzero(predicted_category == category), np.flatnonzero(true_category == category)
            ious = track_ious([predicted[i] for i in p], [true[i] for i in g])
            matches = match_tracks(ious, scores[p], predicted_areas[p], true_areas[g], crowd[g])
            categories[str(category)] = _as_lists(matches) | {"true": len(g), "predicted": len(p)}
        shown = np.flatnonzero(predicted_areas)
        return {
            "categories": categories,
            "empty_tracks": len(predicted) - len(shown),
            "repeated_tracks": _count_repeated([predicted[i] for i in shown], scores[shown], predicted_category[shown]),
        }

    def summarise(self, states: Mapping[str, State]) -> Result:
        states = {name: states[name] for name in self.videos}
        names = self._dataset.category_names
        matches = _matches(states.values(), names)
        scores = track_ap(matches)
        per_category = {names[category]: values for category, values in scores.pop("per_category").items()}
        per_video = {name: _video_scores(state, names) for name, state in states.items()}
        columns = list(next(iter(per_video.values())))
        class_rows = [[name, *(values[key] for key in _CLASS_COLUMNS)] for name, values in per_category.items()]
        stats = Table("stats", list(scores), [list(scores.values())])
        per_sequence = Table("per_sequence", ["Video", *columns], [[name, *row.values()] for name, row in per_video.items()])
        return Result(
            summary=scores | {"per_category": per_category, "per_sequence": per_video},
            headline=stats,
            per_sequence=per_sequence,
            curves=[Curve("AP", "IoU threshold", "AP", IOU_THRESHOLDS.tolist(), {"AP": mean_precision(matches).tolist()})],
            tables=[stats, Table("per_category", ["Category", *_CLASS_COLUMNS], class_rows), per_sequence],
            warnings=_warnings(states, names) + [PERFECT] * (scores["AP"] > _ALMOST_1),
        )


def _mean_areas(tracks: Sequence[Track]) -> np.ndarray:
    """float64 [p]: mean pixels of each track over the frames in which it has any, 0 without."""
    means = []
    for track in tracks:
        areas = mask_areas(list(track.values()))
        means.append(areas[areas > 0].mean() if areas.any() else 0.0)
    return np.array(means)


def _count_repeated(tracks: Sequence[Track], scores: np.ndarray, categories: np.ndarray) -> int:
    """How many of p tracks have the masks, score (float64 [p]) and category (int [p]) of an earlier one."""
    masks = [tuple((frame, rle["counts"]) for frame, rle in track.items()) for track in tracks]
    return len(tracks) - len(set(zip(masks, scores.tolist(), categories.tolist(), strict=True)))


def _as_lists(matches: Matches) -> dict[str, Any]:
    return {
        "scores": matches.scores.tolist(),
        "outcomes": dict(zip(AREA_RANGES, matches.outcomes.tolist(), strict=True)),
        "positives": dict(zip(AREA_RANGES, matches.positives.tolist(), strict=True)),
    }


def _matches(states: Iterable[State], categories: Mapping[int, str]) -> dict[int, list[Matches]]:
    """The matches of each category by id, a video each, of states."""
    found: dict[int, list[Matches]] = {category: [] for category in categories}
    for state in states:
        for category, entry in state["categories"].items():
            scores = np.array(entry["scores"], float)
            outcomes = np.array([entry["outcomes"][name] for name in AREA_RANGES], np.int8)
            positives = np.array([entry["positives"][name] for name in AREA_RANGES])
            found[int(category)].append(Matches(scores, outcomes, positives, np.arange(len(scores))))
    return found


def _video_scores(state: State, categories: Mapping[int, str]) -> dict[str, float]:
    """AP over the categories of one video alone, NaN without a true track; not a number of the official tool."""
    precision = mean_precision(_matches([state], categories))
    precision = np.where(precision == ABSENT, np.nan, precision)
    own = {"AP": float(precision.mean()), "AP50": float(precision[0]), "AP75": float(precision[5])}
    entries = state["categories"].values()
    counts = {"tracks": sum(entry["true"] for entry in entries), "predictions": sum(entry["predicted"] for entry in entries)}
    return own | counts


def _warnings(states: Mapping[str, State], categories: Mapping[int, str]) -> list[str]:
    entries = [(int(category), entry) for state in states.values() for category, entry in state["categories"].items()]
    true = {category for category, entry in entries if entry["true"]}
    predicted = {category for category, entry in entries if entry["predicted"]}
    if not predicted:
        return ["the result is empty: every score is 0"]
    warnings = []
    if not true & predicted:
        warnings.append("no prediction has a category that occurs in the ground truth: is it the same list of classes?")
    elif len(predicted) == 1 and len(true) > 1:
        warnings.append(f"every prediction has one category, {min(predicted)} ({categories[min(predicted)]})")
    count = sum(entry["predicted"] for _, entry in entries)
    scores = {score for _, entry in entries for score in entry["scores"]}
    if len(scores) == 1 and count > 1:
        warnings.append(f"all {count} predictions have the score {min(scores)}: their order, and so AP, is arbitrary")
    empty = sum(state["empty_tracks"] for state in states.values())
    if empty == count:
        warnings.append(f"all {count} predicted tracks are empty: no mask has a pixel")
    elif empty:
        warnings.append(f"{empty} of {count} predicted tracks are empty: no mask has a pixel")
    repeated = sum(state["repeated_tracks"] for state in states.values())
    if repeated:
        warnings.append(f"{repeated} of {count} predicted tracks are copies of others: each copy counts as a false positive")
    without = [name for name, state in states.items() if not any(entry["predicted"] for entry in state["categories"].values())]
    if without:
        warnings.append(f"no predictions for {len(without)} of {len(states)} videos: {listing(without)}")
    return warnings
