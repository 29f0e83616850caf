"""task=export: one ONNX file that gives what PyTorch gives, or no file."""

import json
import shutil
import sys
from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
import onnx
import pytest
import torch
from conftest import only_run, picture, tiny
from onnx_files import metadata, probabilities
from safetensors.torch import load_file

from pets_seg import load_model
from pets_seg.command import exporting
from pets_seg.config.weights import BEST
from pets_seg.export import agreement
from pets_seg.models.checkpoint import read_about, save_weights

Command = Callable[..., tuple[int, str]]


@pytest.fixture(scope="module")
def trained(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A run of a small network on pictures of a square."""
    from conftest import write_oxford
    from processes import forked

    work = tmp_path_factory.mktemp("trained")
    write_oxford(work / "data")
    few = [word for word in tiny(work / "data") if not word.startswith("train.epochs")]
    done = forked(*few, "train.epochs=6", "train.batch_size=4", "optimizer.lr=0.01", cwd=work)
    assert done.returncode == 0, done.stderr
    return only_run(work)


def test_the_file_gives_what_the_network_gives(trained: Path, tmp_path: Path, in_process: Command) -> None:
    code, shown = in_process("task=export", f"checkpoint={trained}", "format=onnx")
    assert code == 0, shown
    assert (
        "beside PyTorch, on 4 test images of data=oxford_pet, 4 of them also at their own size: probabilities" in shown
    )
    file = tmp_path / "work" / f"{trained.name}.onnx"
    assert f"written to {file.name}" in shown
    assert [path.name for path in (tmp_path / "work").iterdir()] == [file.name]
    model = load_model(trained, "cpu")
    for size in ((48, 48), (100, 64), (31, 90), (20, 12)):
        photo = picture(3)[0].resize(size)
        found = probabilities(file, np.asarray(photo)[None])
        np.testing.assert_allclose(found[0], model(photo).probabilities, atol=1e-3)
    batch = np.stack([np.asarray(picture(index)[0]) for index in range(3)])
    one_by_one = np.concatenate([probabilities(file, batch[index : index + 1]) for index in range(3)])
    np.testing.assert_allclose(probabilities(file, batch), one_by_one, atol=1e-5)


@pytest.mark.slow
def test_the_file_says_what_it_is(trained: Path, tmp_path: Path, in_process: Command) -> None:
    code, shown = in_process("task=export", f"checkpoint={trained}", f"output={tmp_path}/pets.onnx")
    assert code == 0, shown
    said = metadata(tmp_path / "pets.onnx")
    assert json.loads(said["network"])["width"] == 4
    assert json.loads(said["training data"])["name"] == "oxford_pet"
    assert said["licence of the training data"].startswith("CC BY-SA 4.0; Oxford-IIIT Pet Dataset")
    summary = json.loads((trained / "summary.json").read_text())
    assert json.loads(said["figures of the run"])["test_dice"] == summary["test_dice"]
    assert json.loads(said["compared with PyTorch"])["dice"] == pytest.approx(summary["test_dice"], abs=1e-6)
    assert len(said["sha256 of the weights"]) == 64
    # Nothing of the machine that exported it.
    assert b"/" + __file__.split("/")[1].encode() + b"/" not in (tmp_path / "pets.onnx").read_bytes()
    assert not any(node.metadata_props for node in onnx.load(tmp_path / "pets.onnx").graph.node)


@pytest.mark.slow
def test_int8_is_smaller_and_held_against_float(trained: Path, tmp_path: Path, in_process: Command) -> None:
    code, shown = in_process("task=export", f"checkpoint={trained}", "export.int8=true")
    assert code == 0, shown
    file = tmp_path / "work" / f"{trained.name}_int8.onnx"
    kinds = {node.op_type for node in onnx.load(file).graph.node}
    assert {"QuantizeLinear", "DequantizeLinear"} <= kinds
    [head, fp32, int8] = [line.split() for line in shown.splitlines()[1:4]]
    assert head[:2] == ["Dice", "MB"]
    assert (fp32[0], int8[0]) == ("fp32", "int8")
    assert float(int8[2]) < float(fp32[2])
    assert float(int8[1]) == pytest.approx(float(fp32[1]), abs=0.011)
    photo = picture(3)[0].resize((70, 50))
    found = probabilities(file, np.asarray(photo)[None])[0]
    assert np.abs(found - load_model(trained, "cpu")(photo).probabilities).mean() < 0.05


@pytest.mark.slow
@pytest.mark.parametrize(
    ("setting", "value", "line"),
    [
        ("MOST", -1.0, "would not give what PyTorch gives"),
        ("MOST_RESIZED", -1.0, "would not give what PyTorch gives"),
        ("MOST_LOST", -200.0, "points of Dice, more than"),
    ],
)
def test_what_differs_too_much_is_not_written(
    setting: str,
    value: float,
    line: str,
    trained: Path,
    tmp_path: Path,
    in_process: Command,
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    monkeypatch.setattr(exporting, setting, value)
    code, shown = in_process("task=export", f"checkpoint={trained}", "export.int8=true")
    assert code == 1
    assert line in shown.splitlines()[-1]
    assert [*(tmp_path / "work").iterdir()] == []


@pytest.mark.parametrize(
    ("words", "line"),
    [
        ([f"output={'n' * 250}.onnx"], "its name is too long; give a shorter one"),
        (["output=there.onnx"], "output={work}/there.onnx: is there already; overwrite=true replaces it"),
        (["output=net.pt"], "output={work}/net.pt: must be a file whose name ends in .onnx"),
        (["output=no/net.onnx"], "output={work}/no/net.onnx: its folder is not there; make it, or give another one"),
        (["format=torchscript"], "format=torchscript: must be one of onnx"),
        (["export.int8=maybe"], "export.int8=maybe: expected true or false"),
        (["checkpoint=nowhere"], "checkpoint=nowhere: "),
        (["split=test"], "split: has no place with task=export"),
    ],
)
def test_what_is_wrong_is_said_before_any_work(
    words: list[str], line: str, trained: Path, tmp_path: Path, in_process: Command
) -> None:
    work = tmp_path / "work"
    (work / "there.onnx").write_text("mine")
    code, shown = in_process("task=export", f"checkpoint={trained}", *words)
    assert (code, len(shown.splitlines())) == (2, 1)
    assert line.format(work=work) in shown
    assert (work / "there.onnx").read_text() == "mine"


@pytest.mark.parametrize("name", ["onnxscript", "onnxruntime"])
def test_a_missing_package_is_named(
    name: str, trained: Path, in_process: Command, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setitem(sys.modules, name, None)
    code, shown = in_process("task=export", f"checkpoint={trained}")
    assert (code, len(shown.splitlines())) == (2, 1)
    assert shown.startswith(f"task=export: {name} ")
    assert shown.endswith("; pip install 'pets_seg[export]'\n")


def copied(trained: Path, tmp_path: Path) -> Path:
    shutil.copytree(trained, tmp_path / "runs" / "default" / trained.name)
    return tmp_path / "runs" / "default" / trained.name


@pytest.mark.slow
def test_weights_that_are_not_finite_are_not_exported(trained: Path, tmp_path: Path, in_process: Command) -> None:
    run = copied(trained, tmp_path)
    weights = load_file(run / BEST)
    weights["head.weight"] = torch.full_like(weights["head.weight"], torch.nan)
    save_weights(run / BEST, weights, read_about(run / BEST))
    code, shown = in_process("task=export", f"checkpoint={run}")
    assert code == 1
    assert "not finite" in shown.splitlines()[-1]
    assert [*(tmp_path / "work").iterdir()] == []


@pytest.mark.slow
def test_weights_that_are_replaced_meanwhile_are_not_exported(
    trained: Path, tmp_path: Path, in_process: Command, monkeypatch: pytest.MonkeyPatch
) -> None:
    run = copied(trained, tmp_path)

    def compare_and_replace(*arguments: Any) -> agreement.Agreement:
        weights = load_file(run / BEST)
        found = compare(*arguments)
        save_weights(run / BEST, {key: value + 1 for key, value in weights.items()}, read_about(run / BEST))
        return found

    compare = agreement.compare
    monkeypatch.setattr(agreement, "compare", compare_and_replace)
    code, shown = in_process("task=export", f"checkpoint={run}")
    assert code == 1
    assert "has other weights than when this run was named" in shown.splitlines()[-1]
    assert [*(tmp_path / "work").iterdir()] == []


@pytest.mark.slow
def test_data_of_a_run_that_moved_or_changed(trained: Path, tmp_path: Path, in_process: Command) -> None:
    root = tmp_path / "moved"
    shutil.copytree(trained.parents[2] / "data", root)
    lists, images = (root / "oxford-iiit-pet" / name for name in ("annotations", "images"))
    test = (lists / "test.txt").read_text().split()[0]
    # The second of the list: the first one is for validation.
    known = (lists / "trainval.txt").read_text().splitlines()[1].split()[0]
    shutil.copyfile(images / f"{known}.jpg", images / f"{test}.jpg")
    run = copied(trained, tmp_path)
    (run / "status.json").write_text((run / "status.json").read_text().replace('"finished"', '"interrupted"'))
    code, shown = in_process("task=export", f"checkpoint={run}", f"data.root={root}")
    assert code == 0, shown
    assert "the run is not finished (its state is interrupted)" in shown
    assert "the run was trained on 1 of these images" in shown
    said = metadata(tmp_path / "work" / f"{run.name}.onnx")
    assert said["licence of the training data"] == "unknown"
    assert said["state of the run"] == "interrupted"
    assert "name" not in json.loads(said["training data"])
    assert json.loads(said["compared with PyTorch"])["trained_on"] == 1


def test_two_jobs_of_a_sweep_do_not_share_a_file(trained: Path, tmp_path: Path, in_process: Command) -> None:
    words = [f"checkpoint={trained}", "export.int8=false,true", "output=one.onnx", "overwrite=true"]
    code, shown = in_process("-m", "task=export", *words)
    assert code == 2
    assert "output=one.onnx: is that of several jobs" in shown
    assert not (tmp_path / "work" / "one.onnx").exists()
