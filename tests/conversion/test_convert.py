"""The commands from outside: what users type, what they get, how their mistakes are answered."""

import json
import pickle
import subprocess
import sys

import numpy as np
import pytest

from tarvis_jax import checkpoints
from tarvis_jax.checkpoints import empty_variables
from tarvis_jax.convert import main
from tests.conversion.imagenet import resnet
from tests.conversion.states import SMALL, manifest, random_state
from tests.models.stored_forward import weights_rule


def _run(capsys, *argv):
    """Exit status, standard output and the lines on standard error of a command."""
    try:
        status = main([str(argument) for argument in argv])
    except SystemExit as leaving:
        status = leaving.code
    captured = capsys.readouterr()
    return status, captured.out, captured.err.splitlines()


def _save(torch, file, state, **other):
    file.parent.mkdir(exist_ok=True)
    torch.save({"model": {name: torch.from_numpy(np.array(array)) for name, array in state.items()}, **other}, file)
    return file


@pytest.fixture
def original(torch, tmp_path):
    """A small checkpoint in the original's form, with the trainer's state beside the weights."""
    optimizer = {"state": {0: {"step": 5, "exp_avg": torch.zeros(3)}}, "param_groups": [{"lr": np.float64(1e-4)}]}
    return _save(torch, tmp_path / "000005.pth", random_state(SMALL), optimizer=optimizer, iteration=5)


def _assert_same_file(torch, found, expected):
    """Both files hold the same state dict: names, order, types, every bit."""
    content = torch.load(found, weights_only=True)
    assert list(content) == ["model"]
    found, expected = content["model"], torch.load(expected, weights_only=False)["model"]
    assert list(found) == list(expected)
    for name, tensor in expected.items():
        assert found[name].dtype == tensor.dtype and torch.equal(found[name], tensor) and found[name].is_contiguous(), name


def test_there_and_back(torch, original, tmp_path, capsys):
    folder, back = tmp_path / "new" / "checkpoint", tmp_path / "other" / "back.pth"
    status, out, err = _run(capsys, "from_torch", f"--input={original}", f"--output={folder}")
    assert (status, err) == (0, [])
    assert "tiny, finetune (classes: cityscapes_vps 19, kitti_step 19, ovis 25, vipseg 124, youtube_vis 40)" in out
    assert checkpoints.read_model_config(checkpoints.find_step_folder(folder)) == SMALL
    assert json.loads((folder / "config" / "metadata").read_text())["format_version"] >= 1
    assert _run(capsys, "to_torch", f"--input={folder}", f"--output={back}")[0] == 0
    _assert_same_file(torch, back, original)


@pytest.mark.slow
@pytest.mark.parametrize(
    ("backbone", "stage"),
    [
        ("resnet50", "pretrain"),
        ("resnet50", "finetune"),
        ("swin_tiny", "pretrain"),
        ("swin_tiny", "finetune"),
        ("swin_large", "finetune"),
    ],
)
def test_the_originals_models_come_back(torch, shared, tmp_path, capsys, backbone, stage):
    """Rule-made weights of the stored manifests, bit for bit and in the manifests' order."""
    rule = weights_rule(shared)
    window = 12 if backbone == "swin_large" else 7
    y, x = np.divmod(np.arange(window**2), window)
    constants = {
        "pixel_mean": np.float32([123.675, 116.28, 103.53]),
        "pixel_std": np.float32([58.395, 57.12, 57.375]),
        "bg_grid_size": np.int64([4, 4]),
        "relative_position_index": (y[:, None] - y + window - 1) * (2 * window - 1) + x[:, None] - x + window - 1,
    }
    state = {}
    for entry in manifest(shared, backbone, stage):
        made = rule(entry["name"], entry["shape"])
        state[entry["name"]] = constants[entry["name"].split(".")[-1]] if made is None else made
    original = _save(torch, tmp_path / "original.pth", state)
    del state
    status, out, _ = _run(capsys, "from_torch", f"--input={original}", f"--output={tmp_path / 'folder'}")
    assert status == 0 and f"{backbone}, {stage}" in out
    assert _run(capsys, "to_torch", f"--input={tmp_path / 'folder'}", f"--output={tmp_path / 'back.pth'}")[0] == 0
    _assert_same_file(torch, tmp_path / "back.pth", original)


def test_verify_shows_shapes_and_ranges(original, tmp_path, capsys):
    status, out, err = _run(capsys, "from_torch", f"--input={original}", f"--output={tmp_path / 'out'}", "--verify")
    assert (status, err) == (0, [])
    assert "instance mask logits: shape [1, 12, 2, 16, 32], " in out and "class logits: shape [1, 12, 20], " in out


@pytest.mark.slow
def test_verify_finds_weights_that_do_not_work(torch, tmp_path, capsys):
    state = random_state(SMALL)
    state["backbone.backbone.stem.conv1.norm.running_var"][:] = -1
    file = _save(torch, tmp_path / "w.pth", state)
    status, _, err = _run(capsys, "from_torch", f"--input={file}", f"--output={tmp_path / 'out'}", "--verify")
    assert status == 2 and len(err) == 1 and "of a clip of random pixels are not finite" in err[0]


def test_a_state_dict_alone_and_in_half_precision(torch, tmp_path, capsys):
    state = {name: torch.from_numpy(array).half() for name, array in random_state(SMALL).items() if array.dtype == np.float32}
    state["vos_query_extractor.bg_grid_size"] = torch.tensor([4, 4])
    torch.save(state, tmp_path / "w.pth")
    assert _run(capsys, "from_torch", f"--input={tmp_path / 'w.pth'}", f"--output={tmp_path / 'out'}")[0] == 0
    weights = checkpoints.read_weights(tmp_path / "out", empty_variables(SMALL))
    expected = state["decoder.scale_embed.weight"].float().numpy()
    np.testing.assert_array_equal(weights["params"]["decoder"]["scale_embed"], expected)


def test_another_background_grid(torch, tmp_path, capsys):
    state = {**random_state(SMALL), "vos_query_extractor.bg_grid_size": np.int64([2, 2])}
    file = _save(torch, tmp_path / "w.pth", state)
    assert _run(capsys, "from_torch", f"--input={file}", f"--output={tmp_path / 'out'}")[0] == 0
    assert checkpoints.read_model_config(tmp_path / "out").background_grid == 2
    assert _run(capsys, "to_torch", f"--input={tmp_path / 'out'}", f"--output={tmp_path / 'back.pth'}")[0] == 0
    _assert_same_file(torch, tmp_path / "back.pth", file)


def test_other_datasets(torch, tmp_path, capsys):
    state = random_state(SMALL)
    state["embedding_container._semantic_queries"] = np.zeros((1 + 25 + 133, SMALL.width), np.float32)
    file = _save(torch, tmp_path / "w.pth", state)
    command = ["from_torch", f"--input={file}", f"--output={tmp_path / 'out'}"]
    status, _, err = _run(capsys, *command)
    assert status == 2 and len(err) == 1 and "159 rows" in err[0] and "--datasets=a,b,c" in err[0]
    status, out, _ = _run(capsys, *command, "--datasets=ovis,coco")
    assert status == 0 and "classes: coco 133, ovis 25" in out


def _broken(state):
    """What does not fit, and what the error must tell."""
    without = dict(state)
    del without["decoder.decoder_norm.bias"]
    extra = {**state, "decoder.decoder_norm.gain": np.zeros(32, np.float32)}
    misshaped = {**state, "decoder.decoder_norm.bias": np.zeros(16, np.float32)}
    prefixed = {f"module.{name}": array for name, array in state.items()}
    nan = {**state, "decoder.decoder_norm.bias": np.full(32, np.nan, np.float32)}
    bgr = {**state, "pixel_mean": state["pixel_mean"][::-1]}
    return {
        "missing": (without, ["1 missing: decoder.decoder_norm.bias [32]"]),
        "extra": (extra, ["1 unexpected: decoder.decoder_norm.gain [32]"]),
        "misshaped": (misshaped, ["1 of another shape: decoder.decoder_norm.bias [16] (expected [32])"]),
        "prefixed": (prefixed, ["embedding_container._semantic_queries is not among", "module.backbone."]),
        "nan": (nan, ["decoder.decoder_norm.bias holds NaN or infinite values"]),
        "bgr": (bgr, ["pixel_mean is [103.53", "[123.675"]),
        "no model": ({}, ['expected {"model": {name: tensor}}']),
    }


@pytest.mark.parametrize("mistake", ["missing", "extra", "misshaped", "prefixed", "nan", "bgr", "no model"])
def test_checkpoints_that_do_not_fit(torch, tmp_path, capsys, mistake):
    state, told = _broken(random_state(SMALL))[mistake]
    file = _save(torch, tmp_path / "w.pth", state)
    status, out, err = _run(capsys, "from_torch", f"--input={file}", f"--output={tmp_path / 'new' / 'out'}")
    assert (status, out, len(err)) == (2, "", 1)
    assert err[0].startswith(f"error: {file}") and all(text in err[0] for text in told)
    assert [path.name for path in tmp_path.iterdir()] == ["w.pth"]


def test_results_are_not_overwritten_unless_asked(torch, original, tmp_path, capsys):
    folder, back = tmp_path / "folder", tmp_path / "back.pth"
    there = ["from_torch", f"--input={original}", f"--output={folder}"]
    for command in (there, ["to_torch", f"--input={folder}", f"--output={back}"]):
        assert _run(capsys, *command)[0] == 0
        status, _, err = _run(capsys, *command)
        assert status == 2 and len(err) == 1 and "exists already" in err[0] and "--overwrite" in err[0]
        assert _run(capsys, *command, "--overwrite")[0] == 0
    _assert_same_file(torch, back, original)


def test_folders_that_are_no_converted_checkpoints_are_never_overwritten(tmp_path, capsys):
    (tmp_path / "notes.txt").write_text("mine")
    (tmp_path / "step" / "weights").mkdir(parents=True)
    (tmp_path / "step" / "optimizer").mkdir()
    for folder in (tmp_path, tmp_path / "step"):
        status, _, err = _run(capsys, "from_torch", f"--input={tmp_path / 'w.pth'}", f"--output={folder}", "--overwrite")
        assert status == 2 and len(err) == 1 and "is no converted checkpoint" in err[0]
    status, _, err = _run(capsys, "to_torch", f"--input={tmp_path}", f"--output={tmp_path}", "--overwrite")
    assert status == 2 and len(err) == 1 and "is a folder" in err[0]


def test_a_save_that_fails_leaves_what_was_there(original, tmp_path, capsys, monkeypatch):
    folder = tmp_path / "folder"
    command = ["from_torch", f"--input={original}", f"--output={folder}"]
    assert _run(capsys, *command)[0] == 0
    before = sorted(path.relative_to(folder) for path in folder.rglob("*"))

    def fail(*_, **__):
        raise OSError("disk full")

    with monkeypatch.context() as patched:
        patched.setattr(checkpoints.ocp.Checkpointer, "save", fail)
        for output in (folder, tmp_path / "new"):
            status, _, err = _run(capsys, *command[:2], f"--output={output}", "--overwrite")
            assert (status, err) == (2, [f"error: {output}: cannot be written (disk full)"])
    assert sorted(path.relative_to(folder) for path in folder.rglob("*")) == before
    assert not (tmp_path / "new").exists()
    assert _run(capsys, *command, "--overwrite")[0] == 0


def test_checkpoints_that_cannot_become_the_originals(torch, tmp_path, capsys):
    output = f"--output={tmp_path / 'w.pth'}"
    status, _, err = _run(capsys, "to_torch", f"--input={tmp_path / 'missing'}", output)
    assert status == 2 and len(err) == 1 and "no such folder" in err[0]
    weights = tmp_path / "R-50.pkl"
    weights.write_bytes(pickle.dumps({"model": resnet(16, (1, 1, 2, 1))[1]}))
    _run(capsys, "backbone", f"--input={weights}", f"--output={tmp_path / 'imagenet'}", "--backbone=tiny")
    status, _, err = _run(capsys, "to_torch", f"--input={tmp_path / 'imagenet'}", output)
    assert status == 2 and len(err) == 1 and "holds the weights of a backbone alone" in err[0]
    assert not (tmp_path / "w.pth").exists()


def test_backbone(tmp_path, capsys):
    weights, folder = tmp_path / "R-50.pkl", tmp_path / "new" / "imagenet"
    weights.write_bytes(pickle.dumps({"model": resnet(16, (1, 1, 2, 1))[1], "__author__": "torchvision"}))
    command = ["backbone", f"--input={weights}", f"--output={folder}", "--backbone=tiny"]
    status, out, err = _run(capsys, *command)
    assert (status, err) == (0, []) and f"--config.backbone_from={folder}" in out
    assert checkpoints.read_checkpoint_config(checkpoints.find_step_folder(folder))["model"] == {"backbone": "tiny"}
    status, _, err = _run(capsys, *command)
    assert status == 2 and len(err) == 1 and "exists already" in err[0]


def test_backbone_of_a_pytorch_file(torch, tmp_path, capsys):
    state = {name: torch.from_numpy(array) for name, array in resnet(16, (1, 1, 2, 1))[0].items()}
    torch.save(state, tmp_path / "resnet.pth")
    command = ["backbone", f"--input={tmp_path / 'resnet.pth'}", f"--output={tmp_path / 'out'}", "--backbone=tiny"]
    assert _run(capsys, *command)[0] == 0


@pytest.mark.parametrize(
    ("argv", "told"),
    [
        ([], "COMMAND"),
        (["from_pytorch"], "did you mean from_torch"),
        (["from_torch", "--output=out"], "--input"),
        (["from_torch", "--input=a.pth", "--output=out", "--datset=coco"], "did you mean --datasets"),
        (["backbone", "--input=a.pkl", "--output=out"], "--backbone"),
        (["backbone", "--input=a.pkl", "--output=out", "--backbone=resnet5"], "did you mean resnet50"),
        (["backbone", "--input=a.npz", "--output=out", "--backbone=resnet50"], "expected a file named *.pth or *.pkl"),
        (["backbone", "--input=a.pkl", "--output=out", "--backbone=resnet50"], "a.pkl: cannot be read (No such file"),
    ],
)
def test_mistakes_on_the_command_line(monkeypatch, tmp_path, capsys, argv, told):
    monkeypatch.chdir(tmp_path)  # the relative paths are of nobody's results
    status, _, err = _run(capsys, *argv)
    assert status == 2 and len(err) == 1 and told in err[0]


def test_an_input_that_is_missing(torch, tmp_path, capsys):
    status, _, err = _run(capsys, "from_torch", f"--input={tmp_path / 'a.pth'}", f"--output={tmp_path / 'out'}")
    assert status == 2 and len(err) == 1 and "a.pth: cannot be read (No such file or directory)" in err[0]


def test_an_output_whose_folder_cannot_be_made(original, capsys):
    status, _, err = _run(capsys, "from_torch", f"--input={original}", f"--output={original}/out")
    assert status == 2 and len(err) == 1 and "cannot be written" in err[0]


@pytest.mark.parametrize("command", ["from_torch", "to_torch", "backbone"])
def test_help_has_an_example(capsys, command):
    status, out, _ = _run(capsys, command, "--help")
    assert status == 0 and f"python -m tarvis_jax.convert {command} --input=" in out


def test_without_torch(tmp_path, capsys, monkeypatch):
    monkeypatch.setitem(sys.modules, "torch", None)
    for command in ("from_torch", "to_torch"):
        status, _, err = _run(capsys, command, f"--input={tmp_path / 'w.pth'}", f"--output={tmp_path / 'out'}")
        assert status == 2 and len(err) == 1 and "requirements-convert.txt" in err[0]


def test_a_mistake_as_a_process(tmp_path):
    command = [sys.executable, "-m", "tarvis_jax.convert", "backbone", "--input=missing.pkl", f"--output={tmp_path / 'out'}"]
    done = subprocess.run([*command, "--backbone=resnet50"], capture_output=True, text=True, check=False)
    assert (done.returncode, done.stdout) == (2, "")
    assert done.stderr == "error: missing.pkl: cannot be read (No such file or directory)\n"
