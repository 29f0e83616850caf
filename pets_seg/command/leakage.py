"""Which images a run is scored on: of which data, in which split, and whether it was trained on them."""

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from pets_seg.config.checks import check_option
from pets_seg.config.identity import ADDED_LATER
from pets_seg.config.schema import Data
from pets_seg.config.weights import named_weights, run_of
from pets_seg.data import Index
from pets_seg.errors import InputError, printable
from pets_seg.evaluation.prediction import recorded_data
from pets_seg.machine.files import absolute
from pets_seg.run_folder.config_file import root_problem
from pets_seg.run_folder.folder import RunFolder
from pets_seg.run_folder.names import PER_IMAGE
from pets_seg.run_folder.recorded_data import decoded_alike, describe_other_data, trained_images

# Those of the run assign images to splits also where the command gives the folder.
SPLIT_SETTINGS = ("split_seed", "group")
UNCHECKED = "did not record its training images (data.csv): that none of these is among them cannot be checked"
# Settings of `data` with which the data stay the run's.
KEPT = ("skip_bad", "cache_dir", "download")
# Settings of `data` with any value of which the mask of an image means the same.
SAME_MASKS = (*KEPT, *SPLIT_SETTINGS, "root", "lists", "range")


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
    given = {key: value for key, value in data.items() if f"data.{key}" in keys}
    if "data" not in keys:
        data = recorded_data(folder.path) | given
        if given:
            check_option("data", data)
        if "root" not in given and (problem := root_problem(data)):
            raise InputError(f"checkpoint={config['checkpoint']}: {problem}; give data.root=... beside it")
    else:
        run = _recorded(folder)
        if run.get("name") == data["name"]:
            taken = data.keys() & (run.keys() if _same_place(run, data) else SPLIT_SETTINGS)
            data |= {key: run[key] for key in taken if key in run and key not in given}
        # The images of the run's data are known again only by the ones that it used, whatever the option is called.
        fraction = run.get("train_fraction", Data.train_fraction)
        if data.get("train_fraction", Data.train_fraction) != fraction:
            data["train_fraction"] = fraction
    if data.get("root"):
        # Evaluations of folders that have the same relative name must not replace each other.
        data["root"] = str(absolute(data["root"]))
    if about.get("range") and "range" in data and "data.range" not in keys:
        data["range"] = about["range"]
    return data | {key: about[key] for key in ("size", "boundary", "normalisation")}


def _recorded(folder: RunFolder) -> dict[str, Any]:
    """Return the `data` settings of a run if they can be used, otherwise nothing."""
    try:
        return recorded_data(folder.path)
    # The command gives the data, so that a run whose own cannot be used can be evaluated.
    except InputError:
        return {}


def _same_place(run: Mapping[str, Any], data: Mapping[str, Any]) -> bool:
    return run.get("root") is not None and absolute(run["root"]) == absolute(str(data.get("root")))


def other_masks(data: Mapping[str, Any], folder: RunFolder, keys: set[str]) -> dict[str, Any]:
    """Return the settings of a command by which masks may mean something else than they do without them.

    `data` are those that the run in `folder` is evaluated on.
    """
    run = _recorded(folder)
    is_same = run.get("name") == data["name"] and ("data" not in keys or _same_place(run, data))
    without = run if is_same else {}
    given = {key.split(".")[1] for key in keys if key.startswith("data.")}.difference(SAME_MASKS)
    return {
        key: data[key]
        for key in sorted(given & data.keys())
        if data[key] != without.get(key, ADDED_LATER.get(f"data.{key}"))
    }


def other_data(keys: Iterable[str]) -> bool:
    """Return whether settings of a command name other data than the run's."""
    kept = {f"data.{key}" for key in KEPT}
    return any(key == "data" or (key.startswith("data.") and key not in kept) for key in keys)


def choose(config: Mapping[str, Any], folder: RunFolder, index: Index, boundary: str, own: bool) -> Evaluated:
    """Return what is scored of the data in `index`, which are the run's if `own`; InputError if nothing may be."""
    recorded = folder.read_status().get("data")
    recorded = recorded if isinstance(recorded, Mapping) else {}
    digest = recorded.get("digest")
    same = own or (index.digest == digest if digest else _holds_scored(folder, index))
    split = config["split"] or ("test" if same else "all")
    notes = changed_data(folder, index, recorded, boundary, own)
    count = len(index.stems(split))
    if not count:
        raise InputError(f"split={split}: holds no image; split=all scores every pair")
    trained, complete = trained_images(folder.path)
    seen = index.with_image_in(split, trained)
    if seen and not config["allow_trained"]:
        raise InputError(
            f"split={split}: the run was trained on {len(seen)} of these {count} images ({_named(seen)}), also under "
            f"other names; {''.join(f'{note}; ' for note in notes)}allow_trained=true scores them all the same"
        )
    if not complete:
        notes.append(f"the run, or weights it started or learned from, {UNCHECKED}")
    return Evaluated(split, len(seen) if seen or complete else None, notes)


def _holds_scored(folder: RunFolder, index: Index) -> bool:
    """Return whether the test images of a run, which did not record its data, are in the test split by their names."""
    try:
        scored = {row["stem"] for row in folder.read_rows(PER_IMAGE) if row["split"] == "test"}
    except (InputError, KeyError):
        return False
    return bool(scored) and scored <= {*index.stems("test")}


def changed_data(folder: RunFolder, index: Index, recorded: Mapping[str, Any], boundary: str, own: bool) -> list[str]:
    """Return how the data differ from what a run recorded of them, where they should be the same."""
    digest, now = recorded.get("digest"), index.record(boundary)
    if not digest or (now["digest"] != digest and not own):
        return []
    if now["digest"] != digest:
        change = describe_other_data(folder.path, [file._asdict() for file in index.files])
        return [f"the data of this run have changed since it was trained ({change})"]
    if recorded.get("decoded") == now["decoded"]:
        return []
    if recorded.get("masks") != now["masks"]:
        return [f"masks are read otherwise than in training: then {recorded.get('masks')}, now {now['masks']}"]
    return (
        []
        if decoded_alike(recorded, now)
        else ["the same files are decoded to other pixels than in training (another Pillow?)"]
    )


def check_start(config: Mapping[str, Any], index: Index) -> list[str]:
    """Raise InputError if weights that a run starts or learns from were trained on images of its validation or test.

    Returns what has to be said where that is allowed, or unknown.
    """
    weights = named_weights(config).items()
    return [note for key, item in weights for note in _check_weights(key, item.path, config["allow_trained"], index)]


def _check_weights(key: str, path: Path, allowed: bool, index: Index) -> list[str]:
    trained, complete = trained_images(run_of(path))
    notes = [] if complete else [f"{key}: {UNCHECKED}"]
    seen = [stem for split in ("valid", "test") for stem in index.with_image_in(split, trained)]
    if not seen:
        return notes
    said = f"{key}: was trained on {len(seen)} validation and test images of this run ({_named(seen)})"
    if not allowed:
        raise InputError(
            f"{said}; choose the splits that it was trained with, or allow_trained=true trains all the same"
        )
    return [said, *notes]


def _named(stems: Sequence[str]) -> str:
    return ", ".join(map(printable, sorted(stems)[:5])) + (", ..." if len(stems) > 5 else "")
