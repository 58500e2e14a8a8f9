"""PyTorch for the tests that need it."""

import pytest


@pytest.fixture
def torch():
    """The module; tests that use it are skipped where it is not installed."""
    return pytest.importorskip("torch", reason="PyTorch is not installed (requirements-convert.txt)")
