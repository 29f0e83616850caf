"""`replay=RUN` repeats a run from its config.yaml bit for bit, and builds nothing that a stranger's file names."""

import csv
import json
from collections.abc import Callable, Iterator
from itertools import pairwise
from pathlib import Path

import pytest
import torch
import yaml
from conftest import only_run, tiny

from pets_seg.command import replay

Command = Callable[..., tuple[int, str]]


def figures(run: Path) -> tuple:
    with open(run / "metrics.csv") as file:
        rows = [[row[key] for key in ("train/loss", "val/loss", "val/dice", "lr")] for row in csv.DictReader(file)]
    weights = (run / "checkpoints" / "best.safetensors").read_bytes()
    return rows, (run / "per_image.csv").read_bytes(), weights


@pytest.mark.slow
def test_a_replayed_run_gives_every_bit_again(oxford: Path, tmp_path: Path, in_process: Command) -> None:
    settings = ["aug=strong", "aug.operations.0.p=0.3", "optimizer=muon", "optimizer.betas=[0.8,0.95]", "train.ema=0.5"]
    code, shown = in_process(*tiny(oxford), *settings, "loss=ce_dice", "scheduler=cosine", "seed=7")
    assert code == 0, shown
    first = only_run(tmp_path / "work", "default")
    config = yaml.safe_load((first / "config.yaml").read_text())
    config["data"] |= {"cache_dir": str(tmp_path / "elsewhere"), "download": True}
    (first / "config.yaml").write_text(yaml.safe_dump(config))
    code, shown = in_process(f"replay={first}", "tracker.mode=disabled")
    assert code == 0, shown
    again = only_run(tmp_path / "work", "replay")
    assert again.name == first.name
    assert figures(again) == figures(first)
    # Where files are put is not the file's to say.
    assert not (tmp_path / "elsewhere").exists()
    assert "finished already" in in_process(f"replay={first}/metrics.csv", "name=default", "tracker.mode=disabled")[1]


@pytest.fixture
def threads() -> Iterator[int]:
    before = torch.get_num_threads()
    yield before
    torch.set_num_threads(before)


@pytest.mark.slow
def test_a_replay_has_the_threads_of_the_run(
    oxford: Path, tmp_path: Path, in_process: Command, threads: int, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("pets_seg.command.repetition._cores", lambda: threads + 1)
    assert in_process(*tiny(oxford))[0] == 0
    first = only_run(tmp_path / "work")
    status = json.loads((first / "status.json").read_text())
    assert status["threads"] == threads
    (first / "status.json").write_text(json.dumps({**status, "threads": threads + 1}))
    code, shown = in_process(f"replay={first}", "tracker.mode=disabled")
    assert (code, "rounding" in shown) == (0, False)
    assert f"number of threads: {threads + 1} instead of {threads}, as the replayed run had\n" in shown
    again = only_run(tmp_path / "work", "replay")
    assert json.loads((again / "status.json").read_text())["threads"] == threads + 1
    more = {"threads": threads + 2}
    for content in ("{}", *(json.dumps({**status, **new}) for new in ({"threads": 0}, {"processes": 2}, more))):
        (first / "status.json").write_text(content)
        code, shown = in_process(f"replay={first}", "tracker.mode=disabled")
        assert (code, "rounding" in shown) == (0, True)


def test_what_else_is_given_wins_and_old_files_keep_their_meaning(tmp_path: Path) -> None:
    folder = tmp_path / "run"
    (folder / "it's a\\b, {c}").mkdir(parents=True)
    groups = {"scheduler": {"name": "onecycle", "warmup": 0.1}, "loss": {"name": "dice"}}
    groups |= {"model": {"name": "unet", "width": 4}, "optimizer": {"name": "sgd", "_target_": "torch.optim.SGD"}}
    groups |= {
        "aug": {"name": "none", "operations": []},
        "data": {"name": "folder", "_target_": "pets_seg.data.sources.folder", "root": f"{folder}/it's a\\b, {{c}}"},
    }
    (folder / "config.yaml").write_text(yaml.safe_dump({**groups, "train": {"name": "default"}, "seed": 3}))
    expanded = replay.expand(["-m", f"replay={folder}", "seed=0,1", "scheduler=cosine"])
    assert expanded[:2] == ["-m", "model=unet"]
    assert expanded[-3:] == [f"replay={folder}", "seed=0,1", "scheduler=cosine"]
    assert [word for word in expanded if word.startswith(("seed", "scheduler"))] == ["seed=0,1", "scheduler=cosine"]
    assert "train.accumulate=1" in expanded
    assert "name=replay" in expanded
    assert not any("_target_" in word for word in expanded)
    assert f"data.root='{folder}/it\\'s a\\b, {{c}}'" in expanded
    assert replay.expand(["seed=1"]) == ["seed=1"]
    # A part of a group leaves its option as it was; another option takes the whole group's place.
    expanded = replay.expand([f"replay={folder}", "optimizer.lr=0.5", "loss=ce_dice", "name=x"])
    assert "optimizer=sgd" in expanded
    assert expanded.index("optimizer=sgd") < expanded.index("optimizer.lr=0.5")
    assert [word for word in expanded if word.startswith(("loss", "name"))] == ["loss=ce_dice", "name=x"]


def evil(change: Callable[[dict], object], run: Path) -> Path:
    copy = run.parent.parent / "stranger"
    copy.mkdir(exist_ok=True)
    config = yaml.safe_load((run / "config.yaml").read_text())
    change(config)
    (copy / "config.yaml").write_text(yaml.safe_dump(config))
    return copy


CHANGES = {
    "is not allowed in a recorded config": lambda c: c["aug"]["operations"].append({"_target_": "os.system", "p": 1}),
    "_target_=kornia.augmentation.auto.os.system is not": lambda c: c["aug"]["operations"].append(
        {"_target_": "kornia.augmentation.auto.os.system", "p": 1}
    ),
    "_args_": lambda c: c["aug"]["operations"].append({"_target_": "pets_seg.augment.RandomGridElastic", "_args_": []}),
    "aug.operations.0.one_of.0._target_=builtins.eval": lambda c: c["aug"]["operations"].insert(
        0, {"p": 1, "one_of": [{"_target_": "builtins.eval"}]}
    ),
    "was builtins.exec, here it is": lambda c: c["optimizer"].update(_target_="builtins.exec"),
    "model.name='os.system('": lambda c: c["model"].update(name="os.system("),
    "model=stranger: no such option": lambda c: c["model"].update(name="stranger"),
    "data.root='${oc.env:HOME}' is not a value": lambda c: c["data"].update(root="${oc.env:HOME}"),
    "train.epochs=many: expected a whole number": lambda c: c["train"].update(epochs="many"),
    "train.epochs=-1: must be from 1": lambda c: c["train"].update(epochs=-1),
    "no such setting": lambda c: c["train"].update(evil=1),
    "aug has an entry 'operations.0._target_'": lambda c: c["aug"].update(
        {"operations.0._target_": "pandas.read_pickle"}
    ),
    "model has an entry 'a=b'": lambda c: c["model"].update({"a=b": 1}),
    "it has no loss": lambda c: c.pop("loss"),
    "its model has no name": lambda c: c.update(model=["unet"]),
    "has an entry 'a b'": lambda c: c["aug"]["operations"].append({"a b": 1}),
}


@pytest.fixture(scope="module")
def trained(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A run folder with nothing but its config.yaml."""
    from hydra import compose, initialize_config_module
    from omegaconf import OmegaConf

    with initialize_config_module("pets_seg.conf", version_base="1.3"):
        cfg = compose("config", overrides=["aug=elastic", "data=oxford_pet"])
    run = tmp_path_factory.mktemp("work") / "default" / "run"
    run.mkdir(parents=True)
    (run / "config.yaml").write_text(yaml.safe_dump(OmegaConf.to_container(cfg, resolve=True)))
    return run


@pytest.mark.parametrize("reason", CHANGES)
def test_a_strangers_file_is_refused_in_a_line(reason: str, trained: Path, tmp_path: Path, in_process: Command) -> None:
    code, shown = in_process(f"replay={evil(CHANGES[reason], trained)}")
    assert code == 2, shown
    assert reason in shown
    assert len(shown.strip().splitlines()) == 1
    assert len(shown) < 600
    assert list((tmp_path / "work").iterdir()) == []


BOMB = "a: &a [x, x]\n" + "".join(f"{b}: &{b} [{', '.join([f'*{a}'] * 9)}]\n" for a, b in pairwise("abcdefgh"))


@pytest.mark.parametrize(
    "text", ["", "a: [", "- 1", "!!python/object/apply:os.system [ls]", "x" * 2_000_000, "\0", BOMB]
)
def test_a_file_that_is_no_configuration_is_refused_in_a_line(text: str, tmp_path: Path, in_process: Command) -> None:
    (tmp_path / "config.yaml").write_text(text)
    code, shown = in_process(f"replay={tmp_path}")
    assert code == 2
    assert "is not the config.yaml of a run" in shown
    assert len(shown.strip().splitlines()) == 1


def test_status_says_where_and_with_what_a_run_was_made(oxford: Path, tmp_path: Path, in_process: Command) -> None:
    assert in_process(*tiny(oxford), "train.epochs=1")[0] == 0
    status = json.loads((only_run(tmp_path / "work", "default") / "status.json").read_text())
    assert {
        "device",
        "instructions",
        "processes",
        "threads",
        "platform",
        "git",
        "versions",
        "host",
        "pid",
        "since",
    } <= status.keys()
    assert status["git"] is None or {"commit", "dirty"} == status["git"].keys()
    assert status["processes"] == 1
    assert status["threads"] >= 1
    assert {"python", "torch", "kornia", "hydra-core"} <= status["versions"].keys()
