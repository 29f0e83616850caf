"""The network of experiments/architecture is ResNet34-UNet at another width."""

import importlib
from pathlib import Path

import pytest
import torch
from omegaconf import OmegaConf

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
    # It begins as the package's does: each convolution's weights are as large.
    for name, weight in narrow(64).state_dict().items():
        if weight.ndim == 4:
            assert weight.std().item() == pytest.approx(network.state_dict()[name].std().item(), rel=0.1), name
    # The numbers of its page.
    assert [parameters(each) for each in (network, narrow(12), UNet(16))] == [23_621_122, 834_878, 838_802]
    # At full size a UNet is as large as the package's ResNet34-UNet.
    assert parameters(UNet(85)) == pytest.approx(23_621_122, rel=0.01)


def test_the_networks_of_upsampling_have_the_parameters_of_its_page() -> None:
    found = {}
    for path in (ARCHITECTURE.parent / "upsampling" / "conf" / "model").glob("*.yaml"):
        option = OmegaConf.load(path)
        assert option.name == path.stem
        found[path.stem] = parameters(UNet(option.width, option.upsampling))
    assert [found[name] for name in ("bilinear_8", "bilinear_12", "transposed_8")] == [210_314, 472_286, 486_562]
    assert found["bilinear_97"] == pytest.approx(found["transposed_64"], rel=0.01)
