"""Whether the files of a finished run are whole."""

import csv
import errno
import io
from collections.abc import Mapping
from pathlib import Path
from typing import Any

from pets_seg.errors import InputError, reason
from pets_seg.machine.files import read_limited
from pets_seg.run_folder.names import BEST, CALIBRATION, DATA, METRICS, PER_IMAGE
from pets_seg.run_folder.reading import LARGEST_CSV

# What is shown of a finished run.
SHOWN = {"best_epoch", "best_val_dice", "test_dice", "test_iou", "test_loss"}
SHOWN |= {"parameters", "macs", "peak_memory_mb", "train_seconds"}


def damage(run: Path, status: Mapping[str, Any], summary: Mapping[str, Any], epochs: int) -> str:
    """Return what is missing or broken of a finished run of so many epochs, "" if nothing is.

    `status` and `summary` are what its files of these names hold. That a number in a table was changed is not seen.
    Raises InputError for a file that is there and cannot be read now: what it holds may be whole.
    """
    if missing := SHOWN - summary.keys():
        return f"summary.json has no {min(missing)}"
    # A figure that is not finite is null.
    if wrong := [key for key in SHOWN if not isinstance(summary[key], int | float | None)]:
        return f"summary.json has no number as {min(wrong)}"
    data = status.get("data")
    counts = [data.get(split) for split in ("valid", "test")] if isinstance(data, Mapping) else [None]
    known = [count for count in counts if isinstance(count, int)]
    images = sum(known) if len(known) == len(counts) else None
    wanted = {METRICS: epochs, PER_IMAGE: images}
    # Runs of older versions do not have these.
    wanted |= {name: None for name in (CALIBRATION, DATA) if (run / name).exists()}
    try:
        for name, rows in wanted.items():
            _check_table(run / name, rows)
        _check_weights(run / BEST)
    except ValueError as error:
        return str(error)
    return ""


def _check_table(path: Path, rows: int | None) -> None:
    try:
        text = read_limited(path, LARGEST_CSV).decode()
        header, *table = [*csv.reader(io.StringIO(text, newline=""))] or [[]]
    except OSError as error:
        raise _unreadable(path, error) from None
    except (ValueError, csv.Error) as error:
        raise ValueError(f"{path.name} cannot be read ({reason(error)})") from None
    # A stem may hold any sign, so that a row may have several lines.
    whole = text.endswith("\n") and table and all(len(row) == len(header) for row in table)
    if not whole or (rows is not None and len(table) != rows):
        raise ValueError(f"{path.name} is not whole")


def _check_weights(path: Path) -> None:
    from safetensors import SafetensorError, safe_open

    try:
        # It compares the sizes that the file's head gives with that of the file.
        with safe_open(path, framework="numpy") as file:
            file.keys()
    except OSError as error:
        raise _unreadable(path, error) from None
    except SafetensorError as error:
        raise ValueError(f"{path.name} cannot be read ({reason(error)})") from None


def _unreadable(path: Path, error: OSError) -> Exception:
    """Return what to raise of a file: ValueError if it is gone or no file, InputError if it may be read later."""
    # Of an empty file nothing can be mapped into memory.
    if isinstance(error, FileNotFoundError | IsADirectoryError | NotADirectoryError) or error.errno == errno.EINVAL:
        return ValueError(f"{path.name} cannot be read ({reason(error)})")
    return InputError(f"{path}: cannot be read ({reason(error)}); make it readable, or existing=restart trains again")
