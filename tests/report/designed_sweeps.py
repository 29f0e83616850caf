"""Sweeps that were run by a design, as hydra/sweeper=sequential does."""

from collections.abc import Mapping
from dataclasses import replace
from pathlib import Path
from typing import Any

from sweeps import write_sweep

from pets_seg.report.sequential.levels import levels
from pets_seg.report.study.runs import Run, read_runs
from pets_seg.run_folder.design import Design, DesignGroup, write_design

SEEDS = 8
LOOKS = [4, 5, 6, 7, 8]


def designed(folder: Path, effects: Mapping[str, float], **settings: Any) -> Design:
    """Write a sweep of 8 seeds, the first group its baseline, and return its design, which is declared."""
    size = {"epochs": 5, "images": 40, "valid": 10, "seed_deviation": 0.002, "image_deviation": 0.01}
    runs = write_sweep(folder, {name: {"effect": effect} for name, effect in effects.items()}, seeds=SEEDS, **size)
    names = {name: [run.name for run in runs[i * SEEDS : (i + 1) * SEEDS]] for i, name in enumerate(effects)}
    base, *others = names
    groups = {
        name: DesignGroup({"aug": name}, "" if name == base else base, {"aug.name": name}, runs)
        for name, runs in names.items()
    }
    critical = {
        key: {str(pairs): round(value, 3) for pairs, value in levels(tuple(LOOKS), a, len(others)).critical().items()}
        for key, a in (("different", 0.05), ("equal", 0.1))
    }
    times = {"when": "2026-11-01T00:00:00+00:00", "commit": "f"}
    design = Design("?", groups, "test_dice", 1.0, 0.05, 0, LOOKS, 0.1, 0.25, "method", critical, **times)
    design = replace(design, **settings)
    write_design(folder, design)
    return design


def runs_of(folder: Path) -> dict[str, Run]:
    return {run.name: run for run in read_runs([folder])[0]}
