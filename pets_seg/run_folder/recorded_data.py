"""What a run records of its data: digests of the files, by which it knows whether they are still the same."""

from collections.abc import Iterable, Mapping
from pathlib import Path
from typing import Any

from pets_seg.errors import InputError
from pets_seg.machine.terminal import from_here
from pets_seg.run_folder.data_record import EARLIER, UNKNOWN, describe_change, read_data


def check_same_data(
    run: Path, then: Any, now: Mapping[str, Any] | None, files: Iterable[Mapping[str, str]] = ()
) -> str:
    """Raise InputError if a run was made of other data than there are now.

    Returns what has to be said where only their decoding differs, "" if it does not or is not known. `then` and `now`
    are what status.json says of the data; unknown data are no reason to refuse. `files` are the rows that data.csv
    would have now.
    """
    if not isinstance(then, Mapping) or not now:
        return ""
    if then.get("digest") != now["digest"]:
        rows = [*files]
        change = describe_other_data(run, rows) if rows else "its lists or files are other"
        raise InputError(
            f"{from_here(run)}: was trained on other data ({change}); existing=restart trains it on those of now, "
            "and name=NEW trains another run beside it"
        )
    if decoded_alike(then, now):
        return ""
    return f"{run.name}: the same files are decoded to other pixels than when it was begun (another Pillow?)"


def decoded_alike(then: Mapping[str, Any], now: Mapping[str, Any]) -> bool:
    """Return whether two records of the same data are of the same pixels, as far as both say it."""
    pixels = {then.get("decoded"), now.get("decoded")}
    return None in pixels or len(pixels) == 1


def describe_other_data(run: Path, now: Iterable[Mapping[str, str]]) -> str:
    """Return how the files that a run recorded differ from those of `now`, rows as data.csv has them."""
    try:
        return describe_change(read_data(run), now)
    except ValueError as error:
        return str(error)


def trained_images(run: Path | None) -> tuple[set[str], bool]:
    """Return the digests of the images that a run, or one whose weights it started from, was trained on.

    Also returns whether these are all: older runs did not record them, and a file of weights may be of no run (None).
    """
    try:
        rows = read_data(run) if run else []
    except ValueError:
        return set(), False
    images = {row["image"] for row in rows if row["split"] in ("train", EARLIER)}
    return images - {UNKNOWN}, bool(run) and UNKNOWN not in images
