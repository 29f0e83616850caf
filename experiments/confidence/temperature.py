"""What dividing all logits by one number does to loss and calibration: temperature scaling.

    python temperature.py runs/long_training

For each run, the temperature with the lowest cross-entropy on the validation images is found for its best weights, and
they are scored on the test images without and with it. Prints a table, and writes temperature.csv, two rows a run, into
results/ beside this file. The runs have to have their weights, and their images have to be where they were.
"""

import math
from typing import Any

import pandas as pd
import torch
from groups import runs_of
from run_groups import sweep_parser
from scipy.optimize import minimize_scalar
from stopping import difference
from torch import nn

from pets_seg.config.schema import IGNORED
from pets_seg.data import Batches, Normalise, open_dataset
from pets_seg.errors import InputError
from pets_seg.evaluation.calibration import calibration_error, count_levels
from pets_seg.evaluation.prediction import recorded_data
from pets_seg.losses.cross_entropy import cross_entropy
from pets_seg.machine.files import write_text
from pets_seg.models import memory_format
from pets_seg.models.checkpoint import load_network, read_about
from pets_seg.report.study.runs import Run
from pets_seg.run_folder.names import BEST

CPU = torch.device("cpu")
BATCH = 64
PLAIN, SCALED = "as they are", "scaled"
Predictions = list[tuple[torch.Tensor, torch.Tensor]]
# Temperatures are looked for between these.
LOWEST, HIGHEST = 0.01, 100.0


def main() -> None:
    """Print the table and write the results."""
    given = sweep_parser(__file__, __doc__).parse_args()
    try:
        groups = runs_of(given.sweep)
        rows = pd.DataFrame([row for group, runs in groups.items() for run in runs for row in rows_of(group, run)])
    except InputError as error:
        raise SystemExit(str(error)) from None
    print(table(rows))
    write_text(given.results / "temperature.csv", rows.to_csv(index=False))


def rows_of(group: str, run: Run) -> list[dict[str, Any]]:
    """Return the test figures of a run at temperature 1, and at the one that was found for it."""
    weights = run.folder / BEST
    if not weights.is_file():
        raise InputError(f"{run.folder} has no {BEST}")
    about = read_about(weights)
    dataset = open_dataset(recorded_data(run.folder) | {"size": about["size"]}, needed=("valid", "test"), warn=False)
    if run.data.digest != dataset.index.digest:
        raise InputError(f"{run.folder}: its images or masks have changed since it was trained")
    network = load_network(weights, CPU).eval()
    normalise = Normalise(about["normalisation"], CPU, memory_format(CPU, network))
    valid, test = (
        predicted(network, normalise, Batches(split, CPU, about["boundary"])) for split in (dataset.valid, dataset.test)
    )
    ends = math.log(LOWEST), math.log(HIGHEST)
    found = minimize_scalar(lambda log: scores(valid, math.exp(log))["loss"], bounds=ends, options={"xatol": 0.002}).x
    # The search ends near a bound, not at it.
    if min(found - ends[0], ends[1] - found) < 0.05:
        raise InputError(f"{run.folder}: the best temperature is not between {LOWEST:g} and {HIGHEST:g}")
    return [
        {"group": group, "seed": run.seed, "logits": logits, "temperature": temperature}
        | scores(test, temperature)
        | {"run": run.name}
        for logits, temperature in ((PLAIN, 1.0), (SCALED, math.exp(found)))
    ]


@torch.inference_mode()
def predicted(network: nn.Module, normalise: Normalise, batches: Batches) -> Predictions:
    """Return the logits and the mask of each batch of a split."""
    parts = (batches.take(indices) for indices in torch.arange(len(batches)).split(BATCH))
    return [(network(normalise(image)), mask) for image, mask in parts]


def scores(predictions: Predictions, temperature: float) -> dict[str, float]:
    """Return cross-entropy and calibration error over the counted pixels, with all logits divided by `temperature`."""
    pixels = sum(int((mask != IGNORED).sum()) for _, mask in predictions)
    loss = sum(cross_entropy(logits / temperature, mask).double().sum().item() for logits, mask in predictions)
    levels = sum(count_levels(logits / temperature, mask) for logits, mask in predictions)
    return {"loss": loss / pixels, "ece": calibration_error(levels)}


def table(rows: pd.DataFrame) -> str:
    """Return the test figures of each group as means over seeds, and what scaling changes, with its 95 % interval."""
    lines = [
        "| group | runs | temperature | loss | scaled | change (95 % CI) | calibration error | scaled | change |",
        "|---|---|---|---|---|---|---|---|---|",
    ]
    for group, part in rows.groupby("group", sort=False):
        plain, scaled = (part[part["logits"] == logits].set_index("seed") for logits in (PLAIN, SCALED))
        cells = [str(len(scaled)), f"{scaled['temperature'].mean():.2f}"]
        for name in ("loss", "ece"):
            cells += [f"{plain[name].mean():.4f}", f"{scaled[name].mean():.4f}"]
            cells.append(difference((scaled[name] - plain[name]).tolist(), 4))
        lines.append(f"| {group} | {' | '.join(cells)} |")
    return "\n".join(lines)


if __name__ == "__main__":
    main()
