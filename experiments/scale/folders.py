"""Write synthetic run folders: many finished runs, varied from one real run.

    python experiments/scale/folders.py runs/pattern/unet-... out --rates 5 --decays 4 --seeds 500

A group has one learning rate and one weight decay; its runs differ in the seed. Every figure is drawn: that of a run is
the pattern's plus normal parts of its group, its seed and, in per_image.csv, its images. The files that all runs of one
study have in common (data.csv, the weights) are hard links to one copy.
"""

import argparse
import csv
import hashlib
import io
import json
import os
import shutil
from collections.abc import Sequence
from pathlib import Path
from typing import Any

import numpy as np
import yaml

from pets_seg.config.identity import identity

# Standard deviations, as Dice, of what a group, a seed and an image of one run add.
OF_GROUP, OF_SEED, OF_IMAGE = 0.02, 0.007, 0.075
# That of the time of training, as a share of it.
OF_TIME = 0.02
ALIKE = ("data.csv", "checkpoints/best.safetensors")
Rows = list[dict[str, str]]


class Pattern:
    """What a real run folder holds, and the drawing of runs like it."""

    def __init__(self, folder: Path, sweep: Path) -> None:
        self.folder, self.sweep = folder, sweep
        self.status, self.summary = (
            json.loads((folder / name).read_text()) for name in ("status.json", "summary.json")
        )
        self.config = yaml.safe_load((folder / "config.yaml").read_text())
        self.metrics, self.images = (read(folder / name) for name in ("metrics.csv", "per_image.csv"))
        self.common = sweep / ".common"

    def begin(self) -> None:
        """Copy what all runs have in common into the folder of the sweep."""
        for name in ALIKE:
            (self.common / name).parent.mkdir(parents=True, exist_ok=True)
            shutil.copy(self.folder / name, self.common / name)

    def write(self, rate: float, decay: float, seed: int, shift: float, generator: np.random.Generator) -> None:
        """Write one run, whose Dice is `shift` above the pattern's but for chance."""
        optimizer = {**self.config["optimizer"], "lr": rate, "weight_decay": decay}
        config = {**self.config, "optimizer": optimizer, "seed": seed, "name": self.sweep.name}
        digest = hashlib.sha256(json.dumps(identity(config), sort_keys=True).encode()).hexdigest()[:8]
        names = [config[group]["name"] for group in ("model", "aug", "optimizer")]
        folder = self.sweep / f"{'-'.join(names)}-s{seed}-{digest}"
        (folder / "checkpoints").mkdir(parents=True)
        shift += OF_SEED * generator.standard_normal()
        images = self._scores(shift, generator)
        seconds = self.summary["train_seconds"] * (1 + OF_TIME * generator.standard_normal())
        summary = {**self.summary, **_means(images), "train_seconds": seconds}
        (folder / "config.yaml").write_text(yaml.dump(config, sort_keys=False, Dumper=yaml.CSafeDumper))
        (folder / "status.json").write_text(json.dumps(self.status, indent=2) + "\n")
        (folder / "summary.json").write_text(json.dumps(summary, indent=2) + "\n")
        write(folder / "per_image.csv", images)
        write(folder / "metrics.csv", self._epochs(shift, generator))
        shutil.copy(self.folder / "calibration.csv", folder)
        for name in ALIKE:
            os.link(self.common / name, folder / name)

    def _scores(self, shift: float, generator: np.random.Generator) -> list[dict[str, Any]]:
        drawn = shift + OF_IMAGE * generator.standard_normal((len(self.images), 3))
        rows = []
        for row, (dice, iou, loss) in zip(self.images, drawn.tolist(), strict=True):
            scores = {
                "dice": min(1.0, max(0.0, float(row["dice"]) + dice)),
                "iou": min(1.0, max(0.0, float(row["iou"]) + iou)),
                "loss": max(0.001, float(row["loss"]) - loss),
            }
            rows.append({**row, **scores})
        return rows

    def _epochs(self, shift: float, generator: np.random.Generator) -> list[dict[str, Any]]:
        drawn = shift + OF_SEED * generator.standard_normal((len(self.metrics), 3))
        rows = []
        for row, (train, valid, dice) in zip(self.metrics, drawn.tolist(), strict=True):
            losses = {"train/loss": float(row["train/loss"]) - train, "val/loss": float(row["val/loss"]) - valid}
            rows.append({**row, **losses, "val/dice": float(row["val/dice"]) + dice})
        return rows


def _means(images: Sequence[dict[str, Any]]) -> dict[str, float]:
    parts = {split: [row for row in images if row["split"] == split] for split in ("valid", "test")}
    means = {f"test_{name}": float(np.mean([row[name] for row in parts["test"]])) for name in ("dice", "iou", "loss")}
    return means | {"best_val_dice": float(np.mean([row["dice"] for row in parts["valid"]]))}


def read(path: Path) -> Rows:
    """Return the rows of a CSV file as texts."""
    with open(path, encoding="utf-8", newline="") as file:
        return list(csv.DictReader(file))


def write(path: Path, rows: Sequence[dict[str, Any]]) -> None:
    """Write a CSV file, numbers with all their digits, as a run does."""
    text = io.StringIO()
    writer = csv.DictWriter(text, fieldnames=list(rows[0]), lineterminator="\n")
    writer.writeheader()
    writer.writerows(rows)
    path.write_text(text.getvalue())


def main() -> None:
    """Write rates x decays x seeds runs."""
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("pattern", type=Path, help="a finished run")
    parser.add_argument("out", type=Path, help="the folder of the sweep, which is made")
    for name, default in (("rates", 5), ("decays", 4), ("seeds", 500)):
        parser.add_argument(f"--{name}", type=int, default=default)
    given = parser.parse_args()
    generator = np.random.default_rng(0)
    pattern = Pattern(given.pattern, given.out)
    pattern.begin()
    for rate in np.geomspace(1e-4, 1e-2, given.rates).tolist():
        for decay in np.geomspace(1e-4, 1e-1, given.decays).tolist():
            shift = OF_GROUP * generator.standard_normal()
            for seed in range(given.seeds):
                pattern.write(float(f"{rate:.6g}"), float(f"{decay:.6g}"), seed, shift, generator)
    print(f"{given.rates * given.decays} groups of {given.seeds} seeds in {given.out}")


if __name__ == "__main__":
    main()
