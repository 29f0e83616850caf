"""Every example of docs/extending.md runs as printed, and is refused or noticed where the page says so."""

import json
import re
import shlex
from pathlib import Path

import pytest
import yaml
from conftest import only_run, write_oxford
from extending import FILES, PAGE, Command, rows, small
from PIL import Image

COMMANDS = re.findall(r"^python -m pets_seg\.run (.+)$", PAGE, re.MULTILINE)
LONGEST = 15


def data_of(root: Path) -> list[str]:
    """Write images and masks as data=pairs wants them."""
    folder = write_oxford(root / "whole", trainval=8, test=0)
    (root / "photos").mkdir()
    for image in (folder / "images").iterdir():
        trimap = Image.open(folder / "annotations" / "trimaps" / f"{image.stem}.png")
        trimap.point([3 * (value in (1, 3)) for value in range(256)]).save(root / "photos" / f"{image.stem}.png")
        image.rename(root / "photos" / image.name)
    return ["data.size=32", "train.epochs=1", "train.device=cpu", "tracker.mode=disabled"]


@pytest.mark.slow
@pytest.mark.parametrize("words", COMMANDS)
def test_an_example_runs_as_printed(words: str, oxford: Path, tmp_path: Path, run: Command) -> None:
    given = shlex.split(words.replace("/my", str(tmp_path / "work")))
    keys = {word.partition("=")[0] for word in given}
    more = [word for word in [*small(oxford), "model.width=2"] if word.partition("=")[0] not in keys]
    if "data=pairs" in given:
        more = [*data_of(tmp_path / "work"), "model.width=2"]
    if "tracker" in keys:
        more.remove("tracker.mode=disabled")
        more.append("tracker.every_steps=1")
    code, shown = run(*given, *more)
    assert code == 0, shown
    folder = only_run(tmp_path / "work")
    config = yaml.safe_load((folder / "config.yaml").read_text())
    for group, option in (word.split("=", 1) for word in given if word.partition("=")[0] in config):
        if group == "metric":
            assert {"val/area", "val/boundary_f1"} <= rows(folder / "metrics.csv")[0].keys()
        else:
            assert config[group]["name"] == option
    if "tracker" in keys:
        lines = [json.loads(line) for line in (folder / "journal.jsonl").read_text().splitlines()]
        assert [line.get("step") for line in lines] == [1, 2, None, 3, 4, None, None]
        assert [line.get("epoch") for line in lines] == [None, None, 1, None, None, 2, None]
        assert lines[-1] == json.loads((folder / "summary.json").read_text())


def test_no_example_is_longer_than_promised() -> None:
    by_part: dict[str, int] = {}
    for name, text in FILES.items():
        part = Path(name).stem
        by_part[part] = by_part.get(part, 0) + len([line for line in text.splitlines() if line.strip()])
    assert len(by_part) >= 8
    assert max(by_part.values()) <= LONGEST, by_part


def test_help_shows_what_the_file_says_and_imports_nothing(run: Command, tmp_path: Path) -> None:
    (tmp_path / "work" / "tiny.py").write_text("raise SystemExit(3)")
    code, shown = run("hydra.searchpath=[file://conf]", "--help", "model=tiny")
    assert code == 0, shown
    assert "resnet34_unet  timm_unet  tiny*  unet" in shown
    assert re.search(r"model\.width=8 +channels between the two convolutions", shown)
    code, shown = run("hydra.searchpath=[file://conf]", "--cfg", "job", "model=tiny")
    assert code == 0
    assert "_target_: tiny.Tiny" in shown


@pytest.mark.parametrize(
    ("words", "reason"),
    [
        ("model=tiny model.width=500", "model.width=500: must be from 1 to 256"),
        ("model=tiny model.width=wide", "model.width=wide: expected a whole number"),
        ("model=tiny +model.widht=4", "model.widht: tiny.Tiny takes no such argument (did you mean width?)"),
        ("model=tiny model.upsampling=bilinear", "model.upsampling: belongs to"),
        ("loss=brier +loss.focal=2", "loss.focal: brier.brier takes no such argument; it takes power"),
        ("scheduler=polynomial scheduler.power=x", "scheduler.power=x: expected a number"),
    ],
)
def test_what_a_signature_does_not_allow_is_refused(words: str, reason: str, run: Command) -> None:
    code, shown = run("hydra.searchpath=[file://conf]", *words.split())
    assert code == 2
    assert reason in shown
    assert len(shown.strip().splitlines()) == 1
