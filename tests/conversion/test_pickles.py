"""Arrays come out of pickles as they went in; nothing in a pickle is run."""

import pickle

import numpy as np
import pytest

from tarvis_jax.conversion.pickles import read_pickle
from tarvis_jax.errors import UserError
from tests.conversion.hostile import BROKEN, MARK, NESTED, Call, calls


def _read(tmp_path, content: bytes):
    file = tmp_path / "weights.pkl"
    file.write_bytes(content)
    return read_pickle(file)


@pytest.mark.parametrize("protocol", range(pickle.HIGHEST_PROTOCOL + 1))
@pytest.mark.parametrize(
    "array",
    [
        np.arange(6, dtype=np.float32).reshape(2, 3),
        np.asfortranarray(np.arange(6.0).reshape(2, 3)),
        np.arange(6, dtype=">f4"),
        np.array([True, False]),
        np.array(3, np.int64),
        np.float16([[1.5]]),
    ],
    ids=str,
)
def test_arrays_come_back(tmp_path, protocol, array):
    read = _read(tmp_path, pickle.dumps({"model": {"a": array}, "scalar": np.float32(2.5), "x": [1, "b"]}, protocol))
    found = read["model"]["a"].array
    assert found.dtype == array.dtype.newbyteorder("=") and found.shape == array.shape and np.array_equal(found, array)
    assert read["scalar"].array == np.float32(2.5) and read["x"] == [1, "b"]


def test_arrays_of_python_2(tmp_path):
    """Python 2 wrote an array's bytes as a string: here [1, 2] in float32, protocol 0."""
    content = (
        b"(dS'a'\ncnumpy.core.multiarray\n_reconstruct\n(cnumpy\nndarray\n(I0\ntS'b'\ntR"
        b"(I1\n(I2\ntcnumpy\ndtype\n(S'f4'\nI0\nI1\ntR(I3\nS'<'\nNNNI-1\nI-1\nI0\ntb"
        b"I00\nS'\\x00\\x00\\x80?\\x00\\x00\\x00@'\ntbs."
    )
    np.testing.assert_array_equal(_read(tmp_path, content)["a"].array, np.float32([1, 2]))


@pytest.mark.parametrize("protocol", [0, 2, 4])
@pytest.mark.parametrize("kind", calls())
def test_calls_are_named_and_not_run(tmp_path, monkeypatch, protocol, kind):
    monkeypatch.chdir(tmp_path)
    with pytest.raises(UserError, match=rf"weights\.pkl: holds '[\w.]*{kind}', which is more than arrays") as error:
        _read(tmp_path, pickle.dumps({"model": {"a": calls()[kind]}}, protocol))
    assert "\n" not in str(error.value) and not MARK.exists()


def test_names_that_would_break_the_line(tmp_path):
    content = b"\x80\x04\x8c\x03a\nb\x8c\x02\x1b[\x93."  # STACK_GLOBAL of a module with a line feed, a name with an escape
    with pytest.raises(UserError, match=r"holds 'a\\nb\.\\x1b\[', which"):
        _read(tmp_path, content)


def test_a_call_of_what_is_within_a_module_of_numpy(tmp_path):
    with pytest.raises(UserError, match=r"holds 'numpy\.fromfile'"):
        _read(tmp_path, pickle.dumps(Call(np.fromfile, "/etc/hostname")))


@pytest.mark.parametrize("kind", BROKEN)
def test_broken_files_are_one_clear_line(tmp_path, kind):
    with pytest.raises(UserError, match=r"s\.pkl: (no pickle of numpy arrays, or a damaged one|holds an array of)") as error:
        _read(tmp_path, BROKEN[kind])
    assert "\n" not in str(error.value)


def test_deep_nesting_is_read_like_any_list(tmp_path):
    assert isinstance(_read(tmp_path, NESTED), list)


def test_files_that_cannot_be_opened(tmp_path):
    with pytest.raises(UserError, match=r"missing\.pkl: cannot be read \(No such file"):
        read_pickle(tmp_path / "missing.pkl")
    with pytest.raises(UserError, match=r"cannot be read \(Is a directory"):
        read_pickle(tmp_path)
