"""`make verify`: the pages are as their claims say, and whatever is changed in them or in kept results is noticed."""

import re
import shutil
from pathlib import Path

import pytest
import yaml
from archive import unpack, write_archive
from kept_files import ROOT
from kept_studies import Kept, check_study
from verify import check_files, claim_files

QUICKSTART = ROOT / "experiments" / "quickstart"
DECIDE = ROOT / "experiments" / "sequential" / "decide"
RESULTS = ("README.md", "claims.yaml", "kept.sha256", "report.md", "runs.csv", "comparison.csv", "runs.tar.xz")


def named(file: Path) -> str:
    return file.relative_to(ROOT / "experiments").as_posix()


@pytest.mark.parametrize("file", claim_files(), ids=named)
def test_every_figure_is_what_the_kept_results_say(file: Path) -> None:
    assert check_files([file]).failures == []


@pytest.fixture
def copy(tmp_path: Path) -> Path:
    """Return a copy of experiments/quickstart that may be changed."""
    folder = tmp_path / "experiments" / "quickstart"
    folder.mkdir(parents=True)
    for name in RESULTS:
        shutil.copy(QUICKSTART / name, folder / name)
    (tmp_path / "docs").mkdir()
    shutil.copy(ROOT / "docs" / "terminal.md", tmp_path / "docs")
    return folder


def change(file: Path, old: str, new: str) -> None:
    text = file.read_text()
    assert old in text
    file.write_text(text.replace(old, new, 1))


def failures(folder: Path) -> list[str]:
    return [line.replace(f"{folder}/", "") for line in check_files([folder / "claims.yaml"]).failures]


def test_an_unchanged_copy_is_sound(copy: Path) -> None:
    assert failures(copy) == []


@pytest.mark.parametrize(
    ("file", "old", "new", "line"),
    [
        ("README.md", "0.7501 ±", "0.7511 ±", '"0.7511" in .* should be 0.7501: mean\\(test_dice\\) of runs.csv'),
        ("README.md", "± 0.0232", "± 0.0233", '"0.0233" in .* should be 0.0232: sd\\(test_dice\\)'),
        ("README.md", "-0.3 (-3.5 to 2.8) |", "0.3 (-3.5 to 2.8) |", '"0.3" in .* should be -0.3'),
        ("README.md", "for 449 seconds", "for 450 seconds", '"450" in .* should be 449: sum\\(train_seconds\\)'),
        ("README.md", "about 108", "about 107", '"107" in .* should be 108: found'),
        ("README.md", "0.8137 on", "0.8137 (not 0.8138) on", '"0.8138" in .* is in no claim; bind it in claims.yaml'),
        ("README.md", "the nine runs", "nine runs", "the nine runs trained .* stands 0 times"),
        ("README.md", "UNet of width 8 ", "small UNet ", 'not_from_runs: the text "UNet of width 8" has no number'),
        ("runs.csv", "0.7545021647894888", "0.7545021647894889", "runs.csv: test_dice of row 1 \\(unet-crop-muon-s0"),
        ("runs.csv", ",54.744949346990325,", ",54.744949346990326,", "runs.csv: was changed: its SHA-256"),
        ("comparison.csv", "0.7104275470266349", "0.0104275470266349", "comparison.csv: p of row 1 \\(aug=elastic"),
        ("report.md", "interval is -3.5 to 2.8", "interval is -3.4 to 2.8", "report.md: lacks what the archive gives"),
        ("claims.yaml", "- why: a number of", "- wy: a number of", "claims.yaml: .*unexpected keyword argument 'wy'"),
        ("claims.yaml", "{mean(test_dice)}", "{mean(test_dise)}", "claims.yaml: there is no column test_dise"),
    ],
)
def test_whatever_is_changed_fails_with_a_line_that_names_it(
    file: str, old: str, new: str, line: str, copy: Path
) -> None:
    change(copy / file, old, new)
    found = failures(copy)
    assert [one for one in found if re.search(line, one)], found
    # A claim that fits nothing leaves its number without one.
    assert all("is in no claim" in one for one in found[1:])


def test_a_changed_archive_is_noticed_whatever_is_in_it(copy: Path, tmp_path: Path) -> None:
    sweep = unpack(copy / "runs.tar.xz", tmp_path / "runs")
    scores = next(sweep.glob("unet-none-*/per_image.csv"))
    change(scores, "test,Abyssinian_", "test,Egyptian_")
    write_archive(sweep, copy / "runs.tar.xz")
    lines = failures(copy)
    assert len([line for line in lines if "comparison.csv: " in line]) >= 2
    (copy / "runs.tar.xz").write_bytes(b"broken")
    assert [line for line in failures(copy) if line.startswith("runs.tar.xz: ")] == failures(copy)


def test_without_an_archive_what_runs_csv_tells_is_computed_anew(copy: Path) -> None:
    content = yaml.safe_load((copy / "claims.yaml").read_text())
    (copy / "claims.yaml").write_text(yaml.safe_dump(content | {"studies": [{"folder": "."}]}))
    assert failures(copy) == []
    change(copy / "comparison.csv", "-0.0031521052536483043", "-0.0032521052536483043")
    change(copy / "comparison.csv", "0.06565719108268905", "0.00565719108268905")
    lines = failures(copy)
    assert any("test_dice of aug=elastic: difference is -0.00325" in line for line in lines)
    assert any("test_dice of aug=crop: the interval is narrower than that over seeds alone" in line for line in lines)


@pytest.mark.parametrize(
    ("file", "old", "new", "line"),
    [
        ("design.json", '"margin": 2', '"margin": 3', "design.json: margin is 3.*, the archive has 2"),
        ("design.json", '"optimizer.lr": 0.008', '"optimizer.lr": 0.009', "design.json: groups.aug=none.settings"),
        ("verdicts.csv", "equal,7,10", "better,7,10", "verdict of row 1 .* is better, the archive gives equal"),
        ("verdicts.csv", "0.24635231402374883", "0.24635231502374883", "difference of row 1 \\(aug=crop"),
        ("verdicts.json", '"look": 9', '"look": 8', "verdicts.json: is not what the looks .* give"),
        ("runs.csv", "0.7552475204777491", "0.7552475204777492", "runs.csv: test_dice of row 1 \\(unet-crop-muon-s0"),
    ],
)
def test_a_changed_design_or_verdict_of_a_sequential_sweep_fails(
    file: str, old: str, new: str, line: str, tmp_path: Path
) -> None:
    kept = Kept(archive="runs.tar.xz", measured_again=("train_seconds", "peak_memory_mb"))
    for name in ("design.json", "verdicts.csv", "verdicts.json", "runs.csv", "report.md", "runs.tar.xz"):
        shutil.copy(DECIDE / name, tmp_path / name)
    change(tmp_path / file, old, new)
    [(path, text)] = check_study(kept, tmp_path)
    assert re.search(line, f"{path.name}: {text}")
