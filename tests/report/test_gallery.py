"""The images of the page that can be leafed through: which they are, and that masks and Dice are those of the runs."""

import json
import re
import shutil
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd
import pytest
from browser import Browser, opened
from conftest import tiny
from hypothesis import given
from hypothesis import strategies as st
from hypothesis.extra.numpy import arrays
from processes import forked
from sweeps import SMALL, write_sweep

from pets_seg.evaluation.prediction import predict_test
from pets_seg.report.gallery import LARGEST, _lengths
from pets_seg.report.study.gallery import choose_gallery
from pets_seg.report.study.study import read_study

MINUS = "\N{MINUS SIGN}"


@pytest.fixture(scope="module")
def browser(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Browser]:
    yield from opened(tmp_path_factory.mktemp("profile"))


def decoded(lengths: str, side: int) -> np.ndarray:
    runs = [int(text, 36) for text in lengths.split()]
    return np.repeat(np.arange(len(runs)) % 2 == 1, runs).reshape(side, side)


def gallery_of(sweep: Path) -> dict[str, Any]:
    [text] = re.findall(r'id="gallery-data">(.*?)</script>', (sweep / "report.html").read_text(encoding="utf-8"))
    return json.loads(text)


@given(st.integers(1, 20).flatmap(lambda side: arrays(bool, (side, side))))
def test_lengths_stand_for_the_mask(mask: np.ndarray) -> None:
    assert (decoded(_lengths(mask), len(mask)) == mask).all()


def test_it_has_the_worst_and_the_most_changed_images_of_each_group(tmp_path: Path) -> None:
    write_sweep(tmp_path, {"none": {}, "elastic": {"effect": 0.02}, "crop": {}}, **{**SMALL, "images": 70, "seeds": 2})
    study = read_study([tmp_path])
    gallery = choose_gallery(study)
    assert gallery.seeds == [0, 1]
    assert gallery.groups[0] is study.baseline
    mean = {group.name: sum(run.images["test"]["dice"] for run in group.finished) / 2 for group in gallery.groups}
    first = mean[gallery.groups[0].name]
    for group in gallery.groups:
        worst, changed = gallery.worst[group.name], gallery.changed[group.name]
        assert worst == mean[group.name].sort_values().index[:20].tolist()
        change = (mean[group.name] - first).abs().sort_values(ascending=False)
        assert changed == ([] if group is gallery.groups[0] else change.index[:20].tolist())
        # The baseline's mask is there for whatever is shown.
        assert {*worst, *changed} <= {*gallery.stems(gallery.groups[0])}


def test_a_group_with_the_scores_of_the_baseline_has_no_changed_images(tmp_path: Path) -> None:
    first, second = write_sweep(tmp_path, {"none": {}, "crop": {}}, **{**SMALL, "seeds": 1})
    shutil.copy(first / "per_image.csv", second)
    gallery = choose_gallery(read_study([tmp_path]))
    assert [gallery.changed[group.name] for group in gallery.groups] == [[], []]
    assert all(len(gallery.worst[group.name]) == 20 for group in gallery.groups)


@pytest.mark.parametrize(("macs", "expected"), [(5e9, (20, 1)), (1.3e10, (10, 1)), (2e10, (5, 1)), (5e11, None)])
def test_what_takes_long_is_less(tmp_path: Path, macs: float, expected: tuple[int, int] | None) -> None:
    runs = write_sweep(tmp_path, {"none": {}, "crop": {}}, **{**SMALL, "seeds": 3})
    for run in runs:
        summary = json.loads((run / "summary.json").read_text())
        (run / "summary.json").write_text(json.dumps(summary | {"macs": macs}))
    gallery = choose_gallery(read_study([tmp_path]))
    found = gallery and (max(map(len, gallery.worst.values())), len(gallery.seeds))
    assert found == expected


@pytest.mark.parametrize(("macs", "expected"), [(1e6, (5, 1)), (5e11, None)])
def test_of_a_network_whose_cost_is_not_known_there_is_the_least(
    tmp_path: Path, macs: float, expected: tuple[int, int] | None
) -> None:
    runs = write_sweep(tmp_path, {"none": {}, "crop": {}}, **{**SMALL, "seeds": 3})
    # Of one run that is shown, in whichever group.
    for run, cost in ((runs[0], macs), (runs[4], None)):
        summary = json.loads((run / "summary.json").read_text())
        (run / "summary.json").write_text(json.dumps(summary | {"macs": cost}))
    gallery = choose_gallery(read_study([tmp_path]))
    found = gallery and (max(map(len, gallery.worst.values())), len(gallery.seeds))
    assert found == expected


@pytest.mark.slow
def test_masks_of_every_size_are_shown_at_one(oxford: Path, tmp_path: Path) -> None:
    few = [word for word in tiny(oxford) if not word.startswith("data.size=")]
    few += ["train.batch_size=4", "optimizer.lr=0.01", "data.size=192,32", "report.baseline={data.size:192}"]
    assert forked("-m", "name=s", *few, cwd=tmp_path).returncode == 0
    data = gallery_of(tmp_path / "runs" / "s")
    side = data["side"]
    assert data["groups"] == ["size=192", "size=32"]
    assert side == LARGEST
    runs = {f"size={run.settings['data.size']}": run.folder for run in read_study([tmp_path / "runs" / "s"]).runs}
    for group, name in enumerate(data["groups"]):
        shown = [number for number, text in enumerate(data["masks"][group][0]) if text]
        assert shown
        _, _, masks = predict_test(runs[name], [data["stems"][number] for number in shown])
        for number, mask in zip(shown, masks, strict=True):
            found = decoded(data["masks"][group][0][number], side)
            # The pixel of the mask in which the middle of a shown pixel lies.
            nearest = [(2 * index + 1) * len(mask) // (2 * side) for index in range(side)]
            assert (found == mask[nearest][:, nearest]).all()
            truth = decoded(data["truths"][number], side)
            dice = (2 * (found & truth).sum() + 1e-6) / (found.sum() + truth.sum() + 1e-6)
            assert dice == pytest.approx(data["dice"][group][0][number], abs=0.1)
        assert max(data["dice"][group][0]) > 0.3
    said = f"Outlines are drawn at {side} \N{MULTIPLICATION SIGN} {side} pixels"
    assert said in (tmp_path / "runs" / "s" / "report.html").read_text(encoding="utf-8")


@pytest.mark.slow
def test_masks_and_dice_are_those_of_the_runs_and_a_browser_shows_them(
    oxford: Path, tmp_path: Path, browser: Browser
) -> None:
    few = [word for word in tiny(oxford) if not word.startswith(("aug=", "train.epochs="))]
    few += ["train.epochs=3", "train.batch_size=4", "optimizer.lr=0.01"]
    assert forked("-m", "name=s", *few, "aug=none,hflip", "seed=0,1", cwd=tmp_path).returncode == 0
    page = tmp_path / "runs" / "s" / "report.html"
    data = gallery_of(page.parent)
    assert data["groups"] == ["none", "hflip"]
    assert data["seeds"] == [0, 1]
    for group, name in enumerate(data["groups"]):
        for seed in data["seeds"]:
            [run] = page.parent.glob(f"unet-{name}-*-s{seed}-*")
            table = pd.read_csv(run / "per_image.csv").query("split == 'test'").set_index("stem")["dice"]
            for number, stem in enumerate(data["stems"]):
                counted = np.ones((data["side"],) * 2, dtype=bool)
                if data["uncounted"][number]:
                    counted = ~decoded(data["uncounted"][number], data["side"])
                truth = decoded(data["truths"][number], data["side"])[counted]
                predicted = decoded(data["masks"][group][seed][number], data["side"])[counted]
                dice = 2 * (truth & predicted).sum() / max(truth.sum() + predicted.sum(), 1)
                assert data["dice"][group][seed][number] == pytest.approx(table[stem], abs=1e-4)
                assert dice == pytest.approx(table[stem], abs=1e-4)
    for width in (390, 1280):
        browser.open(page, width=width)
        ends = "[...document.querySelectorAll('#gallery *')].map((one) => one.getBoundingClientRect().right)"
        assert max(browser.run(ends)) <= width
    captions = "[...document.querySelectorAll('#gallery .cards b')].map((one) => one.textContent)"
    shown = browser.run(captions)
    assert len(shown) == len(data["changed"][1])
    number = data["changed"][1][0]
    now, before = (data["dice"][group][0][number] for group in (1, 0))
    assert shown[0] == f"Dice {now:.3f} ({'+' if now >= before else MINUS}{100 * abs(now - before):.1f} points)"
    for place, value in enumerate(("none", "worst", "1")):
        browser.run(
            f"(() => {{ const select = document.querySelectorAll('#gallery select')[{place}]; select.value = "
            f"{value!r}; select.dispatchEvent(new Event('change')); }})()"
        )
    assert browser.run(captions)[0] == f"Dice {data['dice'][0][1][data['worst'][0][0]]:.3f}"
    browser.run("document.querySelectorAll('#gallery .bar button').forEach((button) => button.click())")
    assert browser.run("document.querySelectorAll('#gallery canvas').length") == len(data["worst"][0])
    assert browser.problems == []
    # The second group as it is where it has the scores of the first.
    text = page.read_text(encoding="utf-8")
    alike = data | {"dice": data["dice"][:1] * 2, "changed": [[], []]}
    [former] = re.findall(r'id="gallery-data">(.*?)</script>', text)
    page.write_text(text.replace(former, json.dumps(alike)), encoding="utf-8")
    browser.open(page)
    said = "document.querySelector('#gallery .cards').textContent"
    assert browser.run(said).startswith("Its Dice, averaged over the seeds, is that of none for every image;")
    choose = "(() => { const select = document.querySelector('#gallery select'); select.value = 'none'; "
    browser.run(choose + "select.dispatchEvent(new Event('change')); })()")
    assert browser.run(said).startswith("It is what the others are compared with;")
    assert browser.problems == []
