"""Which epoch is the best: the highest validation Dice, and among equals the lowest validation loss."""

import csv
import json
import math
from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import torch
from conftest import SAVED, only_run, tiny
from hypothesis import given, settings
from hypothesis import strategies as st
from PIL import Image

from pets_seg.errors import InputError
from pets_seg.machine.world import ALONE
from pets_seg.training.checkpoint import save_state
from pets_seg.training.running_loss import RunningLoss
from pets_seg.training.state import State
from pets_seg.training.step_figures import StepFigures

CPU = torch.device("cpu")
Command = Callable[..., tuple[int, str]]


def new_state() -> State:
    network = torch.nn.Linear(1, 1)
    optimizer = torch.optim.SGD(network.parameters(), lr=0.1)
    scheduler = torch.optim.lr_scheduler.LambdaLR(optimizer, lambda step: 1.0)
    scaler = torch.amp.GradScaler("cpu", enabled=False)
    return State(network, optimizer, scheduler, scaler, None, RunningLoss(CPU, ALONE), StepFigures(0, ALONE))


def validated(state: State, dice: float, loss: float | None) -> bool:
    """End an epoch with these figures, whose weights are its number."""
    with torch.no_grad():
        state.network.weight.fill_(state.epoch)
    row: dict[str, Any] = {"epoch": state.epoch, "val/dice": dice}
    return state.end_epoch(row if loss is None else row | {"val/loss": loss})


FIGURES = st.tuples(st.sampled_from([0.0, 9e-9, 0.5, 1.0]), st.sampled_from([0.1, 0.2, 0.3, math.nan, math.inf, None]))


@settings(max_examples=100, deadline=None)
@given(epochs=st.lists(FIGURES, min_size=1, max_size=8), stop=st.integers(0, 7))
def test_ties_go_to_the_lower_loss_and_then_to_the_earlier_epoch(
    tmp_path_factory: pytest.TempPathFactory, epochs: list[tuple[float, float | None]], stop: int
) -> None:
    state = new_state()
    for number, (dice, loss) in enumerate(epochs):
        if number == stop:
            path = tmp_path_factory.mktemp("run") / "last.pt"
            state.save(path)
            state = new_state()
            assert state.load(path)
        is_best = validated(state, dice, loss)
        assert is_best == (state.best_epoch == number + 1)
    # By hand: of the epochs with the highest Dice those with the lowest finite loss, of these the first. Where no pet
    # is found anywhere, EPSILON alone makes Dice 9e-9.
    top = max(dice for dice, _ in epochs)
    highest = [n for n, (dice, _) in enumerate(epochs) if dice == pytest.approx(top, abs=1e-7)]
    losses = {n: epochs[n][1] for n in highest if epochs[n][1] is not None and math.isfinite(epochs[n][1])}
    expected = min(losses, key=lambda n: (losses[n], n)) if losses else highest[0]
    assert state.best_epoch == expected + 1
    assert state.best_row["epoch"] == state.best_epoch
    assert state.best_weights["weight"].item() == state.best_epoch


def older_state(path: Path, **others: Any) -> None:
    """Write last.pt after two epochs of equal Dice as an older version did, which kept the first one's weights."""
    state = new_state()
    validated(state, 0.5, 0.3)
    validated(state, 0.5, 0.2)
    state.save(path)
    content = torch.load(path, weights_only=True)
    first = {"weight": torch.full((1, 1), 1.0), "bias": state.best_weights["bias"]}
    save_state(path, content | {"best_dice": 0.5, "best_epoch": 1, "best_weights": first} | others)


def test_a_run_of_an_older_version_is_continued_with_the_best_epoch_that_it_kept(tmp_path: Path) -> None:
    older_state(tmp_path / "last.pt")
    state = new_state()
    assert state.load(tmp_path / "last.pt")
    assert (state.best_epoch, state.best_row["val/loss"]) == (1, 0.3)
    # The loss of the epoch that was kept decides, not the lower one of an epoch whose weights are gone.
    assert not validated(state, 0.5, 0.4)
    assert validated(state, 0.5, 0.25)
    assert state.best_weights["weight"].item() == 4


def test_a_loss_that_is_not_known_gives_way(tmp_path: Path) -> None:
    older_state(tmp_path / "last.pt", rows=[{"epoch": 1, "val/dice": 0.5}, {"epoch": 2, "val/dice": 0.5}])
    state = new_state()
    assert state.load(tmp_path / "last.pt")
    assert validated(state, 0.5, 0.9)


def test_a_best_epoch_that_is_none_of_the_epochs_is_refused(tmp_path: Path) -> None:
    older_state(tmp_path / "last.pt", best_epoch=7)
    with pytest.raises(InputError, match=r"does not fit this run .its best epoch, 7, is none of its epochs.*restart"):
        new_state().load(tmp_path / "last.pt")


@pytest.mark.slow
def test_every_file_agrees_on_the_best_epoch(oxford: Path, tmp_path: Path, in_process: Command) -> None:
    # Without a pet in the validation masks every network that finds none has Dice 1.
    for stem in ("pet_0", "pet_10"):
        path = oxford / "oxford-iiit-pet" / "annotations" / "trimaps" / f"{stem}.png"
        Image.fromarray(np.full((48, 48), 2, np.uint8)).save(path)
        Image.new("RGB", (48, 48)).save(oxford / "oxford-iiit-pet" / "images" / f"{stem}.jpg")
    code, shown = in_process(*tiny(oxford), *SAVED, "train.epochs=6", "optimizer.lr=0.01")
    assert code == 0, shown
    run = only_run(tmp_path / "work")
    with open(run / "metrics.csv") as file:
        rows = list(csv.DictReader(file))
    equal = [row for row in rows if float(row["val/dice"]) == max(float(row["val/dice"]) for row in rows)]
    assert len(equal) > 1
    best = min(equal, key=lambda row: float(row["val/loss"]))
    assert best is not equal[0]
    summary = json.loads((run / "summary.json").read_text())
    assert summary["best_epoch"] == int(best["epoch"])
    assert summary["val_loss_at_best"] == float(best["val/loss"])
    assert f"best epoch {best['epoch']}: " in shown
    assert torch.load(run / "checkpoints" / "last.pt", weights_only=True)["best_epoch"] == int(best["epoch"])
    code, shown = in_process("task=evaluate", f"checkpoint={run}", "split=valid", "train.device=cpu")
    assert code == 0, shown
    [evaluated] = run.glob("evaluations/*/evaluation.json")
    found = json.loads(evaluated.read_text())
    assert (found["epoch"], found["loss"]) == (summary["best_epoch"], pytest.approx(summary["val_loss_at_best"]))
