"""fp16 skips an update whose gradients overflow; the rest of a step goes on as in any other precision."""

import warnings
from collections.abc import Callable
from itertools import pairwise
from pathlib import Path
from typing import Any

import pytest
import torch
from conftest import SAVED, only_run, tiny

import pets_seg.machine.device
import pets_seg.training.setup

Command = Callable[..., tuple[int, str]]


@pytest.mark.slow
@pytest.mark.parametrize(
    "optimizer",
    [["optimizer=adamw"], ["optimizer=sgd"], ["optimizer=sgd", "optimizer.fused=false"], ["optimizer=muon"]],
)
def test_a_skipped_update_moves_no_weights_and_the_schedule_reaches_its_end(
    oxford: Path, tmp_path: Path, in_process: Command, monkeypatch: pytest.MonkeyPatch, optimizer: list[str]
) -> None:
    # A CPU computes in fp16 too, which is refused only because it is slow.
    monkeypatch.setattr(pets_seg.machine.device, "resolve_precision", lambda name, device: name)
    scales: list[float] = []
    updated: list[bool] = []
    build = torch.amp.GradScaler

    class Scaler(build):
        """Begins with a scale that overflows fp16 for the first updates, and notes which of them changed a weight."""

        def __init__(self, *arguments: Any, **settings: Any) -> None:
            super().__init__(*arguments, **settings, init_scale=2.0**40)

        def step(self, optimizer: torch.optim.Optimizer, *arguments: Any, **settings: Any) -> Any:
            weights = [weight.detach().clone() for group in optimizer.param_groups for weight in group["params"]]
            result = super().step(optimizer, *arguments, **settings)
            now = [weight for group in optimizer.param_groups for weight in group["params"]]
            updated.append(not all(map(torch.equal, weights, now)))
            scales.append(self.get_scale())
            return result

    monkeypatch.setattr(torch.amp, "GradScaler", Scaler)
    settings = ["train.precision=fp16", "train.batch_size=2", "train.epochs=3", "train.ema=0.9", *optimizer]
    with warnings.catch_warnings():
        warnings.simplefilter("error")
        code, shown = in_process(*tiny(oxford), *settings, "scheduler=cosine", *SAVED)
    assert code == 0, shown
    assert updated.count(False) > 3
    assert updated.count(True) > 3
    # The scale falls exactly where an update was skipped.
    assert [after < before for before, after in pairwise(scales)] == [not step for step in updated[:-1]]
    state = torch.load(only_run(tmp_path / "work") / "checkpoints" / "last.pt", weights_only=True)
    # 18 images in batches of 2, in 3 epochs.
    assert len(updated) == state["scheduler"]["last_epoch"] == 27
    assert state["optimizer"]["param_groups"][0]["lr"] == pytest.approx(0, abs=1e-9)
    assert all(weight.isfinite().all() for weight in state["average"]["network"].values())
