"""A training step on CUDA: nothing waits, it computes what the CPU computes, in bf16 and channels last throughout."""

import copy
from pathlib import Path
from typing import Any

import pytest
import torch
from on_gpu import DEVICE, NETWORKS, distance, prepared, take_steps, trained, watched_epoch
from torch.utils._python_dispatch import TorchDispatchMode

from pets_seg.config.options import OWN
from pets_seg.errors import RunError
from pets_seg.training import saving
from pets_seg.training.setup import Setup

pytestmark = pytest.mark.gpu
# Within 2 steps a run with this rate has a loss that is not finite.
DIVERGES = ["optimizer=sgd", "optimizer.lr=1e30", "scheduler=constant"]


@pytest.mark.parametrize("aug", OWN.options("aug"))
@pytest.mark.parametrize("network", ["unet", "resnet34_unet"])
def test_steps_do_not_wait_for_the_device(
    network: str, aug: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    # Writing last.pt waits, and would be due on a slow machine.
    monkeypatch.setattr(saving, "INTERVAL", float("inf"))
    # In the first steps kernels are chosen and tables made.
    run = prepared(tmp_path, *NETWORKS[network], f"aug={aug}", images=8 * 13)

    def after_step(step: int) -> None:
        if step == 5:
            torch.cuda.set_sync_debug_mode("error")
        elif step == 12:
            torch.cuda.set_sync_debug_mode("default")

    try:
        watched_epoch(run, after_step)
    finally:
        torch.cuda.set_sync_debug_mode("default")
    assert run.state.step == 13


def logits_and_gradients(run: Setup) -> tuple[torch.Tensor, torch.Tensor]:
    """Return the logits of the first batch and the gradients of its objective, all in one vector."""
    run.state.network.train()
    image, mask = run.train.take(torch.arange(8))
    with run.autocast:
        logits = run.forward(run.normalise(image))
    # Enlarged, so that small ones do not vanish in fp16.
    (1024 * run.objective(logits.float(), mask)[0]).backward()
    gradients = [parameter.grad.flatten() for parameter in run.state.network.parameters()]
    run.state.optimizer.zero_grad(set_to_none=True)
    return logits, torch.cat(gradients) / 1024


@pytest.mark.parametrize(
    ("precision", "forward", "backward"), [("fp32", 1e-4, 1e-3), ("bf16", 2e-2, 5e-2), ("fp16", 2e-2, 5e-2)]
)
@pytest.mark.parametrize("network", NETWORKS)
def test_a_step_is_that_of_the_cpu(
    network: str, precision: str, forward: float, backward: float, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    settings = [*NETWORKS[network], "scheduler=constant"]
    cpu = prepared(tmp_path / "cpu", *settings, "train.precision=fp32", "train.device=cpu", images=8 * 11)
    # The gradients of a network that has learnt nothing are mostly noise, which rounding changes.
    take_steps(cpu, 10)
    gpu = prepared(tmp_path / "gpu", *settings, f"train.precision={precision}", images=8 * 11)
    monkeypatch.setattr(torch.backends.cudnn, "allow_tf32", False)
    gpu.state.network.load_state_dict(cpu.state.network.state_dict())
    wanted, found = logits_and_gradients(cpu), logits_and_gradients(gpu)
    assert found[0].device.type == DEVICE.type
    assert distance(found[0], wanted[0]) < forward
    assert distance(found[1], wanted[1]) < backward
    # A whole step, of the same images.
    gpu.state.step = cpu.state.step
    for run in (cpu, gpu):
        run.state.losses = type(run.state.losses)(run.device, run.world)
        take_steps(run, 1)
    assert gpu.state.losses.means() == pytest.approx(cpu.state.losses.means(), rel=forward)


class Convolutions(TorchDispatchMode):
    """Looks at the feature maps that every convolution reads and makes, forward and backward."""

    def __init__(self) -> None:
        super().__init__()
        self.forward, self.backward = 0, 0
        self.wrong: list[str] = []

    def __torch_dispatch__(self, func: Any, types: Any, args: Any = (), kwargs: Any = None) -> Any:
        out = func(*args, **(kwargs or {}))
        if func is torch.ops.aten.convolution.default:
            self.forward += 1
            self.look(f"convolution {self.forward}", {"input": args[0], "output": out})
        elif func is torch.ops.aten.convolution_backward.default:
            self.backward += 1
            maps = {"output's gradient": args[0], "input": args[1], "input's gradient": out[0]}
            self.look(f"backward of convolution {self.backward}, from the last", maps)
        return out

    def look(self, which: str, maps: dict[str, torch.Tensor | None]) -> None:
        for name, x in maps.items():
            # The image needs no gradient.
            if x is None:
                continue
            # A loss may give the gradient of its two logits in any layout; a part of the channels is no copy of them.
            if x.dtype != torch.bfloat16 or (x.shape[1] > 2 and x.stride(1) != 1):
                self.wrong.append(f"{which}: {name} {tuple(x.shape)} is {x.dtype} with strides {x.stride()}")


@pytest.mark.parametrize("network", NETWORKS)
def test_every_convolution_is_channels_last_in_bf16(network: str, tmp_path: Path) -> None:
    run = prepared(tmp_path, *NETWORKS[network], "train.precision=bf16")
    with Convolutions() as seen:
        take_steps(run, 1)
    kinds = (torch.nn.Conv2d, torch.nn.ConvTranspose2d)
    count = sum(isinstance(module, kinds) for module in run.state.network.modules())
    assert (seen.forward, seen.backward) == (count, count)
    assert not seen.wrong, "\n".join(seen.wrong)


@pytest.mark.parametrize("network", ["unet", "resnet34_unet"])
def test_parts_of_a_batch_make_the_step_of_the_whole(
    network: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    settings = [*NETWORKS[network], "train.precision=fp32", "optimizer=sgd", "loss=ce_dice", "data.boundary=ignore"]
    changes = []
    for parts in (1, 2, 4):
        run = prepared(tmp_path, *settings, f"train.accumulate={parts}")
        monkeypatch.setattr(torch.backends.cudnn, "allow_tf32", False)
        before = copy.deepcopy(run.state.network)
        # Batch norm in training mode sees a part at a time.
        monkeypatch.setattr(run.state.network.eval(), "train", lambda: None)
        take_steps(run, 1)
        pairs = zip(run.state.network.parameters(), before.parameters(), strict=True)
        changes.append(torch.cat([(now - then).flatten() for now, then in pairs]))
    assert changes[0].norm() > 0
    for change in changes[1:]:
        assert distance(change, changes[0]) < 1e-3


@pytest.mark.parametrize("precision", ["bf16", "fp16"])
def test_what_is_saved_goes_on_as_it_would_have(precision: str, tmp_path: Path) -> None:
    settings = [*NETWORKS["unet"], f"train.precision={precision}", "train.ema=0.9"]
    run = prepared(tmp_path / "first", *settings, images=8 * 12)
    take_steps(run, 6)
    run.saving.write(run.state)
    saved = {name: tensor.clone() for name, tensor in run.state.network.state_dict().items()}
    other = prepared(tmp_path / "second", *settings, "seed=1", images=8 * 12)
    # The seed orders the images; only the state must come from the file.
    other.seed = run.seed
    assert other.state.load(run.folder.last)
    assert other.state.step == 6
    for name, tensor in other.state.network.state_dict().items():
        assert torch.equal(tensor, saved[name]), name
    assert other.state.scaler.state_dict() == run.state.scaler.state_dict()
    for one in (run, other):
        take_steps(one, 6)
    assert other.state.losses.means() == pytest.approx(run.state.losses.means(), rel=2e-2)
    for name, tensor in other.state.evaluated_network.state_dict().items():
        if tensor.is_floating_point():
            assert distance(tensor, run.state.evaluated_network.state_dict()[name]) < 2e-2, name


def test_a_loss_that_is_not_finite_stops_the_run_within_15_steps(tmp_path: Path) -> None:
    steps: list[None] = []
    with pytest.raises(RunError, match="try a lower"):
        trained(tmp_path, *NETWORKS["unet"], *DIVERGES, images=8 * 40, poll=lambda: steps.append(None))
    assert len(steps) < 15
