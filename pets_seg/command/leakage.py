"""Which images a run is scored on: of which data, in which split, and whether it was trained on them."""

import logging
import os
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from pets_seg.config.weights import DIGEST
from pets_seg.data import Index
from pets_seg.errors import InputError, printable
from pets_seg.evaluation.prediction import recorded_data
from pets_seg.run_folder.folder import RunFolder
from pets_seg.run_folder.recorded_data import describe_change, read_files, trained_images

log = logging.getLogger("pets_seg")
# Those of the run assign images to splits also where the command gives the folder.
SPLIT_SETTINGS = ("split_seed", "group")


@dataclass(frozen=True)
class Evaluated:
    """A split, how many of its images the run was trained on (None: unknown), and what has to be said of them."""

    split: str
    trained: int | None
    notes: list[str]


def data_of(config: Mapping[str, Any], folder: RunFolder, about: Mapping[str, Any], keys: set[str]) -> dict[str, Any]:
    """Return the `data` settings that a run is evaluated on; `keys` are those that the command gives.

    They are the run's unless the command gives others; what its network depends on is the run's in any case.
    """
    data = dict(config["data"])
    run = recorded_data(folder.path) if "data" not in keys or data["name"] == _recorded_name(folder) else {}
    if "data" not in keys:
        data = run | {key: data[key] for key in ("skip_bad", "cache_dir") if f"data.{key}" in keys}
    elif run:
        same = os.path.abspath(str(run.get("root"))) == os.path.abspath(str(data.get("root")))
        taken = data.keys() & (run.keys() if same else SPLIT_SETTINGS)
        data |= {key: run[key] for key in taken if key in run and f"data.{key}" not in keys}
    if about.get("range") and "range" in data and "data.range" not in keys:
        data["range"] = about["range"]
    return data | {key: about[key] for key in ("size", "boundary", "normalisation")}


def _recorded_name(folder: RunFolder) -> Any:
    try:
        return recorded_data(folder.path)["name"]
    # The command gives the data, so that a run whose own cannot be used can be evaluated.
    except InputError:
        return None


def choose(config: Mapping[str, Any], folder: RunFolder, index: Index, own: bool) -> Evaluated:
    """Return what is scored of the data in `index`, which are the run's if `own`; InputError if nothing may be."""
    recorded = folder.read_status().get("data")
    digest = recorded.get("digest") if isinstance(recorded, Mapping) else None
    same = own if digest is None else index.digest == digest
    split = config["split"] or ("test" if same else "all")
    files = read_files(folder.path)
    notes = []
    if own and not same:
        now = [file._asdict() for file in index.files]
        notes.append(f"the data of this run have changed since it was trained ({describe_change(files, now)})")
    elif isinstance(recorded, Mapping) and same and recorded.get("pixels") != index.pixels:
        notes.append("the same files are decoded to other pixels than in training (another Pillow?)")
    count = len(index.stems(split))
    if not count:
        raise InputError(f"split={split}: holds no image; split=all scores every pair")
    trained = trained_images(folder.path)
    if trained is None:
        notes.append("the run has no data.csv: that it was trained on none of these images cannot be checked")
        return Evaluated(split, None, notes)
    seen = [file.stem for file in index.files if file.image in trained and split in (file.split, "all")]
    if seen and not config["allow_trained"]:
        raise InputError(
            f"split={split}: the run was trained on {len(seen)} of these {count} images ({_named(seen)}), also under "
            "other names; allow_trained=true scores them all the same"
        )
    return Evaluated(split, len(seen), notes)


def check_start(config: Mapping[str, Any], index: Index) -> None:
    """Raise InputError if the weights that training starts from were trained on images of its validation or test."""
    if not config.get(DIGEST):
        return
    trained = trained_images(Path(config["checkpoint"]).parents[1])
    if trained is None:
        log.warning("checkpoint: holds no data.csv: that it was not trained on these images cannot be checked")
        return
    seen = [file.stem for file in index.files if file.image in trained and file.split != "train"]
    if not seen:
        return
    said = f"checkpoint: was trained on {len(seen)} validation and test images of this run ({_named(seen)})"
    if not config["allow_trained"]:
        raise InputError(
            f"{said}; choose the splits that it was trained with, or allow_trained=true trains all the same"
        )
    log.warning(said)


def _named(stems: Sequence[str]) -> str:
    return ", ".join(map(printable, stems[:5])) + (", ..." if len(stems) > 5 else "")
