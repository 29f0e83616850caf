"""A process that passes rows to the sink as training does, for jobs that its argument describes; no torch."""

import json
import logging
import os
import signal
import sys
import time
from pathlib import Path
from typing import Any

import numpy as np

from pets_seg.run_folder.pictures import Picture
from pets_seg.tracking import wandb_account, wandb_sink
from pets_seg.tracking.wandb_names import names, record, recorded
from pets_seg.tracking.wandb_sink import WandbSink, copy_to_wandb

# Of an epoch.
STEPS = 4
GROUPS = {"model": {"name": "unet"}, "aug": {"name": "crop"}, "optimizer": {"name": "adam", "lr": 0.001}}


def config_of(mode: str, project: str | None = "p") -> dict[str, Any]:
    tracker = {"name": "wandb", "mode": mode, "project": project}
    return {"name": "sweep", "seed": 3, "task": {"name": "train"}, "tracker": tracker, **GROUPS}


def row(epoch: int) -> dict[str, Any]:
    figures = {"train/loss": 1 / epoch, "val/dice": 1 - 1 / epoch, "lr": 0.001, "seconds": 0.5}
    return {"epoch": epoch, **figures, "updates": STEPS * epoch}


def steps(epoch: int, every: int) -> list[dict[str, Any]]:
    """Return the figures of every so many of the steps of an epoch."""
    numbers = range(STEPS * (epoch - 1) + 1, STEPS * epoch + 1)
    return [{"step": step, "step/loss": 1 / step, "step/lr": 0.5} for step in numbers if step % every == 0]


def pictures(count: int = 2, size: int = 8) -> list[Picture]:
    image = np.arange(3 * size * size, dtype=np.uint8).reshape(3, size, size)
    mask = np.full((size, size), 255, np.uint8)
    mask[:2], mask[2:4] = 0, 1
    return [(f"pet_{index}\x1b[2J", image + index, mask, mask == 0) for index in range(count)]


def work(job: dict[str, Any]) -> None:
    folder = Path(job["folder"])
    folder.mkdir(parents=True, exist_ok=True)
    state = "running" if job.get("killed") else "finished"
    (folder / "status.json").write_text(json.dumps({"state": state, "started": job.get("started", "then")}))
    told = {"mode": job.get("mode", "auto"), "project": job.get("project", "p")}
    config = config_of(**told)
    if job.get("copy"):
        print(copy_to_wandb(folder, **told).where())
        return
    if job.get("old") and not recorded(folder):
        record(folder, names(config, folder, told["project"]))
    sink = WandbSink(config, folder, **told)
    for epoch in range(1, job["rows"] + 1):
        if every := job.get("every"):
            sink.log_steps(steps(epoch, every))
        if epoch == job["rows"] and job.get("pictures"):
            sink.log_pictures(epoch, pictures())
        sink.log(row(epoch))
        if epoch == job.get("halt"):
            (folder / "halted").touch()
            while not (folder / "go").exists():
                time.sleep(0.02)
    if job.get("killed"):
        os.kill(os.getpid(), signal.SIGKILL)
    sink.finish({} if job.get("failed") else {"test_dice": 0.75}, bool(job.get("failed")))


if __name__ == "__main__":
    logging.basicConfig(format="%(message)s", level=logging.WARNING)
    asked = json.loads(sys.argv[1])
    wandb_account.PATIENCE = wandb_sink.PATIENCE = asked["patience"]
    for one in asked["jobs"]:
        work(one)
