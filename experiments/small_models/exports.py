"""The trained networks as ONNX files in 32 and in 8 bits: their size, their Dice and their time."""

import json
import re
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path
from subprocess import CompletedProcess
from typing import Any

import kept
import onnx
import pandas as pd
from cells import NAME, TEACHER_ROW
from latency import measured

from pets_seg.data import open_dataset
from pets_seg.run_folder.config_file import load_plain
from pets_seg.run_folder.names import CONFIG

Command = Callable[[list[str]], CompletedProcess[str]]
# What task=export prints: a form's row of its table, and that int8 costs too much Dice.
ROW = r"^{form} +(?P<dice>\S+) +(?P<mb>\S+) +\S+$"
REFUSED = re.compile(r"export\.int8=true: costs \S+ points of Dice, more than")
# Where the metadata of a file have the Dice of its form.
DICE = {"fp32": "exported_dice", "int8": "int8_dice"}


@dataclass(frozen=True)
class Exports:
    """The exports of the runs below `work` that runs.csv in `results` names; `command` gives a command of pets_seg."""

    results: Path
    work: Path
    command: Command

    def file(self, run: str, form: str) -> Path:
        """Return the ONNX file of a run in a form."""
        return self.work / "runs" / f"{NAME}_onnx" / f"{run}_{form}.onnx"

    def complete(self) -> None:
        """Export what exports.csv lacks, then time all files if one is not timed.

        Rows of weights that runs.csv does not have are dropped: they are of another study.
        """
        runs, rows = kept.read(self.results, "runs"), kept.read(self.results, "exports")
        wanted = runs[runs["training"] != TEACHER_ROW]
        rows = rows[rows["weights"].isin(wanted["weights"])]
        jobs = [(run, form) for _, run in wanted.iterrows() for form in kept.FORMS]
        for number, (run, form) in enumerate(jobs, 1):
            if ((rows["weights"] == run["weights"]) & (rows["form"] == form)).any():
                continue
            rows = pd.DataFrame([*rows.to_dict("records"), self.exported(run, form)], columns=kept.EXPORTS)
            kept.write(self.results, "exports", rows)
            print(f"export {number} of {len(jobs)}: {run['run']} {form}", flush=True)
        kept.write(self.results, "exports", rows)
        if rows.loc[~kept.refused(rows), "ms"].isna().any():
            self.time()

    def exported(self, run: pd.Series, form: str) -> dict[str, Any]:
        """Export a run and return its row; SystemExit with the reason if the file is neither written nor refused."""
        file = self.file(run["run"], form)
        file.parent.mkdir(parents=True, exist_ok=True)
        checkpoint = self.work / "runs" / NAME / run["run"]
        words = ["task=export", f"checkpoint={checkpoint}", f"output={file}", "overwrite=true"]
        done = self.command([*words, f"export.int8={str(form == 'int8').lower()}"])
        row = {key: run[key] for key in (*kept.CELL, "run", "weights")} | {"form": form, "refused": False}
        if done.returncode == 0:
            said = {item.key: item.value for item in onnx.load(file).metadata_props}
            dice = json.loads(said["compared with PyTorch"])[DICE[form]]
            return row | {"mb": file.stat().st_size / 1e6, "dice": dice}
        found = re.search(ROW.format(form=form), done.stdout, re.MULTILINE)
        if not (form == "int8" and found and REFUSED.search(done.stderr)):
            raise SystemExit(f"{' '.join(words)} failed:\n{done.stdout}{done.stderr}".strip())
        file.unlink(missing_ok=True)
        return row | {"refused": True, "mb": float(found["mb"]), "dice": float(found["dice"])}

    def time(self) -> None:
        """Time all files that were not refused, in one stretch, and keep it; a file that is gone is exported again."""
        rows = kept.read(self.results, "exports")
        timed = rows[~kept.refused(rows)]
        if timed.empty:
            return
        for _, row in timed.iterrows():
            if not self.file(row["run"], row["form"]).exists():
                self.exported(row, row["form"])
        data = load_plain(self.work / "runs" / NAME / timed["run"].iloc[0] / CONFIG)["data"]
        photos = open_dataset(data, needed=("test",), warn=False).test
        found = measured([self.file(row["run"], row["form"]) for _, row in timed.iterrows()], photos)
        for key, values in found.items():
            rows.loc[timed.index, key] = values
        kept.write(self.results, "exports", rows)
