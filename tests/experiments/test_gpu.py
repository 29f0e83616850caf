"""What `make gpu` does on a GPU, tried on the CPU with networks and figures that are as small as can be."""

import argparse
import csv
import queue
import subprocess
import sys
import threading
from collections.abc import Callable
from pathlib import Path
from types import ModuleType
from unittest import mock

import pytest
import torch
from conftest import make_network
from torch.utils.flop_counter import FlopCounterMode

from pets_seg.config.checks import check
from pets_seg.data import open_dataset
from pets_seg.models.cost import count_macs

GPU = Path(__file__).parents[2] / "experiments" / "gpu"
CPU = torch.device("cpu")
Load = Callable[[str], ModuleType]
# The columns of the reckoning that make up the time of the device.
OF_DEVICE = ("convolutions", "batch norm", "padding", "upsampling", "cat", "rest", "optimizer")
ENDLESS = "import time; time.sleep(100)"


@pytest.fixture
def load(monkeypatch: pytest.MonkeyPatch) -> Load:
    """Import a script as it is run, and forget it and those of the benchmark afterwards."""
    folders = (GPU, GPU.parent / "speed")
    for folder in folders:
        monkeypatch.syspath_prepend(str(folder))
    names = {path.stem for folder in folders for path in folder.glob("*.py")}
    for name in names:
        monkeypatch.delitem(sys.modules, name, raising=False)
    yield __import__
    for name in names:
        sys.modules.pop(name, None)


@pytest.mark.slow
@pytest.mark.parametrize(("name", "width", "size"), [("unet", 4, 64), ("resnet34_unet", 8, 64)])
def test_the_reckoning_counts_what_the_network_multiplies(name: str, width: int, size: int, load: Load) -> None:
    reckoning = load("reckoning")
    forward, backward = reckoning.operations(name, width, size, 2)
    network = make_network(name, **{"width" if name == "unet" else "decoder_width": width})
    macs = count_macs(network, size)
    assert sum(it.flops for it in forward) == 2 * 2 * macs
    # The backward pass by PyTorch's own count; the image gets no gradient.
    network = network.to("meta")
    logits = network(torch.empty(2, 3, size, size, device="meta"))
    with FlopCounterMode(display=False) as counter:
        logits.sum().backward()
    assert sum(it.flops for it in backward) == counter.get_total_flops()
    # A map that is read and one that is written, in bf16, are the least that a convolution moves.
    [first] = [it for it in forward if it.kind == "convolutions"][:1]
    out = (width, size) if name == "unet" else (64, size // 2)
    assert first.moved >= 2 * 2 * (3 * size**2 + out[0] * out[1] ** 2)


def test_transposed_convolutions_are_counted_too(load: Load) -> None:
    network = make_network("unet", width=4, upsampling="transposed").to("meta")
    forward, _ = load("reckoning").operations("unet", 4, 32, 1, "transposed")
    assert sum(it.flops for it in forward) == 2 * count_macs(network, 32)


def test_the_reckoning_names_what_bounds_a_step(
    load: Load, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    reckoning = load("reckoning")
    macs = f"{count_macs(make_network('unet', width=4), 64) / 1e9:.3f}"
    for words, bound in (
        (["--launch", "1"], "launches"),
        (["--launch", "0", "--peak", "1e6"], "arithmetic"),
        (["--launch", "0", "--bandwidth", "1e6"], "memory"),
    ):
        monkeypatch.setattr(sys, "argv", ["reckoning.py", *words, "unet 4 64 2"])
        reckoning.main()
        heads, _, cells = ([cell.strip() for cell in line.split("|")] for line in capsys.readouterr().out.splitlines())
        row = dict(zip(heads, cells, strict=True))
        assert row["bound by"] == bound
        assert row["GMACs of an image"] == macs
        assert sum(float(row[f"{kind}, ms"]) for kind in OF_DEVICE) == pytest.approx(
            float(row["device, ms"]), rel=0.01, abs=0.05
        )


def test_hours_at_full_size_are_images_over_pace(load: Load, capsys: pytest.CaptureFixture[str]) -> None:
    with mock.patch.object(sys, "argv", ["full_size.py", "--pace", "100"]):
        load("full_size").main()
    _, _, *rows = [
        [cell.strip() for cell in line.strip("|").split("|")] for line in capsys.readouterr().out.splitlines()
    ]
    reckoning, parser = load("reckoning"), argparse.ArgumentParser()
    reckoning.add_assumptions(parser)
    card = reckoning.card_of(parser.parse_args([]))
    reckoned = {name: float(reckoning.reckon(name, card)["images/s"]) for name in {row[1] for row in rows[:-1]}}
    assert len(reckoned) > 2
    for _, network, groups, seeds, epochs, share, hours in rows[:-1]:
        # Oxford's images: training, validation after each epoch, and the test at the end.
        images = int(groups) * int(seeds) * (int(epochs) * (3312 * float(share) + 368 / 3) + 3669 / 3)
        pace = 100 * reckoned[network] / reckoned["unet 64 256 16"]
        assert float(hours) == pytest.approx(images / pace / 3600, abs=0.006)
    assert float(rows[-1][-1]) == pytest.approx(sum(float(row[-1]) for row in rows[:-1]), abs=0.1)
    for wrong in ("0", "inf", "many"):
        with mock.patch.object(sys, "argv", ["full_size.py", "--pace", wrong]), pytest.raises(SystemExit):
            load("full_size").main()


@pytest.mark.parametrize("aug", ["none", "elastic", "crop"])
def test_the_plain_loop_reads_what_ours_reads(aug: str, load: Load) -> None:
    peers = load("peers")
    torch.manual_seed(0)
    files = peers.Files(48, aug, 1000)
    assert len(files) == 1000
    image, mask = files[532 + 3]
    assert (image.shape, mask.shape) == ((3, 48, 48), (48, 48))
    assert image.dtype == torch.float32
    assert set(mask.unique().tolist()) == {0, 1}
    if aug == "none":
        assert torch.equal(image, files[3][0])
        ours = open_dataset(check(load("ours").composed(["data.size=48"], CPU))["data"]).train
        pixels = ours.images[ours.rows[3]].float() / 255
        found = image * torch.tensor(peers.IMAGENET_STD).view(3, 1, 1) + torch.tensor(peers.IMAGENET_MEAN).view(3, 1, 1)
        # Two ways to make a picture smaller.
        assert (found - pixels).abs().mean() < 0.02


def test_paces_are_positive(load: Load) -> None:
    peers = load("peers")
    files = peers.Files(32, "none", 32)
    assert peers.plain_pace(peers.plain_network("unet 2 32"), files, CPU, epochs=2, workers=0) > 0
    assert load("ours").pace(["model.width=2", "data.size=32", "train.batch_size=20"], CPU, 40, 2) > 0


def test_a_job_is_measured_once_all_are_warm(load: Load, monkeypatch: pytest.MonkeyPatch) -> None:
    jobs = load("jobs")
    monkeypatch.setattr(jobs, "WARM_UP", 2)
    monkeypatch.setattr(torch, "set_num_threads", lambda count: None)
    paces: queue.Queue[float] = queue.Queue()
    jobs.job(threading.Barrier(1), paces, 1, "unet 2 32", CPU, 0.05)
    assert paces.get(timeout=1) > 0


def test_a_profile_lists_the_largest_first(load: Load, monkeypatch: pytest.MonkeyPatch) -> None:
    kernels = load("kernels")
    monkeypatch.setattr(kernels, "WARM_UP", 1)
    rows = kernels.profiled("unet 2 32", CPU, 64, 2)
    times = [float(row["ms a step"]) for row in rows]
    assert len(rows) == 20
    assert times == sorted(times, reverse=True)
    assert times[0] > 0
    assert any("convolution" in row["kernel"] for row in rows)


def test_the_table_says_what_held(tmp_path: Path, load: Load) -> None:
    def write(name: str, *rows: tuple) -> None:
        with open(tmp_path / name, "w", newline="") as file:
            csv.writer(file).writerows(rows)

    paces = [("bare step", "none", 104), ("ours", "none", 100), ("plain", "none", 50), ("ours", "crop", 90)]
    heads = ("case", "loop", "aug", "workers", "images_per_second")
    write("pace.csv", heads, *(("unet 64 256", loop, aug, "", pace) for loop, aug, pace in paces))
    write("jobs.csv", ("case", "jobs", "images_per_second"), ("unet 16 64", 1, 10), ("unet 16 64", 8, 25))
    write("repeats.csv", ("case", "differs_at"), ("unet 16 64", ""), ("resnet34_unet 32 64", "/state/network"))
    suite = '<testsuites><testsuite tests="5" failures="0" errors="0" skipped="1"/></testsuites>'
    (tmp_path / "tests.xml").write_text(suite)
    found = {row["what"]: (row["measured"], row["held"]) for row in load("verdict").verdict(tmp_path)}
    assert found == {
        "tests marked gpu": ("4 passed, 0 failed, 1 skipped", "yes"),
        "unet 64 256, aug=none: ours to a plain loop": ("100 to 50 images/s: 2.00 times", "yes"),
        "unet 64 256: what aug=crop adds to a step": ("11.1 %", "no"),
        "unet 64 256: an epoch beside its bare steps": ("+4.0 %", "yes"),
        "unet 16 64: 8 jobs at once to one": ("25 to 10 images/s: 2.50 times", "no"),
        "unet 16 64: two deterministic runs": ("the same", "yes"),
        "resnet34_unet 32 64: two deterministic runs": ("differ at /state/network", "no"),
    }


def test_a_part_that_fails_or_takes_too_long_is_told(tmp_path: Path, load: Load) -> None:
    visit = load("visit")
    for code, limit, wanted in (
        ("print('word')", 60, ""),
        ("1/0", 60, "exit code 1"),
        (ENDLESS, 1, "stopped after 1 "),
    ):
        found = visit.perform(visit.Part("part", "none", limit, [sys.executable, "-c", code]), tmp_path, {})
        assert found.startswith(wanted)
        assert bool(found) == bool(wanted)
    log = (tmp_path / "log.txt").read_text()
    assert "word" in log
    assert "ZeroDivisionError" in log


def test_limits_of_a_visit_are_under_twelve_minutes(tmp_path: Path, load: Load) -> None:
    parts = load("visit").parts("cuda", tmp_path, trial=False)
    assert sum(part.seconds for part in parts) <= 700
    # Few files, which are soon carried away.
    assert len({part.leaves for part in parts}) <= 6


def test_without_a_gpu_a_visit_says_so_in_one_line(
    load: Load, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    monkeypatch.setattr(torch.cuda, "is_available", lambda: False)
    monkeypatch.setattr(sys, "argv", ["visit.py"])
    with pytest.raises(SystemExit) as stop:
        load("visit").main()
    assert stop.value.code == 2
    assert capsys.readouterr().err == "make gpu: no CUDA device here\n"


@pytest.mark.slow
def test_a_visit_leaves_its_table_in_a_folder(tmp_path: Path) -> None:
    words = ["--device", "cpu", "--trial", "--only", "kernels", "--out", str(tmp_path / "kept")]
    done = subprocess.run([sys.executable, GPU / "visit.py", *words], cwd=tmp_path, capture_output=True, text=True)
    assert done.returncode == 0, done.stderr + (tmp_path / "kept" / "log.txt").read_text()
    assert {path.name for path in (tmp_path / "kept").iterdir()} == {"kernels.csv", "log.txt", "table.md"}
    table = (tmp_path / "kept" / "table.md").read_text()
    assert f"torch {torch.__version__}" in table
    assert "| the largest kernel of the profile | " in table
    assert table in done.stdout
