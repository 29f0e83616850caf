"""Train 60 seeds of each of nine configurations of a small network, and keep what they score on every image.

    python experiments/sequential/noise/train.py FOLDER
    python experiments/sequential/noise/train.py FOLDER --replay low_lr 17

The runs go to FOLDER, and the command goes on where one before it was cut; results/ gets images.csv.xz and runs.csv.
With --replay one run of them is trained anew, and what it scores is compared with its rows; nothing of it is kept.
"""

import argparse
import os
import subprocess
import sys
import tempfile
from pathlib import Path

import pandas as pd

from pets_seg.report.study.runs import Run, read_runs

HERE = Path(__file__).absolute().parent
RUNS, IMAGES = HERE / "results" / "runs.csv", HERE / "results" / "images.csv.xz"
SEEDS = 60
COMMON = ["model.width=8", "data.size=32", "train.epochs=5", "train.batch_size=24", "train.precision=fp32"]
COMMON += ["optimizer=muon", "tracker=none", "hydra/launcher=local"]
PLACE = [f"hydra.searchpath=[file://{HERE}/conf]"]
# By name: the words beside those in common, and the first seed. "same" is "base" with other seeds.
CONFIGURATIONS = {
    "base": (["optimizer.lr=8e-3", "aug=hflip"], 0),
    "same": (["optimizer.lr=8e-3", "aug=hflip"], SEEDS),
    "inverted_masks": (["optimizer.lr=8e-3", "aug=hflip", "loss=inverted_masks"], 0),
    "low_lr": (["optimizer.lr=1e-3", "aug=hflip"], 0),
    "no_flips": (["optimizer.lr=8e-3", "aug=none"], 0),
    "narrow": (["optimizer.lr=8e-3", "aug=hflip", "model.width=4"], 0),
    "elastic": (["optimizer.lr=8e-3", "aug=elastic"], 0),
    "crop": (["optimizer.lr=8e-3", "aug=crop"], 0),
    "ema": (["optimizer.lr=8e-3", "aug=hflip", "train.ema=0.9"], 0),
}
SCORES = ["best_epoch", "best_val_dice", "test_dice", "test_iou", "test_loss"]


def train(work: Path, name: str, seeds: str) -> None:
    """Train what is missing of these seeds of a configuration; CalledProcessError if a run fails."""
    words = [*PLACE, *COMMON, *CONFIGURATIONS[name][0], f"seed={seeds}", f"name={name}"]
    # The figures depend on the number of threads.
    environment = {**os.environ, "OMP_NUM_THREADS": "1", "PYTHONPATH": str(HERE)}
    command = [sys.executable, "-m", "pets_seg.run", "-m", *words]
    subprocess.run(command, cwd=work, env=environment, check=True, stdout=subprocess.DEVNULL)


def tables(work: Path, least: int = 1) -> tuple[pd.DataFrame, pd.DataFrame]:
    """Return the tables of the finished runs and of their test images, of configurations with so many at least."""
    runs, images = [], []
    for name, (_, first) in CONFIGURATIONS.items():
        found = read_runs([work / "runs" / name])[0] if (work / "runs" / name).is_dir() else []
        finished = sorted((run for run in found if run.finished), key=lambda run: run.seed)
        for run in finished if len(finished) >= least else []:
            key = {"configuration": name, "seed": run.seed, "pair": run.seed - first}
            runs.append({**key, "run": run.name, **{score: run.number(score) for score in SCORES}})
            images.append(_images(run).assign(**key)[[*key, "stem", "dice"]])
    return pd.DataFrame(runs).astype({"best_epoch": int}), pd.concat(images, ignore_index=True)


def _images(run: Run) -> pd.DataFrame:
    return run.images["test"]["dice"].rename_axis("stem").reset_index()


def replay(work: Path, name: str, seed: int) -> None:
    """Train one run anew and compare it with its rows; SystemExit if they differ."""
    with tempfile.TemporaryDirectory(dir=work) as folder:
        train(Path(folder), name, str(seed))
        found = tables(Path(folder))
    for new, path in zip(found, (RUNS, IMAGES), strict=True):
        new = new[(new["configuration"] == name) & (new["seed"] == seed)].reset_index(drop=True)
        kept = pd.read_csv(path)
        kept = kept[(kept["configuration"] == name) & (kept["seed"] == seed)].reset_index(drop=True)
        if not new.equals(kept):
            figures = [key for key in ("test_dice", "dice") if key in new]
            away = (new[figures] - kept[figures]).abs().max().max()
            raise SystemExit(f"{path.name}: {name} with seed {seed} differs, in Dice by {away:.2g} at most.")
    print(f"{name} with seed {seed}: bit for bit as in results/")


def main() -> None:
    """Train all configurations one by one, or replay a run."""
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("work", metavar="FOLDER", type=Path, help="of the runs")
    parser.add_argument("--replay", nargs=2, metavar=("CONFIGURATION", "SEED"))
    given = parser.parse_args()
    given.work.mkdir(parents=True, exist_ok=True)
    if given.replay:
        replay(given.work, given.replay[0], int(given.replay[1]))
        return
    RUNS.parent.mkdir(exist_ok=True)
    for name, (_, first) in CONFIGURATIONS.items():
        train(given.work, name, f"range({first},{first + SEEDS})")
        for table, path in zip(tables(given.work, SEEDS), (RUNS, IMAGES), strict=True):
            whole = path.with_name(f"new_{path.name}")
            table.to_csv(whole, index=False)
            whole.replace(path)
        print(f"{name}: {SEEDS} runs", flush=True)


if __name__ == "__main__":
    main()
