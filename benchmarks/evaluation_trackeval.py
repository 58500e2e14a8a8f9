"""HOTA and track mAP of an exemplar-guided BURST result by TrackEval, with the CPU time that it takes.

Runs in an environment of its own, which needs nothing of this project:
  python -m venv trackeval && trackeval/bin/pip install trackeval==1.3.0
  trackeval/bin/python benchmarks/evaluation_trackeval.py --gt=FOLDER --pred=results.json

The metrics are those of TrackEval's scripts/run_burst.py, nothing is written but copies of the inputs in a temporary folder.
"""

import argparse
import contextlib
import io
import resource
import shutil
import tempfile
from collections.abc import Mapping
from pathlib import Path
from typing import Any

import trackeval

QUIET = {
    "PRINT_RESULTS": False,
    "PRINT_CONFIG": False,
    "TIME_PROGRESS": False,
    "DISPLAY_LESS_PROGRESS": True,
    "OUTPUT_SUMMARY": False,
    "OUTPUT_DETAILED": False,
    "OUTPUT_EMPTY_CLASSES": False,
    "PLOT_CURVES": False,
}


def evaluate(gt: Path, pred: Path) -> Mapping[str, Any]:
    """TrackEval's results by class."""
    with tempfile.TemporaryDirectory() as temporary, contextlib.redirect_stdout(io.StringIO()):
        truth, result = (Path(temporary) / name for name in ("gt/all_classes.json", "trackers/result/data/result.json"))
        for source, target in ((gt / "all_classes.json", truth), (pred, result)):
            target.parent.mkdir(parents=True)
            shutil.copy(source, target)
        dataset = trackeval.datasets.BURST(
            {
                **trackeval.datasets.BURST.get_default_dataset_config(),
                "GT_FOLDER": f"{truth.parent}/",
                "TRACKERS_FOLDER": f"{Path(temporary) / 'trackers'}/",
                "EXEMPLAR_GUIDED": True,
                "PRINT_CONFIG": False,
            }
        )
        evaluator = trackeval.Evaluator({**trackeval.Evaluator.get_default_eval_config(), **QUIET})
        results, _ = evaluator.evaluate([dataset], [trackeval.metrics.HOTA(), trackeval.metrics.TrackMAP()])
    return results["BURST"]["result"]["COMBINED_SEQ"]


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--gt", type=Path, required=True, help="folder with all_classes.json")
    parser.add_argument("--pred", type=Path, required=True, help="result")
    arguments = parser.parse_args()
    results = evaluate(arguments.gt, arguments.pred)
    classes = [scores for name, scores in results.items() if not name.startswith("cls_comb")]
    hota = 100 * sum(scores["HOTA"]["HOTA"].mean() for scores in classes) / len(classes)
    ap = 100 * sum(scores["TrackMAP"]["AP_all"].mean() for scores in classes) / len(classes)
    usage = resource.getrusage(resource.RUSAGE_SELF)
    seconds = usage.ru_utime + usage.ru_stime
    print(
        f"{len(classes)} classes: HOTA_all {hota:.12f}, AP_all {ap:.12f}; {seconds:.2f} CPU s, {usage.ru_maxrss / 1024:.0f} MiB"
    )


if __name__ == "__main__":
    main()
