"""What the masks of a split hold, as far as it limits what Dice says: whether any pet, and images without figures."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

from pets_seg.config.schema import IGNORED
from pets_seg.errors import InputError

if TYPE_CHECKING:
    from torch import Tensor

    from pets_seg.data import Dataset
    from pets_seg.data.cache import Split

# By the name of a split: what a sentence calls it.
IN_WORDS = {"train": "training ", "valid": "validation ", "test": "test ", "all": ""}
# What the keys of summary.json begin with, by split.
IN_SUMMARY = {"valid": "val", "test": "test"}
# Images are looked at through a grid of about so many pixels a side; most show both classes on it.
GRID = 32


@dataclass(frozen=True)
class MaskContents:
    """Of `images`, `left_out` have no counted pixel; `has_pet` is whether any pixel of any mask is pet."""

    images: int
    left_out: int
    has_pet: bool

    def remarks(self, split: str) -> list[str]:
        """Return a line for each limit of the figures of `split`."""
        no_pet = [] if self.has_pet else [without_pet(split)]
        return no_pet + ([images_left_out(split, self.left_out, self.images)] if self.left_out else [])


def without_pet(split: str) -> str:
    """Return what to say of a split in whose masks no pixel is pet."""
    name = IN_WORDS[split]
    masks = f"no pixel of the {name}masks is pet"
    if split == "train":
        return f"{masks}, so that nothing can be learned of pets"
    return f"{masks}, so that {name}Dice says nothing: it is 1 where no pet is predicted, and about 0 where any is"


def images_left_out(split: str, count: int, total: int) -> str:
    """Return what to say of images that have no counted pixel."""
    have, are = ("has", "is") if count == 1 else ("have", "are")
    return f"{count} of {total} {IN_WORDS[split]}images {have} no counted pixel and {are} left out"


def summary_of(contents: Mapping[str, MaskContents]) -> dict[str, Any]:
    """Return what summary.json says of the masks of each split."""
    summary: dict[str, Any] = {}
    for split, key in IN_SUMMARY.items():
        held = contents[split]
        summary |= {
            f"{key}_images": held.images,
            f"{key}_images_left_out": held.left_out,
            f"{key}_has_pet": held.has_pet,
        }
    return summary


def recorded(summary: Mapping[str, Any], split: str) -> MaskContents | None:
    """Return what summary.json, maybe a stranger's, says of a split's masks; None if it does not, as older ones."""
    key = IN_SUMMARY[split]
    images, left_out, has_pet = (summary.get(f"{key}_{what}") for what in ("images", "images_left_out", "has_pet"))
    if type(images) is not int or type(left_out) is not int or type(has_pet) is not bool:
        return None
    return MaskContents(images, left_out, has_pet)


def check_masks(dataset: "Dataset", data: Mapping[str, Any], splits: Sequence[str]) -> list[str]:
    """Return the remarks on `splits` of the images of the settings `data`.

    Raises InputError for a split none of whose images has a counted pixel.
    """
    remarks = []
    for split in splits:
        contents = look(getattr(dataset, split), data["boundary"])
        if contents.left_out == contents.images:
            boundary = "; data.boundary=ignore counts no pixel of the boundary" if data["boundary"] == "ignore" else ""
            raise InputError(
                f"data={data['name']}: none of the {contents.images} {IN_WORDS[split]}images has a counted pixel, so "
                f"that there are no figures{boundary}; mend the masks"
            )
        remarks += contents.remarks(split)
    return remarks


def look(split: "Split", boundary: str) -> MaskContents:
    """Return what the masks hold that `boundary` makes of the trimaps of a split."""
    # It imports torch, and what only reads figures does without.
    from pets_seg.data.batches import mask_of_trimap

    meaning = mask_of_trimap(boundary)
    counted, pet = meaning != IGNORED, meaning == 1
    step = max(1, split.levels.shape[-1] // GRID)
    grid = split.trimaps(split.rows, step).int()
    # One by one, since the trimaps of all may need more memory than there is.
    unsure = split.rows[~counted[grid].flatten(1).any(1)]
    left_out = sum(not _holds(split, row, counted) for row in unsure)
    has_pet = bool(pet[grid].any()) or any(_holds(split, row, pet) for row in split.rows)
    return MaskContents(len(split), left_out, has_pet)


def _holds(split: "Split", row: "Tensor", wanted: "Tensor") -> bool:
    """Return whether a row has a trimap value that is `wanted`, (4,) bool."""
    return bool(wanted[split.trimaps(row[None]).int()].any())
