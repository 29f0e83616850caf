"""train.compile: whole batches go through the compiled network, others do not, and it is never given up in silence."""

from collections.abc import Callable
from functools import partial
from pathlib import Path

import pytest
import torch
from conftest import make_network, tiny
from torch._dynamo.testing import CompileCounter

from pets_seg.errors import RunError
from pets_seg.training.compiled import compiled

Command = Callable[..., tuple[int, str]]


@pytest.fixture
def counter(monkeypatch: pytest.MonkeyPatch) -> CompileCounter:
    """Counts the graphs that are made, and how often they are called, in place of a compiler that takes minutes."""
    counted = CompileCounter()
    monkeypatch.setattr(torch, "compile", partial(torch.compile, backend=counted))
    return counted


def images(count: int) -> torch.Tensor:
    return torch.rand(count, 3, 32, 32, generator=torch.Generator().manual_seed(count))


def test_batches_of_other_sizes_are_not_compiled(counter: CompileCounter) -> None:
    network = make_network("unet", width=2).eval()
    forward = compiled(network, {4})
    with torch.inference_mode():
        for count in (4, 3, 4, 2, 1):
            assert torch.equal(forward(images(count)), network(images(count)))
    assert counter.frame_count == 1


@pytest.mark.slow
def test_every_job_of_a_process_may_compile(counter: CompileCounter) -> None:
    # More than PyTorch's limit of eight variants.
    for width in range(1, 11):
        compiled(make_network("unet", width=width), {2})(images(2)).mean().backward()
    assert counter.frame_count == 10


@pytest.mark.slow
def test_compiling_is_not_given_up_in_silence(counter: CompileCounter) -> None:
    forward = compiled(make_network("unet", width=2), range(2, 20))
    for count in range(2, 10):
        forward(images(count))
    with pytest.raises(RunError, match=r"^train.compile=true: PyTorch cannot compile .*; use train.compile=false$"):
        forward(images(10))


def test_errors_of_the_network_are_its_own(counter: CompileCounter) -> None:
    def fails(image: torch.Tensor) -> torch.Tensor:
        return image.view(7, -1)

    with pytest.raises((RuntimeError, RunError)) as caught:
        compiled(fails, {2})(images(2))
    assert "view" in str(caught.value) or "shape" in str(caught.value)


@pytest.mark.slow
def test_a_run_compiles_its_whole_batches(
    oxford: Path, tmp_path: Path, in_process: Command, counter: CompileCounter
) -> None:
    # 18 images in batches of 8, 8 and 2, in parts of 3, 3 and 2, and 2.
    code, shown = in_process(
        *tiny(oxford), "train.compile=true", "train.batch_size=8", "train.accumulate=3", "train.epochs=1"
    )
    assert code == 0, shown
    assert counter.frame_count == 2
