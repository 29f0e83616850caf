"""The tracker of a configuration, which gets a copy of a run's figures."""

import logging
from collections.abc import Callable, Mapping, Sequence
from pathlib import Path
from typing import Any, TypeVar

from pets_seg.config.parts import build, locate
from pets_seg.errors import reason
from pets_seg.run_folder.pictures import Picture

T = TypeVar("T")
log = logging.getLogger("pets_seg")


class Tracker:
    """Passes figures to the part that the `tracker` option names; an error in it costs a warning, never the run.

    The part is built from the configuration as plain values, the run folder and its own settings. It has `log(row)`,
    called after each epoch with its row of metrics.csv (for all rows again when a run is continued), and
    `finish(summary, failed)`. It may have `log_steps` with `every_steps`, `log_pictures`, `wants_pictures`, `where`,
    and on its class `label`, `check`, `finished_already` and `copy_again`; `tracking.wandb_sink` has them all.
    """

    def __init__(self, part: Any = None) -> None:
        self.part = part

    @property
    def wants_pictures(self) -> bool:
        """Whether pictures would be shown to anybody."""
        return self._guard(_wants_pictures, False)

    @property
    def every_steps(self) -> int:
        """From how many steps the figures of one are passed on; 0 if of none."""
        return self._guard(_every_steps, 0)

    def log(self, row: Mapping[str, Any]) -> None:
        """Pass on the row of an epoch."""
        self._guard(lambda part: part.log(row), None)

    def log_steps(self, rows: Sequence[Mapping[str, Any]]) -> None:
        """Pass on rows of steps.csv, before the row of their epoch, or before the end of a run that diverged in it."""
        self._guard(lambda part: part.log_steps(rows) if hasattr(part, "log_steps") else None, None)

    def log_pictures(self, epoch: int, pictures: list[Picture]) -> None:
        """Pass on pictures of an epoch, before its row."""
        self._guard(lambda part: part.log_pictures(epoch, pictures) if _wants_pictures(part) else None, None)

    def finish(self, summary: Mapping[str, Any], failed: bool = False) -> None:
        """Pass on the summary; nothing follows."""
        self._guard(lambda part: part.finish(summary, failed), None)

    def where(self) -> dict[str, str]:
        """Return, after `finish`, where the copy is, by the tracker's label; nothing if the tracker does not say."""
        return self._guard(lambda part: _labelled(type(part), part.where() if hasattr(part, "where") else None), {})

    def _guard(self, ask: Callable[[Any], T], otherwise: T) -> T:
        """Return what `ask` gives of the part; `otherwise` without a part, and if there is an error, which drops it."""
        if self.part is None:
            return otherwise
        try:
            return ask(self.part)
        except Exception as error:
            _warn(type(self.part).__name__, error)
            self.part = None
            return otherwise


def _wants_pictures(part: Any) -> bool:
    return bool(getattr(part, "wants_pictures", hasattr(part, "log_pictures")))


def _every_steps(part: Any) -> int:
    every = getattr(part, "every_steps", 0) if hasattr(part, "log_steps") else 0
    if not isinstance(every, int) or every < 0:
        raise ValueError(f"every_steps is {every!r}; must be a whole number, 0 for none")
    return every


def begin(config: Mapping[str, Any], folder: Path) -> Tracker:
    """Return the tracker of a run; one that does nothing if that of the configuration cannot be built."""
    try:
        return Tracker(build("tracker", config["tracker"], config, folder))
    except Exception as error:
        _warn(config["tracker"]["name"], error)
        return Tracker()


def check_tracker(settings: Mapping[str, Any], sweep: bool) -> None:
    """Raise InputError for what a tracker knows to be wrong before a run, or a sweep, begins."""
    _call_on_class(settings, "check", sweep)


def finished_already(settings: Mapping[str, Any], folder: Path, rescored: bool) -> dict[str, str]:
    """Let a tracker copy a run that is finished already, perhaps with new metrics; return where its copy is."""
    try:
        place = _call_on_class(settings, "copy_again", folder) if rescored else None
        place = _call_on_class(settings, "finished_already", folder) or place
        return _labelled(locate(settings, "tracker"), place)
    except Exception as error:
        _warn(settings["name"], error)
        return {}


def _labelled(tracker: Callable[..., Any], where: str | None) -> dict[str, str]:
    return {getattr(tracker, "label", tracker.__name__): where} if where else {}


def _call_on_class(settings: Mapping[str, Any], method: str, argument: Any) -> Any:
    call = getattr(locate(settings, "tracker"), method, None)
    arguments = {key: value for key, value in settings.items() if key != "name" and key[0] != "_"}
    return call(argument, **arguments) if call else None


def _warn(name: str, error: Exception) -> None:
    log.warning(f"tracker {name}: {reason(error)}; the run goes on without it")
