"""`make bench` measures and keeps what it measured; the networks that it compares with are ours, plainly written."""

import sys
from pathlib import Path
from types import ModuleType

import pytest
import torch
import torch.nn.functional as F
from conftest import make_network

from pets_seg.models.unet import UNet

SPEED = Path(__file__).parents[2] / "experiments" / "speed"
CPU = torch.device("cpu")


@pytest.fixture
def load(monkeypatch: pytest.MonkeyPatch) -> object:
    """Import a benchmark as `bench.py` does, and forget it afterwards."""
    monkeypatch.syspath_prepend(str(SPEED))
    names = {path.stem for path in SPEED.glob("*.py")}
    for name in names:
        monkeypatch.delitem(sys.modules, name, raising=False)

    def load(name: str, **constants: object) -> ModuleType:
        module = __import__(name)
        for key, value in constants.items():
            monkeypatch.setattr(module, key, value)
        return module

    yield load
    for name in names:
        sys.modules.pop(name, None)


SMALL = {
    "augmentation": {"ELASTIC_SIZE": 64, "STEP_SIZE": 32},
    "evaluation": {"IMAGES": 9, "CASES": {"small": (UNet, {"width": 2}, 32)}},
    "checks": {"PAIRS": 2, "NATIVE": (64, 48), "SIZE": 32, "FOLDER": 10},
    "input": {"FILES": 6, "SIZE": 32, "BATCH": 3},
    "startup": {"JOBS": 2, "ROUNDS": 1, "NETWORK": ["model.width=2", "data.size=32"]},
    "sweep": {"RUNS": 2, "NETWORK": ["model.width=2", "data.size=32"], "JOBS": 2},
    "epoch": {"CASES": {"small": ["model=unet", "model.width=2", "data.size=32", "train.batch_size=200"]}},
}


@pytest.mark.slow
@pytest.mark.parametrize("part", SMALL)
def test_a_part_fills_its_tables(part: str, load: object) -> None:
    tables = list(load(part, **SMALL[part]).tables(CPU, 0.01))
    assert tables
    for title, rows in tables:
        assert title
        assert rows
        assert len({tuple(row) for row in rows}) == 1
        assert all(cell for cell in rows[0].values())


@pytest.mark.slow
def test_a_setting_that_cannot_be_measured_loses_no_other(load: object, capsys: pytest.CaptureFixture[str]) -> None:
    small = (["model=unet", "model.width=2", "data.size=32"], 1, [[], ["train.epochs=0"]])
    [(_, rows)] = load("settings", CASES={"small": small}).tables(CPU, 0.01)
    assert [row["peak MB"] == "failed" for row in rows] == [False, True]
    assert "small train.epochs=0: " in capsys.readouterr().err


@pytest.mark.slow
def test_the_page_holds_the_machine_and_every_table(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str], load: object
) -> None:
    load("augmentation", **SMALL["augmentation"])
    bench = load("bench", RESULTS=tmp_path, PARTS=("augmentation",))
    monkeypatch.setattr(sys, "argv", ["bench.py", "--device", "cpu", "--seconds", "0"])
    bench.main()
    [page] = tmp_path.iterdir()
    text = page.read_text()
    assert f"torch {torch.__version__}" in text
    assert text.count("\n## ") == 2
    assert "| aug=strong |" in text
    assert text.strip() in capsys.readouterr().out.strip()


@pytest.mark.slow
@pytest.mark.parametrize(("name", "width", "size"), [("unet", 4, 48), ("resnet34_unet", 32, 64)])
@pytest.mark.parametrize("layout", [torch.channels_last, torch.contiguous_format])
def test_ours_equals_the_plain_network(
    name: str, width: int, size: int, layout: torch.memory_format, load: object
) -> None:
    torch.manual_seed(0)
    plain = load("step")._theirs("plain", name, width)
    ours = make_network(name, **({"width": width} if name == "unet" else {"decoder_width": width}))
    ours = ours.to(memory_format=layout)
    pairs = list(zip(ours.parameters(), plain.parameters(), strict=True))
    with torch.no_grad():
        for mine, theirs in pairs:
            theirs.copy_(mine)
    image, mask = torch.randn(4, 3, size, size), torch.randint(2, (4, size, size))
    # In double precision rounding cannot hide a difference.
    logits = []
    for network in (ours, plain):
        network.double()
        logits.append(network(image.double().contiguous(memory_format=layout)))
        F.cross_entropy(logits[-1], mask).backward()
    torch.testing.assert_close(*logits)
    for mine, theirs in pairs:
        torch.testing.assert_close(mine.grad, theirs.grad)


def test_a_step_is_measured_for_every_variant(load: object, monkeypatch: pytest.MonkeyPatch) -> None:
    step = load("step", BATCH=2)
    for variant, case in (("plain", "unet 2"), ("ours", "unet 2"), ("smp", "resnet34_unet 32")):
        assert step.measure(variant, case, 32 if variant != "smp" else 64, CPU, 0.0) > 0


def test_settings_are_measured_as_given(load: object) -> None:
    settings = load("settings", EPOCHS=2)
    small = ["model=unet", "model.width=2", "data.size=32", "train.batch_size=4"]
    found = settings.measure([*small, "train.accumulate=4", "train.ema=0.9"], steps=1)
    assert found["peak_memory_mb"] > 0
    assert found["images_per_second"] > 0
