"""What the original stored about inference."""

import numpy as np
import pytest


@pytest.fixture(scope="session")
def helpers(shared):
    """Inputs and outputs of the original's helper functions."""
    with np.load(shared / "reference" / "helpers.npz") as file:
        return dict(file)


@pytest.fixture(scope="session")
def accumulators(shared):
    """Synthetic clips and what the original's accumulators made of them."""
    with np.load(shared / "reference" / "accumulators.npz") as file:
        return dict(file)
