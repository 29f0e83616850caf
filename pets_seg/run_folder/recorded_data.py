"""What a run records of its data: digests of the files, by which it knows whether they are still the same."""

import logging
import os
from collections.abc import Iterable, Mapping, Sequence
from pathlib import Path
from typing import Any

from pets_seg.errors import InputError
from pets_seg.machine.terminal import from_here
from pets_seg.run_folder.folder import RunFolder
from pets_seg.run_folder.names import DATA

log = logging.getLogger("pets_seg")
# In data.csv, the split of images that the weights which the run started from were trained on.
EARLIER = "earlier"


def check_same_data(
    run: Path, then: Any, now: Mapping[str, Any] | None, files: Iterable[Mapping[str, str]] = ()
) -> None:
    """Raise InputError if a run was made of other data than there are now; tell if only their decoding differs.

    `then` and `now` are what status.json says of the data; unknown data are no reason to refuse. `files` are the rows
    that data.csv would have now.
    """
    if not isinstance(then, Mapping) or not now:
        return
    if then.get("digest") != now["digest"]:
        rows = [*files]
        change = describe_change(read_files(run), rows) if rows else "the lists or files of the data set are other"
        raise InputError(
            f"{from_here(run)}: was trained on other data ({change}); existing=restart trains it on those of now, "
            "and name=NEW trains another run beside it"
        )
    if then.get("pixels") != now["pixels"]:
        log.info(f"{run.name}: the same files are decoded to other pixels than when it was begun (another Pillow?)")


def read_files(run: Path) -> list[dict[str, str]]:
    """Return the rows of data.csv: split, stem and the digests of image and mask; none if there is no such file."""
    return RunFolder(run).read_rows(DATA) if os.path.lexists(run / DATA) else []


def trained_images(run: Path) -> set[str] | None:
    """Return the digests of the images that a run, or one whose weights it started from, was trained on.

    None if the run did not record them.
    """
    files = read_files(run)
    return {row["image"] for row in files if row["split"] in ("train", EARLIER)} if files else None


def describe_change(before: Sequence[Mapping[str, str]], after: Sequence[Mapping[str, str]]) -> str:
    """Return in a few words how the files of two data.csv differ."""
    then, now = ({row["stem"]: row for row in rows if row["split"] != EARLIER} for rows in (before, after))
    if not then:
        return "its data.csv is missing, so what has changed is unknown"
    both = then.keys() & now.keys()
    counts = {
        "files added": len(now.keys() - then.keys()),
        "files removed": len(then.keys() - now.keys()),
        "images other": sum(then[stem]["image"] != now[stem]["image"] for stem in both),
        "masks other": sum(then[stem]["mask"] != now[stem]["mask"] for stem in both),
        "in another split": sum(then[stem]["split"] != now[stem]["split"] for stem in both),
    }
    return ", ".join(f"{count} {what}" for what, count in counts.items() if count) or "the order of the lists"
