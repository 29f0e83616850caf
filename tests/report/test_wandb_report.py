"""The W&B Report: what is saved in it, once for each title, and what is said where it cannot be."""

import sys
from collections.abc import Iterator
from typing import Any

import pytest
import wandb
from wandb_server import ENTITY, KEY, WandbServer

from pets_seg.errors import InputError
from pets_seg.report.wandb_report import save_report

ASKED = {"sweeps": ["one", "it's two"], "markdown": "# Answer\n\n| aug | dice |\n|---|---|\n| crop | 0.8 |\n"}
# Of the project "p", which the server knows.
PROJECT = "p"


@pytest.fixture
def server(monkeypatch: pytest.MonkeyPatch) -> Iterator[WandbServer]:
    """A server that the environment of this test names, and W&B as it is in a new process."""
    with WandbServer() as server:
        for name, value in server.environment.items():
            monkeypatch.setenv(name, value)
        wandb.teardown()
        yield server
    wandb.teardown()


def parts(spec: dict[str, Any]) -> tuple[str, dict[str, Any], list[dict[str, Any]]]:
    """Return the words, the run set and the panels of a saved report."""
    [words] = [block["content"] for block in spec["blocks"] if block["type"] == "markdown-block"]
    [grid] = [block["metadata"] for block in spec["blocks"] if block["type"] == "panel-grid"]
    [runs] = grid["runSets"]
    return words, runs, grid["panelBankSectionConfig"]["panels"]


@pytest.mark.slow
def test_a_report_is_created_once_and_then_renewed(server: WandbServer) -> None:
    address = save_report("pets_seg: one", keys=["aug"], project=PROJECT, **ASKED)
    [(key, kept)] = server.reports.items()
    assert address == f"{server.url}/{ENTITY}/{PROJECT}/reports/pets_seg:-one--{key}"
    assert (kept["displayName"], kept["projectName"], kept["type"]) == ("pets_seg: one", PROJECT, "runs")
    words, runs, panels = parts(kept["spec"])
    assert words == ASKED["markdown"]
    [only] = runs["filters"]["filters"]
    assert (only["key"], only["op"], only["value"]) == ({"section": "run", "name": "group"}, "IN", ASKED["sweeps"])
    assert (runs["project"]["name"], runs["project"]["entityName"]) == (PROJECT, ENTITY)
    assert runs["grouping"] == [{"section": "config", "name": "aug.value.name"}]
    shown = {(panel["viewType"], *panel["config"].get("metrics", ())): panel["config"] for panel in panels}
    bands = {"groupBy": "aug.value.name", "groupAgg": "mean", "groupArea": "stddev"}
    for metric in ("train/loss", "val/loss", "val/dice"):
        assert shown["Run History Line Plot", metric].items() >= (bands | {"xAxis": "epoch"}).items()
    for metric in ("best_val_dice", "test/dice"):
        assert shown["Bar Chart", metric].items() >= bands.items()
    assert shown["Media Browser",]["mediaKeys"] == ["val/pictures"]
    assert ("Run Comparer",) in shown
    assert len(shown) == 7

    again = save_report("pets_seg: one", ["one"], ["aug", "optimizer.lr"], "new", PROJECT)
    assert (again, list(server.reports)) == (address, [key])
    words, runs, panels = parts(server.reports[key]["spec"])
    assert words == "new"
    assert [one["name"] for one in runs["grouping"]] == ["aug.value.name", "optimizer.value.lr"]
    # Two keys: the panels group as the run set does.
    assert not any("groupBy" in panel["config"] for panel in panels)
    assert {panel["config"].get("groupAgg") for panel in panels[:5]} == {"mean"}

    save_report("pets_seg: one", ["one"], ["aug", "data_digest"], "new", PROJECT)
    _, runs, panels = parts(server.reports[key]["spec"])
    assert [(one["section"], one["name"]) for one in runs["grouping"]] == [
        ("config", "aug.value.name"),
        ("summary", "data_digest"),
    ]
    assert not any("groupBy" in panel["config"] for panel in panels)

    save_report("pets_seg: other", ["one"], [], "other", PROJECT)
    assert len(server.reports) == 2


def refusal(**changed: Any) -> str:
    with pytest.raises(InputError) as caught:
        save_report(**{"title": "t", "keys": ["aug"], "project": PROJECT, **ASKED, **changed})
    shown = str(caught.value)
    assert "\n" not in shown
    assert KEY not in shown
    return shown


def test_a_server_that_does_not_take_it_is_one_line(server: WandbServer) -> None:
    server.status = 403
    assert refusal().startswith("the W&B server did not take the report: ")
    assert "not today" in refusal()
    server.die()
    assert refusal().startswith(f"the W&B server {server.url} does not answer (")


def test_without_a_key_or_the_extra_it_says_what_to_do(
    server: WandbServer, monkeypatch: pytest.MonkeyPatch, tmp_path: object
) -> None:
    monkeypatch.setenv("WANDB_API_KEY", "short")
    assert refusal().startswith("a W&B report needs an account: WANDB_API_KEY invalid")
    monkeypatch.delenv("WANDB_API_KEY")
    wandb.teardown()
    monkeypatch.setenv("NETRC", f"{tmp_path}/none")
    assert "needs a key, and none is configured; `wandb login`" in refusal()
    monkeypatch.setitem(sys.modules, "wandb_workspaces", None)
    assert 'pip install "pets_seg[reports]"' in refusal()
    assert server.asked == []
