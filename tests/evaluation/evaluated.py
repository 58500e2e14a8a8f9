"""Runs a benchmark in this process, with states that went through JSON."""

import json
import pickle

from tarvis_jax.evaluation.benchmark import Benchmark, Result


def evaluated(benchmark: Benchmark) -> Result:
    """The result, as a pickled copy of the benchmark computes it."""
    benchmark = pickle.loads(pickle.dumps(benchmark))
    states = {name: benchmark.evaluate_video(name) for name in reversed(benchmark.videos)}  # videos are independent
    return benchmark.summarise(json.loads(json.dumps(states)))
