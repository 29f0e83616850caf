"""What a single run ends with: its figures, where they are, a picture, and what to type next."""

import logging
import shlex
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

from pets_seg.command.messages import one_line
from pets_seg.errors import InputError
from pets_seg.machine.files import write_whole
from pets_seg.machine.terminal import duration, link, python
from pets_seg.report.study.units import unit_of
from pets_seg.tracking.wandb_names import in_trial

DPI = 150
# Of a command line: they do not belong to what is run next, or are said in another way there.
NOT_NEXT = {"aug", "seed", "existing", "task"}
log = logging.getLogger("pets_seg")


def show_result(summary: Mapping[str, Any]) -> None:
    """Log the figures of a finished run and what it cost."""
    log.info(
        f"best epoch {summary['best_epoch']}: val Dice {summary['best_val_dice']:.4f}; "
        f"test Dice {summary['test_dice']:.4f}, IoU {summary['test_iou']:.4f}, loss {summary['test_loss']:.4f}"
    )
    costs = {"parameters": "{} parameters", "macs": "{}MACs an image", "peak_memory_mb": "peak memory {}"}
    shown = []
    for key, text in costs.items():
        if (value := summary[key]) is not None:
            unit = unit_of(key, [value])
            shown.append(text.format(f"{_short(value / unit.scale)} {unit.short}"))
    log.info(f"{', '.join(shown)}, trained in {duration(summary['train_seconds'])}")


def _short(value: float) -> str:
    return f"{value:.0f}" if value >= 100 else f"{value:.3g}"


def show_files(folder: Path, copy: Mapping[str, str]) -> None:
    """Draw result.png and print where the run, its picture and the tracker's `copy` are (by what that is called)."""
    lines = {"folder": link(folder)}
    if picture := write_picture(folder):
        lines["picture"] = link(picture)
    lines |= copy
    under = "\n" + " " * 9
    print("\n" + "\n".join(f"{name:<9}{text.replace(chr(10), under)}" for name, text in lines.items()))


def show_next(given: Sequence[str], aug: str, seed: int) -> None:
    """Print the sweep over this seed and two more that says whether the run's augmentation helps; it takes up the run.

    `given` are the words of the command line, `aug` and `seed` those of the run. An augmentation that was changed by
    the command line, or by a replay, cannot be swept over by its name, a run in a folder of its own is not found by a
    sweep, and a trial of a W&B sweep starts none: nothing is printed then.
    """
    if in_trial() or any(_key(word).startswith(("aug.", "replay", "hydra.run.")) for word in given):
        return
    print(f"\nDoes {'an' if aug == 'none' else 'this'} augmentation help? Compare over three seeds:\n")
    kept = [word for word in given if _key(word) not in NOT_NEXT]
    augs = "none,hflip" if aug == "none" else f"none,{aug}"
    print(
        f"  {python()} -m pets_seg.run {shlex.join(['-m', f'aug={augs}', f'seed={seed},{seed + 1},{seed + 2}', *kept])}"
    )


def _key(word: str) -> str:
    return word.lstrip("+~").partition("=")[0]


def write_picture(folder: Path) -> Path | None:
    """Write result.png into the folder of a finished run and return its path; log why if it cannot be drawn.

    What is read for it also shows a network that predicts one class everywhere, which is logged too.
    """
    from pets_seg.evaluation.prediction import predict_test
    from pets_seg.report.plotting.result import choose_stems, draw_result
    from pets_seg.report.study.constant import CONSTANT
    from pets_seg.report.study.examples import Example
    from pets_seg.report.study.runs import read_run

    path = folder / "result.png"
    try:
        run = read_run(folder)
        if run.damage:
            raise InputError("; ".join(run.damage))
        if run.constant:
            log.info(f"the network {CONSTANT[run.constant]}")
        stems = choose_stems(run)
        kinds = ["worst", *[""] * (len(stems) - 2), "best"] if len(stems) > 1 else [""]
        dice = run.images["test"]["dice"]
        examples = [
            Example(kind, stem, run.seed, image, truth, {run.name: mask}, {run.name: float(dice[stem])})
            for kind, stem, image, truth, mask in zip(kinds, stems, *predict_test(folder, stems), strict=True)
        ]
        picture = draw_result(run, examples)
        write_whole(path, lambda file: picture.savefig(file, format="png", dpi=DPI))
    # The run is finished whatever its picture may be: its data may be gone, or its disk be full.
    except Exception as error:
        log.debug("traceback", exc_info=True)
        log.warning(f"result.png: could not be drawn ({one_line(error)})")
        return None
    return path
