"""Both networks: their sizes, every input size, gradients, saving."""

import pytest
import torch
from conftest import make_network
from torch import nn

from pets_seg.models.cost import count_macs, count_parameters

SMALL = [
    ("unet", {"width": 4, "upsampling": "bilinear"}),
    ("unet", {"width": 4, "upsampling": "transposed"}),
    ("unet", {"width": 1, "upsampling": "bilinear"}),
    ("resnet34_unet", {"decoder_width": 8, "upsampling": "bilinear"}),
    ("resnet34_unet", {"decoder_width": 8, "upsampling": "transposed"}),
]


@pytest.mark.parametrize(
    ("name", "upsampling", "low", "high"),
    [
        ("unet", "bilinear", 13.39e6, 13.40e6),
        ("unet", "transposed", 31.03e6, 31.05e6),
        ("resnet34_unet", "bilinear", 23.55e6, 23.65e6),
        ("resnet34_unet", "transposed", 26.40e6, 26.50e6),
    ],
)
def test_parameters_are_those_of_the_reference_study(name: str, upsampling: str, low: float, high: float) -> None:
    with torch.device("meta"):
        model = make_network(name, upsampling=upsampling)
    assert low <= count_parameters(model) <= high


@pytest.mark.parametrize(("name", "arguments"), SMALL)
@pytest.mark.parametrize("size", [(32, 32), (33, 47), (97, 131), (64, 32)])
def test_logits_have_the_size_of_the_image(name: str, arguments: dict, size: tuple[int, int]) -> None:
    model = make_network(name, **arguments).train()
    logits = model(torch.randn(2, 3, *size))
    assert logits.shape == (2, 2, *size)
    assert logits.isfinite().all()


@pytest.mark.parametrize(("name", "arguments"), SMALL)
def test_every_parameter_gets_a_gradient(name: str, arguments: dict) -> None:
    torch.manual_seed(0)
    model = make_network(name, **arguments)
    model(torch.randn(2, 3, 64, 64)).square().mean().backward()
    without = [key for key, parameter in model.named_parameters() if parameter.grad is None]
    assert not without
    assert sum(parameter.grad.abs().sum() > 0 for parameter in model.parameters()) > 0.9 * len(list(model.parameters()))


@pytest.mark.parametrize(("name", "arguments"), SMALL)
def test_weights_fit_a_network_built_the_same(name: str, arguments: dict) -> None:
    first, second = make_network(name, **arguments).eval(), make_network(name, **arguments).eval()
    second.load_state_dict(first.state_dict())
    image = torch.randn(1, 3, 40, 40)
    assert torch.equal(first(image), second(image))


@pytest.mark.parametrize(("name", "arguments"), SMALL)
def test_small_images_and_wrong_shapes_are_refused_in_a_sentence(name: str, arguments: dict) -> None:
    model = make_network(name, **arguments)
    for shape in ((1, 3, 31, 64), (1, 1, 64, 64), (3, 64, 64)):
        with pytest.raises(ValueError, match="must be"):
            model(torch.zeros(shape))


def test_double_conv_pads_by_reflection() -> None:
    convolutions = [module for module in make_network("unet", width=4).modules() if isinstance(module, nn.Conv2d)]
    assert [conv.padding_mode for conv in convolutions] == ["reflect"] * 18 + ["zeros"]


def test_resnet_encoder_has_torchvisions_weights_and_figures() -> None:
    from torchvision.models import resnet34

    model = make_network("resnet34_unet")
    trunk = resnet34()
    ours = count_parameters(model.stem) + count_parameters(model.stages)
    assert ours == count_parameters(trunk) - count_parameters(trunk.fc)


def test_macs_are_counted_by_hand_for_one_layer_and_leave_the_model_alone() -> None:
    assert count_macs(nn.Conv2d(3, 8, 3, padding=1), size=32) == 32 * 32 * 8 * 3 * 9
    model = make_network("unet", width=4)
    assert count_macs(model, 64) == 4 * count_macs(model, 32)
    assert model.head.weight.device.type == "cpu"
    assert model.training


def test_pretrained_starts_the_encoder_from_torchvisions_weights(monkeypatch: pytest.MonkeyPatch) -> None:
    from torchvision.models import ResNet34_Weights, resnet34

    torch.manual_seed(5)
    published = resnet34().state_dict()
    # Stands for the download: what torchvision does with the file is its own business.
    monkeypatch.setattr(ResNet34_Weights, "get_state_dict", lambda self, *_, **__: published)
    model = make_network("resnet34_unet", pretrained=True)
    model.load_pretrained()
    assert torch.equal(model.stem[0].weight, published["conv1.weight"])
    assert torch.equal(model.stages[3][2].conv2.weight, published["layer4.2.conv2.weight"])
    assert not torch.equal(make_network("resnet34_unet").stem[0].weight, published["conv1.weight"])
