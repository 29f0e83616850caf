"""How small can a network be, and what do distillation and 8 bits do?

    python experiments/small_models/measure.py --root FOLDER

trains the networks and exports them by commands of pets_seg, times the files, and writes table and plot. The runs go to
runs/ in the current folder, what is kept to results/ beside this file. The same command continues what was cut.
"""

import argparse
import signal
import sys
from pathlib import Path
from typing import Any, NoReturn

import commands
import figure
import kept
import pandas as pd
from cells import DISTILLED, NETWORKS, PLAIN, TEACHER_ROW, TRAININGS, Network, Study, finished_run, read_networks
from exports import Exports
from table import write_table

from pets_seg.config.weights import BEST, find_weights, run_of, sha256
from pets_seg.errors import InputError
from pets_seg.report.study.runs import Run

HERE = Path(__file__).absolute().parent
STAGES = ("train", "export", "time", "table")


def main() -> None:
    """Do all stages, or one of them."""
    given = arguments()
    signal.signal(signal.SIGTERM, _end)
    try:
        study = study_of(given)
        if given.only in (None, "train"):
            train(study)
        if given.only in (None, "train", "export"):
            keep_runs(study, given.results)
        exports = Exports(given.results, study.work, lambda words: commands.call(words, study.work))
        if given.only in (None, "export"):
            exports.complete()
        if given.only == "time":
            exports.time()
    except InputError as error:
        raise SystemExit(str(error)) from None
    if given.only != "train":
        table = write_table(given.results)
        figure.write(given.results, table)


def arguments() -> argparse.Namespace:
    """Return what the command line gives."""
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument(
        "--root", type=Path, help="the folder that holds oxford-iiit-pet/; without it, it is downloaded"
    )
    parser.add_argument("--seeds", type=int, default=3, help="of each network")
    parser.add_argument("--epochs", type=int, default=10, help="of each run but the teacher's")
    parser.add_argument("--teacher", type=Path, help="a run or a file of weights; without it, a teacher is trained")
    parser.add_argument("--only", choices=STAGES, help="this stage alone; time measures again what is kept")
    parser.add_argument("--networks", type=read_networks, default=NETWORKS, help=f"by default {NETWORKS}")
    parser.add_argument("--work", type=Path, default=Path(), help="the folder whose runs/ has the runs")
    parser.add_argument("--results", type=Path, default=HERE / "results", help="the folder of what is kept")
    parser.add_argument("settings", nargs="*", metavar="KEY=VALUE", help="further settings of every run")
    return parser.parse_args()


def study_of(given: argparse.Namespace) -> Study:
    """Return what is to be trained; its paths are absolute, since commands are given in the folder of the work."""
    work = given.work.absolute()
    work.mkdir(parents=True, exist_ok=True)
    data = [f"data.root={given.root.absolute()}", "data.download=false"] if given.root else []
    teacher = given.teacher and find_weights(str(given.teacher), "--teacher")
    return Study(work, given.networks, given.seeds, given.epochs, (*data, *given.settings), teacher)


def train(study: Study) -> None:
    """Train what is not finished: the teacher beside the plain networks, then the distilled ones."""
    teacher = None if study.teacher() else commands.start(study.teacher_words, study.work, quiet=True)
    with commands.beside(teacher):
        for words in study.sweeps(PLAIN):
            commands.run(words, study.work)
        if teacher:
            commands.finish(teacher, study.teacher_words)
    for words in study.sweeps(DISTILLED):
        commands.run(words, study.work)


def keep_runs(study: Study, results: Path) -> None:
    """Write runs.csv from the finished runs of the study; SystemExit if there is none."""
    teacher = study.teacher()
    rows = []
    for training in TRAININGS if teacher else (PLAIN,):
        for cell in study.cells(training):
            if run := finished_run(study.folder(cell)):
                rows.append(row_of(run, cell.network, training))
    if not rows:
        raise SystemExit(f"{study.work / 'runs'}: holds no finished run of this study")
    folder = run_of(find_weights(str(teacher))) if teacher else None
    if folder and (run := finished_run(folder)):
        model = run.config["model"]
        width = model.get("width", model.get("decoder_width"))
        rows.append(row_of(run, Network(model.get("encoder", model["name"]), width), TEACHER_ROW))
    kept.write(results, "runs", pd.DataFrame(rows))


def row_of(run: Run, network: Network, training: str) -> dict[str, Any]:
    """Return the row of a run in runs.csv."""
    return {
        "network": network.name,
        "width": network.width,
        "training": training,
        "seed": run.seed,
        "epochs": run.settings["train.epochs"],
        "best_epoch": int(run.number("best_epoch")),
        "val_dice": run.number("best_val_dice"),
        "test_dice": run.number("test_dice"),
        **{key: run.summary.get(key) for key in ("test_images", "parameters", "macs")},
        "run": run.name,
        "weights": sha256(run.folder / BEST),
    }


def _end(*_: object) -> NoReturn:
    sys.exit(128 + signal.SIGTERM)


if __name__ == "__main__":
    main()
