"""PyTorch files: tensors come back, nothing in a file is run, torch is needed in one place alone."""

import ast
import io
import pickle
import sys
import tarfile
import types
import zipfile
from pathlib import Path

import numpy as np
import pytest
from jax.numpy import bfloat16

import tarvis_jax
from tarvis_jax.conversion.files import read_torch, write_torch
from tarvis_jax.errors import UserError
from tests.conversion.hostile import BROKEN, MARK, NESTED, calls

ROOT = Path(tarvis_jax.__file__).parents[1]


def _save(torch, file, content, **options):
    torch.save(content, file, **options)
    return file


def test_what_is_written_is_read_again(torch, tmp_path):
    state = {"z": np.float32([[1, 2], [3, 4]]).T, "a": np.int64([4, 4]), "m.b": np.zeros((2, 0), np.float32)}
    write_torch(tmp_path / "w.pth", state)
    content = torch.load(tmp_path / "w.pth", weights_only=True)
    assert list(content) == ["model"] and list(content["model"]) == list(state)
    assert all(tensor.is_contiguous() for tensor in content["model"].values())
    read = read_torch(tmp_path / "w.pth")["model"]
    for name, array in state.items():
        assert read[name].dtype == array.dtype and np.array_equal(read[name], array), name
    assert [file.name for file in tmp_path.iterdir()] == ["w.pth"]


def test_read_only_arrays_are_written(torch, tmp_path):
    array = np.broadcast_to(np.float32(1), (3, 2))
    write_torch(tmp_path / "w.pth", {"a": array})
    np.testing.assert_array_equal(read_torch(tmp_path / "w.pth")["model"]["a"], array)


def test_the_same_weights_give_the_same_bytes(torch, tmp_path):
    for name in ("one.pth", "two.pth"):
        write_torch(tmp_path / name, {"a": np.arange(5, dtype=np.float32)})
    assert (tmp_path / "one.pth").read_bytes() == (tmp_path / "two.pth").read_bytes()


def test_a_failing_write_leaves_the_old_file(torch, tmp_path, monkeypatch):
    file = tmp_path / "w.pth"
    write_torch(file, {"a": np.zeros(2, np.float32)})
    before = file.read_bytes()

    def fail(content, stream):
        stream.write(b"half")
        raise OSError("disk full")

    monkeypatch.setattr(torch, "save", fail)
    with pytest.raises(OSError, match="disk full"):
        write_torch(file, {"a": np.ones(2, np.float32)})
    assert file.read_bytes() == before and [f.name for f in tmp_path.iterdir()] == ["w.pth"]


@pytest.mark.parametrize("new_format", [True, False])
def test_tensors_of_every_kind(torch, tmp_path, new_format):
    values = torch.arange(6.0).reshape(2, 3)
    model = {
        "float": values,
        "half": values.half(),
        "bfloat": values.bfloat16().T,
        "parameter": torch.nn.Parameter(values),
        "count": torch.tensor(3),
        "sparse": values.to_sparse(),
    }
    other = {"lr": np.float64(0.1), "noise": np.arange(3), "state": {0: {"exp_avg": values}}}
    content = {"model": model, "trainer": other}
    read = read_torch(_save(torch, tmp_path / "w.pth", content, _use_new_zipfile_serialization=new_format))["model"]
    expected = np.arange(6, dtype=np.float32).reshape(2, 3)
    assert read["bfloat"].dtype == bfloat16 and read["half"].dtype == np.float16 and read["count"] == 3
    for name, array in {"float": expected, "half": expected, "bfloat": expected.T, "parameter": expected}.items():
        np.testing.assert_array_equal(read[name].astype(np.float32), array)
    assert not isinstance(read["sparse"], np.ndarray)


def test_a_huge_tensor_of_one_number_takes_no_memory(torch, tmp_path):
    file = _save(torch, tmp_path / "w.pth", {"a": torch.zeros(1).expand(10**12)})
    assert read_torch(file)["a"].shape == (10**12,)


@pytest.mark.parametrize("new_format", [True, False])
@pytest.mark.parametrize("kind", calls())
def test_calls_are_named_and_not_run(torch, tmp_path, monkeypatch, kind, new_format):
    monkeypatch.chdir(tmp_path)
    content = {"model": {"a": torch.zeros(2)}, "extra": calls()[kind]}
    file = _save(torch, tmp_path / "w.pth", content, _use_new_zipfile_serialization=new_format)
    with pytest.raises(UserError, match=rf"w\.pth: holds '[\w.]*{kind}', which is more than arrays") as error:
        read_torch(file)
    assert "\n" not in str(error.value) and not MARK.exists()


def _tar() -> bytes:
    stream = io.BytesIO()
    with tarfile.open(fileobj=stream, mode="w") as archive:
        for name in ("storages", "tensors", "pickle"):
            archive.addfile(tarfile.TarInfo(name))
    return stream.getvalue()


def _zip() -> bytes:
    stream = io.BytesIO()
    with zipfile.ZipFile(stream, "w") as archive:
        archive.writestr("archive/notes.txt", "hello")
    return stream.getvalue()


def _truncated(torch, tmp_path, new_format: bool) -> bytes:
    content = {"model": {"a": torch.zeros(100)}}
    whole = _save(torch, tmp_path / "whole.pth", content, _use_new_zipfile_serialization=new_format).read_bytes()
    return whole[: len(whole) * 2 // 3]


@pytest.mark.parametrize("kind", [*BROKEN, "tar", "numpy alone", "nested", "truncated zip", "truncated", "plain zip"])
def test_broken_files_are_one_clear_line(torch, tmp_path, kind):
    contents = {
        **BROKEN,
        "tar": _tar(),
        "numpy alone": pickle.dumps({"model": {"a": np.zeros(3)}}, 4),
        "nested": NESTED,
        "truncated zip": _truncated(torch, tmp_path, True),
        "truncated": _truncated(torch, tmp_path, False),
        "plain zip": _zip(),
    }
    file = tmp_path / "w.pth"
    file.write_bytes(contents[kind])
    with pytest.raises(UserError, match=r"w\.pth: (no PyTorch checkpoint, or a damaged one|holds )") as error:
        read_torch(file)
    assert "\n" not in str(error.value)


def test_files_that_cannot_be_opened(torch, tmp_path):
    with pytest.raises(UserError, match=r"missing\.pth: cannot be read \(No such file"):
        read_torch(tmp_path / "missing.pth")
    with pytest.raises(UserError, match=r"cannot be read \(Is a directory"):
        read_torch(tmp_path)


def test_without_torch_the_error_names_the_requirements(tmp_path, monkeypatch):
    monkeypatch.setitem(sys.modules, "torch", None)
    for use in (lambda: read_torch(tmp_path / "w.pth"), lambda: write_torch(tmp_path / "w.pth", {})):
        with pytest.raises(UserError, match=r"torch, which is not installed: .*requirements-convert\.txt"):
            use()


def test_a_torch_that_could_run_code_is_refused(tmp_path, monkeypatch):
    monkeypatch.setitem(sys.modules, "torch", types.SimpleNamespace(__version__="2.5.1+cpu"))
    with pytest.raises(UserError, match=r"torch 2\.5\.1\+cpu is installed, .*requirements-convert\.txt"):
        read_torch(tmp_path / "w.pth")


def _imports(file: Path) -> set[str]:
    """Outermost packages that a module imports, wherever in it."""
    found = set()
    for node in ast.walk(ast.parse(file.read_text())):
        if isinstance(node, ast.Import):
            found |= {alias.name.split(".")[0] for alias in node.names}
        elif isinstance(node, ast.ImportFrom):
            found.add((node.module or "").split(".")[0])
    return found


def test_one_module_alone_imports_torch():
    sources = [file for package in ("tarvis_jax", "data", "configs", "benchmarks") for file in (ROOT / package).rglob("*.py")]
    importers = [file.relative_to(ROOT).as_posix() for file in sources if "torch" in _imports(file)]
    assert importers == ["tarvis_jax/conversion/files.py"]
