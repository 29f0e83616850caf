"""main_effects.csv: the main effects of a factorial sweep with full figures."""

from contextlib import suppress
from pathlib import Path

import pandas as pd

from pets_seg.machine.files import write_text
from pets_seg.report.study.compare import METRICS, extra_metrics
from pets_seg.report.study.effects import main_effects
from pets_seg.report.study.study import Study

NAME = "main_effects.csv"
COLUMNS = ["factor", "level", "base_level", "metric", "mean", "base_mean", "difference", "ci_low", "ci_high"]
COLUMNS += ["p", "p_holm", "combinations", "left_out", "seeds", "images"]


def effects_frame(study: Study) -> pd.DataFrame:
    """Return one row per level, but the base levels, and metric: its main effect with interval and p-values.

    `combinations` is the number that it is averaged over, `left_out` the number of those that lack runs. A factor of
    several keys is written as model+train.batch_size. With one seed there is no interval and no p-value.
    """
    rows = []
    for metric in [*METRICS, *(f"test_{name}" for name in extra_metrics(study.groups))]:
        for item in main_effects(study.factorial, metric) if study.factorial else []:
            known = item.estimate
            names = "+".join((item.factor.key, *item.factor.along)), item.level, item.factor.base, metric
            paired = known.difference, known.low, known.high, known.p, item.p_holm
            counts = len(item.pairs), len(item.left_out), known.seeds, known.images
            rows.append((*names, item.mean, item.base_mean, *paired, *counts))
    return pd.DataFrame(rows, columns=COLUMNS)


def write_effects(study: Study, folder: Path) -> None:
    """Write main_effects.csv to `folder`; a sweep that has no main effects has no such file."""
    frame = effects_frame(study)
    if len(frame):
        write_text(folder / NAME, frame.to_csv(index=False))
        return
    with suppress(OSError):
        (folder / NAME).unlink()
