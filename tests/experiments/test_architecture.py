"""The network of experiments/architecture is ResNet34-UNet at another width."""

import importlib
from pathlib import Path

import pytest
import torch

from pets_seg.models.resnet34_unet import ResNet34UNet
from pets_seg.models.unet import UNet

ARCHITECTURE = Path(__file__).parents[2] / "experiments" / "architecture"


def parameters(network: torch.nn.Module) -> int:
    return sum(weight.numel() for weight in network.parameters())


def test_a_narrow_network_is_the_package_s_at_its_width(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.syspath_prepend(str(ARCHITECTURE))
    narrow = importlib.import_module("narrow").NarrowResNet34UNet
    torch.manual_seed(0)
    network, image = ResNet34UNet().eval(), torch.rand(1, 3, 64, 64)
    same = narrow(64).eval()
    same.load_state_dict(network.state_dict())
    with torch.no_grad():
        assert torch.equal(same(image), network(image))
        assert narrow(12).eval()(image).shape == (1, 2, 64, 64)
    # The numbers of its page.
    assert [parameters(each) for each in (network, narrow(12), UNet(16))] == [23_621_122, 834_878, 838_802]
    # And of experiments/upsampling.
    transposed = UNet(8, "transposed")
    assert [parameters(each) for each in (UNet(8), UNet(12), transposed)] == [210_314, 472_286, 486_562]
