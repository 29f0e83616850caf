"""`train.teacher`: a network learns from a trained one beside the masks, and the run remembers from which."""

import signal
from collections.abc import Callable
from functools import partial
from itertools import pairwise
from pathlib import Path

import pytest
import torch
from conftest import make_network, only_run, tiny
from hypothesis import given, settings
from hypothesis import strategies as st
from outcome import check_same, epoch_rows, outcome
from processes import finish
from safetensors.torch import load_file
from scipy.special import rel_entr, softmax
from teachers import BEST, config, write_teacher
from test_distributed import GENTLE, torchrun
from torch._dynamo.testing import CompileCounter

import pets_seg.machine.device
from pets_seg.config.weights import Weights
from pets_seg.data import Normalise
from pets_seg.training.distillation import Distillation, build_distillation, divergence

Command = Callable[..., tuple[int, str]]
CPU = torch.device("cpu")
# What has a state of its own, or draws random numbers.
RICH = ["train.batch_size=5", "train.accumulate=2", "aug=strong", "loss=ce_dice", "train.ema=0.8"]


@pytest.fixture
def teacher(tmp_path: Path) -> Path:
    return write_teacher(tmp_path / "teacher")


@pytest.fixture
def batch() -> tuple[torch.Tensor, torch.Tensor, torch.Tensor]:
    """Logits of a network, images and masks, in each of which some pixels are not counted."""
    generator = torch.Generator().manual_seed(0)
    mask = torch.tensor([0, 1, 255])[torch.randint(0, 3, (4, 8, 6), generator=generator)]
    return 3 * torch.randn(4, 2, 8, 6, generator=generator), torch.rand(4, 3, 8, 6, generator=generator), mask


def distillation(weight: float = 0.5, temperature: float = 2.0) -> Distillation:
    """Return the distillation from a teacher whose logits are channels of the image, enlarged."""
    autocast = torch.autocast("cpu", enabled=False)
    where = Weights(Path("x"), "0" * 64)
    return Distillation(where, lambda image: 5 * image[:, :2], lambda image: image, autocast, weight, temperature)


@pytest.mark.parametrize(("weight", "temperature"), [(0.5, 2.0), (0.9, 1.0), (1.0, 10.0), (0.0, 4.0)])
def test_the_loss_is_that_of_the_paper(batch: tuple, weight: float, temperature: float) -> None:
    logits, image, mask = batch
    found = distillation(weight, temperature)(torch.tensor(0.7), logits, image, mask, mask)
    wanted, own = (softmax(values.double().numpy() / temperature, axis=1) for values in (5 * image[:, :2], logits))
    term = rel_entr(wanted, own).sum(axis=1)[mask.numpy() != 255].mean()
    assert found.item() == pytest.approx((1 - weight) * 0.7 + weight * temperature**2 * term, rel=1e-5)


def test_the_shares_of_parts_add_up_to_the_batch(batch: tuple) -> None:
    logits, image, mask = batch
    # Parts with different numbers of counted pixels, one of them none.
    mask[0], mask[1, :4] = 255, 255
    logits.requires_grad_()
    objective = torch.zeros(())
    whole = distillation()(objective, logits, image, mask, mask)
    [gradient] = torch.autograd.grad(whole, logits)
    assert (gradient[~(mask != 255)[:, None].expand_as(gradient)] == 0).all()
    for cuts in ([0, 1, 4], [0, 2, 2, 4]):
        rows = [slice(*pair) for pair in pairwise(cuts)]
        parts = sum(distillation()(objective, logits[row], image[row], mask[row], mask) for row in rows)
        torch.testing.assert_close(parts, whole)
        torch.testing.assert_close(torch.autograd.grad(parts, logits)[0], gradient)
    nothing = distillation()(objective, logits, image, torch.full_like(mask, 255), torch.full_like(mask, 255))
    assert nothing.item() == 0


@settings(max_examples=10, deadline=None)
@given(temperature=st.floats(0.5, 20), seed=st.integers(0, 1000))
def test_a_network_that_only_listens_comes_to_say_what_its_teacher_does(temperature: float, seed: int) -> None:
    generator = torch.Generator().manual_seed(seed)
    image = torch.rand(2, 3, 4, 4, generator=generator)
    logits = torch.randn(2, 2, 4, 4, generator=generator).requires_grad_()
    # Whatever the masks say.
    mask = torch.randint(0, 2, (2, 4, 4), generator=generator)
    learn = distillation(1.0, temperature)
    wanted = (5 * image[:, :2]).softmax(1)
    optimizer = torch.optim.Adam([logits], lr=0.1)
    for _ in range(400):
        optimizer.zero_grad()
        learn(torch.zeros(()), logits, image, mask, mask).backward()
        optimizer.step()
    torch.testing.assert_close(logits.softmax(1), wanted, atol=0.02, rtol=0)


def test_at_a_high_temperature_it_is_the_squared_distance_of_logits(batch: tuple) -> None:
    # Section 2.1 of the paper; of two classes a shift of both logits says nothing.
    logits, image, _ = (tensor.double() for tensor in batch)
    taught = 5 * image[:, :2]
    margins = [values[:, 1] - values[:, 0] for values in (logits, taught)]
    squares = (margins[0] - margins[1]) ** 2 / 8
    torch.testing.assert_close(100**2 * divergence(logits, taught, 100), squares, atol=1e-3, rtol=0.01)


def test_huge_logits_give_finite_gradients() -> None:
    logits = torch.tensor([1e4, -1e4]).view(1, 2, 1, 1).requires_grad_()
    divergence(logits, -logits.detach(), 0.1).sum().backward()
    assert logits.grad.isfinite().all()


@pytest.mark.parametrize("normalisation", ["imagenet", "raw"])
def test_the_teacher_sees_images_as_it_knows_them_and_learns_nothing(normalisation: str, tmp_path: Path) -> None:
    run = write_teacher(tmp_path / "t", normalisation=normalisation)
    settings = config(f"train.teacher={run}", "train.teacher_weight=1", "train.teacher_temperature=1")
    before = torch.get_rng_state()
    networks: list[torch.nn.Module] = []
    learn = build_distillation(settings, CPU, lambda network: networks.append(network) or network)
    assert torch.equal(torch.get_rng_state(), before)
    alone = make_network("unet", width=6).eval()
    alone.load_state_dict(load_file(run / BEST))
    image = torch.rand(3, 3, 32, 32)
    with torch.no_grad():
        wanted = alone(255 * image if normalisation == "raw" else Normalise("imagenet", CPU)(image))
    # What it says is its own opinion, of all images or of some of them: nothing in it depends on its batch.
    for rows in (slice(0, 3), slice(1, 3), slice(0, 0)):
        mask = torch.zeros(3, 32, 32, dtype=torch.uint8)
        logits = wanted[rows].clone().requires_grad_()
        loss = learn(torch.zeros(()), logits, image[rows], mask[rows], mask)
        assert loss.item() == pytest.approx(0, abs=1e-5)
        loss.backward()
    [network] = networks
    check_same(dict(network.state_dict()), dict(alone.state_dict()))
    assert not any(parameter.grad is not None or parameter.requires_grad for parameter in network.parameters())


def test_the_teacher_sees_the_images_that_its_student_sees(
    teacher: Path, oxford: Path, tmp_path: Path, in_process: Command, monkeypatch: pytest.MonkeyPatch
) -> None:
    seen: list[tuple[Normalise, torch.Tensor]] = []
    normalise = Normalise.__call__

    def watched(self: Normalise, image: torch.Tensor) -> torch.Tensor:
        seen.append((self, image.clone()))
        return normalise(self, image)

    monkeypatch.setattr(Normalise, "__call__", watched)
    code, shown = in_process(*tiny(oxford), *RICH, "train.epochs=1", f"train.teacher={teacher}")
    assert code == 0, shown
    line = f"learning from the network of {teacher / BEST} (SHA-256 "
    assert line in shown
    owners = [owner for owner, _ in seen]
    # 18 images in parts of 3 and 2; the last batch is one of 3.
    pairs = [(seen[place - 1], seen[place]) for place, owner in enumerate(owners) if owner is owners[1]]
    assert len(pairs) == 7
    for (owner, image), (_, taught) in pairs:
        assert owner is owners[0]
        assert torch.equal(image, taught)
    [row] = epoch_rows(only_run(tmp_path / "work"))
    assert (row.keys() & {"train/objective", "val/objective"}) == {"train/objective"}


def test_a_teacher_without_a_share_changes_nothing(
    teacher: Path, oxford: Path, tmp_path: Path, in_process: Command
) -> None:
    found = {}
    for title, more in (("without", []), ("with", [f"train.teacher={teacher}", "train.teacher_weight=0"])):
        code, shown = in_process(*tiny(oxford), *RICH, "train.epochs=1", f"name={title}", *more)
        assert code == 0, shown
        run = only_run(tmp_path / "work", title)
        found[title] = (load_file(run / BEST), [{**row, "val/objective": ""} for row in epoch_rows(run)])
    check_same(found["with"], found["without"])


@pytest.mark.slow
@pytest.mark.parametrize("precision", ["bf16", "fp16"])
def test_it_learns_in_any_precision_and_compiled(
    precision: str, teacher: Path, oxford: Path, tmp_path: Path, in_process: Command, monkeypatch: pytest.MonkeyPatch
) -> None:
    # A CPU computes in fp16 too, which is refused only because it is slow.
    monkeypatch.setattr(pets_seg.machine.device, "resolve_precision", lambda name, device: name)
    counter = CompileCounter()
    monkeypatch.setattr(torch, "compile", partial(torch.compile, backend=counter))
    words = ["train.batch_size=8", "train.accumulate=3", "train.epochs=2", "train.compile=true"]
    code, shown = in_process(*tiny(oxford), *words, f"train.precision={precision}", f"train.teacher={teacher}")
    assert code == 0, shown
    # For parts of 3 and of 2 images, each network.
    assert counter.frame_count == 4
    first, last = (float(row["train/objective"]) for row in epoch_rows(only_run(tmp_path / "work")))
    assert last < first


@pytest.mark.slow
def test_a_killed_run_ends_as_if_never_killed(teacher: Path, oxford: Path, tmp_path: Path) -> None:
    arguments = [*tiny(oxford), *RICH, "train.epochs=3", "train.save_every_steps=3", "train.keep_state=true"]
    arguments += [f"train.teacher={teacher}", "optimizer=muon", "train.deterministic=true"]
    whole, killed = tmp_path / "whole", tmp_path / "killed"
    assert finish(whole, arguments) == 0, (whole / "shown").read_text()
    for place, nth in (("pets_seg.training.step.derive_seed", 5), ("pets_seg.training.loop.write_epoch", 2)):
        assert finish(killed, arguments, (place, nth)) == -signal.SIGKILL
    assert finish(killed, arguments) == 0
    assert "continuing after" in (killed / "shown").read_text()
    check_same(outcome(only_run(whole)), outcome(only_run(killed)))
    # The teacher is not in the state: its digest is in the name of the run.
    last = only_run(killed) / "checkpoints" / "last.pt"
    assert not [key for key in torch.load(last, weights_only=True) if "teach" in key or "distil" in key]
    assert "finished already" in (finish(killed, arguments), (killed / "shown").read_text())[1]


@pytest.mark.slow
def test_two_processes_learn_as_one_does(oxford: Path, tmp_path: Path) -> None:
    teacher = write_teacher(tmp_path / "teacher", boundary="ignore")
    # Only boundary pixels are not counted, of which images have different numbers.
    arguments = [*tiny(oxford), *GENTLE, "train.epochs=1", "train.accumulate=2", f"train.teacher={teacher}"]
    done = torchrun(*arguments, cwd=tmp_path)
    assert done.returncode == 0, done.stderr
    assert done.stdout.count("learning from the network of") == 1
    assert finish(tmp_path / "alone", arguments) == 0
    for rows in zip(epoch_rows(only_run(tmp_path)), epoch_rows(only_run(tmp_path / "alone")), strict=True):
        for key in ("train/loss", "train/objective", "val/loss"):
            assert float(rows[0][key]) == pytest.approx(float(rows[1][key]), rel=1e-4), key
