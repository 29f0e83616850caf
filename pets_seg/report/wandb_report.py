"""A W&B Report of sweeps: their runs side by side, beside the page's own words."""

import importlib.util
import json
import os
import subprocess
import sys
from typing import Any

from pets_seg.errors import InputError
from pets_seg.tracking.wandb_account import PATIENCE, check_server, key_configured, one_line_without_secrets
from pets_seg.tracking.wandb_sink import PICTURES

CURVES = {"train/loss": "training loss", "val/loss": "validation loss", "val/dice": "validation Dice"}
BARS = {"best_val_dice": "best validation Dice", "test_dice": "test Dice"}
# All that a server may take for all of it.
DEADLINE = 60
LONGEST_TITLE = 128
# Of a report, W&B's grid is 24 wide.
WIDTH = 24


def save_report(
    title: str, sweeps: list[str], keys: list[str], markdown: str, project: str, entity: str | None = None
) -> str:
    """Create the report `title` in the W&B project, or renew it, and return its address.

    The entity is that of the account if none is given. It shows the runs of the groups `sweeps`, grouped by `keys`
    ("aug" is its option's name, "optimizer.lr" itself). Raises InputError, within seconds, if the extra or a key is
    missing or the server does not take it.
    """
    check_account()
    check_server()
    # W&B's own process can wait for a silent server for ever, and so would this one at its end.
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
        known = key_configured()
    # A key that cannot be one, for example.
    except Exception as error:
        raise InputError(f"a W&B report needs an account: {one_line_without_secrets(error)}") from None
    if not known:
        raise InputError("a W&B report needs a key, and none is configured; `wandb login`, or set WANDB_API_KEY")


def build_report(title: str, sweeps: list[str], keys: list[str], markdown: str, project: str, entity: str) -> Any:
    """Return the wandb_workspaces Report, not saved yet."""
    import wandb_workspaces.reports.v2 as wr

    names = [key if "." in key else f"{key}.name" for key in keys]
    # A panel takes one key; without one it groups as the run set does.
    grouped: dict[str, Any] = {"groupby": wr.Config(names[0])} if len(names) == 1 else {}
    grouped |= {"groupby_aggfunc": "mean", "groupby_rangefunc": "stddev"} if names else {}
    runs = wr.Runset(
        entity=entity,
        project=project,
        name=", ".join(sweeps),
        # It is read as Python is; W&B's own expressions stumble over a quote in a name.
        filters=f"Group in {sweeps!r}",
        groupby=[f"config.{name}" for name in names],
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
    panels += [
        wr.MediaBrowser(
            title="validation images, what is there and what the network sees",
            media_keys=[PICTURES],
            layout=wr.Layout(x=0, y=16, w=WIDTH, h=10),
        ),
        wr.RunComparer(diff_only="split", layout=wr.Layout(x=0, y=26, w=WIDTH, h=12)),
    ]
    blocks = [wr.MarkdownBlock(text=markdown), wr.PanelGrid(runsets=[runs], panels=panels)]
    return wr.Report(project=project, entity=entity, title=title, blocks=blocks, width="fluid")


def _save(title: str, sweeps: list[str], keys: list[str], markdown: str, project: str, entity: str | None) -> str:
    import wandb

    title = title[:LONGEST_TITLE]
    api = wandb.Api(timeout=PATIENCE)
    entity = entity or api.settings["entity"] or api.default_entity
    if project not in {known.name for known in api.projects(entity)}:
        api.create_project(project, entity)
    report = build_report(title, sweeps, keys, markdown, project, entity)
    earlier = [known for known in api.reports(f"{entity}/{project}") if known.display_name == title]
    if earlier:
        report.id = earlier[0].id
    return report.save().url


def main() -> None:
    """Save what standard input describes and print the address; an error is one line."""
    try:
        key_configured()
        print(_save(*json.load(sys.stdin)), flush=True)
    # Whatever W&B and its transport raise.
    except Exception as error:
        print(one_line_without_secrets(error), file=sys.stderr, flush=True)
        # No waiting for requests that a silent server holds.
        os._exit(1)


if __name__ == "__main__":
    main()
