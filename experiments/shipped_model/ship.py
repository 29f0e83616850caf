"""Put the weights of a finished run into the package, with what is known of the run, and print its figures.

python experiments/shipped_model/ship.py runs/shipped_model/RUN
"""

import argparse
import json
import shutil
from pathlib import Path
from typing import Any

from pets_seg.config.weights import SHIPPED, sha256
from pets_seg.evaluation.prediction import recorded_data
from pets_seg.machine.files import write_text
from pets_seg.run_folder.folder import RunFolder

# Of status.json and summary.json, what holds beyond the machine that trained the network.
STATUS = ("state", "git", "versions", "instructions", "data")
FIGURES = (
    *("best_epoch", "best_val_dice", "test_dice", "test_iou", "test_loss", "train_seconds"),
    *("images_seen", "updates", "parameters", "macs"),
)
LICENCE = "CC BY-SA 4.0 (Oxford-IIIT Pet Dataset, Parkhi et al., CVPR 2012)"


def main() -> None:
    """Copy the weights, write their record, print the figures."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("run", type=Path, help="folder of the run")
    run = RunFolder(parser.parse_args().run)
    content = record(run)
    SHIPPED.parent.mkdir(exist_ok=True)
    shutil.copyfile(run.best, SHIPPED)
    write_text(SHIPPED.with_suffix(".json"), json.dumps(content, indent=2) + "\n")
    for name, value in content["summary"].items():
        print(f"{name} {value}")
    print(f"{SHIPPED.stat().st_size / 1e6:.2f} MB, SHA-256 {sha256(SHIPPED)}")


def record(run: RunFolder) -> dict[str, Any]:
    """Return what is known of a run; SystemExit unless it is finished, and of the data set whose licence is known."""
    status, summary = run.read_status(), run.read_summary()
    if status.get("state") != "finished":
        raise SystemExit(f"{run.path}: its state is {status.get('state')}; give a finished run")
    known = {key: status[key] for key in STATUS}
    if (name := recorded_data(run.path)["name"]) != "oxford_pet":
        raise SystemExit(f"{run.path}: was trained on data={name}; give a run of data=oxford_pet")
    known["data"] = {"name": name, "licence": LICENCE, **status["data"]}
    return {"run": run.path.name, "status": known, "summary": {key: summary[key] for key in FIGURES}}


if __name__ == "__main__":
    main()
