"""The study of small networks: its table and plot against other code, and what is refused."""

import subprocess
import sys
from collections.abc import Iterator
from itertools import product
from pathlib import Path

import matplotlib as mpl
import numpy as np
import pandas as pd
import pytest
from scipy import stats
from small_studies import COSTS, Load, keep_rows, kept_rows, modules

from pets_seg.report.plotting.looks import STYLE


@pytest.fixture
def load(monkeypatch: pytest.MonkeyPatch) -> Iterator[Load]:
    with modules(monkeypatch) as load:
        yield load


def test_intervals_are_those_of_student(load: Load, tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    load("table").write_table(keep_rows(load, tmp_path))
    table = pd.read_csv(tmp_path / "table.csv")
    [*named] = table[["network", "training", "form"]].itertuples(index=False, name=None)
    assert named == [*product(COSTS, ("plain", "distilled"), ("fp32", "int8"))]
    _, exports = kept_rows()
    dice = {key: group["dice"].to_numpy() for key, group in exports.groupby(["network", "training", "form"])}
    for key, (_, row) in zip(named, table.iterrows(), strict=True):
        network, training, form = key
        wanted = stats.t.interval(0.95, 2, dice[key].mean(), stats.sem(dice[key]))
        assert (row["dice"], row["dice_low"], row["dice_high"]) == pytest.approx((dice[key].mean(), *wanted))
        for name, baseline in (("distillation", (network, "plain", form)), ("int8", (network, training, "fp32"))):
            found = row[[name, f"{name}_low", f"{name}_high"]].tolist()
            if baseline == key:
                assert np.isnan(found).all()
                continue
            paired = stats.ttest_rel(dice[key], dice[baseline]).confidence_interval()
            assert found == pytest.approx([100 * (dice[key] - dice[baseline]).mean(), *(100 * np.array(paired))])
    shown = capsys.readouterr().out
    head, _, *body = [line.strip("| ").split(" | ") for line in shown.splitlines() if line.startswith("|")]
    assert head[6:8] == ["test Dice (95 % CI)", "distilled - plain, points (95 % CI)"]
    low, mean, high = (table.loc[0, f"dice{end}"] for end in ("_low", "", "_high"))
    assert body[0][:3] == ["UNet 4", "plain", "fp32"]
    assert body[0][6] == f"{mean:.4f} ({low:.4f} to {high:.4f})"
    assert "Teacher: UNet 32, 20 epochs, test Dice 0.9000." in shown
    assert "AMD EPYC, AVX512, ONNX Runtime 1.32.0; other processes used 0.02 cores meanwhile" in shown


def test_the_plot_has_every_row_at_its_place_in_a_mark_of_its_own(load: Load, tmp_path: Path) -> None:
    folder = keep_rows(load, tmp_path / "kept")
    table = load("table").write_table(folder)
    with mpl.rc_context(STYLE):
        [axes] = load("figure").draw(table).figure.axes
    drawn = [
        (*mark.lines[0].get_xydata()[0], *np.sort(mark.lines[2][0].get_segments()[0][:, 1])) for mark in axes.containers
    ]
    wanted = table[["ms", "dice", "dice_low", "dice_high"]].itertuples(index=False, name=None)
    assert sorted(drawn) == [pytest.approx(row) for row in sorted(wanted)]
    assert axes.get_xscale() == "log"
    axes.figure.draw_without_rendering()
    ticks = [label.get_text() for which in ("major", "minor") for label in axes.get_xticklabels(which=which)]
    assert {*filter(None, ticks)} <= {"0.1", "0.2", "0.5", "1", "2", "5", "10"}
    # Without colour they still differ: by shape, and by whether they are filled.
    looks = {(mark.lines[0].get_marker(), mark.lines[0].get_markerfacecolor() == "white") for mark in axes.containers}
    assert len(looks) == 4
    load("figure").write(folder, table)
    assert (folder / "figure.png").read_bytes().startswith(b"\x89PNG")
    assert {path.name for path in (folder / "figures").iterdir()} == {
        f"dice_by_time_{width}in.{form}" for width in ("7", "3.5") for form in ("pdf", "svg")
    }


@pytest.mark.parametrize("refused", [1, 3])
def test_what_was_refused_is_shown(
    refused: int, load: Load, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    table = load("table").write_table(keep_rows(load, tmp_path, refused))
    [row] = [line for line in capsys.readouterr().out.splitlines() if "refused" in line]
    cells = row.strip("|").split(" | ")
    assert cells[2] == f"int8, {refused} of 3 refused"
    _, exports = kept_rows(refused)
    group = exports[(exports["network"] == "unet") & (exports["training"] == "plain") & (exports["form"] == "int8")]
    assert cells[6].startswith(f"{group['dice'].mean():.4f}")
    assert bool(cells[-1].strip()) == (refused < 3)
    [said] = load("figure").notes(table)
    assert said == f"UNet 4, plain, int8: {refused} of 3 refused{', not drawn' if refused == 3 else ''}"
    with mpl.rc_context(STYLE):
        figure = load("figure").draw(table).figure
    assert said in [text.get_text() for text in figure.texts]
    assert len(figure.axes[0].containers) == (7 if refused == 3 else 8)


@pytest.mark.parametrize(("error", "ended"), [(SystemExit, True), (KeyboardInterrupt, False)])
def test_what_is_trained_beside_is_ended_with_the_script(error: type[BaseException], ended: bool, load: Load) -> None:
    process = subprocess.Popen([sys.executable, "-c", "import time; time.sleep(2)"])
    with pytest.raises(error), load("commands").beside(process):
        raise error
    assert (process.returncode != 0) == ended


@pytest.mark.parametrize("words", ["unet", "unet:", ":4", "unet:x"])
def test_a_wrong_network_is_refused(words: str, load: Load) -> None:
    with pytest.raises(Exception, match="expected NAME:WIDTH"):
        load("cells").read_networks(words)
