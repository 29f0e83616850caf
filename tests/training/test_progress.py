"""What a run says of itself while it trains."""

import pytest

from pets_seg.training import progress
from pets_seg.training.progress import Progress, speed_advice


# Seven seconds a step, of which the first three are not counted: two to warm up, one to measure.
@pytest.mark.parametrize(
    ("epochs", "steps", "told"),
    [
        (10, 100, ["this run will take about 1.9 h; model.width=16 is quicker"]),
        (1, 20, ["this run will take about 2 min"]),
        (1, 9, []),
    ],
)
def test_how_long_a_run_will_take_is_said_once_if_that_is_worth_telling(
    epochs: int, steps: int, told: list[str], caplog: pytest.LogCaptureFixture, monkeypatch: pytest.MonkeyPatch
) -> None:
    caplog.set_level("INFO", logger="pets_seg")
    clock = iter(range(0, 10_000, 7))
    monkeypatch.setattr(progress.time, "perf_counter", lambda: next(clock))
    with Progress(epochs, steps, 0, advice="model.width=16 is quicker") as shown:
        for _ in range(min(20, steps)):
            shown.step(1)
    assert caplog.messages == told


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
    assert named in speed_advice(width, size, 10, device)
