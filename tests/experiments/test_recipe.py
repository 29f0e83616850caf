"""The parts that experiments/recipe tries, which are options of its own."""

import importlib
from pathlib import Path
from types import ModuleType

import pytest
import torch
from torch import nn

from pets_seg.training.muon import Muon

RECIPE = Path(__file__).parents[2] / "experiments" / "recipe"


@pytest.fixture
def ladder(monkeypatch: pytest.MonkeyPatch) -> ModuleType:
    monkeypatch.syspath_prepend(str(RECIPE))
    return importlib.import_module("ladder")


def test_convolutions_begin_as_identities(ladder: ModuleType) -> None:
    network, image = ladder.IdentityUNet(8), torch.rand(1, 3, 32, 32)
    widening, keeping = network.encoder[0][0], network.encoder[0][3]
    torch.testing.assert_close(widening(image)[:, :3], image)
    assert not torch.equal(widening(image)[:, 3:6], image)
    features = torch.rand(1, 8, 32, 32)
    torch.testing.assert_close(keeping(features), features)
    # A block of the decoder has more inputs than outputs, which are its first inputs.
    narrowing = network.decoder[0][0]
    assert narrowing.in_channels > narrowing.out_channels
    features = torch.rand(1, narrowing.in_channels, 8, 8)
    torch.testing.assert_close(narrowing(features), features[:, : narrowing.out_channels])


def test_a_growing_network_sees_half_the_size_for_its_first_steps(ladder: ModuleType) -> None:
    network, image, sizes = ladder.GrowingUNet(2, small_steps=2), torch.rand(2, 3, 64, 64), []
    network.encoder[0].register_forward_pre_hook(lambda block, inputs: sizes.append(inputs[0].shape[-1]))
    assert network(image).shape == (2, 2, 64, 64)
    with torch.no_grad():
        network.eval()(image)
    again = ladder.GrowingUNet(2, small_steps=2)
    again.load_state_dict(network.state_dict())
    again.encoder[0].register_forward_pre_hook(lambda block, inputs: sizes.append(inputs[0].shape[-1]))
    again(image)
    again(image)
    assert sizes == [32, 64, 32, 64]


def test_norms_learn_at_their_own_rate(ladder: ModuleType) -> None:
    def moved(optimizer_of: type[Muon], **settings: float) -> list[float]:
        torch.manual_seed(0)
        network = nn.Sequential(nn.Conv2d(3, 4, 3, bias=False), nn.BatchNorm2d(4))
        before = [weight.detach().clone() for weight in network.parameters()]
        optimizer = optimizer_of(network.parameters(), lr=1e-3, weight_decay=0.0, **settings)
        network(torch.randn(2, 3, 8, 8)).pow(3).sum().backward()
        optimizer.step()
        return [(weight - old).abs().sum().item() for weight, old in zip(network.parameters(), before, strict=True)]

    convolution, *norms = moved(Muon)
    faster_convolution, *faster = moved(ladder.NormMuon, norm_factor=8.0)
    assert faster_convolution == convolution
    assert faster == pytest.approx([8 * norm for norm in norms], rel=1e-3)
