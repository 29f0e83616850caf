"""What the files of a run say of its data: their digests, and the files of each split."""

import csv
import io
import re
from collections.abc import Callable, Iterable, Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from pets_seg.errors import reason
from pets_seg.machine.files import read_limited
from pets_seg.run_folder.names import DATA
from pets_seg.run_folder.reading import LARGEST_CSV

# The key of summary.json.
DATA_DIGEST = "data_digest"
DIGEST = re.compile(r"[0-9a-f]{32}")
COLUMNS = ("split", "stem", "image", "mask")
# The column of data.csv with a digest of what the mask is read as; older versions have none.
TRUTH = "truth"
# In data.csv, the split of images that the weights which the run started from were trained on.
EARLIER = "earlier"
# Of such an image: that the weights are of a run which did not record what it was trained on.
UNKNOWN = ""
# Of a row of data.csv: split and stem, and the digests of image and mask.
Key = tuple[str, str]
Files = tuple[str, str]


@dataclass(frozen=True)
class DataRecord:
    """What a run records of its data, None or "" where it does not.

    `digest` is that of the lists of the splits and of the bytes of their files, `decoded` that of what the files were
    decoded to, which another version of Pillow may change. `contents` counts images and describes masks, in words.
    """

    digest: str | None = None
    decoded: str | None = None
    contents: str = ""


def data_record(status: Mapping[str, Any], summary: Mapping[str, Any]) -> DataRecord:
    """Return what status.json and summary.json, which may be a stranger's, say of the data of a run.

    The digest is that of the summary, with whose figures it was written, or that of a run that is not finished.
    """
    data = status.get("data")
    data = data if isinstance(data, dict) else {}
    digest = _digest(summary.get(DATA_DIGEST)) or _digest(data.get("digest"))
    counts = [f"{data[split]} {split}" for split in ("train", "valid", "test") if isinstance(data.get(split), int)]
    masks = f"masks: {data['masks']}" if isinstance(data.get("masks"), str) and data["masks"] else ""
    return DataRecord(digest, _digest(data.get("decoded")), "; ".join(filter(None, [", ".join(counts), masks])))


def read_data(folder: Path) -> list[dict[str, str]]:
    """Return the rows of the data.csv of a run: split, stem, and digests of image and mask.

    Raises ValueError, saying why, if there are none that can be read.
    """
    try:
        text = read_limited(folder / DATA, LARGEST_CSV).decode()
        rows = list(csv.DictReader(io.StringIO(text, newline="")))
    except (OSError, ValueError, csv.Error) as error:
        raise ValueError(f"{DATA} cannot be read ({reason(error)})") from None
    if not rows or not all(isinstance(row.get(column), str) for row in rows for column in COLUMNS):
        raise ValueError(f"{DATA} is not what a run writes")
    return rows


def describe_change(before: Iterable[Mapping[str, str]], after: Iterable[Mapping[str, str]]) -> str:
    """Return what differs between the rows of two data.csv, e.g. "4 images were added, 12 masks are other".

    An image is known by its stem in its split, else by its stem, else by its bytes and those of its mask. Return "" if
    nothing differs.
    """
    was, now = (
        {(row["split"], row["stem"]): (row["image"], row["mask"]) for row in rows if row["split"] != EARLIER}
        for rows in (before, after)
    )
    order = [*was] != [*now]
    pairs = _take_pairs(was, now, lambda key, _: key)
    moved = _take_pairs(was, now, lambda key, _: key[1])
    renamed = _take_pairs(was, now, lambda _, files: files)
    images, masks = (sum(old[place] != new[place] for old, new in pairs + moved) for place in (0, 1))
    counts = (
        (len(now), "image was added", "images were added"),
        (len(was), "image was removed", "images were removed"),
        (len(renamed), "image has another name", "images have other names"),
        (len(moved), "image is in another split", "images are in other splits"),
        (images, "image is another", "images are other"),
        (masks, "mask is another", "masks are other"),
    )
    parts = [f"{count} {one if count == 1 else several}" for count, one, several in counts if count]
    return ", ".join(parts) or ("the images are in another order" if order else "")


def _take_pairs(
    was: dict[Key, Files], now: dict[Key, Files], trait: Callable[[Key, Files], object]
) -> list[tuple[Files, Files]]:
    """Remove from both what has a trait in common, and return its files, those of before first."""
    places: dict[object, list[Key]] = {}
    for key, files in now.items():
        places.setdefault(trait(key, files), []).append(key)
    found = [(key, places[same].pop(0)) for key, files in was.items() if places.get(same := trait(key, files))]
    return [(was.pop(old), now.pop(new)) for old, new in found]


def _digest(value: Any) -> str | None:
    return value if isinstance(value, str) and DIGEST.fullmatch(value) else None
