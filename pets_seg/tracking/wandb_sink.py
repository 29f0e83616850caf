"""A copy of a run's figures for W&B: offline unless a key is configured, and never a reason for a run to fail."""

import csv
import glob
import json
import logging
import shutil
import time
from collections.abc import Callable, Mapping, Sequence
from contextlib import suppress
from pathlib import Path
from typing import Any, Literal

import yaml

from pets_seg.tracking.wandb_account import (
    PATIENCE,
    check_one_trial,
    check_server,
    check_variables,
    key_configured,
    one_line_without_secrets,
    quiet_wandb,
    server_address,
    wanted_mode,
)
from pets_seg.tracking.wandb_names import PARTLY, in_trial, names, record, shown, upload_command, waiting
from pets_seg.tracking.wandb_pictures import SAVED_PICTURES, Picture, save_pictures, saved_pictures, wandb_image

PICTURES = "val/pictures"
MOST_PICTURES = 8
TOLD = ("id", "project", "entity", "group", "name", "job_type", "tags", "notes")
BY_EPOCH = ("train/*", "val/*", "lr", "seconds", "images_per_second", "images_seen", "updates")
# In seconds: for so long after a failure the runs of this process do not ask the server again.
REST = 600
TRY_AGAIN: dict[str, float] = {}
log = logging.getLogger("pets_seg")


class WandbSink:
    """One W&B run, of the group `config["name"]`; with mode=disabled, or once W&B has failed, it does nothing.

    Its id follows from sweep, run folder and when the run was begun: a run that is continued is one W&B run. W&B's own
    variables count (see `names`), unless `_about` says what it was told of the run before. A server that fails at any
    time costs seconds and a warning; the whole run is then in offline files.
    """

    label = "W&B"

    def __init__(
        self,
        config: Mapping[str, Any],
        folder: Path,
        mode: Literal["auto", "online", "offline", "disabled"] = "auto",
        project: str | None = None,
        _about: Mapping[str, Any] | None = None,
    ) -> None:
        self.run: Any = None
        self.config, self.folder, self.mode = config, folder, mode
        self.rows: list[dict[str, Any]] = []
        self.pictures: list[Picture] = []
        self.online = self.begun = self.whole = False
        if wanted_mode(mode) != "disabled":
            self.about = dict(_about or names(config, folder, project))
            self._try(self._start)

    @staticmethod
    def check(sweep: bool, mode: str = "auto", project: str | None = None) -> None:
        """Raise InputError for a setting, or one of W&B's variables, that W&B refuses or that does not fit a sweep."""
        if sweep:
            check_one_trial(mode)
        else:
            check_variables(mode, project)

    @classmethod
    def finished_already(cls, folder: Path, mode: str = "auto", project: str | None = None) -> str | None:
        """Tell the sweep of which this process is a trial what a run that was trained before came to."""
        return copy_to_wandb(folder, mode, project).where() if in_trial() else None

    @property
    def wants_pictures(self) -> bool:
        """Whether there is a W&B run."""
        return self.run is not None

    def where(self) -> str | None:
        """Return, after `finish`, where W&B has the run, and how offline files are uploaded; None if it has nothing."""
        if not self.whole:
            return None
        if self.online:
            return self.about["address"]
        return f"offline files in {shown(self.folder / 'wandb')}\nupload with {upload_command(self.folder)}"

    def log(self, row: Mapping[str, Any]) -> None:
        """Add the row of an epoch; a run that is continued passes all its rows again, in order."""
        if self.run:
            self.rows.append(dict(row))
            self._try(lambda: self._send_row(len(self.rows) - 1))

    def log_pictures(self, pictures: Sequence[Picture]) -> None:
        """Add images (uint8 (3,S,S)) with their masks (uint8 (S,S)) and predictions (bool (S,S)), the first few."""
        if self.run and self.rows:
            self.pictures = list(pictures[:MOST_PICTURES])
            self._try(self._send_pictures)

    def finish(self, summary: Mapping[str, Any], failed: bool = False) -> None:
        """Add the summary and close the run."""
        if self.run:
            self._try(lambda: self._close(summary, failed))
        # The server did not take it all: there is an offline run now.
        if self.run:
            self._try(lambda: self._close(summary, failed))

    def _start(self) -> None:
        try:
            str(self.folder.absolute()).encode()
        except UnicodeEncodeError:
            raise RuntimeError("the path of the run folder is not UTF-8, which it needs") from None
        self.online = wanted_mode(self.mode) == "online"
        if self.online and not key_configured():
            if self.mode == "online":
                raise RuntimeError("no key is configured (wandb login)")
            self.online = False
        if self.online and time.monotonic() < TRY_AGAIN.get(server_address(), 0):
            self.online = False
            log.info("W&B: its server failed a while ago; this run is in offline files")
        if self.online:
            check_server()
        self._open("online" if self.online else "offline")

    def _open(self, mode: str) -> None:
        quiet_wandb()
        import wandb

        self._supersede()
        told = {key: self.about[key] for key in TOLD}
        self.run = wandb.init(
            **told,
            resume="allow" if mode == "online" else None,
            config=dict(self.config),
            dir=self.folder,
            mode=mode,
            reinit="finish_previous",
            # No git: the address of a remote may hold a token. The commit is in status.json.
            settings=wandb.Settings(
                silent=True,
                sweep_id=self.about["sweep_id"],
                console="off",
                x_disable_stats=True,
                # A process that is killed has then written what it knew a second ago.
                x_transaction_log_flush_interval=1,
                disable_git=True,
                init_timeout=PATIENCE,
                finish_timeout=PATIENCE,
                finish_timeout_raises=True,
            ),
        )
        self.begun = mode == "online"
        self.about["address"] = self.run.url
        record(self.folder, self.about)
        self.run.define_metric("epoch")
        for metrics in BY_EPOCH:
            self.run.define_metric(metrics, step_metric="epoch")

    def _supersede(self) -> None:
        """Remove the files of this W&B run's earlier processes: all that they hold is passed to `log` again."""
        for earlier in (self.folder / "wandb").glob(f"*run-*-{glob.escape(self.about['id'])}"):
            if earlier.name.startswith("run-") or any(earlier.glob("*.synced")):
                self._partly().touch()
            shutil.rmtree(earlier, ignore_errors=True)

    def _partly(self) -> Path:
        return self.folder / "wandb" / f"{PARTLY}-{self.about['id']}"

    def _send_row(self, index: int) -> None:
        # A row is a step; what the server has of this run already, it must not get twice.
        if index >= self.run.starting_step:
            self.run.log(self.rows[index])

    def _send_pictures(self) -> None:
        if len(self.rows) < self.run.starting_step:
            return
        if not self.online:
            save_pictures(self.folder, self.pictures)
        images = [wandb_image(*picture) for picture in self.pictures]
        self.run.log({"epoch": self.rows[-1]["epoch"], PICTURES: images})

    def _close(self, summary: Mapping[str, Any], failed: bool) -> None:
        self.run.summary.update(dict(summary))
        self.run.finish(exit_code=int(failed))
        if self.online:
            said = Path(self.run.settings.log_internal)
            # W&B itself tells nobody but its log.
            if said.exists() and "filestream: fatal error" in said.read_text(encoding="utf-8", errors="replace"):
                raise RuntimeError("the server refused the figures")
            self._partly().unlink(missing_ok=True)
            # A mark of an older version, which knew one W&B run a folder.
            (self.folder / "wandb" / PARTLY).unlink(missing_ok=True)
            if not waiting(self.folder):
                (self.folder / "wandb" / SAVED_PICTURES).unlink(missing_ok=True)
        self.run, self.whole = None, True

    def _offline_instead(self) -> None:
        if not self.begun:
            for nothing in (self.folder / "wandb").glob("run-*-*"):
                shutil.rmtree(nothing, ignore_errors=True)
        self._open("offline")
        for index in range(len(self.rows)):
            self._send_row(index)
        if self.pictures:
            self._send_pictures()

    def _try(self, call: Callable[[], None]) -> None:
        try:
            call()
        # W&B raises its own and its transport's errors; none of them may end a run.
        except Exception as error:
            then = "the run goes on without it"
            if self._give_up_server() and self._stays(self._offline_instead):
                then = "the run goes on with offline files"
            log.warning(f"W&B: {one_line_without_secrets(error)}; {then}")

    def _give_up_server(self) -> bool:
        """End what there is of the run; return whether it was online, so that offline files can take its place."""
        import wandb

        was_online, self.run, self.online = self.online, None, False
        if was_online:
            with suppress(Exception):
                TRY_AGAIN[server_address()] = time.monotonic() + REST
        # W&B's own process holds on to the id of a run that could not begin. It may itself be what failed.
        with suppress(Exception, SystemExit):
            wandb.teardown()
        return was_online

    def _stays(self, call: Callable[[], None]) -> bool:
        try:
            call()
        except Exception as error:
            self.run = None
            log.debug(f"W&B: {one_line_without_secrets(error)}")
        return self.run is not None


def copy_to_wandb(run: Path, mode: str, project: str | None, about: Mapping[str, Any] | None = None) -> WandbSink:
    """Pass rows, pictures and summary of a run folder to the W&B run `about`; without it, to that of now.

    Returns the sink, which knows whether W&B took it.
    """
    # Not by RunFolder, which needs torch, and so a second more.
    read = {name: json.loads(_text(run / f"{name}.json") or "{}") for name in ("status", "summary")}
    config = yaml.safe_load((run / "config.yaml").read_text(encoding="utf-8"))
    rows = csv.DictReader(_text(run / "metrics.csv").splitlines())
    pictures = saved_pictures(run)
    sink = WandbSink(config, run, mode, project, about)
    for row in rows:
        sink.log({key: _number(value) for key, value in row.items()})
    if pictures:
        sink.log_pictures(pictures)
    sink.finish(read["summary"], failed=read["status"].get("state") != "finished")
    return sink


def _text(path: Path) -> str:
    return path.read_text(encoding="utf-8") if path.exists() else ""


def _number(text: str) -> Any:
    if not text:
        return None
    return int(text) if text.lstrip("-").isdigit() else float(text)
