"""Scoring needs what requirements-eval.txt names, and nothing else."""

import importlib.metadata
import json
import re
import subprocess
import sys
from pathlib import Path

import numpy as np
from packaging.requirements import Requirement

from tests.evaluation.davis_folders import distorted, moving_boxes

ROOT = Path(__file__).parents[2]

_PROGRAM = """
import json, sys

before = set(sys.modules)  # what the environment loads by itself

class Blocker:
    def find_spec(self, name, path=None, target=None):
        if name.split(".")[0] in ("jax", "jaxlib", "flax", "torch", "optax", "orbax", "grain", "tensorflow"):
            raise ImportError(f"{name} is not for evaluation")

sys.meta_path.insert(0, Blocker())
import importlib
for name in json.loads(sys.argv[1]):
    importlib.import_module(name)
from tarvis_jax import evaluate
sys.modules["tarvis_jax.evaluation.runner"]._QUIET_SECONDS = 0.0  # shows progress, which needs a package too
status = evaluate.main(sys.argv[2:])
print(json.dumps([status, sorted({name.split(".")[0] for name in set(sys.modules) - before})]))
"""


def _modules():
    folder = ROOT / "tarvis_jax" / "evaluation"
    return ["tarvis_jax.evaluate", *(f"tarvis_jax.evaluation.{path.stem}" for path in sorted(folder.glob("*.py")))]


def _allowed():
    """The packages of requirements-eval.txt and all that they need themselves."""
    text = (ROOT / "requirements-eval.txt").read_text()
    waiting = [Requirement(line).name for line in text.splitlines() if line and not line.startswith("#")]
    found = set()
    while waiting:
        name = re.sub(r"[-_.]+", "-", waiting.pop()).lower()
        if name not in found:
            found.add(name)
            needs = map(Requirement, importlib.metadata.requires(name) or ())
            waiting += [need.name for need in needs if need.marker is None or need.marker.evaluate({"extra": ""})]
    return found


def test_neither_jax_nor_torch(davis):
    rng = np.random.default_rng(0)
    for name in ("cat", "dog"):
        gt = moving_boxes(rng)
        davis.add(name, gt, distorted(rng, gt))
    flags = davis.flags(f"--output={davis.output}", "--plot", "--workers=2")
    command = [sys.executable, "-c", _PROGRAM, json.dumps(_modules()), *flags]
    done = subprocess.run(command, cwd=ROOT, capture_output=True, text=True, timeout=120)
    assert done.returncode == 0, done.stderr
    status, names = json.loads(done.stdout.splitlines()[-1])
    assert status == 0
    owners = importlib.metadata.packages_distributions()
    packages = {re.sub(r"[-_.]+", "-", owner).lower() for name in names for owner in owners.get(name, [])}
    assert packages <= _allowed()
    assert {"numpy", "pillow", "matplotlib", "tqdm"} <= packages


def test_help_loads_no_numpy():
    """So that a misspelt flag is answered at once."""
    program = "import sys; from tarvis_jax import evaluate; evaluate.command_line(); sys.exit('numpy' in sys.modules)"
    assert subprocess.run([sys.executable, "-c", program], cwd=ROOT, timeout=60).returncode == 0
