"""task=report: compare runs, on a page of their own and in tables."""

import logging
import os
import sys
from collections.abc import Sequence
from pathlib import Path
from typing import Any

import numpy as np
import torch
from omegaconf import DictConfig, OmegaConf

from pets_seg.checks import check
from pets_seg.data import Normalise
from pets_seg.data.batches import BOUNDARY, IGNORED
from pets_seg.data.decode import BadFileError, decode_pair
from pets_seg.data.sources import list_pairs
from pets_seg.errors import InputError, escaped
from pets_seg.files import write_text
from pets_seg.report.compare import common_seeds
from pets_seg.report.examples import Example, choose_groups, choose_images
from pets_seg.report.origin import origin
from pets_seg.report.runs import Run
from pets_seg.report.sentences import answer, progress, remarks
from pets_seg.report.study import Study, read_study
from pets_seg.report.sweep import show_groups
from pets_seg.report.tables import cost_table, course_table, main_table, markdown, write_tables
from pets_seg.report.wandb_report import check_account, save_report
from pets_seg.tasks.evaluate import recorded_data
from pets_seg.tracking.lock import check_writable
from pets_seg.training.checkpoint import load_network, read_about
from pets_seg.training.precision import memory_format

log = logging.getLogger("pets_seg")


def prepare(cfg: DictConfig, overrides: Sequence[str]) -> None:
    """Raise InputError for a setting out of its range, or folders that are not there or cannot be written."""
    check(cfg)
    folders = _folders(cfg.runs)
    for folder in folders:
        if not os.path.isdir(folder):
            raise InputError(f"runs={folder}: is not there; give the folder of a sweep, e.g. runs=runs/default")
    check_writable(folders[0])
    if cfg.report.wandb:
        check_account()


def run(cfg: DictConfig) -> float:
    """Write the report into the first folder of `runs`, print what it says, and return the number of runs."""
    folders = _folders(cfg.runs)
    study = read_study(folders, _plain(cfg.report.baseline))
    if not study.runs:
        reasons = "; ".join(f"{item.what}: {item.why}" for item in study.left_out[:3])
        problem = f"holds no run that can be read ({reasons})" if reasons else "holds no run"
        raise InputError(f"runs={folders[0]}: {problem}; give the folder of a sweep, e.g. runs=runs/default")
    page = make_report(study, cfg.report.reference)
    print(show_groups(study))
    for item in study.left_out[:10]:
        log.warning(f"left out: {item.what}: {item.why}")
    if len(study.left_out) > 10:
        log.warning(f"left out: {len(study.left_out) - 10} more, named in the page")
    print("\n" + "\n".join((*remarks(study), progress(study), escaped(str(page)))))
    if cfg.report.wandb:
        print(publish(study, cfg.tracker.project))
    return float(len(study.runs))


def make_report(study: Study, reference: bool = False) -> Path:
    """Write runs.csv, comparison.csv, report.md, figures/ and report.html into the study's first folder."""
    from pets_seg.report.page import write_page

    folder = study.folders[0]
    write_tables(study, folder)
    examples, reason = draw_examples(study)
    notes = [progress(study), *remarks(study), *([f"No test images are shown: {reason}."] if reason else [])]
    tables = [main_table(study), course_table(study), cost_table(study)]
    made = origin(study, sys.argv[1:])
    page = write_page(study, folder, answer(study), tables, examples, notes, made, reference)
    pictures = sorted(path.name for path in (folder / "figures").glob("*.png"))
    write_text(folder / "report.md", document(study, made, pictures))
    return page


def publish(study: Study, project: str) -> str:
    """Make or renew the study's report in W&B and return its address."""
    sweeps = list(dict.fromkeys(str(run.config.get("name")) for run in study.runs))
    return save_report(f"pets_seg: {', '.join(sweeps)}", sweeps, study.keys, document(study), project)


def document(study: Study, made: Sequence[tuple[str, str]] = (), pictures: Sequence[str] = ()) -> str:
    """Return the answer and the tables in Markdown, with `pictures` of figures/."""
    names = escaped(", ".join(dict.fromkeys(folder.resolve().name for folder in study.folders)))
    parts = [f"# {names}", *answer(study), progress(study), *remarks(study)]
    parts += [markdown(table) for table in (main_table(study), course_table(study), cost_table(study))]
    parts += [f"![{Path(name).stem}](figures/{name})" for name in pictures]
    parts += [f"## How this was made\n\n{chr(10).join(f'- {name}: {text}' for name, text in made)}"] if made else []
    return "\n\n".join(parts) + "\n"


def draw_examples(study: Study) -> tuple[list[Example], str]:
    """Return test images with the masks that the groups' best weights predict, or why there are none.

    The masks are computed anew on the CPU: a run folder holds weights, not masks.
    """
    groups = choose_groups(study)
    if not groups:
        return [], "no run has scores of test images"
    [seed, *_] = common_seeds(groups)
    runs = [next(run for run in group.finished if run.seed == seed) for group in groups]
    chosen = choose_images(runs)
    if not chosen:
        return [], "the groups have no test image in common"
    try:
        predicted = [_predict(run, [stem for _, stem in chosen]) for run in runs]
    except (InputError, BadFileError, OSError) as error:
        return [], " ".join(str(error).split())
    images, truths, _ = predicted[0]
    examples = []
    for index, (kind, stem) in enumerate(chosen):
        masks = {
            group.name: _at_size(masks[index], truths[index].shape[0])
            for group, (_, _, masks) in zip(groups, predicted, strict=True)
        }
        dice = {
            group.name: float(run.images["test"].loc[stem, "dice"]) for group, run in zip(groups, runs, strict=True)
        }
        examples.append(Example(kind, stem, seed, images[index], truths[index], masks, dice))
    return examples, ""


def _predict(run: Run, stems: Sequence[str]) -> tuple[np.ndarray, np.ndarray, np.ndarray]:
    """Return images (N,S,S,3), masks (N,S,S) and what the run's best weights take for pet, (N,S,S) bool."""
    weights = run.folder / "checkpoints" / "best.safetensors"
    if not weights.is_file():
        raise InputError(f"{run.folder} has no checkpoints/best.safetensors")
    about = read_about(weights)
    pairs = {pair.stem: pair for pair in list_pairs(recorded_data(run.folder / "config.yaml"))["test"]}
    if missing := [stem for stem in stems if stem not in pairs]:
        raise InputError(f"the data set has no {missing[0]} among its test images")
    decoded = [decode_pair(pairs[stem], about["size"]) for stem in stems]
    images, trimaps = (np.stack(part) for part in zip(*decoded, strict=True))
    masks = np.array([IGNORED, 1, 0, BOUNDARY[about["boundary"]]], dtype=np.uint8)[trimaps]
    device = torch.device("cpu")
    network = load_network(weights, device).eval()
    normalise = Normalise(about["normalisation"], device, memory_format(device, network))
    with torch.inference_mode():
        logits = network(normalise(torch.from_numpy(images).float().div_(255)))
    predicted = (logits[:, 1] > logits[:, 0]).numpy() & (masks != IGNORED)
    return images.transpose(0, 2, 3, 1), masks, predicted


def _at_size(mask: np.ndarray, size: int) -> np.ndarray:
    nearest = (np.arange(size) + 0.5) * len(mask) // size
    index = nearest.astype(int)
    return mask[index][:, index]


def _folders(given: Any) -> list[Path]:
    names = _plain(given)
    names = names if isinstance(names, list) else [names] if names is not None else []
    if not names:
        raise InputError("runs: is needed with task=report: give the folder of a sweep, e.g. runs=runs/default")
    for name in names:
        if not isinstance(name, str | int | float):
            raise InputError(f"runs={str(names)[:100]}: expected a folder, or a list of folders")
    return [Path(os.path.expanduser(str(name))) for name in names]


def _plain(value: Any) -> Any:
    return OmegaConf.to_container(value, resolve=True) if OmegaConf.is_config(value) else value
