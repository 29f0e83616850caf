"""What a pixel cache knows of the files of a source: their splits, digests and masks."""

import hashlib
from collections.abc import Collection, Iterable, Sequence
from functools import cached_property
from typing import Any, NamedTuple

import numpy as np

from pets_seg.config.schema import Data
from pets_seg.data.entries import Row
from pets_seg.data.levels import MAX_LEVELS, BadFileError
from pets_seg.data.mask_rule import rule_of
from pets_seg.data.orientation import check_tags, turned_masks
from pets_seg.data.pairs import SPLITS
from pets_seg.data.picture_range import WIDE, check_range, oddities
from pets_seg.data.request import Request
from pets_seg.data.splits import used_for_training
from pets_seg.data.trimap import BOUNDARY, NOT_COUNTED, PET
from pets_seg.errors import InputError, named, printable


class FileDigests(NamedTuple):
    """A usable pair of a split, with the digests of the bytes of its image and its mask."""

    split: str
    stem: str
    image: str
    mask: str


class Index:
    """The usable pairs of a source, by split, with what the cache says of each, and what their masks mean.

    Of the training images those that data.train_fraction, the `fraction`, uses are in their split; `all` has all images
    of the source, which decide together how they are read. Raises InputError for masks that can be read, or turned, in
    more than one way, and pictures that do not use their range.
    """

    def __init__(self, request: Request, rows: Sequence[Row], fraction: float = Data.train_fraction) -> None:
        self.source = request.source
        self._rows = rows
        # The trimap value of each level of a mask, and why a pair cannot be used.
        self._tables: list[list[int]] = [[] for _ in rows]
        problems = [row.problem for row in rows]
        try:
            self._rule = rule_of(self.source, [row.mask for row in rows if row.mask])
            for number, row in enumerate(rows):
                try:
                    self._tables[number] = self._rule.table(row.mask) if row.mask else []
                except BadFileError as error:
                    problems[number] = str(error)
            extents = (
                (pair.stem, row.extent)
                for pair, row, problem in zip(request.pairs, rows, problems, strict=True)
                if row.extent and not problem
            )
            check_range(extents, self.source.value_range)
            # Not for a data set that says itself how it is to be read.
            if not self.source.trimaps and self.source.mask_values is None:
                check_tags((pair.stem, row.tags) for pair, row in zip(request.pairs, rows, strict=True))
        except InputError as error:
            raise InputError(f"{request.what}: {error}") from None
        row_of = {(pair.image, pair.trimap): number for number, pair in enumerate(request.pairs)}
        # (stem, row in the arrays) of every usable pair, and (stem, reason) of every other.
        self._usable: dict[str, list[tuple[str, int]]] = {}
        self.bad: list[tuple[str, str]] = []
        for split in SPLITS:
            self._usable[split] = []
            for pair in self.source.splits[split]:
                number = -1 if pair.problem else row_of[pair.image, pair.trimap]
                if problem := pair.problem or problems[number]:
                    self.bad.append((pair.stem, problem))
                else:
                    self._usable[split].append((pair.stem, number))
        self._usable["all"] = sorted(pair for split in SPLITS for pair in self._usable[split])
        train = self._usable["train"]
        self._usable["train"] = [train[place] for place in used_for_training(self.stems("train"), fraction)]

    def trimap_of(self) -> np.ndarray:
        """Return for each row the trimap values of the levels of its mask, (N, 256) uint8."""
        tables = np.zeros((len(self._tables), MAX_LEVELS), np.uint8)
        for table, values in zip(tables, self._tables, strict=True):
            table[: len(values)] = values
        return tables

    def stems(self, split: str) -> list[str]:
        """Return the stems of the usable pairs of train, valid, test or all."""
        return [stem for stem, _ in self._usable[split]]

    def rows(self, split: str) -> list[int]:
        """Return the rows of the usable pairs in the arrays, in the order of `stems`."""
        return [row for _, row in self._usable[split]]

    @cached_property
    def files(self) -> list[FileDigests]:
        """Return the digests of the files of the pairs of train, valid and test, in this order."""
        return [
            FileDigests(split, stem, *self._rows[row].digests) for split in SPLITS for stem, row in self._usable[split]
        ]

    def with_image_in(self, split: str, digests: Collection[str]) -> list[str]:
        """Return the stems of the pairs of train, valid, test or all whose image has one of these digests."""
        return [stem for stem, row in self._usable[split] if self._rows[row].digests[0] in digests]

    @cached_property
    def digest(self) -> str:
        """Return the digest of the lists of the splits and of the bytes of their files."""
        return _digest("\0".join(file) for file in self.files)

    def truths(self, mask_of: Sequence[int]) -> list[str]:
        """Return a digest of each mask and what its levels mean, in the order of `files`.

        `mask_of` has what the values of a trimap count as. The size of the decoded pixels does not matter.
        """
        rows = [row for split in SPLITS for row in self.rows(split)]
        truths = []
        for row in rows:
            levels = mask.levels if (mask := self._rows[row].mask) else ()
            meanings = (f"{level}={mask_of[value]}" for level, value in zip(levels, self._tables[row], strict=True))
            truths.append(_digest([self._rows[row].digests[1], *meanings]))
        return truths

    @cached_property
    def decoded(self) -> str:
        """Return the digest of the decoded pixels, which also depends on the library that decodes them."""
        return _digest(
            f"{self._rows[row].checksum} {self._tables[row]}" for split in SPLITS for row in self.rows(split)
        )

    def record(self, boundary: str) -> dict[str, Any]:
        """Return what status.json and last.pt say of the data: digests, numbers of images, how masks are read."""
        counts = {split: len(self.rows(split)) for split in SPLITS}
        return {"digest": self.digest, "decoded": self.decoded, **counts, "masks": self.masks(boundary)}

    def refuse_unused_range(self) -> None:
        """Raise InputError if data.range is given and no picture is of a type to which it applies."""
        extents = (self._rows[row].extent for row in self.rows("all"))
        if self.source.value_range and not any(extent and extent.kind in WIDE for extent in extents):
            raise InputError("data.range: does nothing, for all pictures have 8 bits; leave it out")

    def masks(self, boundary: str) -> str:
        """Return how the masks are read and the share of pet that this gives, "" where the source itself says it."""
        if not self._rule.said:
            return ""
        total = np.zeros(4)
        for row in self.rows("all"):
            if mask := self._rows[row].mask:
                # Large masks are counted through a grid, and all become squares of one size.
                total += np.bincount(self._tables[row], mask.counts, minlength=4) / sum(mask.counts)
        uncounted = total[NOT_COUNTED] + (total[BOUNDARY] if boundary == "ignore" else 0)
        pet = total[PET] + (total[BOUNDARY] if boundary == "foreground" else 0)
        counted = total.sum() - uncounted
        share = pet / counted if counted > 1e-9 else 0
        return f"{self._rule.said}, pet {percent(share)} % of pixels"

    def describe_bad(self) -> str:
        """Return one line that names the first ten bad pairs and counts the others."""
        total = len(self.bad) + len(self._usable["all"])
        shown = ", ".join(f"{printable(stem)} ({why})" for stem, why in self.bad[:10])
        more = f" and {len(self.bad) - 10} more" if len(self.bad) > 10 else ""
        return f"{len(self.bad)} of {total} pairs cannot be used: {shown}{more}"

    def warnings(self) -> list[str]:
        """Return what is strange about the files, a line each."""
        lines = [f"left out: {self.describe_bad()}"] if self.bad else []
        lines += self.source.notes
        lines += turned_masks(self._rows[row].tags for row in self.rows("all"))
        extents = ((stem, self._rows[row].extent) for stem, row in self._usable["all"])
        lines += oddities(((stem, extent) for stem, extent in extents if extent), self.source.value_range)
        trained = {file.image: file.stem for file in self.files if file.split == "train"}
        copies = [
            f"{file.stem} = {trained[file.image]}"
            for file in self.files[len(self.rows("train")) :]
            if file.image in trained
        ]
        if copies:
            lines.append(f"copies of training images in valid and test: {named(copies)}")
        return lines


def percent(share: float) -> str:
    """Return a share as a percentage of two digits or more, so that a small one is not shown as 0."""
    value = 100 * share
    return f"{value:.0f}" if value >= 10 or value == 0 else f"{value:.2g}"


def _digest(parts: Iterable[str]) -> str:
    digest = hashlib.blake2b(digest_size=16)
    for part in parts:
        digest.update(f"{part}\n".encode(errors="surrogatepass"))
    return digest.hexdigest()
