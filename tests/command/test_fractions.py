"""Runs on a share of the training images: their names, figures and report, and what other tasks make of them."""

import csv
import json
import shutil
from pathlib import Path

import pandas as pd
import pytest
from conftest import command, only_run, tiny
from hydra import compose, initialize_config_module
from processes import forked
from test_leakage import evaluate
from test_other_data import COUNT, SETTINGS, write

from pets_seg.config.identity import run_name
from pets_seg.config.options import own_file
from pets_seg.data.sources import read_source
from pets_seg.data.splits import split_of
from pets_seg.errors import InputError

# A data option that was written before the setting existed.
MINE = """
name: mine
_target_: pets_seg.data.sources.oxford_pet
root: ???
download: false
size: 32
boundary: foreground
normalisation: imagenet
skip_bad: false
cache_dir: null
"""


def rows(file: Path) -> list[dict[str, str]]:
    with open(file, newline="") as opened:
        return list(csv.DictReader(opened))


def images(run: Path, split: str) -> list[str]:
    """Return the stems of a split that a run recorded."""
    return [row["stem"] for row in rows(run / "data.csv") if row["split"] == split]


@pytest.mark.slow
def test_a_sweep_over_fractions_and_its_report(oxford: Path, tmp_path: Path) -> None:
    words = ["-m", *tiny(oxford), "data.train_fraction=0.5,1", "seed=0,1"]
    done = command(*words, cwd=tmp_path)
    assert done.returncode == 0, done.stderr
    runs = {
        (float(row["data.train_fraction"]), int(row["seed"])): row for row in rows(tmp_path / "runs/default/runs.csv")
    }
    folders = {key: tmp_path / "runs" / "default" / row["run"] for key, row in runs.items()}
    # 18 training images, and two epochs.
    assert {key: int(float(row["images_seen"])) for key, row in runs.items()} == {
        (0.5, 0): 18,
        (0.5, 1): 18,
        (1.0, 0): 36,
        (1.0, 1): 36,
    }
    for seed in (0, 1):
        half, whole = folders[0.5, seed], folders[1.0, seed]
        assert (len(images(half, "train")), len(images(whole, "train"))) == (9, 18)
        assert {*images(half, "train")} < {*images(whole, "train")}
        assert images(half, "train") == images(folders[0.5, 0], "train")
        for split in ("valid", "test"):
            assert images(half, split) == images(whole, split)
        scored = [[(row["split"], row["stem"]) for row in rows(run / "per_image.csv")] for run in (half, whole)]
        assert scored[0] == scored[1]
        # At the default the run is that of a command which does not name it.
        with initialize_config_module("pets_seg.conf", version_base="1.3"):
            assert whole.name == run_name(compose("config", overrides=[*tiny(oxford), f"seed={seed}"]))

    compared = pd.read_csv(tmp_path / "runs" / "default" / "comparison.csv")
    assert {*zip(compared["group"], compared["baseline"], strict=True)} == {
        ("data.train_fraction=1.0", "data.train_fraction=0.5")
    }
    assert "test Dice against data.train_fraction=0.5, in points (95 % CI):" in done.stdout
    assert "different data" not in done.stdout
    text = (tmp_path / "runs" / "default" / "report.md").read_text()
    assert "(data " not in text
    assert "other masks" not in text
    done = forked("task=report", "runs=runs/default", "report.baseline={data.train_fraction:1}", cwd=tmp_path)
    assert "test Dice against data.train_fraction=1.0, in points (95 % CI):" in done.stdout, done.stderr

    done = forked(*words, "data.train_fraction=0.25,0.5,1", "dry_run=true", cwd=tmp_path)
    assert "\n4 finished, 2 to run\n" in done.stdout, done.stderr
    assert "would be decoded" not in done.stdout


@pytest.fixture
def root(tmp_path: Path) -> Path:
    return write(tmp_path / "data")


@pytest.fixture
def trained(tmp_path: Path, root: Path) -> Path:
    """A run on a third of the training images under `root`."""
    done = forked(*SETTINGS, f"data.root={root}", "data.train_fraction=0.33", cwd=tmp_path)
    assert done.returncode == 0, done.stderr
    return only_run(tmp_path)


@pytest.mark.slow
def test_a_run_is_scored_on_its_test_images_wherever_they_are_and_on_all_of_other_data(
    tmp_path: Path, root: Path, trained: Path
) -> None:
    used = images(trained, "train")
    test = json.loads((trained / "summary.json").read_text())["test_dice"]
    moved = shutil.copytree(root, tmp_path / "moved")
    (tmp_path / "conf" / "data").mkdir(parents=True)
    (tmp_path / "conf" / "data" / "photos.yaml").write_text(json.dumps(own_file("data/folder") | {"name": "photos"}))
    photos = [f"hydra.searchpath=[file://{tmp_path}/conf]", "data=photos", f"data.root={root}", "data.split_seed=3"]
    for arguments in ([], ["data=folder", f"data.root={root}"], ["data=folder", f"data.root={moved}"], photos):
        code, shown, found = evaluate(trained, *arguments)
        assert code == 0, shown
        assert (found["split"], found["dice"], found["trained_on"]) == ("test", test, 0)
    code, shown, _ = evaluate(trained, "split=all")
    assert code == 2
    assert f"was trained on {len(used)} of these {COUNT} images" in shown
    _, _, found = evaluate(trained, "split=all", "allow_trained=true")
    assert (found["images"], found["trained_on"]) == (COUNT, len(used))

    # One image that would be trained on, of which a third is none.
    name = next(number for number in range(60, 99) if split_of(f"a{number}", 3) == "train")
    code, shown, found = evaluate(trained, "data=folder", f"data.root={write(tmp_path / 'one', 1, name)}")
    assert (code, found.get("images"), found.get("split")) == (0, 1, "all"), shown

    # Every pair of another folder, and none of them unnoticed, in whichever split it would be.
    other = write(tmp_path / "other", count=8, first=50)
    for number, stem in enumerate(used):
        for part in ("images", "masks"):
            shutil.copy(root / part / f"{stem}.png", other / part / f"renamed{number}.png")
    code, shown, _ = evaluate(trained, "data=folder", f"data.root={other}")
    assert code == 2
    assert f"was trained on {len(used)} of these {8 + len(used)} images" in shown


def test_the_same_weights_are_replayed(tmp_path: Path, trained: Path) -> None:
    done = forked(f"replay={trained}", "tracker.mode=disabled", "train.device=cpu", cwd=tmp_path)
    assert done.returncode == 0, done.stderr
    again = only_run(tmp_path, "replay")
    assert again.name == trained.name
    assert images(again, "train") == images(trained, "train")
    assert json.loads((again / "summary.json").read_text())["test_dice"] == pytest.approx(
        json.loads((trained / "summary.json").read_text())["test_dice"], abs=1e-6
    )


@pytest.mark.slow
def test_an_option_whose_file_lacks_it_stays_as_it_was(oxford: Path, tmp_path: Path) -> None:
    (tmp_path / "conf" / "data").mkdir(parents=True)
    (tmp_path / "conf" / "data" / "mine.yaml").write_text(MINE)
    own = [f"hydra.searchpath=[file://{tmp_path}/conf]"]
    words = [*own, *tiny(oxford)[2:], "data=mine", f"data.root={oxford}", "train.epochs=1"]
    for name, more, count in (("all", [], 18), ("half", ["+data.train_fraction=0.5"], 9)):
        done = forked(*words, *more, f"name={name}", cwd=tmp_path)
        assert done.returncode == 0, done.stderr
        run = only_run(tmp_path, name)
        assert len(images(run, "train")) == count
        done = forked(*own, f"replay={run}", "train.device=cpu", "tracker.mode=disabled", f"name=r{name}", cwd=tmp_path)
        assert done.returncode == 0, done.stderr
        assert images(only_run(tmp_path, f"r{name}"), "train") == images(run, "train")
        done = forked(*own, "task=evaluate", f"checkpoint={run}", "data=mine", f"data.root={oxford}", cwd=tmp_path)
        assert done.returncode == 0, done.stderr
        assert done.stdout.startswith("split=test images=4 ")


def test_a_key_that_the_file_of_an_option_lacks_takes_a_plus(oxford: Path, tmp_path: Path) -> None:
    (tmp_path / "conf" / "data").mkdir(parents=True)
    (tmp_path / "conf" / "data" / "mine.yaml").write_text(MINE)
    own = ["data=mine", f"hydra.searchpath=[file://{tmp_path}/conf]", f"data.root={oxford}", "dry_run=true"]
    done = forked(*own, "data.train_fraction=0.5", cwd=tmp_path)
    line = "data.train_fraction: is not in the file of the data chosen; add it there, or write +data.train_fraction"
    assert (done.returncode, line in done.stderr) == (2, True), done.stderr
    done = forked(*own, "+data.train_fraction=0.5", cwd=tmp_path)
    assert done.returncode == 0, done.stderr


def test_a_source_must_not_take_the_fraction_itself(
    oxford: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    (tmp_path / "theirs.py").write_text(
        "from pets_seg.data.sources import oxford_pet\n\n\n"
        "def pairs(root: str, train_fraction: float):\n    return oxford_pet(root, download=False)\n"
    )
    monkeypatch.syspath_prepend(tmp_path)
    settings = {"name": "theirs", "_target_": "theirs.pairs", "root": str(oxford), "train_fraction": 0.5}
    with pytest.raises(InputError, match=r"theirs\.pairs takes train_fraction, .* rename this argument"):
        read_source(settings)
