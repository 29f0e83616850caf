"""A sweep as a table: what differs, what is a replicate, what failed."""

import json
from pathlib import Path

import pandas as pd
import pytest
import yaml

from pets_seg.report.runs import read_runs
from pets_seg.report.sweep import comparison_table, report_sweep


def write_run(
    sweep: Path, name: str, state: str = "finished", dice: float = 0.8, seed: int = 0, **config: dict
) -> None:
    folder = sweep / name
    folder.mkdir(parents=True)
    groups = {group: {"name": group} for group in ("model", "aug", "optimizer", "scheduler", "loss", "data")}
    error = None if state == "finished" else {"type": "RunError", "message": "the loss is nan"}
    (folder / "status.json").write_text(json.dumps({"state": state, "error": error}))
    (folder / "config.yaml").write_text(yaml.safe_dump({"seed": seed, "name": sweep.name, **groups, **config}))
    if state == "finished":
        summary = {"best_val_dice": dice, "test_dice": dice + 0.01, "train_seconds": 90}
        summary |= {"epochs_to_080": 3 if dice > 0.8 else None, "epochs_to_085": None}
        (folder / "summary.json").write_text(json.dumps(summary))


def aug(name: str, **settings: object) -> dict:
    return {"name": name, **settings}


def test_seeds_are_replicates_and_the_differing_keys_are_found(tmp_path: Path) -> None:
    for seed, dice in ((0, 0.70), (1, 0.74)):
        write_run(tmp_path, f"none{seed}", dice=dice, seed=seed, aug=aug("none", operations=[]))
        write_run(tmp_path, f"elastic{seed}", dice=dice + 0.1, seed=seed, aug=aug("elastic", operations=[{"p": 0.2}]))
    table = read_runs(tmp_path)
    assert list(table["seed"]) == [0, 1, 0, 1]
    assert "aug.operations" in table
    text = comparison_table(table)
    lines = text.splitlines()
    assert lines[0].startswith("group        seeds  val dice")
    assert "aug=none" in text
    none = next(line for line in lines if line.startswith("aug=none"))
    assert "0.7200 ± 0.0283" in none
    assert "not reached" in none
    elastic = next(line for line in lines if line.startswith("aug=elastic"))
    assert "0.8200 ± 0.0283" in elastic
    assert "3.0 (1 of 2)" in elastic


def test_a_key_that_its_option_does_not_decide_sets_groups_apart(tmp_path: Path) -> None:
    for option in ("adam", "sgd"):
        for rate in (0.1, 0.2):
            decay = 0.01 if option == "adam" else 0.0
            write_run(tmp_path, f"{option}{rate}", optimizer={"name": option, "lr": rate, "weight_decay": decay})
    text = comparison_table(read_runs(tmp_path))
    assert [line.split("  ")[0] for line in text.splitlines()[1:]] == [
        "optimizer=adam optimizer.lr=0.1",
        "optimizer=adam optimizer.lr=0.2",
        "optimizer=sgd optimizer.lr=0.1",
        "optimizer=sgd optimizer.lr=0.2",
    ]


def test_failures_are_shown_and_broken_folders_left_out(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    write_run(tmp_path, "good")
    write_run(tmp_path, "bad", state="failed", seed=1)
    (tmp_path / "no run").mkdir()
    assert not report_sweep(tmp_path, ["good", "bad"])
    shown = capsys.readouterr().out
    assert "bad failed: the loss is nan" in shown
    runs = pd.read_csv(tmp_path / "runs.csv").set_index("run")
    assert dict(runs["state"]) == {"good": "finished", "bad": "failed"}
    assert runs.loc["good", "test_dice"] == 0.81
    assert report_sweep(tmp_path, ["good"])
    assert not report_sweep(tmp_path, ["good", "never made"])
    assert not report_sweep(tmp_path / "empty", ["never made"])
