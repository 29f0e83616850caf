"""A copy of a run's figures for W&B: offline unless a key is configured, and never a reason for a run to fail."""

import logging
import shutil
import time
from collections.abc import Callable, Mapping, Sequence
from contextlib import suppress
from pathlib import Path
from typing import Annotated, Any, Literal

from pets_seg.config.rules import Range
from pets_seg.errors import InputError
from pets_seg.run_folder.config_file import load_plain
from pets_seg.run_folder.names import CONFIG, WANDB
from pets_seg.run_folder.pictures import Picture
from pets_seg.tracking import wandb_account as account
from pets_seg.tracking import wandb_names as named
from pets_seg.tracking.content import PICTURES, run_settings, summary_figures
from pets_seg.tracking.replay import replay_folder
from pets_seg.tracking.wandb_image import wandb_image
from pets_seg.tracking.wandb_lines import Line, Lines

# Older versions said "disabled" for what is now tracker=none.
Mode = Literal["auto", "online", "offline", "disabled"]
# The arguments of wandb.init among what `names` returns.
INIT = ("id", "project", "entity", "group", "name", "job_type", "tags", "notes")
BY_EPOCH = ("train/*", "val/*", "lr", "seconds", "images_per_second", "images_seen", "updates")
STEPS = Annotated[int, Range(0, 1_000_000)]
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
        every_steps: STEPS = 10,
        _about: Mapping[str, Any] | None = None,
    ) -> None:
        self.run: Any = None
        self.config, self.folder, self.mode = config, folder, mode
        self.wanted_steps = every_steps
        self.lines = Lines()
        self.online = self.begun = self.whole = False
        if account.wanted_mode(mode) != "disabled":
            self.about = named.with_history(dict(_about or named.names(config, folder, project)), folder)
            self._try(self._start)

    @staticmethod
    def check(sweep: bool, mode: Mode = "auto", project: str | None = None, every_steps: STEPS = 10) -> None:
        """Raise InputError for a setting, or one of W&B's variables, that W&B refuses or that does not fit a sweep."""
        if not sweep:
            account.check_variables(mode, project)
        elif named.in_trial() and account.wanted_mode(mode) != "disabled":
            raise InputError(
                "-m: a trial of a W&B sweep is one run; leave out -m, unset WANDB_SWEEP_ID, or give tracker=none"
            )

    @classmethod
    def finished_already(
        cls, folder: Path, mode: Mode = "auto", project: str | None = None, every_steps: STEPS = 10
    ) -> str | None:
        """Copy a run that was trained before to the W&B sweep of which this process is a trial."""
        return copy_to_wandb(folder, mode, project).where() if named.in_trial() else None

    @classmethod
    def copy_again(
        cls, folder: Path, mode: Mode = "auto", project: str | None = None, every_steps: STEPS = 10
    ) -> str | None:
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

    @property
    def every_steps(self) -> int:
        """From how many steps the figures of one are wanted; 0 for none."""
        return self.wanted_steps if self.run and self._by_steps else 0

    @property
    def _by_steps(self) -> bool:
        return self.about[named.HISTORY] == named.BY_STEPS

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
            lines = self.lines.add(row, self._by_steps)
            self._try(lambda: self._send(lines))

    def log_steps(self, rows: Sequence[Mapping[str, Any]]) -> None:
        """Add the figures of steps of the epoch whose row follows."""
        self.lines.steps += rows

    def log_pictures(self, epoch: int, pictures: list[Picture]) -> None:
        """Add images (uint8 (3,S,S)) with their masks (uint8 (S,S)) and predictions (bool (S,S)) of that epoch."""
        self.lines.pictures = pictures

    def finish(self, summary: Mapping[str, Any], failed: bool = False) -> None:
        """Add the summary and close the run."""
        if self.run:
            rest = self.lines.add_rest(self._by_steps, failed)
            self._try(lambda: self._send(rest))
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
        self.about[named.LOST] |= named.pictures_refused(self.folder, self.about["id"])
        named.remove_files(self.folder, self.about["id"])
        named.whole_mark(self.folder, self.about["id"]).unlink(missing_ok=True)
        self.run = wandb.init(
            **{key: self.about[key] for key in INIT},
            resume="allow" if self.online else None,
            config=run_settings(self.config),
            dir=self.folder,
            mode="online" if self.online else "offline",
            reinit="finish_previous",
            settings=account.init_settings(self.about["sweep_id"]),
        )
        self.begun = self.online
        self.about["address"] = self.run.url
        self.about[named.HISTORY] = self.about[named.HISTORY] or named.history_of(
            self.run.starting_step, self.run.summary
        )
        named.record(self.folder, self.about)
        for axis, figures in {"epoch": BY_EPOCH, "step": ("step/*",)}.items():
            self.run.define_metric(axis)
            for figure in figures:
                self.run.define_metric(figure, step_metric=axis)

    def _send(self, lines: Sequence[Line]) -> None:
        for step, figures, pictures in lines:
            # The server must not get a step twice.
            if step >= self.run.starting_step:
                shown = {PICTURES: [wandb_image(picture) for picture in pictures]} if pictures else {}
                self.run.log({**figures, **shown}, step=step, commit=True)

    def _close(self, summary: Mapping[str, Any], failed: bool) -> None:
        if self.about[named.LOST] and not failed:
            self._send(self.lines.pictures_again(self.run.starting_step))
        self.run.summary.update(summary_figures(summary))
        self.run.finish(exit_code=int(failed))
        if self.online:
            internal_log = Path(self.run.settings.log_internal)
            if internal_log.exists() and named.refused(internal_log.read_text("utf-8", "replace")):
                raise RuntimeError("the server refused figures or pictures")
            for run_id in (self.about["id"], ""):
                named.partly_mark(self.folder, run_id).unlink(missing_ok=True)
            # The rest of an interrupted run may come through another tracker.
            if not failed:
                named.whole_mark(self.folder, self.about["id"]).touch()
        self.about |= {named.ENDED: not failed, named.LOST: self.about[named.LOST] and (failed or not self.online)}
        named.record(self.folder, self.about)
        self.run, self.whole = None, True

    def _open_offline_instead(self) -> None:
        if not self.begun:
            for empty in (self.folder / WANDB).glob("run-*-*"):
                shutil.rmtree(empty, ignore_errors=True)
        self._open()
        self._send(self.lines.made)

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
    sink = WandbSink(load_plain(folder / CONFIG), folder, mode, project, _about=about)
    replay_folder(sink, folder)
    return sink
