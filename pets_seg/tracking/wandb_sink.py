"""A copy of a run's figures for W&B: offline unless a key is configured, and never a reason for a run to fail."""

import logging
import shutil
import time
from collections.abc import Callable, Mapping, Sequence
from contextlib import suppress
from pathlib import Path
from typing import Any, Literal

from pets_seg.errors import InputError
from pets_seg.run_folder.config_file import load_plain
from pets_seg.run_folder.folder import RunFolder
from pets_seg.run_folder.names import CONFIG, METRICS, WANDB
from pets_seg.tracking import wandb_account as account
from pets_seg.tracking import wandb_names as named
from pets_seg.tracking.wandb_pictures import SAVED_PICTURES, Picture, save_pictures, saved_pictures, wandb_image

PICTURES = "val/pictures"
MOST_PICTURES = 8
Mode = Literal["auto", "online", "offline", "disabled"]
# The arguments of wandb.init among what `names` returns.
INIT = ("id", "project", "entity", "group", "name", "job_type", "tags", "notes")
BY_EPOCH = ("train/*", "val/*", "lr", "seconds", "images_per_second", "images_seen", "updates")
# In seconds: for so long after a failure the runs of this process do not ask the server again.
REST = 600
TRY_AGAIN: dict[str, float] = {}
log = logging.getLogger("pets_seg")


class WandbSink:
    """One W&B run; with mode=disabled, or once W&B has failed, it does nothing.

    Its id and names are those of `names`, or `_about`, which `record` saved. A server that fails at any time costs
    seconds and a warning; the whole run is then in offline files.
    """

    label = "W&B"

    def __init__(
        self,
        config: Mapping[str, Any],
        folder: Path,
        mode: Mode = "auto",
        project: str | None = None,
        _about: Mapping[str, Any] | None = None,
    ) -> None:
        self.run: Any = None
        self.config, self.folder, self.mode = config, folder, mode
        self.rows: list[Mapping[str, Any]] = []
        self.pictures: list[Picture] = []
        self.online = self.begun = self.whole = False
        if account.wanted_mode(mode) != "disabled":
            self.about = dict(_about or named.names(config, folder, project))
            self._try(self._start)

    @staticmethod
    def check(sweep: bool, mode: Mode = "auto", project: str | None = None) -> None:
        """Raise InputError for a setting, or one of W&B's variables, that W&B refuses or that does not fit a sweep."""
        if not sweep:
            account.check_variables(mode, project)
        elif named.in_trial() and account.wanted_mode(mode) != "disabled":
            raise InputError(
                "-m: a trial of a W&B sweep is one run; leave out -m, unset WANDB_SWEEP_ID, or give "
                "tracker.mode=disabled"
            )

    @classmethod
    def finished_already(cls, folder: Path, mode: Mode = "auto", project: str | None = None) -> str | None:
        """Copy a run that was trained before to the W&B sweep of which this process is a trial."""
        return copy_to_wandb(folder, mode, project).where() if named.in_trial() else None

    @classmethod
    def copy_again(cls, folder: Path, mode: Mode = "auto", project: str | None = None) -> str | None:
        """Copy a finished run that got new metrics to the W&B runs that have it."""
        place = None
        for about in named.recorded(folder).values():
            # Should the copy fail, `make sync` makes up for it.
            named.partly_mark(folder, about["id"]).touch()
            place = copy_to_wandb(folder, mode, project, about).where()
        return place

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
        return f"offline files in {named.shown(self.folder / WANDB)}\nupload with {named.upload_command(self.folder)}"

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
        # If the server does not take everything, there is an offline run to be closed after the first attempt.
        for _ in range(2):
            if self.run:
                self._try(lambda: self._close(summary, failed))

    def _start(self) -> None:
        try:
            str(self.folder.absolute()).encode()
        except UnicodeEncodeError:
            raise RuntimeError("the path of the run folder is not UTF-8, which it needs") from None
        self.online = account.wanted_mode(self.mode) == "online"
        if self.online and not account.key_configured():
            if self.mode == "online":
                raise RuntimeError("no key is configured (wandb login)")
            self.online = False
        if self.online and time.monotonic() < TRY_AGAIN.get(account.server_address(), 0):
            self.online = False
            log.info("W&B: its server failed a while ago; this run is in offline files")
        if self.online:
            account.check_server()
        self._open()

    def _open(self) -> None:
        wandb = account.quiet_wandb()
        named.remove_files(self.folder, self.about["id"])
        named.whole_mark(self.folder, self.about["id"]).unlink(missing_ok=True)
        self.run = wandb.init(
            **{key: self.about[key] for key in INIT},
            resume="allow" if self.online else None,
            config=dict(self.config),
            dir=self.folder,
            mode="online" if self.online else "offline",
            reinit="finish_previous",
            # No git: the address of a remote may hold a token. The commit is in status.json.
            settings=wandb.Settings(
                silent=True,
                sweep_id=self.about["sweep_id"],
                console="off",
                x_disable_stats=True,
                # A process that is killed loses the figures of one second at most.
                x_transaction_log_flush_interval=1,
                disable_git=True,
                init_timeout=account.PATIENCE,
                finish_timeout=account.PATIENCE,
                finish_timeout_raises=True,
            ),
        )
        self.begun = self.online
        self.about["address"] = self.run.url
        named.record(self.folder, self.about)
        self.run.define_metric("epoch")
        for metrics in BY_EPOCH:
            self.run.define_metric(metrics, step_metric="epoch")

    def _send_row(self, index: int) -> None:
        # A row is a step of the W&B run. The server must not get a step twice.
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
            internal_log = Path(self.run.settings.log_internal)
            if internal_log.exists() and named.refused(internal_log.read_text("utf-8", "replace")):
                raise RuntimeError("the server refused figures or pictures")
            for run_id in (self.about["id"], ""):
                named.partly_mark(self.folder, run_id).unlink(missing_ok=True)
            named.whole_mark(self.folder, self.about["id"]).touch()
            if not named.waiting(self.folder):
                (self.folder / SAVED_PICTURES).unlink(missing_ok=True)
        self.run, self.whole = None, True

    def _open_offline_instead(self) -> None:
        if not self.begun:
            for empty in (self.folder / WANDB).glob("run-*-*"):
                shutil.rmtree(empty, ignore_errors=True)
        self._open()
        for index in range(len(self.rows)):
            self._send_row(index)
        if self.pictures:
            self._send_pictures()

    def _try(self, call: Callable[[], None]) -> None:
        try:
            call()
        # W&B raises its own and its transport's errors; none of them may end a run.
        except Exception as error:
            outcome = "without it"
            if self._give_up_server():
                try:
                    self._open_offline_instead()
                    outcome = "with offline files"
                except Exception as second:
                    self.run = None
                    log.debug(f"W&B: {account.one_line_without_secrets(second)}")
            log.warning(f"W&B: {account.one_line_without_secrets(error)}; the run goes on {outcome}")

    def _give_up_server(self) -> bool:
        """Drop the W&B run; return whether it was online, so that offline files can take its place."""
        import wandb

        was_online, self.run, self.online = self.online, None, False
        if was_online:
            with suppress(Exception):
                TRY_AGAIN[account.server_address()] = time.monotonic() + REST
        # W&B's own process, which may itself have failed, keeps the id of a run that could not begin.
        with suppress(Exception, SystemExit):
            wandb.teardown()
        return was_online


def copy_to_wandb(folder: Path, mode: Mode, project: str | None, about: Mapping[str, Any] | None = None) -> WandbSink:
    """Copy a run folder to the W&B run `about`, by default that of its `names`; the sink knows if W&B took it."""
    run, pictures = RunFolder(folder), saved_pictures(folder)
    rows = run.read_rows(METRICS) if (folder / METRICS).exists() else []
    summary, failed = run.read_summary(), run.read_status().get("state") != "finished"
    sink = WandbSink(load_plain(folder / CONFIG), folder, mode, project, about)
    for row in rows:
        sink.log({name: _number(text) for name, text in row.items()})
    if pictures:
        sink.log_pictures(pictures)
    sink.finish(summary, failed)
    return sink


def _number(text: str) -> float | None:
    if not text:
        return None
    return int(text) if text.lstrip("-").isdigit() else float(text)
