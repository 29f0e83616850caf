"""Sweeps whose runs recorded data of their own."""

import csv
import json
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

from sweeps import SMALL, write_sweep

from pets_seg.report.study.study import Study

Rows = list[tuple[str, str, str, str]]
A, B, C = "3fa2c1" + "a" * 26, "9b01d4" + "b" * 26, "c0ffee" + "c" * 26
DIGESTS = {"A": A, "B": B, "C": C}
PIXELS = "f" * 32
BEFORE = [("train", f"p{index}", f"i{index}", f"m{index}") for index in range(5)]
AFTER = [("train", f"p{index}", f"i{index}", f"n{index}" if index < 2 else f"m{index}") for index in range(9)]
FILES: dict[str, Rows] = {A: BEFORE, B: AFTER, C: AFTER[1:]}
RESTART = "To compare them, train all of them on the data as they are now with existing=restart."
APART = "Runs of the same settings are of different data and are kept apart: "


def record(run: Path, digest: str, pixels: str = PIXELS, files: bool = True) -> None:
    """Let a run record its data, as training does; runs of A were started before those of B, these before C."""
    status = json.loads((run / "status.json").read_text())
    status["data"] = {"digest": digest, "decoded": pixels, "train": 5, "valid": 10, "test": 40, "masks": ""}
    status["started"] = f"2026-11-2{[A, B, C].index(digest) if digest in (A, B, C) else 9}T00:00:00+00:00"
    (run / "status.json").write_text(json.dumps(status))
    if status["state"] == "finished":
        summary = json.loads((run / "summary.json").read_text())
        (run / "summary.json").write_text(json.dumps(summary | {"data_digest": digest}))
    if files:
        with open(run / "data.csv", "w", encoding="utf-8", newline="") as file:
            csv.writer(file).writerows([("split", "stem", "image", "mask"), *FILES[digest]])


def write(folder: Path, letters: Mapping[str, str], groups: Sequence[Mapping[str, Any]] = ()) -> list[Path]:
    """Write a sweep whose groups have a letter for the data of each run, by seed: "-" for data that are not known."""
    named = dict(zip(letters, groups or [{}] * len(letters), strict=True))
    runs = write_sweep(folder, named, seeds=len(next(iter(letters.values()))), **SMALL)
    for run, letter in zip(runs, "".join(letters.values()), strict=True):
        if letter in DIGESTS:
            record(run, DIGESTS[letter])
    return runs


def members(study: Study) -> dict[str, list[int]]:
    return {group.name: [run.seed for run in group.finished] for group in study.groups}
