"""Sweeps that nobody trained: run folders with every file that training writes, in a few milliseconds a run."""

import copy
import hashlib
import json
from collections.abc import Mapping
from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd
import yaml

from pets_seg.report.page import render, write_page
from pets_seg.report.study.examples import Example
from pets_seg.report.study.study import Study, read_study
from pets_seg.report.tables import Table

DUMPER = getattr(yaml, "CSafeDumper", yaml.SafeDumper)
BINS = 15
CONFIG: dict[str, Any] = {
    "seed": 0,
    "name": "sweep",
    "existing": "continue",
    "checkpoint": None,
    "split": "test",
    "replay": None,
    "closing": None,
    "model": {"name": "unet", "upsampling": "bilinear", "width": 16},
    "aug": {"name": "none", "operations": [], "keep_original": False},
    "optimizer": {"name": "adamw", "_target_": "torch.optim.AdamW", "_convert_": "all", "lr": 0.003},
    "scheduler": {"name": "onecycle", "warmup": 0.15},
    "loss": {"name": "cross_entropy", "cross_entropy": 1.0, "dice": 0.0},
    "data": {"name": "sample", "size": 64, "boundary": "foreground", "normalisation": "imagenet", "skip_bad": False},
    "train": {"name": "default", "epochs": 10, "batch_size": 16, "precision": "fp32", "device": "auto"},
    "tracker": {"name": "wandb", "mode": "auto", "project": "pets_seg"},
    "task": {"name": "train"},
}
SMALL = {"epochs": 5, "images": 40, "valid": 10}
EPSILON = 1e-6
OLD_LACKS = ("val/ece", "images_seen", "updates")


def write_sweep(
    folder: Path,
    groups: Mapping[str, Mapping[str, Any]],
    *,
    seeds: int = 3,
    epochs: int = 100,
    images: int = 148,
    valid: int = 60,
    seed_deviation: float = 0.005,
    image_deviation: float = 0.03,
    old: bool = False,
) -> list[Path]:
    """Write a sweep of run folders into `folder` and return them.

    `groups` gives for each name: `effect` on the Dice of every image (0), `config` (values by dotted key; default:
    `aug.name` is the group's name), `seconds` an epoch (2), `parameters`, `memory` in MB of a GPU (without it they
    are on the CPU), `state` of its runs (finished) and `error`. Images are as hard in every run; `seed_deviation` is
    that of a run's mean, `image_deviation` that of an image in a run. `old` runs have no calibration.
    """
    written = []
    for number, (name, group) in enumerate(groups.items()):
        for seed in range(seeds):
            config = copy.deepcopy(CONFIG) | {"seed": seed, "name": folder.name}
            config["train"]["epochs"] = epochs
            for key, value in group.get("config", {"aug.name": name}).items():
                part, _, rest = key.partition(".")
                config[part][rest] = value
            digest = hashlib.sha256(json.dumps(config, sort_keys=True).encode()).hexdigest()[:8]
            run = folder / f"unet-group{number}-adamw-s{seed}-{digest}"
            random = np.random.default_rng([number, seed])
            _write_run(run, config, group, random, epochs, (valid, images), (seed_deviation, image_deviation), old)
            written.append(run)
    return written


def sweep(folder: Path, effects: Mapping[str, float], **settings: Any) -> Study:
    """Write a small sweep whose groups have these effects and return its study."""
    write_sweep(folder, {name: {"effect": effect} for name, effect in effects.items()}, **{**SMALL, **settings})
    return read_study([folder])


def make_constant(run: Path, kind: str) -> None:
    """Give a run the scores of a network that predicts `kind`, "pet" or "background", for every image."""
    table = pd.read_csv(run / "per_image.csv")
    pet = np.random.default_rng(7).integers(500, 3000, len(table))
    both, predicted = (pet, table["pixels"]) if kind == "pet" else (0, 0)
    table["dice"] = (2 * both + EPSILON) / (predicted + pet + EPSILON)
    table["iou"] = (both + EPSILON) / (predicted + pet - both + EPSILON)
    table.to_csv(run / "per_image.csv", index=False)
    bins = pd.read_csv(run / "calibration.csv")
    for split, part in table.groupby("split"):
        rows = bins["split"] == split
        pixels = np.where(bins["bin"][rows] == 8, part["pixels"].sum(), 0)
        bins.loc[rows, "pixels"] = pixels
        bins.loc[rows, "pet_share"] = pet[part.index].sum() / part["pixels"].sum()
    bins.to_csv(run / "calibration.csv", index=False)
    means = table.groupby("split")["dice"].mean()
    summary = json.loads((run / "summary.json").read_text())
    summary |= {"best_val_dice": means["valid"], "test_dice": means["test"]}
    (run / "summary.json").write_text(json.dumps(summary))


def make_examples(study: Study, size: int = 32, count: int = 2) -> list[Example]:
    """Return examples of noise, with a mask for each finished group of a study."""
    random = np.random.default_rng(0)
    truth = np.zeros((size, size), np.uint8)
    truth[size // 4 : size // 2, size // 4 : -4] = 1
    found = []
    for index in range(count):
        image = random.integers(0, 255, (size, size, 3), dtype=np.uint8)
        example = Example(("typical", "best gain")[index % 2], f"pet_{index}", 0, image, truth)
        for group in study.groups:
            if group.finished:
                example.predicted[group.name] = np.roll(truth == 1, len(example.predicted), axis=1)
                example.dice[group.name] = 0.8 + 0.01 * len(example.dice)
        found.append(example)
    return found


def page_of(study: Study, folder: Path, **more: object) -> Path:
    """Write the page of a study with one table and all figures into a folder, and return it."""
    table = Table("Groups", ["group", "test Dice"], [[group.name, "0.8"] for group in study.groups], "One a row.")
    given = {"answer": ["elastic helps."], "tables": [table], "examples": [], "notes": [], "made": []} | more
    return write_page(study, folder, **given)


def page_with(study: Study, path: Path, *tables: Table) -> Path:
    """Write the page of a study with these tables and no figures to `path`, and return it."""
    path.write_text(render(study, answer=[], tables=tables, figures=[], notes=[], made=[]), encoding="utf-8")
    return path


def _write_run(
    run: Path,
    config: dict[str, Any],
    group: Mapping[str, Any],
    random: np.random.Generator,
    epochs: int,
    counts: tuple[int, int],
    deviations: tuple[float, float],
    old: bool,
) -> None:
    run.mkdir(parents=True)
    (run / "config.yaml").write_text(
        yaml.dump(config, Dumper=DUMPER, sort_keys=False, allow_unicode=True), encoding="utf-8"
    )
    state = group.get("state", "finished")
    status = {"started": "2026-11-24T21:49:43+00:00", "state": state, "ended": "2026-11-24T21:50:02+00:00"}
    status |= {"device": "cuda:0 (H100)" if "memory" in group else "cpu", "threads": 2}
    status |= {"git": {"commit": "f" * 40, "dirty": False}, "versions": {"torch": "2.6"}}
    error = {"type": "RunError", "message": group.get("error", "the loss is nan")} if state == "failed" else None
    (run / "status.json").write_text(json.dumps(status | {"error": error}, indent=2))
    if state != "finished":
        return
    shift = group.get("effect", 0.0) + deviations[0] * random.standard_normal()
    dice = {split: _scores(split, count, shift, deviations[1], random) for split, count in _splits(counts)}
    means = {split: float(values.mean()) for split, values in dice.items()}
    metrics, best = _course(epochs, means["valid"], group.get("seconds", 2.0), random)
    if old:
        metrics = {key: values for key, values in metrics.items() if key not in OLD_LACKS}
    _write_csv(run / "metrics.csv", metrics)
    stems = [f"pet_{index}" for _, count in _splits(counts) for index in range(count)]
    every = np.concatenate(list(dice.values()))
    scores = {"split": [split for split, count in _splits(counts) for _ in range(count)], "stem": stems}
    scores |= {"dice": every, "iou": every / (2 - every), "loss": 1.1 * (1 - every) + 0.1}
    _write_csv(run / "per_image.csv", scores | {"pixels": np.full(len(every), 4096)})
    if not old:
        _write_csv(run / "calibration.csv", _calibration(counts, random))
    summary = {
        "best_epoch": best,
        "best_val_dice": means["valid"],
        "val_loss_at_best": float(metrics["val/loss"][best - 1]),
        "test_dice": means["test"],
        "test_iou": float((dice["test"] / (2 - dice["test"])).mean()),
        "test_loss": float((1.1 * (1 - dice["test"]) + 0.1).mean()),
        "train_seconds": float(np.sum(metrics["seconds"])),
        "parameters": group.get("parameters", 838802),
        "macs": 122224640,
        "peak_memory_mb": group.get("memory", 1120.0),
    }
    for mark in (80, 85, 88, 90):
        hits = np.flatnonzero(metrics["val/dice"] >= mark / 100)
        summary[f"epochs_to_0{mark}"] = int(hits[0]) + 1 if len(hits) else None
    if not old:
        summary["test_ece"] = float(metrics["val/ece"][best - 1])
    (run / "summary.json").write_text(json.dumps(summary, indent=2))


def _splits(counts: tuple[int, int]) -> list[tuple[str, int]]:
    return list(zip(("valid", "test"), counts, strict=True))


def _scores(split: str, count: int, shift: float, deviation: float, random: np.random.Generator) -> np.ndarray:
    # Of its own seed, so that an image is as hard in every run; a few are hard for all, as in the real data.
    hard = 1 - np.random.default_rng(len(split)).beta(1.3, 6.0, count)
    return np.clip(hard + shift + deviation * random.standard_normal(count), 0.0, 0.999)


def _course(epochs: int, dice: float, seconds: float, random: np.random.Generator) -> tuple[dict[str, np.ndarray], int]:
    """Return the columns of metrics.csv and the best epoch: the loss turns at half time, where Dice stands still."""
    epoch = np.arange(1, epochs + 1)
    time = epoch / epochs
    curve = dice * (1 - 0.6 * np.exp(-8 * time)) - 0.012 * np.abs(random.standard_normal(epochs))
    best = int(curve.argmax())
    curve *= dice / curve[best]
    rising = np.maximum(time - 0.5, 0)
    loss = 1.1 * (1 - curve) + 0.1 + 0.5 * rising**2 + 0.02 * random.random(epochs)
    columns = {"epoch": epoch, "train/loss": 0.6 * np.exp(-3 * time) + 0.08 + 0.01 * random.random(epochs)}
    columns |= {"val/loss": loss, "val/dice": curve, "val/iou": curve / (2 - curve)}
    columns |= {"val/ece": 0.2 * np.exp(-6 * time) + 0.02 + 0.2 * rising**2 + 0.01 * random.random(epochs)}
    columns |= {"lr": 0.003 * (1 - time)}
    columns |= {"seconds": seconds * (0.95 + 0.1 * random.random(epochs))}
    columns |= {"images_per_second": np.full(epochs, 532 / seconds), "images_seen": 532 * epoch, "updates": 34 * epoch}
    return columns, best + 1


def _calibration(counts: tuple[int, int], random: np.random.Generator) -> dict[str, Any]:
    middle = (np.arange(BINS) + 0.5) / BINS
    share = np.exp(3 * np.abs(middle - 0.5) ** 1.5)
    columns: dict[str, list[Any]] = {"split": [], "bin": [], "pixels": [], "probability": [], "pet_share": []}
    for split, count in _splits(counts):
        columns["split"] += [split] * BINS
        columns["bin"] += range(1, BINS + 1)
        columns["pixels"] += (share / share.sum() * count * 4096).astype(int).tolist()
        columns["probability"] += middle.tolist()
        columns["pet_share"] += np.clip(
            middle + 0.06 * np.sin(2 * np.pi * middle) + 0.01 * random.standard_normal(BINS), 0, 1
        ).tolist()
    return columns


def _write_csv(path: Path, columns: Mapping[str, Any]) -> None:
    cells = [values.tolist() if isinstance(values, np.ndarray) else values for values in columns.values()]
    lines = [",".join(columns), *(",".join(map(str, row)) for row in zip(*cells, strict=True))]
    path.write_text("\n".join(lines) + "\n", encoding="utf-8")
