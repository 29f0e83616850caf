"""What a run says of itself while it trains."""

import pytest

from pets_seg.training import progress
from pets_seg.training.progress import Progress, duration, quicker


@pytest.mark.parametrize(("epochs", "steps", "long"), [(10, 100, True), (1, 20, False)])
def test_a_long_run_is_announced_once_with_what_is_quicker(
    epochs: int, steps: int, long: bool, caplog, monkeypatch: pytest.MonkeyPatch
) -> None:
    caplog.set_level("INFO", logger="pets_seg")
    # Seven seconds a step.
    clock = iter(range(0, 10_000, 7))
    monkeypatch.setattr(progress.time, "perf_counter", lambda: next(clock))
    with Progress(epochs, steps, done=0, advice="model.width=16 is quicker") as shown:
        for _ in range(20):
            shown.step(1)
    assert len(caplog.messages) == long
    assert all("minutes; model.width=16 is quicker" in line or "hours; " in line for line in caplog.messages)


def test_durations_read_well() -> None:
    assert [duration(seconds) for seconds in (42, 750, 9000)] == ["42 seconds", "12 minutes", "2.5 hours"]


@pytest.mark.parametrize(
    ("width", "size", "device", "named"),
    [
        (64, 64, "cpu", "model.width=16"),
        (64, 256, "cuda", "data.size=128"),
        (16, 128, "cpu", "data.size=64"),
        (16, 64, "cpu", "train.epochs (now 10)"),
    ],
)
def test_the_advice_names_the_setting_that_helps_most(width: int, size: int, device: str, named: str) -> None:
    config = {"model": {"width": width}, "data": {"size": size}, "train": {"epochs": 10}}
    assert named in quicker(config, device)
