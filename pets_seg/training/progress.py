"""What a run shows while it trains: a bar on a terminal, otherwise a line an epoch, and how long it will take."""

import logging
import time
from collections.abc import Mapping
from contextlib import ExitStack
from typing import Any

from tqdm import tqdm
from tqdm.contrib.logging import logging_redirect_tqdm

from pets_seg.machine.terminal import duration, width

log = logging.getLogger("pets_seg")
# In seconds: shorter runs are not announced, and how to make it quicker is said of longer ones.
WORTH_TELLING, LONG = 45, 120
WARM_UP_STEPS = 2
MEASURED_SECONDS = 3
# In columns.
WIDE = 100


class Progress:
    """Counts the steps of `epochs` times `steps` that are not `done`; a context manager that closes its bar.

    `advice` is how to make it quicker; `announced` is whether it was said before how long it will take.
    """

    def __init__(
        self, epochs: int, steps: int, done: int, advice: str, shown: bool = True, announced: bool = False
    ) -> None:
        self.epochs, self.steps, self.advice = epochs, steps, advice
        self.done = self.first = done
        self.shown = shown
        self.started = 0.0
        self.told = announced
        self.stack = ExitStack()

    def __enter__(self) -> "Progress":
        bar = tqdm(
            total=self.epochs * self.steps,
            initial=self.done,
            unit=" steps",
            dynamic_ncols=True,
            # None: no bar where there is no terminal.
            disable=None if self.shown else True,
            leave=False,
            bar_format="{desc} {percentage:3.0f}%|{bar}| {elapsed} passed, {remaining} left{postfix}",
        )
        self.bar = self.stack.enter_context(bar)
        if not self.bar.disable:
            self.stack.enter_context(logging_redirect_tqdm())
        return self

    def __exit__(self, *error: object) -> None:
        self.stack.close()

    def step(self, epoch: int) -> None:
        """Count a step; say once, as soon as it can be known, how long the run will take."""
        self.bar.set_description_str(f"epoch {epoch}/{self.epochs}", refresh=False)
        self.bar.update()
        self.done += 1
        if self.told:
            return
        measured = self.done - self.first - WARM_UP_STEPS
        now = time.perf_counter()
        if measured <= 0:
            self.started = now
        elif now - self.started > MEASURED_SECONDS:
            self.told = True
            left = (now - self.started) / measured * (self.epochs * self.steps - self.done)
            if left > WORTH_TELLING:
                log.info(f"this run will take about {duration(left)}{f'; {self.advice}' if left > LONG else ''}")

    def show(self, **figures: float | None) -> None:
        """Set the figures behind the bar."""
        self.bar.set_postfix(
            {name: f"{value:.3f}" for name, value in figures.items() if value is not None}, refresh=False
        )

    def epoch(self, row: Mapping[str, Any], best: bool) -> None:
        """Log the line of an epoch: the pace only where it fits."""
        pace = f"{row['images_per_second']:6.0f} images/s" if width() >= WIDE else ""
        log.info(
            f"epoch {row['epoch']:>{len(str(self.epochs))}}/{self.epochs}  train loss {row['train/loss']:.4f}  "
            f"val loss {row['val/loss']:.4f}, Dice {row['val/dice']:.4f}{' best' if best else '     '}  "
            f"{duration(row['seconds']):>6}{pace}"
        )


def quicker(config: Mapping[str, Any], device: str) -> str:
    """Return the advice for a long run: the setting that shortens it most."""
    channels = config["model"].get("width")
    if type(channels) is int and channels > 16 and device == "cpu":
        return "model.width=16 is several times quicker on a CPU"
    if config["data"]["size"] > 128:
        return "data.size=128 is several times quicker"
    if config["data"]["size"] > 64 and device == "cpu":
        return "data.size=64 is several times quicker on a CPU"
    return f"a smaller train.epochs (now {config['train']['epochs']}) is quicker"
