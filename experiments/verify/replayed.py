"""One run of each archive, drawn at random, trained again and held to its row in runs.csv."""

import json
import os
import random
import subprocess
import sys
import tempfile
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path

import numpy as np
import pandas as pd
from archive import unpack
from kept_files import read_table, select
from kept_studies import RUNS, Kept

from pets_seg.run_folder.config_file import load_plain
from pets_seg.run_folder.names import CONFIG, STATUS, SUMMARY

FIGURES = ("best_epoch", "best_val_dice", "val_loss_at_best", "test_dice", "test_iou", "test_loss")
# On another kind of processor a run differs as another seed does.
MOST_DEVIATIONS = 4
OF_GROUP = ("best_val_dice", "test_dice", "test_iou", "test_loss")
# What holds a processor to older instructions than it has, in PyTorch, oneDNN and MKL.
HELD_TO_AVX2 = {"ATEN_CPU_CAPABILITY": "avx2", "ONEDNN_MAX_CPU_ISA": "AVX2", "MKL_ENABLE_INSTRUCTIONS": "AVX2"}
MADE_FOR = {"AVX2": HELD_TO_AVX2}


@dataclass(frozen=True)
class Replay:
    """What came of a replay: `failures` about runs.csv, and what else is to be said of it."""

    failures: list[str]
    remark: str


def replay_one(kept: Kept, experiment: Path, seed: int, data: Path | None) -> Replay:
    """Replay the run of an archive that the seed draws; `data` is the folder of the data set, where it is needed."""
    with tempfile.TemporaryDirectory() as work:
        sweep = unpack(experiment / kept.archive, Path(work))
        name = random.Random(seed).choice(sorted(path.parent.name for path in sweep.glob(f"*/{CONFIG}")))
        bundled = load_plain(sweep / name / CONFIG)["data"]["name"] == "sample"
        if not bundled and data is None:
            return Replay([], f"{name} is left out, because its data are not at hand; give DATA=FOLDER")
        root = [] if bundled or data is None else [f"data.root={data.resolve()}"]
        status = json.loads((sweep / name / STATUS).read_text(encoding="utf-8"))
        instructions = str(status.get("instructions", "")).partition(",")[0]
        here = str(experiment.resolve())
        given = [
            f"replay={sweep / name}",
            "tracker=none",
            *root,
            *(word.replace("HERE", here) for word in kept.settings),
        ]
        command = [sys.executable, "-m", "pets_seg.run", *given]
        # With OMP_NUM_THREADS a replay has the threads of its run too, but not those of what it loads.
        own = {key: value for key, value in os.environ.items() if key != "OMP_NUM_THREADS"}
        own["PYTHONPATH"] = os.pathsep.join(filter(None, [here, own.get("PYTHONPATH")]))
        done = subprocess.run(command, cwd=work, env=own | _held_to(instructions), capture_output=True, text=True)
        if done.returncode:
            return Replay([f"{name} cannot be replayed: {(done.stderr or done.stdout).strip().splitlines()[-1]}"], "")
        [folder] = (path.parent for path in Path(work).glob(f"runs/replay/*/{SUMMARY}"))
        found = json.loads((folder / SUMMARY).read_text(encoding="utf-8"))
        now = json.loads((folder / STATUS).read_text(encoding="utf-8"))
    other = list(_otherwise(kept, status, now))
    runs = read_table(experiment / kept.folder / RUNS)
    wrong = list(not_the_row(runs, name, found) if not other else far_from_group(runs, name, found))
    how = "bit for bit" if not other else f"within {MOST_DEVIATIONS} standard deviations ({'; '.join(other)})"
    return Replay(wrong, "" if wrong else f"{name} was replayed and is as its row, {how}")


def _held_to(instructions: str) -> dict[str, str]:
    """Return the variables that let this machine compute with the instructions of a run, if it has newer ones."""
    import torch

    return MADE_FOR.get(instructions, {}) if torch.backends.cpu.get_cpu_capability() == "AVX512" else {}


def _otherwise(kept: Kept, then: dict[str, object], now: dict[str, object]) -> Iterator[str]:
    """Yield in what this machine is of another kind than that of the run, so that figures are rounded otherwise."""
    if kept.processor not in processor():
        yield f"the run was made on {kept.processor}, this is {processor()}"
    for key in ("instructions", "threads", "processes"):
        mine, its = (str(status.get(key)).partition(",")[0] for status in (now, then))
        if mine != its:
            yield f"{key} {its} then, {mine} now"
    versions = [status.get("versions") for status in (then, now)]
    for name in ("torch", "kornia", "pillow"):
        before, here = (found.get(name) if isinstance(found, dict) else None for found in versions)
        if before != here:
            yield f"{name} {before} then, {here} now"


def processor() -> str:
    """Return what the system calls this machine's processor, "" if it does not say."""
    try:
        lines = Path("/proc/cpuinfo").read_text(encoding="utf-8").splitlines()
    except OSError:
        return ""
    return next((line.partition(":")[2].strip() for line in lines if line.startswith("model name")), "")


def not_the_row(runs: pd.DataFrame, name: str, found: dict[str, float]) -> Iterator[str]:
    """Yield the figures that are not those of a run's row to the last digit."""
    [row] = runs[runs["run"] == name].to_dict("records")
    for key in FIGURES:
        if float(row[key]) != found[key]:
            yield f"{key} of {name} is {row[key]}, a replay on the same kind of processor gives {found[key]}"


def far_from_group(runs: pd.DataFrame, name: str, found: dict[str, float]) -> Iterator[str]:
    """Yield the figures that are further from the mean of a run's group than runs of other seeds are."""
    [row] = runs[runs["run"] == name].to_dict("records")
    # The settings in which runs differ stand between the seed and the figures.
    columns = [*runs.columns]
    settings = columns[columns.index("seed") + 1 : columns.index("best_epoch")]
    group = select(runs, {column: row[column] for column in settings})
    for key in OF_GROUP:
        values = np.array([*map(float, group[key])])
        if len(values) < 2:
            yield f"{name} has no other seed, and this is another kind of processor: nothing tells how near is near"
            return
        mean, deviation = float(values.mean()), float(values.std(ddof=1))
        if abs(found[key] - mean) > MOST_DEVIATIONS * deviation:
            near = f"{MOST_DEVIATIONS} deviations from its group's {mean:.4f} ± {deviation:.4f}"
            yield f"{key} of {name} is {found[key]:.4f} in a replay, more than {near}"
