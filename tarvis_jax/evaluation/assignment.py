"""The Hungarian assignment, loaded when it is first needed."""

import functools
import importlib.machinery
import importlib.util
from collections.abc import Callable
from pathlib import Path

import numpy as np


@functools.cache
def _solver() -> Callable:
    """`scipy.optimize.linear_sum_assignment`.

    It is one compiled file that needs nothing else of scipy, and importing all of `scipy.optimize` takes half a second of CPU
    time, longer than most evaluations. So that file is loaded by itself; where it is not found, the public name is imported.
    """
    package = importlib.util.find_spec("scipy")
    folders = [str(Path(folder) / "optimize") for folder in package.submodule_search_locations or ()]
    spec = importlib.machinery.PathFinder.find_spec("_lsap", folders)
    if spec is None:
        from scipy.optimize import linear_sum_assignment

        return linear_sum_assignment
    module = importlib.util.module_from_spec(spec)
    spec.loader.exec_module(module)
    return module.linear_sum_assignment


def best_assignment(scores: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
    """Rows and columns of the pairs whose scores [n, m] have the largest sum; ties as `scipy.optimize` breaks them."""
    return _solver()(scores, maximize=True)
