"""task=preview as a user runs it: one picture an option, its path printed, nothing else left."""

from collections.abc import Callable
from pathlib import Path

import numpy as np
import pytest
import torch
from conftest import aug_operations, blocks
from PIL import Image
from processes import forked

from pets_seg.augment import Augment
from pets_seg.command.tasks.preview import DRAWS, describe, draw

Command = Callable[..., tuple[int, str]]


@pytest.mark.slow
def test_a_sweep_draws_a_picture_for_each_option(oxford: Path, tmp_path: Path) -> None:
    data = ["data=oxford_pet", f"data.root={oxford}"]
    done = forked("-m", "task=preview", "aug=none,elastic,strong", *data, cwd=tmp_path)
    assert done.returncode == 0, done.stderr
    printed = [Path(line) for line in done.stdout.splitlines() if line.endswith(".png")]
    assert [path.name.split("-")[0] for path in printed] == ["none", "elastic", "strong"]
    assert sorted(tmp_path / path for path in printed) == sorted(tmp_path.glob("runs/default/preview/*"))
    assert {path.name for path in tmp_path.iterdir()} == {"runs", "data"}
    pictures = [Image.open(tmp_path / path).convert("RGB") for path in printed]
    # Six columns and four rows of squares below a head that grows with the operations.
    assert len({picture.width for picture in pictures}) == 1
    assert pictures[0].height == pictures[1].height < pictures[2].height
    # Without augmentation every draw is the original.
    none, elastic = (cells(picture) for picture in pictures[:2])
    for column in range(1, 6):
        assert abs(none[0] - none[column]).mean() < 3
        assert abs(elastic[0] - elastic[column]).mean() > 6


def cells(picture: Image.Image) -> list[np.ndarray]:
    """Return the six columns of a picture, reduced, without head and note."""
    side = picture.width // 6
    bottom = picture.height - 70
    boxes = [(side * column + 10, bottom - 4 * side + 80, side * (column + 1) - 10, bottom) for column in range(6)]
    return [np.asarray(picture.crop(box).resize((32, 96)), float) for box in boxes]


@pytest.mark.slow
def test_the_same_command_draws_the_same_picture_and_another_setting_another(
    oxford: Path, tmp_path: Path, in_process: Command
) -> None:
    arguments = ["task=preview", "aug=crop", "data=oxford_pet", f"data.root={oxford}", "name=look", "data.size=32"]
    found = []
    for more in ([], ["data.cache_dir=elsewhere"], ["seed=1"], ["aug.operations.0.scale=[0.2,0.3]"]):
        code, shown = in_process(*arguments, *more)
        assert code == 0, shown
        path = tmp_path / "work" / shown.strip().splitlines()[-1]
        found.append((path.name, path.read_bytes()))
    assert found[0] == found[1]
    assert len(set(found)) == 3
    assert len({name for name, _ in found}) == 3


@pytest.mark.parametrize("wrong", ["data.size=3", "aug=elastik", "aug.operations=[foo]", "data.root=/nope"])
def test_a_wrong_setting_leaves_no_folder(oxford: Path, tmp_path: Path, in_process: Command, wrong: str) -> None:
    arguments = ["task=preview", "data=oxford_pet", f"data.root={oxford}", "data.download=false", wrong]
    code, shown = in_process(*arguments)
    assert code == 2
    assert len(shown.strip().splitlines()) == 1
    assert list((tmp_path / "work").iterdir()) == []


def test_draws_are_of_images_that_were_drawn() -> None:
    image, mask = (part[0] for part in blocks(1, 32))
    drawn = draw(Augment(aug_operations("elastic", 32), keep_original=True), image, mask, seed=0)
    assert len(drawn) == DRAWS
    assert all(not torch.equal(moved, image) for moved, _ in drawn)
    never = [{**aug_operations("hflip", 32)[0], "p": 0.0}]
    assert all(same is image for same, _ in draw(Augment(never, keep_original=True), image, mask, seed=0))


def test_the_title_gives_every_parameter() -> None:
    lines = describe(aug_operations("strong", 64))
    assert lines[0] == "p 0.5: RandomHorizontalFlip"
    assert lines[1].startswith("p 0.6: one of RandomGridElastic (cells 4, displacement 0.03); RandomResizedCrop (size")
    assert "scale [0.8, 1.25]" in lines[1]
    assert lines[2] == "p 0.5: ColorJitter (brightness 0.3, contrast 0.3, saturation 0.3, hue 0.05)"
