"""What a run with evaluations leaves at its end, in the folder `report` of its workdir: a table, curves, contact sheets."""

from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

import cv2
import numpy as np
from PIL import Image

from data import categories
from data.toy.davis import object_ids
from data.toy.video import DrawnVideo
from tarvis_jax.inference.overlay import draw_overlay
from tarvis_jax.inference.predictor import OBJECT_TASKS
from tarvis_jax.inference.results import FrameResult, PanopticFrame
from tarvis_jax.training.baselines import BASELINES
from tarvis_jax.training.evaluation import CLASSES, SegmentedVideo
from tarvis_jax.training.logbook import evaluation_rows, read_rows
from tarvis_jax.training.video_scores import ObjectScores

FOLDER = "report"
_COLUMNS = 6  # frames of a video on a contact sheet
_SCALE = 2  # of its frames
_CAPTION_HEIGHT = 26


def write_report(workdir: Path, segmented: Mapping[str, Sequence[SegmentedVideo]]) -> None:
    """Writes `results.md`, `curves.png`, and a contact sheet for each task.

    Args:
        workdir: with the rows of the run.
        segmented: the videos of the last evaluation by task.
    """
    folder = workdir / FOLDER
    folder.mkdir(exist_ok=True)
    evaluations = evaluation_rows(workdir)
    baselines = score_baselines([x.video for x in segmented[OBJECT_TASKS[0]]])
    (folder / "results.md").write_text(format_table(evaluations[0], evaluations[-1], baselines), encoding="utf-8")
    draw_curves(read_rows(workdir), folder / "curves.png")
    for task, videos in segmented.items():
        Image.fromarray(draw_contact_sheet(task, videos)).save(folder / f"{task}.png")


def score_baselines(videos: Sequence[DrawnVideo]) -> dict[str, dict[str, float]]:
    """The scores of each baseline, given the masks of the first frame, by its name."""
    results = {}
    for name, baseline in BASELINES.items():
        scores = ObjectScores()
        for video in videos:
            scores.add(video, baseline(video.images, object_ids(video)[0]))
        results[name] = scores.values()
    return results


def format_table(first: Mapping[str, Any], last: Mapping[str, Any], baselines: Mapping[str, Mapping[str, float]]) -> str:
    """A Markdown table of the scores of two evaluations and of the baselines, in percent."""
    columns = [f"after {first['step']} steps", f"after {last['step']} steps", *baselines]
    lines = [f"| | {' | '.join(columns)} |", "|---" * (1 + len(columns)) + "|"]
    for name in last:
        if name in ("kind", "step"):
            continue
        task, _, measure = name.partition("_")
        values = [first[name], last[name]]
        values += [baseline[measure] if task in OBJECT_TASKS else None for baseline in baselines.values()]
        cells = ("" if value is None else f"{value:.1f}" for value in values)
        lines.append(f"| {task.upper()} {measure} | {' | '.join(cells)} |")
    return "\n".join(lines) + "\n"


def draw_curves(rows: Sequence[Mapping[str, Any]], file: Path) -> None:
    """Losses of the tasks, and scores of the evaluations, over the steps."""
    from matplotlib.figure import Figure  # slow to import, and needed once

    figure = Figure(figsize=(11, 4), layout="constrained")
    losses, scores = figure.subplots(1, 2)
    trained, evaluated = ([row for row in rows if ("kind" in row) == kind] for kind in (False, True))
    for task in sorted({row["task"] for row in trained}):
        own = [row for row in trained if row["task"] == task]
        losses.plot([row["step"] for row in own], [row["loss"] for row in own], label=task, linewidth=0.8)
    losses.set(xlabel="step", ylabel="loss", yscale="log")
    for name in evaluated[-1]:
        if name not in ("kind", "step"):
            scores.plot([row["step"] for row in evaluated], [row[name] for row in evaluated], marker="o", label=name)
    scores.set(xlabel="step", ylabel="percent", ylim=(0, 100))
    for axes in (losses, scores):
        axes.legend()
        axes.grid(alpha=0.3)
    figure.savefig(file, dpi=120)


def draw_contact_sheet(task: str, videos: Sequence[SegmentedVideo]) -> np.ndarray:
    """RGB uint8 [h, w, 3]: the best, the median and the worst video, each as it should be and as the model sees it."""
    ranked = sorted(videos, key=lambda x: -np.nan_to_num(x.score))
    rows = []
    for name, index in (("best", 0), ("median", len(ranked) // 2), ("worst", len(ranked) - 1)):
        chosen = ranked[index]
        truth = [_true_frame(task, chosen.video, frame) for frame in range(len(chosen.frames))]
        names = {track.id: track.category for track in reversed(chosen.tracks)}
        expected = {} if task in OBJECT_TASKS else dict(enumerate(chosen.video.things, start=1))
        rows.append(_strip(f"{task} {name} ({chosen.score:.1f}): ground truth", chosen.video, truth, expected))
        rows.append(_strip(f"{task} {name} ({chosen.score:.1f}): model", chosen.video, chosen.frames, names))
    return np.concatenate(rows)


def _true_frame(task: str, video: DrawnVideo, frame: int) -> FrameResult:
    """The ground truth of a frame as a result."""
    ids = object_ids(video)[frame] if task in OBJECT_TASKS else video.thing_map[frame]
    masks = {i: ids == i for i in np.unique(ids).tolist() if i}
    if task != "vps":
        return FrameResult(frame, masks)
    class_of = np.array([categories.load(CLASSES).names.index(name) for name in video.segments])
    return FrameResult(frame, masks, panoptic=PanopticFrame(class_of[video.segment_map[frame]], video.thing_map[frame]))


def _strip(caption: str, video: DrawnVideo, frames: Sequence[FrameResult], names: Mapping[int, str]) -> np.ndarray:
    """Some frames of a video under their results, side by side below a caption."""
    colours = categories.load(CLASSES).colours
    pictures = []
    for index in np.linspace(0, len(frames) - 1, _COLUMNS).round().astype(int):
        picture = draw_overlay(video.images[index], frames[index], names, colours)
        pictures.append(cv2.resize(picture, None, fx=_SCALE, fy=_SCALE, interpolation=cv2.INTER_CUBIC))
    strip = np.concatenate(pictures, axis=1)
    title = np.zeros((_CAPTION_HEIGHT, strip.shape[1], 3), np.uint8)
    cv2.putText(title, caption, (6, _CAPTION_HEIGHT - 8), cv2.FONT_HERSHEY_SIMPLEX, 0.55, (255, 255, 255), 1, cv2.LINE_AA)
    return np.concatenate([title, strip])
