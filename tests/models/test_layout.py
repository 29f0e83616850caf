"""Feature maps keep their memory format and number format from layer to layer, and padding is that of PyTorch."""

import pytest
import torch
import torch.nn.functional as F
from conftest import make_network
from hypothesis import given, settings
from hypothesis import strategies as st
from torch import nn

from pets_seg.models.blocks import Upsample
from pets_seg.models.reflect import Reflect, ReflectConv2d

NETWORKS = [("unet", {"width": 4}), ("resnet34_unet", {"decoder_width": 8})]


@given(st.tuples(st.integers(1, 3), st.integers(1, 5), st.integers(2, 9), st.integers(2, 9)), st.booleans())
@settings(max_examples=60, deadline=None)
def test_the_padding_for_cuda_is_pytorchs_reflection(shape: tuple[int, ...], contiguous: bool) -> None:
    generator = torch.Generator().manual_seed(0)
    layout = torch.contiguous_format if contiguous else torch.channels_last
    x = torch.randn(shape, generator=generator, dtype=torch.float64).to(memory_format=layout).requires_grad_()
    ours, theirs = Reflect.apply(x), F.pad(x, (1, 1, 1, 1), mode="reflect")
    assert torch.equal(ours, theirs)
    assert ours.is_contiguous(memory_format=torch.channels_last)
    gradient = torch.randn(theirs.shape, generator=generator, dtype=torch.float64).to(memory_format=layout)
    [our], [their] = torch.autograd.grad(ours, x, gradient), torch.autograd.grad(theirs, x, gradient)
    torch.testing.assert_close(our, their, rtol=0, atol=1e-14)


def test_the_padding_for_cuda_has_the_gradient_of_finite_differences() -> None:
    x = torch.randn(2, 3, 4, 3, dtype=torch.float64, requires_grad=True)
    assert torch.autograd.gradcheck(Reflect.apply, x)


def test_a_convolution_by_the_padding_for_cuda_is_the_same() -> None:
    torch.manual_seed(0)
    convolution = ReflectConv2d(3, 5)
    x = torch.randn(2, 3, 8, 7)
    assert torch.equal(convolution(x), F.conv2d(Reflect.apply(x), convolution.weight))


@pytest.mark.parametrize("precision", [torch.float32, torch.bfloat16])
@pytest.mark.parametrize(("name", "arguments"), NETWORKS)
@pytest.mark.parametrize("upsampling", ["bilinear", "transposed"])
def test_every_convolution_works_in_channels_last_and_in_the_precision_of_training(
    name: str, arguments: dict, upsampling: str, precision: torch.dtype
) -> None:
    model = make_network(name, **arguments, upsampling=upsampling).to(memory_format=torch.channels_last)
    seen = []

    def look(tensor: torch.Tensor) -> None:
        # The gradient of a part of a concatenation has gaps, and its channels side by side.
        seen.append((tensor.stride(1) == 1, tensor.dtype))

    def watch(_: nn.Module, inputs: tuple[torch.Tensor], output: torch.Tensor) -> None:
        look(inputs[0])
        look(output)
        output.register_hook(look)

    # The layout of the logits' gradient is that of the loss.
    convolutions = [module for module in model.modules() if isinstance(module, nn.Conv2d | nn.ConvTranspose2d)][:-1]
    for module in convolutions:
        module.register_forward_hook(watch)
    image = torch.randn(2, 3, 64, 64).to(memory_format=torch.channels_last)
    with torch.autocast("cpu", precision, enabled=precision != torch.float32):
        logits = model(image)
    logits.float().square().mean().backward()
    assert len(seen) == 3 * len(convolutions)
    assert all(channels_last for channels_last, _ in seen)
    # The image itself is float32.
    assert [dtype for _, dtype in seen].count(precision) >= 3 * len(convolutions) - 1


@pytest.mark.parametrize("dtype", [torch.float32, torch.bfloat16])
def test_upsampling_in_bf16_rounds_the_interpolation_of_its_input_once(dtype: torch.dtype) -> None:
    generator = torch.Generator().manual_seed(0)
    x = torch.randn(2, 4, 9, 6, generator=generator).to(dtype)
    with torch.autocast("cpu", torch.bfloat16):
        enlarged = Upsample("bilinear", 4, 4)(x, torch.Size((18, 13)))
    assert enlarged.dtype == dtype
    exact = F.interpolate(x.float(), size=(18, 13), mode="bilinear", align_corners=True)
    torch.testing.assert_close(enlarged, exact.to(dtype), rtol=2**-8 if dtype == torch.bfloat16 else 0, atol=2e-3)


def test_a_transposed_convolution_repeats_the_last_row_and_column_of_an_odd_side() -> None:
    torch.manual_seed(0)
    upsample = Upsample("transposed", 3, 2)
    assert upsample.conv is not None
    x = torch.randn(2, 3, 4, 5).to(memory_format=torch.channels_last).requires_grad_()
    ours, theirs = upsample(x, torch.Size((9, 11))), F.pad(upsample.conv(x), (0, 1, 0, 1), mode="replicate")
    assert torch.equal(ours, theirs)
    assert ours.is_contiguous(memory_format=torch.channels_last)
    gradient = torch.randn(theirs.shape)
    assert torch.equal(*(torch.autograd.grad(out, x, gradient)[0] for out in (ours, theirs)))
