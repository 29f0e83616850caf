"""What a training step asks of a GPU: no mixed devices, no waiting, no blocking copy, no more operations than before.

The real loop trains on a pretended device (see pretend_cuda.py) that knows what it is asked for, on any machine.
`pytest tests/training/test_pretend_cuda.py -s` prints the numbers of operations, in the form of `OPERATIONS`.
"""

import copy
from collections import Counter
from collections.abc import Callable, Iterator
from concurrent.futures import ProcessPoolExecutor
from itertools import product
from pathlib import Path
from tempfile import TemporaryDirectory
from typing import Any
from unittest import mock

import pretend_cuda
import pytest
import torch
from backward_pass import backward
from conftest import make_network
from hydra import compose, initialize_config_module
from processes import SERVER
from teachers import write_teacher

from pets_seg.command.tasks.train import checked
from pets_seg.data import Batches, open_dataset
from pets_seg.run_folder.folder import RunFolder
from pets_seg.tracking.tracker import Tracker
from pets_seg.training import saving
from pets_seg.training.loop import train

# Faults, and operations by name.
Asked = tuple[Counter[str], Counter[str]]
# Stands for the weights of a network that is not trained.
TEACHER = "train.teacher=TEACHER"
BASE = ["aug=none", "data.size=32", "train.device=cuda", "tracker.mode=disabled"]
# Optimizer and caches are made in the first steps; the last of these looks at the loss (`step.LOOK_EVERY`).
WARM_UP, STEPS = 2, 6
# The most that a step may ask for, but for ROOM; a setting that is not here may take as many as a plain step.
PLAIN = 354
OPERATIONS = {
    "aug=color": 475,
    "aug=crop": 566,
    "aug=elastic": 374,
    "aug=elastic_or_crop": 586,
    "aug=elastic_stock": 493,
    "aug=hflip": 373,
    "aug=rotate": 500,
    "aug=strong": 973,
    "aug=strong aug.keep_original=true": 1367,
    "aug=vflip": 373,
    "model=resnet34_unet": 612,
    "model=timm_unet": 840,
    "optimizer=muon": 818,
    "optimizer=muon train.precision=fp16": 830,
    "loss=ce_dice": 397,
    "loss=dice": 380,
    "loss=focal": 386,
    "loss=lovasz": 393,
    "loss=weighted_cross_entropy": 373,
    "train.accumulate=2": 743,
    "train.accumulate=2 train.precision=fp16": 758,
    "train.checkpoint_activations=true": 499,
    "train.deterministic=true": 566,
    "train.ema=0.9": 373,
    "train.precision=fp32": 311,
    TEACHER: 496,
    f"{TEACHER} train.accumulate=2 train.precision=fp16": 1042,
}
ROOM = 1.05
# In fp16 an overflow skips the update, which a fused optimizer decides on the device; for another one the host waits.
WAITS_ONCE = {"optimizer=muon train.precision=fp16"}


def options(group: str) -> list[str]:
    folder = Path(__file__).parents[2] / "conf" / group
    return [f"{group}={file.stem}" for file in sorted(folder.glob("*.yaml"))]


SETTINGS = [
    *(setting for group in ("aug", "model", "optimizer", "loss") for setting in options(group)),
    *map(" ".join, product(options("optimizer"), ["train.precision=fp16"])),
    "train.precision=fp32",
    "train.accumulate=2",
    "train.accumulate=2 train.precision=fp16",
    "train.ema=0.9",
    "train.checkpoint_activations=true",
    "train.deterministic=true",
    "aug=strong aug.keep_original=true",
    "model.upsampling=transposed",
    "data.normalisation=raw",
    TEACHER,
    f"{TEACHER} train.accumulate=2 train.precision=fp16",
]


class EachStep:
    """A tracker that wants the figures of each step."""

    every_steps = 1

    def log_steps(self, rows: object) -> None:
        """Take them."""


class EnoughStepsError(Exception):
    """Ends a training that has shown what it does."""


def asked_by_steps(setting: str, free_memory: int = 2**36, faulty: bool = False) -> list[Asked]:
    """Train for some steps on the pretended device, with `FAULTS` if `faulty`; return what steady ones asked for."""
    with TemporaryDirectory() as folder, initialize_config_module("pets_seg.conf", version_base="1.3"):
        words = setting.replace("TEACHER", str(write_teacher(Path(folder), width=4))).split()
        config, device = checked(compose("config", [*BASE, *words]))
        return asked_by(config, device, Path(folder), free_memory, faulty)


def asked_by(config: dict[str, Any], device: torch.device, folder: Path, free_memory: int, faulty: bool) -> list[Asked]:
    if "width" in config["model"]:
        config["model"]["width"] = 4
    # So that every step transforms some images, by each operation, and not all.
    for operation in config["aug"]["operations"]:
        operation["p"] = 0.5
    dataset, gpu, asked = open_dataset(config["data"]), pretend_cuda.Device(), []

    def poll() -> None:
        asked.append((gpu.faults, gpu.operations))
        gpu.faults, gpu.operations = Counter(), Counter()
        if len(asked) == STEPS:
            raise EnoughStepsError

    def take(batches: Batches, indices: torch.Tensor) -> tuple[torch.Tensor, torch.Tensor]:
        image, mask = taken(batches, indices)
        for _, act in FAULTS if faulty else []:
            act(mask.float())
        return image, mask

    taken = Batches.take
    with (
        gpu,
        mock.patch("torch.cuda.mem_get_info", return_value=(free_memory, 2**37)),
        mock.patch.object(Batches, "take", take),
        # A slow machine must not write last.pt in between.
        mock.patch.object(saving, "INTERVAL", float("inf")),
        pytest.raises(EnoughStepsError),
    ):
        train(config, dataset, RunFolder(folder), device, Tracker(EachStep()), poll)
    return asked[WARM_UP:]


# What the host does with a mask (B,S,S) of the device, and what is to be said of it.
FAULTS: list[tuple[str, Callable[[torch.Tensor], object]]] = [
    ("wait: _local_scalar_dense", lambda mask: mask.sum().item()),
    ("wait: _local_scalar_dense", lambda mask: bool((mask > 0).any())),
    ("wait: nonzero", lambda mask: mask.nonzero()),
    ("wait: equal", lambda mask: torch.equal(mask, mask)),
    ("wait: index", lambda mask: mask[mask > 0]),
    ("wait: _linalg_check_errors", lambda mask: torch.linalg.inv(torch.eye(2, device=mask.device))),
    ("blocking copy: index", lambda mask: mask[torch.tensor([0])]),
    ("blocking copy: _to_copy", lambda mask: mask.cpu()),
    ("blocking copy: _to_copy", lambda mask: torch.ones(3).to(mask.device)),
    ("blocking copy: _to_copy", lambda mask: torch.tensor([1, 2], device=mask.device)),
    ("blocking copy: _to_copy", lambda mask: torch.ones(2**15).to(mask.device, non_blocking=True)),
    ("blocking copy: copy_", lambda mask: mask.copy_(torch.ones(mask.shape))),
    ("blocking copy: copy_", lambda mask: torch.empty(mask.shape).copy_(mask, non_blocking=True)),
    ("mixed devices: add", lambda mask: mask + torch.ones(mask.shape)),
    ("", lambda mask: mask + torch.tensor(1.0)),
    ("", lambda mask: mask[torch.zeros(1, dtype=torch.int64, device=mask.device)]),
    ("", lambda mask: torch.ones(3).to(mask.device, non_blocking=True)),
    ("", lambda mask: torch.ones(2**15).pin_memory().to(mask.device, non_blocking=True)),
    ("", lambda mask: torch.empty(mask.shape, pin_memory=True).copy_(mask, non_blocking=True)),
]


@pytest.fixture(scope="module")
def elsewhere() -> Iterator[ProcessPoolExecutor]:
    """A process that believes that it has a CUDA device."""
    with ProcessPoolExecutor(1, SERVER, pretend_cuda.install) as pool:
        yield pool


@pytest.mark.slow
@pytest.mark.parametrize("setting", SETTINGS)
def test_a_step_keeps_the_device_at_work(setting: str, elsewhere: ProcessPoolExecutor) -> None:
    expected = ["wait: _local_scalar_dense at pets_seg/training/step.py"] if setting in WAITS_ONCE else []
    most: Counter[str] = Counter()
    for faults, operations in elsewhere.submit(asked_by_steps, setting).result():
        assert [fault.rpartition(":")[0] for fault in faults.elements()] == expected, faults
        most = max(most, operations, key=Counter.total)
    print(f'\n    "{setting}": {most.total()},')
    allowed = OPERATIONS.get(setting, PLAIN)
    assert most.total() <= allowed * ROOM, (
        f"{setting}: {most.total()} operations a step, {allowed} were written down in OPERATIONS; {most.most_common()}"
    )


def test_images_in_host_memory_are_copied_without_waiting(elsewhere: ProcessPoolExecutor) -> None:
    for faults, operations in elsewhere.submit(asked_by_steps, "", free_memory=0).result():
        assert not faults
        assert operations.total() <= PLAIN * ROOM


def test_every_fault_is_found_in_every_step(elsewhere: ProcessPoolExecutor) -> None:
    plain, faulty = (elsewhere.submit(asked_by_steps, "", faulty=faulty).result() for faulty in (False, True))
    for (_, expected), (faults, operations) in zip(plain, faulty, strict=True):
        assert Counter(fault.split(" at ")[0] for fault in faults) == Counter(kind for kind, _ in FAULTS if kind)
        assert all(f"tests/training/{Path(__file__).name}:" in fault for fault in faults)
        # Each asks for one operation or more.
        assert operations.total() >= expected.total() + len(FAULTS)


def operations_of_a_few_lines() -> Counter[str]:
    with pretend_cuda.Device() as gpu:
        matrix = torch.ones(2, 3, device="cuda")
        torch.empty_like(matrix).copy_(matrix.T.reshape(2, 3)).add_(1).view(6)[2:].unsqueeze(0)
    return gpu.operations


def test_views_are_no_operations(elsewhere: ProcessPoolExecutor) -> None:
    counted = elsewhere.submit(operations_of_a_few_lines).result()
    assert +counted == {"ones": 1, "clone": 1, "copy_": 1, "add_": 1}


class Doubled(torch.autograd.Function):
    """An operation with a backward pass of its own."""

    @staticmethod
    def forward(ctx, image: torch.Tensor, name: None) -> torch.Tensor:
        return image * 2

    @staticmethod
    def backward(ctx, gradient: torch.Tensor) -> tuple[torch.Tensor, None]:
        return gradient * 2, None


@pytest.mark.parametrize("checkpoint_activations", [False, True])
def test_the_backward_pass_is_pytorchs(checkpoint_activations: bool) -> None:
    engines = make_network("unet", width=4)
    engines.checkpoint_activations = checkpoint_activations
    ours = copy.deepcopy(engines)
    for seed in (0, 1):
        image = torch.rand(2, 3, 32, 32, generator=torch.Generator().manual_seed(seed))
        (Doubled.apply(engines(image), None) ** 2).mean().backward()
        backward((Doubled.apply(ours(image), None) ** 2).mean())
    for expected, found in zip(engines.parameters(), ours.parameters(), strict=True):
        assert torch.equal(expected.grad, found.grad)
    for expected, found in zip(engines.buffers(), ours.buffers(), strict=True):
        assert torch.equal(expected, found)
