"""The original's stored losses and their settings."""

import numpy as np
import pytest

from tarvis_jax.config import LossConfig
from tests.losses.stored import StoredCase


@pytest.fixture(scope="session")
def cases(shared):
    """Function from the name of a stored case to the case."""
    with np.load(shared / "reference" / "losses.npz") as file:
        arrays = dict(file)
    return lambda name: StoredCase(arrays, name)


@pytest.fixture
def config():
    """The numbers of points behind the stored losses."""
    return LossConfig(points=64, semantic_points=128)
