"""A copy of a run's figures for W&B: offline unless a key is configured, and never a reason for a run to fail."""

import logging
import os
import re
from collections.abc import Callable, Mapping
from pathlib import Path
from typing import Any

log = logging.getLogger("pets_seg")


class WandbSink:
    """One W&B run, of the group `config["name"]`; with mode=disabled, or once W&B has failed, it does nothing."""

    def __init__(self, config: Mapping[str, Any], folder: Path) -> None:
        self.run = None
        if config["tracker"]["mode"] != "disabled":
            self._try(lambda: self._start(config, folder))

    def log(self, row: Mapping[str, Any]) -> None:
        """Add the row of an epoch."""
        if self.run:
            self._try(lambda: self.run.log(dict(row)))

    def finish(self, summary: Mapping[str, Any], failed: bool = False) -> None:
        """Add the summary and close the run."""
        if self.run:
            self._try(lambda: self.run.summary.update(dict(summary)))
        if self.run:
            self._try(lambda: self.run.finish(exit_code=int(failed)))
        self.run = None

    def _start(self, config: Mapping[str, Any], folder: Path) -> None:
        import wandb

        mode = config["tracker"]["mode"]
        if mode == "auto":
            mode = os.environ.get("WANDB_MODE") or ("online" if wandb.login(prompt=False) else "offline")
        self.run = wandb.init(
            project=config["tracker"]["project"],
            group=config["name"],
            job_type=config["task"]["name"],
            name=folder.name,
            tags=[config[group]["name"] for group in ("model", "aug", "optimizer")],
            config=dict(config),
            dir=folder,
            mode=mode,
            reinit="finish_previous",
            # No git: the address of a remote may hold a token. The commit is in status.json.
            settings=wandb.Settings(
                silent=True, console="off", x_disable_stats=True, init_timeout=20, disable_git=True
            ),
        )
        self.run.define_metric("epoch")
        for metrics in ("train/*", "val/*", "lr"):
            self.run.define_metric(metrics, step_metric="epoch")

    def _try(self, call: Callable[[], None]) -> None:
        try:
            call()
        # W&B raises its own and its transport's errors; none of them may end a run.
        except Exception as error:
            log.warning(f"W&B: {without_secrets(' '.join(str(error).split()))}; the run goes on without it")
            self.run = None


def without_secrets(text: str) -> str:
    """Return `text` without the user's key and without names and passwords in addresses."""
    key = os.environ.get("WANDB_API_KEY")
    text = text.replace(key, "***") if key else text
    return re.sub(r"(\w+://)[^/@\s]*@", r"\1***@", text)
