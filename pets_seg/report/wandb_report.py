"""A W&B Report of sweeps: their runs side by side, with the text of the page."""

import importlib.util
import json
import os
import subprocess
import sys
from typing import Any

from pets_seg.errors import InputError
from pets_seg.run_folder.data_record import DATA_DIGEST
from pets_seg.tracking.content import PICTURES
from pets_seg.tracking.wandb_account import PATIENCE, check_server, key_configured, one_line_without_secrets

CURVES = {"train/loss": "training loss", "val/loss": "validation loss", "val/dice": "validation Dice"}
BARS = {"best_val_dice": "best validation Dice", "test/dice": "test Dice"}
# In seconds, for all requests to the server.
DEADLINE = 60
LONGEST_TITLE = 128
# In columns: W&B's grid of panels.
WIDTH = 24


def save_report(
    title: str, sweeps: list[str], keys: list[str], markdown: str, project: str, entity: str | None = None
) -> str:
    """Create the report `title` in the W&B project, or renew it, and return its address.

    The entity is that of the account if none is given. The report shows the runs of `sweeps`, grouped by `keys`
    ("aug" is its option's name, "optimizer.lr" itself, DATA_DIGEST that of the summary). Raises InputError, within
    seconds, if the extra or a key is missing or the server does not take it.
    """
    check_account()
    check_server()
    # W&B can wait for a silent server for ever, even when its process ends, so it has a process of its own.
    asked = json.dumps([title, sweeps, keys, markdown, project, entity])
    command = [sys.executable, "-m", "pets_seg.report.wandb_report"]
    try:
        done = subprocess.run(command, input=asked, capture_output=True, text=True, timeout=DEADLINE, check=False)
    except subprocess.TimeoutExpired:
        raise InputError(f"the W&B server did not take the report in {DEADLINE} seconds; try later") from None
    if done.returncode:
        reason = (done.stderr.strip().splitlines() or ["no reason given"])[-1]
        raise InputError(f"the W&B server did not take the report: {reason}")
    return done.stdout.splitlines()[-1]


def check_account() -> None:
    """Raise InputError if the extra is missing or no key is configured; ask no server."""
    if importlib.util.find_spec("wandb_workspaces") is None:
        raise InputError('a W&B report needs wandb-workspaces, which is not there; pip install "pets_seg[reports]"')
    try:
        configured = key_configured()
    # The key is malformed, for example.
    except Exception as error:
        raise InputError(f"a W&B report needs an account: {one_line_without_secrets(error)}") from None
    if not configured:
        raise InputError("a W&B report needs a key, and none is configured; `wandb login`, or set WANDB_API_KEY")


def build_report(title: str, sweeps: list[str], keys: list[str], markdown: str, project: str, entity: str) -> Any:
    """Return a wandb_workspaces Report that is not saved yet."""
    import wandb_workspaces.reports.v2 as wr

    paths = [_path(key) for key in keys]
    # A panel takes one key; without one it groups as the run set does.
    grouped: dict[str, Any] = {"groupby": wr.Config(paths[0].removeprefix("config."))} if len(paths) == 1 else {}
    grouped |= {"groupby_aggfunc": "mean", "groupby_rangefunc": "stddev"} if paths else {}
    runs = wr.Runset(
        entity=entity,
        project=project,
        name=", ".join(sweeps),
        # A Python expression: W&B's own filters fail at a quote in a name.
        filters=f"Group in {sweeps!r}",
        groupby=paths,
    )
    third, half = WIDTH // len(CURVES), WIDTH // len(BARS)
    panels: list[Any] = [
        wr.LinePlot(title=text, x="epoch", y=[key], layout=wr.Layout(x=place * third, y=0, w=third, h=8), **grouped)
        for place, (key, text) in enumerate(CURVES.items())
    ]
    panels += [
        wr.BarPlot(title=text, metrics=[key], layout=wr.Layout(x=place * half, y=8, w=half, h=8), **grouped)
        for place, (key, text) in enumerate(BARS.items())
    ]
    title_of_images = "validation images: ground truth and prediction"
    layout = wr.Layout(x=0, y=16, w=WIDTH, h=10)
    panels.append(wr.MediaBrowser(title=title_of_images, media_keys=[PICTURES], layout=layout))
    panels.append(wr.RunComparer(diff_only="split", layout=wr.Layout(x=0, y=26, w=WIDTH, h=12)))
    report = wr.Report(project=project, entity=entity, title=title, width="fluid")
    report.blocks = [wr.MarkdownBlock(text=markdown), wr.PanelGrid(runsets=[runs], panels=panels)]
    return report


def _path(key: str) -> str:
    """Return where W&B has the value of a key."""
    if key == DATA_DIGEST:
        return f"summary.{key}"
    return f"config.{key}" if "." in key else f"config.{key}.name"


def _save(title: str, sweeps: list[str], keys: list[str], markdown: str, project: str, entity: str | None) -> str:
    import wandb

    title = title[:LONGEST_TITLE]
    api = wandb.Api(timeout=PATIENCE)
    entity = entity or api.settings["entity"] or api.default_entity
    if entity is None:
        raise InputError("the W&B account has no default entity; set WANDB_ENTITY")
    if project not in {known.name for known in api.projects(entity)}:
        api.create_project(project, entity)
    report = build_report(title, sweeps, keys, markdown, project, entity)
    earlier = [known for known in api.reports(f"{entity}/{project}") if known.display_name == title]
    if earlier:
        report.id = earlier[0].id
    return report.save().url


def main() -> None:
    """Save the report that standard input describes and print its address, or an error in one line."""
    try:
        key_configured()
        print(_save(*json.load(sys.stdin)), flush=True)
    # Whatever W&B and its transport raise.
    except Exception as error:
        print(one_line_without_secrets(error), file=sys.stderr, flush=True)
        # Unlike sys.exit, it does not wait for requests that are still open.
        os._exit(1)


if __name__ == "__main__":
    main()
