"""What the launcher of this machine (`hydra/launcher=local`) asks of us, and is told how it ends."""

from collections.abc import Sequence
from contextlib import suppress
from pathlib import Path

from omegaconf import DictConfig

from pets_seg.command import tables_due
from pets_seg.command.messages import one_line
from pets_seg.command.reads import reads
from pets_seg.errors import InputError, RunError
from pets_seg.launch import Application, End
from pets_seg.launch.application import DIED, NOT_STARTED
from pets_seg.launch.launcher import LocalConf, check
from pets_seg.launch.slots import Slot
from pets_seg.machine.device import find_place
from pets_seg.run_folder.lock import HeldError

TARGET = LocalConf._target_

# What a job still does when it is asked to stop, by task; jobs of other tasks stop where they are.
LAST = {"train": "their current step", "predict": "the photographs that they are at"}


class DiedError(RunError):
    """The process of a run ended before the run did."""


def check_slots(config: DictConfig, jobs: Sequence[DictConfig]) -> list[Slot]:
    """Return the slots of this machine for a sweep; InputError for a device that its jobs cannot have in them."""
    launcher = config.hydra.launcher
    slots = check(launcher.slots, launcher.jobs_per_gpu, launcher.stop_after)
    devices = {str(job.train.device) for job in jobs} if config.task.name == "train" else set()
    own = next((device for device in devices if device.startswith("cuda:")), None)
    if slots[0].gpu is not None and own is not None:
        raise InputError(f"train.device={own}: hydra/launcher=local gives each job its GPU; leave train.device out")
    if slots[0].gpu is not None and "auto" in devices and find_place("auto").type == "cpu":
        raise InputError(
            f"hydra/launcher=local: finds GPU {slots[0].gpu}, which PyTorch does not; give train.device=cpu, or "
            "install a PyTorch for GPUs"
        )
    if slots[0].gpu is None and len(slots) > 1 and {find_place(device).type for device in devices} - {"cpu"}:
        raise InputError(
            "hydra/launcher=local: cannot tell the GPUs of this machine apart, so that all slots would share one; list "
            "them in CUDA_VISIBLE_DEVICES, or give hydra.launcher.slots=1"
        )
    return slots


def prepare(config: DictConfig, jobs: Sequence[Sequence[str]]) -> list[float | None]:
    """Return how long each job is expected to take; all else was prepared before Hydra made any folder."""
    from pets_seg.command.hooks import Hooks

    return [Hooks.expected.get(tuple(words)) for words in jobs]


def reason(error: BaseException) -> str | None:
    """Return why a job failed; a run that another process trains is left to it."""
    if isinstance(error, HeldError):
        return None
    return one_line(error) if isinstance(error, Exception) else f"{type(error).__name__}: {error}"


def stops(config: DictConfig) -> str:
    """Say what Ctrl-C and SIGTERM do to the jobs."""
    last = LAST.get(config.task.name)
    return f"the jobs stop after {last}; Ctrl-C again stops them at once" if last else "the jobs stop"


def goes_on() -> str:
    """Say what the same command does after Ctrl-C or SIGTERM: only training continues."""
    from pets_seg.command.hooks import Hooks

    task = Hooks.elsewhere[1].task.name if Hooks.elsewhere else "train"
    if task == "train":
        return "the same command continues the run"
    return f"the same command {'with overwrite=true ' if reads(task, 'overwrite') else ''}does all again"


def ended(end: End) -> list[str]:
    """Write down why a job did not do so itself, and say how one is launched again whose process died."""
    from pets_seg.command.hooks import Hooks

    if Hooks.elsewhere is None:
        return []
    hooks, config = Hooks.elsewhere
    if config.task.name == "train":
        tables_due.after_job(config)
    if end.state == NOT_STARTED:
        hooks.not_done(end.number, end.reason)
    if end.state != DIED:
        return []
    begun = hooks.folder_of(end.number)
    if not end.again:
        hooks.not_done(end.number, end.reason)
    # What the process left of a run that it had begun is not to be trained again.
    return ["existing=continue"] if begun and _write_down(begun, end) else []


def _write_down(folder: Path, end: End) -> bool:
    """Say in the run folder why its process died; return whether that process had begun the run."""
    from pets_seg.run_folder.folder import RunFolder
    from pets_seg.run_folder.names import LOG

    with suppress(InputError, RunError, OSError):
        run = RunFolder(folder)
        status = run.read_status()
        if status.get("pid") != end.pid:
            return False
        if status.get("state") == "running":
            run.write_status("failed", DiedError(end.reason), end.reason)
        with open(folder / LOG, "a", encoding="utf-8") as log:
            log.write("".join(f"{line}\n" for line in [*end.printed, f"{end.reason}"]))
        return True
    return False


APPLICATION = Application(prepare=prepare, reason=reason, ended=ended, stops=stops)
