"""What dividing all logits by one number does to loss and calibration: temperature scaling.

    python temperature.py runs/long_training

For each run, the temperature with the lowest cross-entropy on the validation images is found for its best weights, and
they are scored on the test images without and with it. Prints a table, and writes temperature.csv, a row a run, into
results/ beside this file. The runs have to have their weights, and their images have to be where they were.
"""

import argparse
import contextlib
import math
from pathlib import Path
from typing import Any

import pandas as pd
import torch
from groups import runs_of
from scipy.optimize import minimize_scalar
from stopping import difference
from torch import nn

from pets_seg.data import Batches, Normalise, open_dataset
from pets_seg.errors import InputError
from pets_seg.evaluation.evaluate import evaluate
from pets_seg.evaluation.prediction import recorded_data
from pets_seg.machine.files import write_text
from pets_seg.models import memory_format
from pets_seg.models.checkpoint import load_network, read_about
from pets_seg.report.study.runs import Run
from pets_seg.run_folder.names import BEST

CPU = torch.device("cpu")
# Temperatures are looked for between these.
LOWEST, HIGHEST = 0.01, 100.0


class Divided(nn.Module):
    """A network whose logits are divided by a temperature."""

    def __init__(self, network: nn.Module) -> None:
        super().__init__()
        self.network, self.temperature = network, 1.0

    def forward(self, image: torch.Tensor) -> torch.Tensor:
        return self.network(image) / self.temperature


def main() -> None:
    """Print the table and write the results."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("sweep", type=Path, help="folder of the sweep")
    parser.add_argument("--results", type=Path, default=Path(__file__).parent / "results", help="folder of the results")
    given = parser.parse_args()
    try:
        rows = pd.DataFrame([row_of(group, run) for group, runs in runs_of(given.sweep).items() for run in runs])
    except InputError as error:
        raise SystemExit(str(error)) from None
    print(table(rows))
    write_text(given.results / "temperature.csv", rows.to_csv(index=False))


def row_of(group: str, run: Run) -> dict[str, Any]:
    """Return the temperature of a run, and its test figures without and with it."""
    weights = run.folder / BEST
    if not weights.is_file():
        raise InputError(f"{run.folder} has no {BEST}")
    about = read_about(weights)
    network = Divided(load_network(weights, CPU))
    normalise = Normalise(about["normalisation"], CPU, memory_format(CPU, network.network))
    dataset = open_dataset(recorded_data(run.folder) | {"size": about["size"]}, needed=("valid", "test"), warn=False)
    if run.data.digest != dataset.index.digest:
        raise InputError(f"{run.folder}: its images or masks have changed since it was trained")
    valid, test = (Batches(split, CPU, about["boundary"]) for split in (dataset.valid, dataset.test))

    def means(batches: Batches, temperature: float) -> dict[str, float]:
        network.temperature = temperature
        return evaluate(network, batches, normalise, contextlib.nullcontext()).means()

    ends = math.log(LOWEST), math.log(HIGHEST)
    found = minimize_scalar(lambda log: means(valid, math.exp(log))["loss"], bounds=ends, options={"xatol": 0.002}).x
    # The search ends near a bound, not at it.
    if min(found - ends[0], ends[1] - found) < 0.05:
        raise InputError(f"{run.folder}: the best temperature is not between {LOWEST:g} and {HIGHEST:g}")
    temperature = math.exp(found)
    plain, scaled = means(test, 1.0), means(test, temperature)
    figures = {"loss": plain["loss"], "loss_scaled": scaled["loss"], "ece": plain["ece"], "ece_scaled": scaled["ece"]}
    return {"group": group, "seed": run.seed, "temperature": temperature, **figures, "run": run.name}


def table(rows: pd.DataFrame) -> str:
    """Return the test figures of each group as means over seeds, and what scaling changes, with its 95 % interval."""
    lines = [
        "| group | runs | temperature | loss | scaled | change (95 % CI) | calibration error | scaled | change |",
        "|---|---|---|---|---|---|---|---|---|",
    ]
    for group, part in rows.groupby("group", sort=False):
        cells = [str(len(part)), f"{part['temperature'].mean():.2f}"]
        for name in ("loss", "ece"):
            cells += [f"{part[name].mean():.4f}", f"{part[f'{name}_scaled'].mean():.4f}"]
            cells.append(difference((part[f"{name}_scaled"] - part[name]).tolist(), 4))
        lines.append(f"| {group} | {' | '.join(cells)} |")
    return "\n".join(lines)


if __name__ == "__main__":
    main()
