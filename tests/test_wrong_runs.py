"""Checkpoints and run folders that are wrong stay as they are, and what a run fails by is in its folder."""

import json
import shutil
from collections.abc import Callable
from pathlib import Path

import pytest
import yaml
from changes import folder_for, put, remove
from conftest import only_run, tiny, write_oxford
from hydra import compose, initialize_config_module
from omegaconf import OmegaConf

from pets_seg.config.identity import run_name
from pets_seg.models import build_model
from pets_seg.models.checkpoint import save_weights

Command = Callable[..., tuple[int, str]]


@pytest.fixture
def run(tmp_path: Path, oxford: Path, in_process: Command) -> Path:
    """The folder of a finished run of `tiny(oxford)` in the folder `work`, with files that look like a run's."""
    with initialize_config_module("pets_seg.conf", version_base="1.3"):
        cfg = compose("config", overrides=tiny(oxford))
    folder = tmp_path / "work" / "runs" / "default" / run_name(cfg)
    put("config.yaml", yaml.safe_dump(OmegaConf.to_container(cfg, resolve=True)))(folder)
    put("status.json", '{"state": "finished"}')(folder)
    put("metrics.csv", "epoch,val/dice\n1,0.5\n2,0.5\n")(folder)
    put("per_image.csv", "split,stem,dice\ntest,a,0.5\n")(folder)
    keys = ("best_epoch", "best_val_dice", "test_dice", "test_iou", "test_loss", "parameters", "macs")
    put("summary.json", json.dumps(dict.fromkeys((*keys, "peak_memory_mb", "train_seconds"), 1)))(folder)
    about = {
        "model": OmegaConf.to_container(cfg.model),
        "size": 32,
        "normalisation": "imagenet",
        "boundary": "foreground",
    }
    weights = build_model(cfg.model).state_dict()
    save_weights(folder / "checkpoints" / "best.safetensors", weights, {**about, "precision": "fp32", "epoch": 1})
    return folder


def files(folder: Path) -> dict[str, bytes]:
    """Return what is in a run folder; Hydra's files and the log are of the last command, whatever came of it."""
    found = [path for path in folder.rglob("*") if path.is_file() and ".hydra" not in path.parts]
    return {str(path): path.read_bytes() for path in found if path.name not in ("train.log", ".lock")}


def test_the_run_of_these_tests_is_a_good_one(run: Path, oxford: Path, in_process: Command) -> None:
    assert "finished already" in in_process(*tiny(oxford))[1]
    code, shown = in_process("task=evaluate", f"checkpoint={run}")
    assert code == 0, shown


WEIGHTS = "checkpoints/best.safetensors"
CHECKPOINTS = {
    "no weights": (remove(WEIGHTS), "holds no checkpoints/best.safetensors; give a run that finished an epoch"),
    "a folder for weights": (folder_for(WEIGHTS), "holds no checkpoints/best.safetensors"),
    "empty weights": (put(WEIGHTS, ""), "is not a checkpoint of pets_seg, or it is damaged"),
    "garbage": (put(WEIGHTS, "x" * 1000), "is not a checkpoint of pets_seg"),
    "torn weights": (lambda run: put(WEIGHTS, (run / WEIGHTS).read_bytes()[:-10])(run), "is not a checkpoint"),
    "weights of others": (lambda run: save_weights(run / WEIGHTS, {}, {"epoch": 1}), "is not a checkpoint"),
    "no config.yaml": (remove("config.yaml"), "config.yaml: is not the config.yaml of a run (No such file"),
    "an empty config.yaml": (put("config.yaml", ""), "is not the config.yaml of a run (it is not a mapping)"),
    "a broken config.yaml": (put("config.yaml", "a: ["), "is not the config.yaml of a run (while parsing"),
    "a huge config.yaml": (put("config.yaml", "x" * 2_000_000), "(it has more than 1000000 bytes)"),
    "a bare config.yaml": (put("config.yaml", "model: {name: unet}\naug: 3"), "(its aug has no name)"),
    "a file for evaluations": (put("evaluations", ""), "evaluations/test/per_image.csv: cannot be written"),
}


@pytest.mark.parametrize("what", CHECKPOINTS)
def test_a_run_that_cannot_be_evaluated(what: str, run: Path, in_process: Command) -> None:
    change, reason = CHECKPOINTS[what]
    change(run)
    before = files(run)
    code, shown = in_process("task=evaluate", f"checkpoint={run}")
    # Only where figures are to be written has work been done.
    assert code == (1 if what == "a file for evaluations" else 2), shown
    said(shown, reason)
    assert files(run) == before


STATE = {
    "an empty status.json": (put("status.json", ""), "status.json cannot be read (Expecting value"),
    "a list for status.json": (put("status.json", "[1]"), "status.json is not what a run writes; mend or remove it"),
    "a folder for status.json": (folder_for("status.json"), "status.json cannot be read"),
    "deep brackets in status.json": (put("status.json", "[" * 10_000), "status.json cannot be read"),
    "garbage in summary.json": (put("summary.json", "\xff"), "summary.json cannot be read"),
    "a folder for the log": (folder_for("train.log"), "train.log: cannot be read or written (Is a directory)"),
    "a file for Hydra's folder": (put(".hydra", ""), ".hydra: cannot be read or written (File exists)"),
    "a folder for the lock": (folder_for(".lock"), "cannot be written (Is a directory)"),
    "a file for the run": (
        lambda run: (shutil.rmtree(run), run.write_text("")),
        "is a file); move it, or start from another folder",
    ),
    "a file for all runs": (
        lambda run: (shutil.rmtree(run.parents[1]), run.parents[1].write_text("")),
        "is a file); move it, or start from another folder",
    ),
}


@pytest.mark.parametrize("what", STATE)
def test_a_run_folder_that_cannot_be_continued(what: str, run: Path, oxford: Path, in_process: Command) -> None:
    change, reason = STATE[what]
    change(run)
    before = files(run)
    code, shown = in_process(*tiny(oxford))
    assert code == 2, shown
    said(shown, reason)
    assert files(run) == before


@pytest.mark.parametrize(
    ("arguments", "reason"),
    [
        (["optimizer.lr=1e30"], "in epoch 1; try a lower optimizer.lr (now 1e+30)"),
        (["loss.cross_entropy=1e308"], "in epoch 1; try a lower optimizer.lr (now 0.002)"),
    ],
)
def test_what_a_run_fails_by_is_in_its_folder(
    arguments: list[str], reason: str, in_process: Command, tmp_path: Path
) -> None:
    write_oxford(tmp_path, trainval=40)
    code, shown = in_process(*tiny(tmp_path), *arguments)
    assert code == 1, shown
    said(shown.splitlines()[-1], reason)
    assert "Traceback" not in shown
    run = only_run(tmp_path / "work")
    status = json.loads((run / "status.json").read_text())
    assert (status["state"], status["error"]["message"]) == ("failed", shown.splitlines()[-1])
    assert [path for path in (tmp_path / "work").rglob("*") if path.name.endswith(".part")] == []
    assert list((tmp_path / "work").rglob("runs/*/*")) == [run]


def said(shown: str, reason: str) -> None:
    """Assert that it is one line, without a traceback, that holds the reason."""
    assert reason in shown
    assert len(shown.strip().splitlines()) == 1
    assert "Traceback" not in shown
    assert "HYDRA_FULL_ERROR" not in shown


def test_a_reference_in_a_strangers_file_is_not_followed(run: Path, in_process: Command, tmp_path: Path) -> None:
    config = yaml.safe_load((run / "config.yaml").read_text())
    places = {key: tmp_path / key for key in ("root", "model")}
    evil = {key: f"${{oc.create:{{_target_:os.mkdir,path:{place}}}}}" for key, place in places.items()}
    data = {**config["data"], "name": "folder", "_target_": "pets_seg.data.sources.folder", "root": evil["root"]}
    data = {key: value for key, value in data.items() if key != "download"}
    (run / "config.yaml").write_text(yaml.safe_dump({**config, "data": data, "model": {"name": evil["model"]}}))
    for command in (["task=evaluate", f"checkpoint={run}"], [f"replay={run}"]):
        code, shown = in_process(*command)
        assert code == 2, shown
    code, shown = in_process("task=report", f"runs={run.parent}")
    assert not any(place.exists() for place in places.values())
