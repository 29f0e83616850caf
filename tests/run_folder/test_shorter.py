"""Who raises `train.epochs` is told of the shorter run, which this one does not continue."""

import json
import subprocess
import sys
from collections.abc import Callable
from pathlib import Path

import pytest
import yaml
from conftest import only_run, tiny
from sweeps import CONFIG

from pets_seg.run_folder.shorter import find_shorter

Command = Callable[..., tuple[int, str]]


def write_run(folder: Path, epochs: int, state: str = "finished", **changes: object) -> Path:
    folder.mkdir(parents=True)
    config = {**CONFIG, "train": {**CONFIG["train"], "epochs": epochs}, **changes}
    (folder / "config.yaml").write_text(yaml.safe_dump(config))
    (folder / "status.json").write_text(json.dumps({"state": state}))
    return folder


def asked(folder: Path, epochs: int = 10, **changes: object) -> tuple[Path, int] | None:
    return find_shorter(folder, {**CONFIG, "train": {**CONFIG["train"], "epochs": epochs}, **changes})


def test_the_longest_finished_run_with_fewer_epochs_is_found(tmp_path: Path) -> None:
    new = tmp_path / "unet-none-adamw-s0-new"
    write_run(tmp_path / "unet-none-adamw-s0-3", 3)
    longest = write_run(tmp_path / "unet-none-adamw-s0-7", 7)
    write_run(tmp_path / "unet-none-adamw-s0-8", 8, state="interrupted")
    write_run(tmp_path / "unet-none-adamw-s0-12", 12)
    write_run(tmp_path / "unet-none-adamw-s0-9", 9, seed=1)
    write_run(tmp_path / "unet-none-adamw-s0-9b", 9, checkpoint="/x", checkpoint_sha256="1" * 64)
    write_run(tmp_path / "resnet34_unet-none-adamw-s0-9", 9)
    (write_run(tmp_path / "unet-none-adamw-s0-torn", 9) / "config.yaml").write_text("a: [")
    (write_run(tmp_path / "unet-none-adamw-s0-odd", 9) / "status.json").write_text("[]")
    write_run(tmp_path / "unet-none-adamw-s0-evil", 9, train={"name": "default", "epochs": "many"})
    assert asked(new) == (longest, 7)
    # Where and how it is computed does not count, how it is trained does.
    assert asked(new, train={**CONFIG["train"], "epochs": 10, "device": "cuda"}) == (longest, 7)
    assert asked(new, train={**CONFIG["train"], "epochs": 10, "batch_size": 4}) is None
    assert asked(new, epochs=3) is None
    assert asked(tmp_path / "none" / "unet-none-adamw-s0-new") is None


def test_looking_for_it_needs_no_torch() -> None:
    code = "import sys, pets_seg.run_folder.shorter; sys.exit('torch' in sys.modules)"
    assert subprocess.run([sys.executable, "-c", code], check=False).returncode == 0


@pytest.mark.slow
def test_more_epochs_are_another_run_and_the_command_says_so(oxford: Path, tmp_path: Path, in_process: Command) -> None:
    words = [word for word in tiny(oxford) if not word.startswith("train.epochs")]
    code, shown = in_process(*words, "train.epochs=1")
    assert (code, "another run" in shown) == (0, False)
    short = only_run(tmp_path / "work").relative_to(tmp_path / "work")
    line = (
        f"{short} is finished with train.epochs=1; this is another run, which starts from random weights again: "
        f"checkpoint={short} starts from the best weights of that one\n"
    )
    code, shown = in_process(*words, "train.epochs=2")
    assert (code, shown.count(line)) == (0, 1)
    assert shown.index(line) < shown.index("epoch 1/2")
    for other in (["train.epochs=2"], ["train.epochs=2", "aug=hflip"], ["train.epochs=1", "existing=restart"]):
        code, shown = in_process(*words, *other)
        assert (code, "another run" in shown) == (0, False), other
    # With the advice taken, it says no more.
    code, shown = in_process(*words, "train.epochs=2", f"checkpoint={short}")
    assert (code, "another run" in shown) == (0, False)
    assert f"starting from the weights of {short}/checkpoints/best.safetensors" in shown
    code, shown = in_process(*words, "train.epochs=3", f"checkpoint={short}")
    assert "finished with train.epochs=2; this is another run, which starts from the same weights again" in shown


@pytest.mark.slow
def test_a_sweep_says_it_of_each_run_but_not_of_its_own(oxford: Path, in_process: Command) -> None:
    words = ["-m", *(word for word in tiny(oxford) if not word.startswith("train.epochs")), "seed=0,1"]
    code, shown = in_process(*words, "train.epochs=1,2")
    assert (code, "another run" in shown) == (0, False)
    code, shown = in_process(*words, "train.epochs=3")
    assert (code, shown.count("is finished with train.epochs=2; this is another run")) == (0, 2)
