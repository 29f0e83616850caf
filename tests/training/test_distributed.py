"""One run in two processes: the figures of one, and nothing is lost when one of them dies."""

import gc
import json
import os
import signal
import subprocess
import sys
import time
from collections.abc import Callable, Iterator
from pathlib import Path

import pytest
import torch
import torch.distributed as dist
from conftest import SAVED, command, make_network, only_run, tiny
from outcome import check_same, epoch_rows, outcome
from processes import SERVER, finish, wait_for

from pets_seg.data.batches import epoch_batches
from pets_seg.losses.cross_entropy import cross_entropy
from pets_seg.losses.soft_dice import soft_dice
from pets_seg.machine.cuda import CudaDevice
from pets_seg.machine.world import World
from pets_seg.training.distributed import wrap_in_ddp
from pets_seg.training.objective import Objective

# Standalone: on a port of its own.
TORCHRUN = [
    sys.executable,
    "-m",
    "torch.distributed.run",
    "--standalone",
    "--nproc-per-node",
    "2",
    "-m",
    "pets_seg.run",
]
# Gentle steps, so that rounding stays rounding over a few epochs.
GENTLE = ["optimizer=sgd", "optimizer.lr=1e-3", "scheduler=constant", "train.batch_size=7", "data.boundary=ignore"]


def torchrun(*arguments: str, cwd: Path) -> subprocess.CompletedProcess[str]:
    return subprocess.run([*TORCHRUN, *arguments], cwd=cwd, capture_output=True, text=True, timeout=120, check=False)


def test_shares_are_even_and_hold_every_place_once() -> None:
    for size in range(1, 6):
        for start, stop in ((0, 7), (3, 3), (5, 6), (2, 18)):
            parts = [list(range(100))[World(rank, size).part(start, stop)] for rank in range(size)]
            assert [place for part in parts for place in part] == list(range(start, stop))
            assert max(map(len, parts)) - min(map(len, parts)) <= 1


@pytest.mark.slow
def test_two_processes_give_the_figures_of_one(oxford: Path, tmp_path: Path) -> None:
    arguments = [*tiny(oxford), *GENTLE, *SAVED, "aug=strong", "train.accumulate=2", "loss=ce_dice", "train.ema=0.5"]
    done = torchrun(*arguments, cwd=tmp_path)
    assert done.returncode == 0, done.stderr
    assert "unet on cpu, fp32, 2 processes" in done.stdout
    assert done.stdout.count("epoch 1/2") == done.stdout.count("test Dice") == 1
    run = only_run(tmp_path)
    assert json.loads((run / "status.json").read_text())["processes"] == 2
    assert (run / "train.log").read_text().count("epoch 1/2") == 1
    together = outcome(run)
    # The weights are scored in one process: the same figures in every digit.
    scored = command("task=evaluate", f"checkpoint={run}", "split=test", cwd=tmp_path, OMP_NUM_THREADS="1")
    assert scored.returncode == 0, scored.stderr
    evaluation = json.loads((run / "evaluations" / "test" / "evaluation.json").read_text())
    for key in ("dice", "iou", "loss"):
        assert evaluation[key] == together["summary"][f"test_{key}"]

    assert finish(tmp_path / "alone", arguments) == 0
    other = only_run(tmp_path / "alone")
    assert other.name == run.name
    for rows in zip(together["metrics"], epoch_rows(other), strict=True):
        for key in ("train/loss", "train/objective", "val/loss", "val/objective"):
            assert float(rows[0][key]) == pytest.approx(float(rows[1][key]), rel=1e-4), key
        for key in ("epoch", "images_seen", "updates", "lr"):
            assert rows[0][key] == rows[1][key]
    weights = [torch.load(r / "checkpoints" / "last.pt", weights_only=True)["network"] for r in (run, other)]
    for name in weights[0]:
        assert torch.allclose(weights[0][name], weights[1][name], rtol=1e-3, atol=1e-4), name


@pytest.fixture
def started() -> Iterator[Callable[..., tuple[subprocess.Popen, Path]]]:
    """Start runs, each returned with its folder once it has validated some epochs; none is left at work."""
    processes: list[subprocess.Popen] = []

    def start(cwd: Path, program: list[str], arguments: list[str], epochs: int) -> tuple[subprocess.Popen, Path]:
        process = subprocess.Popen(
            [*program, *arguments], cwd=cwd, stdout=subprocess.PIPE, stderr=subprocess.STDOUT, text=True
        )
        processes.append(process)
        [metrics] = wait_for(lambda: [path for path in cwd.glob("runs/default/*/metrics.csv") if lines(path) > epochs])
        return process, metrics.parent

    yield start
    for process in processes:
        # torchrun ends its processes; killed, it could not.
        process.terminate()
        process.communicate(timeout=60)


def wait_for_standstill(metrics: Path) -> None:
    before = -1
    while before != (before := lines(metrics)):
        time.sleep(2)


def lines(path: Path) -> int:
    return len(path.read_text().splitlines())


@pytest.mark.slow
def test_a_dying_process_ends_all_and_the_run_goes_on_in_any_number(
    oxford: Path, tmp_path: Path, started: Callable[..., tuple[subprocess.Popen, Path]]
) -> None:
    arguments = [*tiny(oxford), *GENTLE, "aug=none", "train.epochs=5000", "optimizer.lr=1e-4"]
    work, other = tmp_path / "work", tmp_path / "other"
    work.mkdir()
    other.mkdir()
    # SIGTERM to torchrun, as a cluster sends it: all end after the same step, in the middle of an epoch.
    process, run = started(work, TORCHRUN, arguments, 2)
    process.send_signal(signal.SIGTERM)
    process.communicate(timeout=60)
    assert json.loads((run / "status.json").read_text())["state"] == "interrupted"
    assert torch.load(run / "checkpoints" / "last.pt", weights_only=True)["step"] == 1

    process, run = started(work, TORCHRUN, arguments, lines(run / "metrics.csv") + 1)
    status = json.loads((run / "status.json").read_text())
    children = Path(f"/proc/{process.pid}/task/{process.pid}/children").read_text().split()
    [victim] = [int(child) for child in children if int(child) != status["pid"]]
    # Stopped first, so that rank 0 waits for it: with its part of a step sent, rank 0 could end by torchrun's SIGTERM.
    os.kill(victim, signal.SIGSTOP)
    wait_for_standstill(run / "metrics.csv")
    os.kill(victim, signal.SIGKILL)
    shown, _ = process.communicate(timeout=60)
    assert process.returncode != 0
    assert "continuing after step 1 of epoch" in shown
    line = "another of the 2 processes of this run has ended, and so this one ends; the same command continues the run"
    assert shown.count(line) == 1
    status = json.loads((run / "status.json").read_text())
    assert status["state"] == "failed"
    assert status["error"]["message"].startswith(line)
    resumed = epoch_rows(run)

    # On alone, the same images in the same order; and what it would have been in two, never disturbed.
    epochs = len(resumed) + 2
    for cwd, program in ((work, [sys.executable, "-m", "pets_seg.run"]), (other, TORCHRUN)):
        process, run = started(cwd, program, arguments, epochs)
        process.terminate()
        process.communicate(timeout=60)
    undisturbed = epoch_rows(run)
    check_same(resumed, undisturbed[: len(resumed)])
    alone = epoch_rows(only_run(work))
    for rows in zip(alone[:epochs], undisturbed[:epochs], strict=True):
        for key in ("train/loss", "val/loss"):
            assert float(rows[0][key]) == pytest.approx(float(rows[1][key]), rel=1e-4)
        assert rows[0]["images_seen"] == rows[1]["images_seen"]


@pytest.mark.parametrize(
    ("arguments", "reason"),
    [
        (["-m", "seed=0,1"], "a sweep is one process; start runs by torchrun"),
        (["task=preview"], "task=preview: runs in one process"),
        (["train.device=cuda:1"], "2 processes take train.device=cpu, cuda or auto"),
        (["train.device=cuda"], "2 processes need as many CUDA devices, here: 1"),
    ],
)
def test_what_several_processes_cannot_do(
    arguments: list[str],
    reason: str,
    tmp_path: Path,
    in_process: Callable[..., tuple[int, str]],
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    monkeypatch.setattr("pets_seg.machine.device.cuda_devices", lambda: [CudaDevice("the only one", bf16=True)])
    # As torchrun starts the first and the second of two, and as what a second one starts inherits it.
    for rank, inherited in (("0", False), ("1", False), ("1", True)):
        monkeypatch.setattr("pets_seg.command.messages.begun_by_torchrun", lambda begun=not inherited: begun)
        launched = {"TORCHELASTIC_RUN_ID": "x", "RANK": rank, "WORLD_SIZE": "2", "LOCAL_RANK": rank}
        launched |= {"LOCAL_WORLD_SIZE": "2", "MASTER_ADDR": "localhost", "MASTER_PORT": "29500"}
        for name, value in launched.items():
            monkeypatch.setenv(name, value)
        code, shown = in_process(*arguments)
        assert code == 2
        heard = rank == "0" or inherited
        assert (reason in shown) == heard
        assert len(shown.splitlines()) == int(heard)
    assert list((tmp_path / "work").iterdir()) == []


def _gradients(network: torch.nn.Module, forward: torch.nn.Module, images: torch.Tensor, world: World) -> dict:
    mask = (images[:, 0] > 0).to(torch.uint8)
    mine = world.part(0, len(images))
    share, _ = Objective([(1, cross_entropy), (1, soft_dice)])(forward(images[mine]), mask[mine], mask)
    (share * world.size).backward()
    found = {name: parameter.grad for name, parameter in network.named_parameters()}
    return found | {name: tensor.double() for name, tensor in network.named_buffers()}


def _in_two(rank: int, folder: Path, model: dict, batches: list[torch.Tensor]) -> None:
    torch.set_num_threads(1)
    dist.init_process_group("gloo", init_method=f"file://{folder}/meet", rank=rank, world_size=2)
    for index, images in enumerate(batches):
        torch.manual_seed(0)
        network = make_network(**model).double()
        network.checkpoint_activations = True
        found = _gradients(network, wrap_in_ddp(network, torch.device("cpu")), images, World(rank, 2))
        torch.save(found, folder / f"{index}-{rank}.pt")
    # As training does: a network in DDP that outlives its group can abort the process when it exits.
    gc.collect()
    dist.destroy_process_group()


@pytest.mark.slow
@pytest.mark.parametrize("model", [{"name": "unet", "width": 2}, {"name": "resnet34_unet", "decoder_width": 2}])
def test_a_step_in_two_processes_is_that_of_one(model: dict, tmp_path: Path) -> None:
    generator = torch.Generator().manual_seed(1)
    # A single image leaves one of the two without any.
    batches = [torch.randn(images, 3, 64, 64, generator=generator, dtype=torch.float64) for images in (5, 1)]
    processes = [SERVER.Process(target=_in_two, args=(rank, tmp_path, model, batches)) for rank in range(2)]
    for process in processes:
        process.start()
    for process in processes:
        process.join(100)
        assert process.exitcode == 0
    for index, images in enumerate(batches):
        torch.manual_seed(0)
        network = make_network(**model).double()
        expected = _gradients(network, network, images, World())
        for rank in range(2):
            found = torch.load(tmp_path / f"{index}-{rank}.pt", weights_only=True)
            assert found.keys() == expected.keys()
            for name, tensor in expected.items():
                # In float64: what differs is the order of sums.
                assert torch.allclose(found[name], tensor, rtol=1e-8, atol=1e-10), name


def test_the_order_of_images_is_that_of_one_process() -> None:
    # Every process cuts the same batches; each takes its part of every one.
    batches = epoch_batches(20, 6, seed=0, epoch=1)
    seen = [index for batch in batches for rank in range(2) for index in batch[World(rank, 2).part(0, len(batch))]]
    assert sorted(map(int, seen)) == list(range(20))
