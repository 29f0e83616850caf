"""Muon, against PyTorch's for matrices, AdamW for the rest, and a singular value decomposition."""

import pytest
import torch
from torch import nn

from pets_seg.training.muon import COEFFICIENTS, Muon, orthogonalise


@pytest.mark.parametrize("shape", [(5, 5), (16, 27), (27, 16), (1, 9), (64, 576)])
def test_orthogonalising_keeps_the_singular_vectors_and_evens_the_values(shape: tuple[int, int]) -> None:
    torch.manual_seed(0)
    matrix, other = torch.randn(2, *shape, dtype=torch.float64)
    left, values, right = torch.linalg.svd(matrix, full_matrices=False)
    a, b, c = COEFFICIENTS
    expected = values / matrix.norm()
    for _ in range(5):
        expected = a * expected + b * expected**3 + c * expected**5
    together = orthogonalise(torch.stack((matrix, 5 * other)))
    torch.testing.assert_close(together[1:], orthogonalise(other[None]))
    torch.testing.assert_close(together[0], left @ expected.diag() @ right, atol=1e-6, rtol=1e-5)
    in_fp32 = orthogonalise(matrix[None].float())[0]
    torch.testing.assert_close(in_fp32.double(), left @ expected.diag() @ right, atol=2e-3, rtol=1e-3)


def test_a_matrix_without_gradient_direction_stays_finite() -> None:
    assert torch.equal(orthogonalise(torch.zeros(1, 3, 4)), torch.zeros(1, 3, 4))


def network() -> nn.Module:
    torch.manual_seed(0)
    return nn.Sequential(nn.Conv2d(3, 6, 3, bias=False), nn.BatchNorm2d(6), nn.Flatten(), nn.Linear(24, 2))


def steps(optimizers: list[torch.optim.Optimizer], net: nn.Module, count: int) -> None:
    generator = torch.Generator().manual_seed(1)
    for _ in range(count):
        net(torch.randn(5, 3, 4, 4, generator=generator)).square().sum().backward()
        for optimizer in optimizers:
            optimizer.step()
            optimizer.zero_grad()


@pytest.mark.skipif(not hasattr(torch.optim, "Muon"), reason="this PyTorch has no Muon")
def test_it_is_pytorchs_muon_for_matrices_and_adamw_for_the_rest() -> None:
    ours, theirs = network(), network()
    matrices = [weight for weight in theirs.parameters() if weight.ndim == 2]
    rest = [weight for weight in theirs.parameters() if weight.ndim == 1]
    steps([Muon(ours.parameters(), lr=1e-2, weight_decay=0.1, betas=(0.9, 0.95))], ours, 6)
    muon = torch.optim.Muon(matrices, lr=1e-2, weight_decay=0.1, momentum=0.95, adjust_lr_fn="match_rms_adamw")
    # PyTorch's does not take a convolution: here it has no part in the comparison but must be moved as ours.
    filters = Muon([theirs[0].weight], lr=1e-2, weight_decay=0.1)
    steps([muon, torch.optim.AdamW(rest, lr=1e-2, weight_decay=0.1, betas=(0.9, 0.95)), filters], theirs, 6)
    moved = (theirs[3].weight - network()[3].weight).norm()
    # PyTorch's computes in bf16.
    assert (ours[3].weight - theirs[3].weight).norm() < 0.02 * moved
    for mine, other in zip(ours.parameters(), theirs.parameters(), strict=True):
        torch.testing.assert_close(mine, other, atol=2e-3, rtol=2e-2)


def test_a_convolution_moves_as_its_matrix_in_either_layout() -> None:
    torch.manual_seed(0)
    value, gradient = torch.randn(6, 3, 3, 3), torch.randn(6, 3, 3, 3)
    moved = []
    for weight, grad in (
        (value, gradient),
        (value.flatten(1), gradient.flatten(1)),
        tuple(part.contiguous(memory_format=torch.channels_last) for part in (value, gradient)),
    ):
        parameter = nn.Parameter(weight.clone())
        parameter.grad = grad.clone()
        Muon([parameter], lr=0.1).step()
        moved.append(parameter.detach().flatten(1))
    assert torch.equal(moved[0], moved[1])
    torch.testing.assert_close(moved[0], moved[2])


def test_it_goes_on_from_its_state() -> None:
    whole, halves = network(), network()
    optimizer = Muon(whole.parameters())
    steps([optimizer], whole, 2)
    first = Muon(halves.parameters())
    steps([first], halves, 2)
    second = Muon(halves.parameters())
    second.load_state_dict(first.state_dict())
    steps([optimizer], whole, 2)
    steps([second], halves, 2)
    for mine, other in zip(whole.parameters(), halves.parameters(), strict=True):
        assert torch.equal(mine, other)
