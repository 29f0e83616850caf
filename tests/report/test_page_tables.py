"""The tables of the page in a browser: whole at every width, and the settings that all groups share."""

import json
from collections.abc import Iterator
from pathlib import Path

import pytest
from browser import WIDER, Browser, opened
from sweeps import SMALL, page_with, write_sweep

from pets_seg.command.tasks.report import tables_of
from pets_seg.report.page import render
from pets_seg.report.study.study import read_study
from pets_seg.report.tables import Table, main_table

SHORT, LONG = "none", "elastic_then_random_resized_crop_and_colour_jitter"
SWEEPS = {
    "one factor": ({"none": {}, "elastic": {"effect": 0.02}, "bad": {"state": "failed"}}, 3),
    "two factors": (
        {
            f"{model}{aug}": {"config": {"model.name": model, "aug.name": aug}, "effect": 0.01 * len(aug)}
            for model in ("unet", "resnet34_unet", "timm_unet")
            for aug in ("none", "elastic", "crop", "elastic_or_crop", "color")
        },
        3,
    ),
    "one seed": ({"none": {"memory": 3000.0}, "elastic": {"effect": 0.02, "memory": 9000.0}}, 1),
    "thirty": ({"none": {}} | {f"a{index:02}": {"effect": 0.003 * index} for index in range(30)}, 2),
    "long names": (
        {
            f"{aug}{decay}{way}{last}": {
                "config": {"aug.name": aug, "optimizer.weight_decay": decay, "model.a_setting_of_a_very_long_name": way}
                | {"train.checkpoint_activations_of_encoder": last}
            }
            for aug in (SHORT, LONG)
            for decay in (0.0, 0.01)
            for way in ("bilinear_with_learned_refinement", "transposed")
            for last in (True, False)
        },
        2,
    ),
}


@pytest.fixture(scope="module")
def browser(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Browser]:
    yield from opened(tmp_path_factory.mktemp("profile"))


# The text of the cells of a table that can be seen, or be scrolled to.
VISIBLE = """[...document.querySelectorAll("{} .cell")]
  .filter((cell) => cell.textContent && cell.checkVisibility({{ visibilityProperty: true }}))
  .map((cell) => cell.textContent)"""


@pytest.mark.slow
@pytest.mark.parametrize("name", SWEEPS)
def test_nothing_is_wider_than_the_window(name: str, browser: Browser, tmp_path: Path) -> None:
    groups, seeds = SWEEPS[name]
    write_sweep(tmp_path / "s", groups, seeds=seeds, **SMALL)
    (tmp_path / "s" / f"{LONG}_without_a_status").mkdir()
    study = read_study([tmp_path / "s"])
    tables = tables_of(study)
    many = Table("Many", ["group", *(f"metric_of_a_name_{i}" for i in range(25))], [[LONG, *["0.1234 ± 0.0012"] * 20]])
    page = page_with(study, tmp_path / "page.html", *tables, many)
    for width, media in ((1280, "light"), (1000, "light"), (690, "light"), (390, "dark"), (320, "light")):
        browser.open(page, width, media=media)
        browser.run("document.querySelectorAll('details').forEach((folded) => { folded.open = true; })")
        assert browser.run(WIDER) == []
        assert browser.run("document.documentElement.scrollWidth") <= width
        assert browser.problems == []
        # Every figure of every table is there to be read, at every width.
        for number, table in enumerate(tables):
            shown = browser.run(VISIBLE.format(f"#table{f'-{number}' if number else ''}"))
            assert shown == [cell for row in table.rows for cell in row if cell]
    # On the narrowest a value has its label beside it.
    assert browser.run("getComputedStyle(document.querySelector('#table td.cell'), '::before').content").startswith(
        f'"{tables[0].header[1]}"'
    )


def test_what_all_groups_share_stands_beneath_in_what_they_differ(tmp_path: Path, browser: Browser) -> None:
    groups = {
        name: {"config": {"optimizer.name": name, "optimizer.lr": lr}, "parameters": 1000 * size}
        for name, lr, size in (("adamw", 0.003, 1), ("sgd", 0.1, 2))
    }
    for run in write_sweep(tmp_path, groups, seeds=4, **SMALL):
        status = json.loads((run / "status.json").read_text()) | {"data": {"train": 532, "valid": 10, "test": 40}}
        (run / "status.json").write_text(json.dumps(status))
    study = read_study([tmp_path])
    browser.open(page_with(study, tmp_path / "page.html", main_table(study)), 390)
    section = "document.querySelector('#configurations')"
    pairs = (
        "Object.fromEntries([...{}.querySelectorAll('dt')].map((term) => "
        "[term.textContent, term.nextElementSibling.textContent]))"
    )
    first = browser.run(pairs.format(f"{section}.querySelector('.pairs')"))
    assert first == {
        "network": "unet",
        "width": "16",
        "parameters": "1,000 to 2,000",
        "loss": "cross_entropy",
        "learning rate": "0.1 with sgd, 0.003 with adamw",
        "schedule": "onecycle",
        "epochs": "5",
        "batch size": "16",
        "image size, pixels": "64",
        "precision": "fp32",
        "augmentation": "none",
        "data": "sample",
        "training images": "532",
        "seeds": "0 to 3",
    }
    rest = browser.run(pairs.format(f"{section}.querySelector('.pairs + details')"))
    assert rest["scheduler.warmup"] == "0.15"
    assert not {"optimizer.lr", "train.epochs"} & rest.keys()
    assert not browser.run(f"{section}.querySelector('.pairs + details').open")
    # A setting in which they differ is in the table, and no seed is said to be in a group that lacks it.
    rows = browser.run(f"[...{section}.querySelectorAll('.record')].map((row) => row.innerText)")
    assert [row.split()[0] for row in rows] == ["optimizer=sgd", "optimizer=adamw"]
    for run in study.groups[1].runs[2:]:
        (run.folder / "status.json").unlink()
    less = render(read_study([tmp_path]), answer=[], tables=[], figures=[], notes=[], made=[])
    assert "<dt>seeds</dt><dd>0 to 3; not every group has each</dd>" in less
