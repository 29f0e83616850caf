"""What a run shows while it trains: a bar on a terminal, otherwise a line per epoch, and how long it will take."""

import logging
import time
from collections.abc import Mapping
from contextlib import ExitStack
from typing import Any

from tqdm import tqdm
from tqdm.contrib.logging import logging_redirect_tqdm

from pets_seg.machine.terminal import duration, width

log = logging.getLogger("pets_seg")
# In seconds: the time of shorter runs is not announced, and longer ones are told how to be quicker.
SHORT, LONG = 45, 120
WARM_UP_STEPS = 2
MEASURED_SECONDS = 3
# In columns of the terminal.
WIDE = 100


class Progress(ExitStack):
    """Counts the steps of a run, `done` of which are behind it; a context manager that closes its bar.

    `advice` is how to shorten the run; `announced` is whether it was already told how long it will take.
    """

    def __init__(
        self, epochs: int, steps_per_epoch: int, done: int, advice: str, shown: bool = True, announced: bool = False
    ) -> None:
        super().__init__()
        self.epochs, self.steps, self.advice = epochs, epochs * steps_per_epoch, advice
        self.done = self.done_before = done
        self.announced = announced
        self.started = 0.0
        bar = tqdm(
            total=self.steps,
            initial=done,
            unit=" steps",
            dynamic_ncols=True,
            # None: no bar where there is no terminal.
            disable=None if shown else True,
            leave=False,
            bar_format="{desc} {percentage:3.0f}%|{bar}| {elapsed} passed, {remaining} left{postfix}",
        )
        self.bar = self.enter_context(bar)
        if not bar.disable:
            self.enter_context(logging_redirect_tqdm())

    def step(self, epoch: int) -> None:
        """Count a step; announce once, as soon as it can be estimated, how long the run will take."""
        self.bar.set_description_str(f"epoch {epoch}/{self.epochs}", refresh=False)
        self.bar.update()
        self.done += 1
        if self.announced:
            return
        measured = self.done - self.done_before - WARM_UP_STEPS
        now = time.perf_counter()
        if measured <= 0:
            self.started = now
        elif now - self.started > MEASURED_SECONDS:
            self.announced = True
            left = (now - self.started) / measured * (self.steps - self.done)
            if left > SHORT:
                log.info(f"this run will take about {duration(left)}{f'; {self.advice}' if left > LONG else ''}")

    def show(self, **figures: float | None) -> None:
        """Show figures behind the bar."""
        known = {name: f"{value:.3f}" for name, value in figures.items() if value is not None}
        self.bar.set_postfix(known, refresh=False)

    def epoch(self, row: Mapping[str, Any], is_best: bool) -> None:
        """Log the line of an epoch, with its pace where the terminal is wide enough."""
        pace = f"{row['images_per_second']:6.0f} images/s" if width() >= WIDE else ""
        log.info(
            f"epoch {row['epoch']:>{len(str(self.epochs))}}/{self.epochs}  train loss {row['train/loss']:.4f}  "
            f"val loss {row['val/loss']:.4f}, Dice {row['val/dice']:.4f}{' best' if is_best else '     '}  "
            f"{duration(row['seconds']):>6}{pace}"
        )


def speed_advice(width: Any, size: int, epochs: int, device: str) -> str:
    """Return the advice for a long run: the setting that shortens it most; `width` is that of the network, if any."""
    if type(width) is int and width > 16 and device == "cpu":
        return "model.width=16 is several times quicker on a CPU"
    if size > 128:
        return "data.size=128 is several times quicker"
    if size > 64 and device == "cpu":
        return "data.size=64 is several times quicker on a CPU"
    return f"a smaller train.epochs (now {epochs}) is quicker"
