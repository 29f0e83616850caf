"""Every example of docs/extending.md runs as printed, and is refused or noticed where the page says so."""

import csv
import json
import re
import shlex
import sys
from collections.abc import Callable
from pathlib import Path

import pytest
import yaml
from conftest import only_run, tiny, write_oxford
from PIL import Image

from pets_seg.config import parts

Command = Callable[..., tuple[int, str]]
PAGE = (Path(__file__).parent.parent / "docs" / "extending.md").read_text(encoding="utf-8")
FILES: dict[str, str] = dict(re.findall(r"```\w+ /my/(\S+)\n(.*?)```", PAGE, re.DOTALL))
COMMANDS = re.findall(r"^python -m pets_seg\.run (.+)$", PAGE, re.MULTILINE)
LONGEST = 15


@pytest.fixture
def run(in_process: Command, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Command:
    """Run a command in a folder that holds the page's files."""
    work = tmp_path / "work"
    for name, text in FILES.items():
        (work / name).parent.mkdir(parents=True, exist_ok=True)
        (work / name).write_text(text)
    # As `python -m` does; a module of another test's folder must not be found.
    monkeypatch.syspath_prepend(str(work))
    for name in FILES:
        monkeypatch.delitem(sys.modules, name.removesuffix(".py"), raising=False)
    return in_process


def small(root: Path) -> list[str]:
    return [word for word in tiny(root) if not word.startswith(("model", "aug"))]


def data_of(root: Path) -> list[str]:
    """Write images and masks as data=pairs wants them."""
    folder = write_oxford(root / "whole", trainval=8, test=0)
    (root / "photos").mkdir()
    for image in (folder / "images").iterdir():
        trimap = Image.open(folder / "annotations" / "trimaps" / f"{image.stem}.png")
        trimap.point([3 * (value in (1, 3)) for value in range(256)]).save(root / "photos" / f"{image.stem}.png")
        image.rename(root / "photos" / image.name)
    return ["data.size=32", "train.epochs=1", "train.device=cpu", "tracker.mode=disabled"]


@pytest.mark.parametrize("words", COMMANDS)
def test_an_example_runs_as_printed(words: str, oxford: Path, tmp_path: Path, run: Command) -> None:
    given = shlex.split(words.replace("/my", str(tmp_path / "work")))
    keys = {word.partition("=")[0] for word in given}
    more = [word for word in [*small(oxford), "model.width=2"] if word.partition("=")[0] not in keys]
    if "data=pairs" in given:
        more = [*data_of(tmp_path / "work"), "model.width=2"]
    if "tracker" in keys:
        more.remove("tracker.mode=disabled")
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
        lines = (folder / "journal.txt").read_text().splitlines()
        assert len(lines) == 3
        assert lines[2] == f"{json.loads((folder / 'summary.json').read_text())['test_dice']:.4f}"


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
    assert "resnet34_unet  tiny*  unet" in shown
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


def rows(file: Path) -> list[dict[str, str]]:
    with open(file, encoding="utf-8", newline="") as opened:
        return list(csv.DictReader(opened))


def test_a_finished_run_gets_a_new_metric_and_is_compared_in_it(oxford: Path, tmp_path: Path, run: Command) -> None:
    whole = ["hydra.searchpath=[file://conf]", *tiny(oxford)]
    code, shown = run("-m", *whole, "aug=none,hflip", "seed=0,1")
    assert code == 0, shown
    sweep = tmp_path / "work" / "runs" / "default"
    names = sorted(path.name for path in sweep.glob("*-s*"))
    assert "test_area" not in rows(sweep / "runs.csv")[0]
    code, shown = run("-m", *whole, "aug=none,hflip", "seed=0,1", "metric=[area,boundary_f1]")
    assert code == 0, shown
    assert shown.count("scoring the best weights again for area, boundary_f1") == 4
    assert sorted(path.name for path in sweep.glob("*-s*")) == names
    for name in names:
        summary = json.loads((sweep / name / "summary.json").read_text())
        epochs = rows(sweep / name / "metrics.csv")
        filled = [row["val/area"] != "" for row in epochs]
        assert filled == [int(row["epoch"]) == summary["best_epoch"] for row in epochs]
        area = [float(row["area"]) for row in rows(sweep / name / "per_image.csv") if row["split"] == "test"]
        assert summary["test_area"] == pytest.approx(sum(area) / len(area), abs=1e-6)
        assert json.loads((sweep / name / "status.json").read_text())["metrics"]["area"]["lower_is_better"]
    compared = {row["metric"] for row in rows(sweep / "comparison.csv")}
    assert {"test_dice", "test_area", "test_boundary_f1"} <= compared
    page = (sweep / "report.html").read_text()
    assert "test boundary_f1" in page
    assert "test area (lower is better)" in page
    # The same again does nothing; a metric trained with gives what scoring again gives.
    code, shown = run("-m", *whole, "aug=none,hflip", "seed=0,1", "metric=[area]")
    assert "scoring" not in shown
    code, shown = run(*whole, "name=other", "metric=area")
    assert code == 0, shown
    again, first = only_run(tmp_path / "work", "other"), next(sweep.glob("*-none-*-s0-*"))
    for key in ("test_area", "val_area_at_best"):
        values = [json.loads((folder / "summary.json").read_text())[key] for folder in (again, first)]
        assert values[0] == pytest.approx(values[1], abs=1e-7)
    code, shown = run("task=evaluate", f"checkpoint={again}", "hydra.searchpath=[file://conf]", "metric=area")
    assert code == 0, shown
    assert re.search(r"^split=test images=4 dice=\S+ iou=\S+ loss=\S+ area=0\.\d{4}$", shown, re.MULTILINE)


def rewrite(file: Path, before: str, after: str, monkeypatch: pytest.MonkeyPatch) -> None:
    """Change a module as it would be for the next process."""
    file.write_text(file.read_text().replace(before, after))
    monkeypatch.delitem(sys.modules, file.stem)
    parts._digest.cache_clear()


def test_changed_code_of_ones_own_is_another_run(
    oxford: Path, tmp_path: Path, run: Command, monkeypatch: pytest.MonkeyPatch
) -> None:
    work = tmp_path / "work"
    words = ["hydra.searchpath=[file://conf]", "model=tiny", *small(oxford)]
    assert run(*words)[0] == 0
    code, shown = run(*words)
    assert "finished already" in shown
    rewrite(work / "tiny.py", "nn.ReLU()", "nn.GELU()", monkeypatch)
    code, shown = run(*words)
    assert code == 2
    assert "tiny.Tiny, or what it imports beside it, has changed since this run was made" in shown
    code, shown = run("task=evaluate", f"checkpoint={only_run(work)}", *words[:2])
    assert code == 2
    assert "has changed since" in shown
    # The same for one that is only begun.
    status = only_run(work) / "status.json"
    status.write_text(json.dumps({**json.loads(status.read_text()), "state": "failed", "sources": {}}))
    code, shown = run(*words)
    assert code == 2
    assert "last.pt: tiny.Tiny, or what it imports beside it, has changed since" in shown
    code, shown = run(*words, "existing=restart")
    assert code == 0, shown


def test_a_network_of_ones_own_is_rebuilt_only_where_the_command_names_it(
    oxford: Path, tmp_path: Path, run: Command
) -> None:
    code, shown = run("hydra.searchpath=[file://conf]", "model=tiny", *small(oxford))
    assert code == 0, shown
    folder = only_run(tmp_path / "work")
    assert (folder / "result.png").exists()
    # As a process of its own would begin.
    parts._allowed.clear()
    code, shown = run("task=evaluate", f"checkpoint={folder}")
    assert code == 2
    assert "name it in the command: model=tiny hydra.searchpath=[file:///my/conf]" in shown
    assert len(shown.strip().splitlines()) == 1
    code, shown = run("task=evaluate", f"checkpoint={folder}", "hydra.searchpath=[file://conf]", "model=tiny")
    assert code == 0, shown
    code, shown = run("task=evaluate", f"checkpoint={folder}", "model=unet")
    assert code == 2
    code, shown = run(f"replay={folder}", "train.device=cpu")
    assert code == 2
    assert "model=tiny: no such option" in shown


def test_what_a_class_imports_beside_it_counts_as_its_code(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    (tmp_path / "mine_base.py").write_text("class Base:\n    pass\n")
    (tmp_path / "mine_top.py").write_text("import os\nfrom mine_base import Base\n\n\nclass Top(Base):\n    pass\n")
    (tmp_path / "mine_other.py").write_text("")
    monkeypatch.syspath_prepend(str(tmp_path))
    config = {"model": {"_target_": "mine_top.Top"}, "loss": {"_target_": "pets_seg.losses.focal.focal"}}
    first = parts.source_digests(config)
    assert list(first) == ["mine_top.Top"]
    (tmp_path / "mine_base.py").write_text("class Base:\n    x = 1\n")
    # The code in memory is what a run is made of.
    assert parts.source_digests(config) == first
    parts._digest.cache_clear()
    second = parts.source_digests(config)
    assert second != first
    (tmp_path / "mine_other.py").write_text("x = 1")
    parts._digest.cache_clear()
    assert parts.source_digests(config) == second


def test_a_network_keeps_what_is_not_among_its_weights(oxford: Path, tmp_path: Path, run: Command) -> None:
    (tmp_path / "work" / "shifted.py").write_text(
        "import torch\nfrom torch import nn\n\n\nclass Shifted(nn.Module):\n    def __init__(self):\n"
        "        super().__init__()\n        self.conv = nn.Conv2d(3, 2, 3, padding=1)\n"
        "        self.register_buffer('shift', torch.tensor([0.25, 0.5]).view(2, 1, 1), persistent=False)\n"
        "        self.scale = torch.tensor(2.0)\n        self.rates = [x.item() for x in torch.linspace(0, 1, 3)]\n\n"
        "    def forward(self, image):\n        return self.conv(image) * self.scale.to(image.device) + self.shift\n"
    )
    (tmp_path / "work" / "conf" / "model" / "shifted.yaml").write_text("name: shifted\n_target_: shifted.Shifted\n")
    words = ["hydra.searchpath=[file://conf]", "model=shifted"]
    code, shown = run(*words, *small(oxford))
    assert code == 0, shown
    folder = only_run(tmp_path / "work")
    dice = json.loads((folder / "summary.json").read_text())["test_dice"]
    code, shown = run("task=evaluate", f"checkpoint={folder}", *words)
    assert code == 0, shown
    assert f"dice={dice:.4f}" in shown


def test_a_metric_of_other_settings_is_not_compared(oxford: Path, tmp_path: Path, run: Command) -> None:
    for aug, tolerance in (("none", 0.02), ("hflip", 0.02), ("vflip", 0.2)):
        words = [*tiny(oxford), f"aug={aug}", "metric=boundary_f1", f"metric.boundary_f1.tolerance={tolerance}"]
        code, shown = run(*[word for word in words if word != "aug=none" or aug == "none"])
        assert code == 0, shown
    code, shown = run("task=report", "runs=runs/default")
    assert code == 0, shown
    table = rows(tmp_path / "work" / "runs" / "default" / "comparison.csv")
    means = {row["group"]: row["mean"] for row in table if row["metric"] == "test_boundary_f1"}
    assert means["aug=hflip"]
    assert not means["aug=vflip"]
    assert (
        "metric boundary_f1 has other settings" in (tmp_path / "work" / "runs" / "default" / "report.html").read_text()
    )


def test_a_metric_added_to_a_run_that_goes_on_is_that_of_its_best_weights(
    oxford: Path, tmp_path: Path, run: Command, monkeypatch: pytest.MonkeyPatch
) -> None:
    words = ["hydra.searchpath=[file://conf]", *tiny(oxford)]
    with monkeypatch.context() as broken:
        broken.setattr("pets_seg.training.loop.score_best", lambda *_: 1 / 0)
        assert run(*words)[0] == 1
    code, shown = run(*words, "metric=area")
    assert code == 0, shown
    assert "continuing after epoch 2 of 2" in shown
    folder = only_run(tmp_path / "work")
    assert "val/area" not in rows(folder / "metrics.csv")[0]
    summary = json.loads((folder / "summary.json").read_text())
    valid = [float(row["area"]) for row in rows(folder / "per_image.csv") if row["split"] == "valid"]
    assert summary["val_area_at_best"] == pytest.approx(sum(valid) / len(valid), abs=1e-6)
