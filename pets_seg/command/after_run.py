"""What is shown at the end of a single run: its figures, where they are, a picture, and the next command."""

import logging
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

from pets_seg.command.arguments import key_of
from pets_seg.command.messages import one_line
from pets_seg.errors import InputError
from pets_seg.evaluation.mask_contents import IN_SUMMARY, recorded
from pets_seg.machine.files import write_whole
from pets_seg.machine.terminal import duration, python, shell
from pets_seg.report.study.words import unit_of
from pets_seg.run_folder.names import RESULT
from pets_seg.tracking.wandb_names import in_trial

# Keys of a command line that the next command leaves out or sets itself.
NOT_NEXT = {"aug", "seed", "existing", "task"}
SHOWN = ("best_val_dice", "test_dice", "test_iou", "test_loss")
log = logging.getLogger("pets_seg")


def show_result(summary: Mapping[str, Any]) -> None:
    """Log the figures of a finished run, what its masks leave unsaid, and what it cost."""
    # In JSON a figure that is not finite is null.
    figures = {key: "not finite" if value is None else f"{value:.4f}" for key, value in summary.items() if key in SHOWN}
    log.info(
        f"best epoch {summary['best_epoch']}: val Dice {figures['best_val_dice']}; "
        f"test Dice {figures['test_dice']}, IoU {figures['test_iou']}, loss {figures['test_loss']}"
    )
    for split in IN_SUMMARY:
        if contents := recorded(summary, split):
            for remark in contents.remarks(split):
                log.warning(remark)
    costs = {"parameters": "{} parameters", "macs": "{}MACs an image", "peak_memory_mb": "peak memory {}"}
    shown = []
    for key, text in costs.items():
        if summary[key] is not None:
            unit = unit_of(key, [summary[key]])
            value = summary[key] / unit.scale
            shown.append(text.format(f"{value:.0f} {unit.short}" if value >= 100 else f"{value:.3g} {unit.short}"))
    log.info(f"{', '.join(shown)}, trained in {duration(summary['train_seconds'])}")


def show_files(folder: Path, copy: dict[str, str]) -> None:
    """Draw result.png and print where the run, its picture and the tracker's `copy` are; keys of `copy` are labels."""
    lines = {"folder": folder.absolute().as_uri()}
    if picture := write_picture(folder):
        lines["picture"] = picture.absolute().as_uri()
    lines |= copy
    column = max(9, *(len(label) + 1 for label in lines))
    print()
    for label, text in lines.items():
        print(f"{label:<{column}}{text}".replace("\n", "\n" + " " * column))


def show_next(given: Sequence[str], aug: str, seed: int) -> None:
    """Print the sweep over this seed and two more that says whether the run's augmentation helps.

    `given` are the words of the command line, `aug` and `seed` those of the run, which is one of the sweep's jobs.
    Prints nothing for an augmentation that the command line or a replay changed, since its name does not say it; for a
    run in a folder of its own, which a sweep does not find; and in a trial of a W&B sweep.
    """
    if in_trial() or any(key_of(word).startswith(("aug.", "replay", "hydra.run.")) for word in given):
        return
    words = ["-m", f"aug=none,{'hflip' if aug == 'none' else aug}", f"seed={seed},{seed + 1},{seed + 2}"]
    words += [word for word in given if key_of(word) not in NOT_NEXT]
    print(f"\nDoes {'an' if aug == 'none' else 'this'} augmentation help? Compare over three seeds:\n")
    print(f"  {python()} -m pets_seg.run {shell(words)}")


def write_picture(folder: Path) -> Path | None:
    """Write result.png into the folder of a finished run and return its path; log why if it cannot be drawn.

    Also logs if the network predicts one class everywhere.
    """
    from pets_seg.evaluation.prediction import predict_test
    from pets_seg.report.plotting.result import choose_stems, draw_result
    from pets_seg.report.study.constant import CONSTANT
    from pets_seg.report.study.examples import Example
    from pets_seg.report.study.runs import read_run

    path = folder / RESULT
    try:
        run = read_run(folder)
        if run.damage:
            raise InputError("; ".join(run.damage))
        if run.constant:
            log.info(f"the network {CONSTANT[run.constant]}")
        stems = choose_stems(run)
        kinds = {stems[0]: "worst", stems[-1]: "best"} if len(stems) > 1 else {}
        dice = run.images["test"]["dice"]
        examples = [
            Example(kinds.get(stem, ""), stem, run.seed, image, truth, {run.name: mask}, {run.name: float(dice[stem])})
            for stem, image, truth, mask in zip(stems, *predict_test(folder, stems), strict=True)
        ]
        figure = draw_result(run, examples)
        write_whole(path, lambda file: figure.savefig(file, format="png", dpi=150))
    # A run without a picture is still finished: its data may be gone, or its disk be full.
    except Exception as error:
        log.debug("traceback", exc_info=True)
        log.warning(f"result.png: could not be drawn ({one_line(error)})")
        return None
    return path
