"""The command that scores results."""

import pytest

from tarvis_jax import evaluate
from tests.evaluation.davis_folders import DavisFolders


@pytest.fixture
def davis(tmp_path):
    return DavisFolders(tmp_path)


@pytest.fixture
def run(capsys):
    """Function that runs the command; returns its exit status, output and error output."""

    def run(*argv):
        try:
            status = evaluate.main([str(arg) for arg in argv])
        except SystemExit as error:  # argparse
            status = error.code
        captured = capsys.readouterr()
        return status, captured.out, captured.err

    return run


@pytest.fixture
def fails(run):
    """Function that runs the command and returns the one line of its mistake."""

    def fails(*argv):
        status, out, err = run(*argv)
        assert status == 2, (out, err)
        assert err.startswith("error: ") and err.count("\n") == 1, err
        return err

    return fails
