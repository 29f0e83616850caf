"""Loss and learning rate of single steps: those of the updates, of all ranks, and kept when a run is continued."""

import csv
from pathlib import Path

import pytest
import torch
from conftest import only_run, tiny
from processes import finish
from safetensors.torch import load_file

from pets_seg.machine.world import ALONE, World
from pets_seg.training.step_figures import StepFigures


class Twice(World):
    """Two processes with the same figures."""

    def sum(self, tensor: torch.Tensor) -> torch.Tensor:
        return tensor.mul_(2)


def test_what_is_collected_is_of_every_so_many_steps_and_of_all_ranks() -> None:
    figures = StepFigures(2, Twice(0, 2))
    for step in range(1, 6):
        figures.add(step, 0.1 * step, torch.tensor([float(step), 0.5]))
    assert len(figures.kept) == 0
    figures.collect()
    figures.collect()
    expected = torch.tensor([[2, 0.2, 4, 1], [4, 0.4, 8, 1]], dtype=torch.float64)
    assert torch.equal(figures.kept, expected)
    none = StepFigures(0, ALONE)
    none.add(1, 0.1, torch.zeros(2))
    assert none.state_dict()["kept"].shape == (0, 4)


def test_what_is_saved_in_an_epoch_is_not_collected_again() -> None:
    figures = StepFigures(1, ALONE)
    figures.add(1, 0.1, torch.ones(2))
    saved = figures.state_dict()
    # The process goes on for a step, dies, and another takes that step again.
    figures.add(2, 0.1, torch.ones(2))
    figures = StepFigures(1, ALONE)
    figures.load_state_dict(saved)
    figures.add(2, 0.1, torch.ones(2))
    figures.collect()
    assert figures.kept[:, 0].tolist() == [1, 2]
    for wrong in (torch.zeros(2, 3, dtype=torch.float64), torch.zeros(2, 4), torch.zeros(4, dtype=torch.float64)):
        with pytest.raises(ValueError, match="are no table"):
            figures.load_state_dict({"kept": wrong})


def test_rates_on_the_device_are_those_of_their_steps_and_only_later_steps_are_asked_for() -> None:
    by_number, on_device = StepFigures(1, ALONE), StepFigures(1, ALONE)
    for step in range(1, 6):
        by_number.add(step, 0.125 * step, torch.tensor([float(step), 0.5]))
        on_device.add(step, torch.tensor(0.125 * step), torch.tensor([float(step), 0.5]))
    by_number.collect()
    on_device.collect()
    assert torch.equal(by_number.kept, on_device.kept)
    assert by_number.beyond(0) == by_number.kept.tolist()
    assert by_number.beyond(3) == [[4, 0.5, 4, 0.5], [5, 0.625, 5, 0.5]]
    assert by_number.beyond(5) == StepFigures(1, ALONE).beyond(0) == []
    with pytest.raises(ValueError, match="not in order"):
        on_device.load_state_dict({"kept": by_number.kept.flip(0)})


def table(file: Path) -> list[dict[str, float]]:
    with file.open(newline="") as opened:
        return [{key: float(value) for key, value in row.items()} for row in csv.DictReader(opened)]


@pytest.mark.slow
def test_they_change_nothing_and_are_those_of_the_updates(oxford: Path, tmp_path: Path) -> None:
    arguments = [word for word in tiny(oxford) if not word.startswith("tracker")]
    # Batches of 6 images, the last of each epoch the ragged one.
    arguments += ["train.batch_size=6", "loss=ce_dice", "train.epochs=3"]
    runs = {}
    for name, words in {
        "without": ["tracker=none"],
        "with": ["tracker.mode=offline", "tracker.every_steps=1"],
    }.items():
        assert finish(tmp_path, [*arguments, *words, f"name={name}"]) == 0, (tmp_path / "shown").read_text()
        runs[name] = only_run(tmp_path, name)
    assert runs["with"].name == runs["without"].name
    weights = [load_file(run / "checkpoints" / "best.safetensors") for run in runs.values()]
    assert all(torch.equal(weights[0][name], weights[1][name]) for name in weights[0])
    epochs, without = (table(run / "metrics.csv") for run in (runs["with"], runs["without"]))
    measured = {"seconds", "images_per_second"}
    assert [{k: v for k, v in row.items() if k not in measured} for row in epochs] == [
        {k: v for k, v in row.items() if k not in measured} for row in without
    ]
    assert not (runs["without"] / "steps.csv").exists()
    assert not (runs["without"] / "pictures.npz").exists()
    steps = table(runs["with"] / "steps.csv")
    per_epoch = int(epochs[0]["updates"])
    assert [row["step"] for row in steps] == list(range(1, 3 * per_epoch + 1))
    sizes = torch.full((per_epoch,), 6.0)
    sizes[-1] = epochs[0]["images_seen"] - 6 * (per_epoch - 1)
    for place, epoch in enumerate(epochs):
        of_epoch = steps[place * per_epoch : (place + 1) * per_epoch]
        for step, mean in {"step/loss": "train/loss", "step/objective": "train/objective"}.items():
            values = torch.tensor([row[step] for row in of_epoch])
            assert (values * sizes).sum() / sizes.sum() == pytest.approx(epoch[mean], rel=1e-5)
    # The rate of an epoch is that with which the next one begins.
    assert [row["step/lr"] for row in steps[per_epoch::per_epoch]] == [row["lr"] for row in epochs[:-1]]
