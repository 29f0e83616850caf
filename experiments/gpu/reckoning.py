"""What bounds a training step on a GPU, reckoned from the operations of the network's layers.

The network runs forward and backward on the meta device, where tensors have a shape and no values. Every operation is
given its floating-point operations and the bytes that it reads and writes in bf16, and so the time that it needs.
"""

import argparse
import sys
from collections import Counter
from collections.abc import Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any
from unittest import mock

import torch
from torch.utils._python_dispatch import TorchDispatchMode
from torch.utils._pytree import tree_leaves

sys.path.insert(0, str(Path(__file__).parents[1] / "speed"))
from timing import Rows, table

from pets_seg.config.options import own_option
from pets_seg.losses.cross_entropy import cross_entropy
from pets_seg.models import on_meta

# Network, width, side of the image in pixels, batch size.
CASES = (
    "unet 64 256 16",
    "unet 85 256 16",
    "resnet34_unet 32 256 16",
    "unet 64 128 32",
    "unet 64 128 16",
    "resnet34_unet 32 128 16",
    "unet 16 64 16",
)
CONVOLUTIONS = {torch.ops.aten.convolution: 1, torch.ops.aten.convolution_backward: 2}
# What the columns of the table call operations, by a part of their names.
KINDS = {"batch_norm": "batch norm", "pad": "padding", "upsample": "upsampling", "cat": "cat"}
# Bytes that the update of a parameter reads and writes: fp32 weight, gradient and two moments, three of them written
# (28), and the weight to bf16 and its gradient back (12).
OF_A_PARAMETER = 40


@dataclass(frozen=True)
class Card:
    """What a GPU can do, in operations and bytes a second, and the shares of it that kernels are taken to reach."""

    peak: float
    bandwidth: float
    reached: float
    # The least channels on either side of a convolution, and the share of `peak` that it then reaches.
    efficiency: dict[int, float]
    # Seconds in which the host starts an operation.
    launch: float

    def share(self, channels: int) -> float:
        """Return the share of the peak that a convolution with so many channels reaches."""
        return next(
            (share for least, share in sorted(self.efficiency.items(), reverse=True) if channels >= least), 0.02
        )


@dataclass
class Operation:
    """One operation: its kind, floating-point operations, bytes, the fewer of its channels, and kernels."""

    kind: str
    flops: int
    moved: int
    channels: int = 0
    kernels: int = 1

    def arithmetic(self, card: Card) -> float:
        """Return the seconds that its arithmetic needs."""
        return self.flops / card.peak / card.share(self.channels)

    def seconds(self, card: Card) -> float:
        """Return the seconds that it needs: for its arithmetic or for its bytes, whichever is longer."""
        return max(self.arithmetic(card), self.moved / card.bandwidth / card.reached)

    def least(self, card: Card) -> float:
        """Return the seconds that it would need if its kernel did all that the card can."""
        return max(self.flops / card.peak, self.moved / card.bandwidth)


@dataclass
class Recorder(TorchDispatchMode):
    """Keeps the operations that move something; views do not."""

    operations: list[Operation] = field(default_factory=list)

    def __post_init__(self) -> None:
        super().__init__()

    def __torch_dispatch__(self, func: Any, types: Any, args: Any = (), kwargs: Any = None) -> Any:
        out = func(*args, **(kwargs or {}))
        read = [x for x in tree_leaves((args, kwargs)) if isinstance(x, torch.Tensor)]
        made = [x for x in tree_leaves(out) if isinstance(x, torch.Tensor)]
        makes_nothing = func.is_view or not read or "empty" in func.__name__ or func.__name__.startswith("detach")
        if not makes_nothing:
            self.operations.append(describe(func, args, read, made))
        return out


def describe(func: Any, args: Sequence[Any], read: list[torch.Tensor], made: list[torch.Tensor]) -> Operation:
    """Return what an operation costs that read and made these tensors."""
    name = func.__name__
    moved = sum(x.numel() * x.element_size() for x in (*read, *made))
    if func.overloadpacket in CONVOLUTIONS:
        return convolution(func, args, made, moved)
    if "batch_norm" in name:
        # The statistics, or their gradients, are sums over what is read once more after them.
        large = max(x.numel() for x in read)
        moved += sum(x.numel() * x.element_size() for x in read if x.numel() == large)
    return Operation(next((kind for part, kind in KINDS.items() if part in name), "rest"), 0, moved)


def convolution(func: Any, args: Sequence[Any], made: list[torch.Tensor], moved: int) -> Operation:
    """Return what a convolution costs, or the backward pass of one: the gradients of its input and its weight."""
    is_backward = func.overloadpacket is torch.ops.aten.convolution_backward
    image, weight = (args[1], args[2]) if is_backward else (args[0], args[1])
    transposed = args[7] if is_backward else args[6]
    # Every weight meets each place of the smaller side once.
    places = image if transposed else (args[0] if is_backward else made[0])
    flops = 2 * weight.numel() * places.numel() // places.shape[1]
    kernels = sum(args[10][:2]) if is_backward else 1
    # Both kernels of a backward pass read the gradient of the output.
    moved += (kernels - 1) * args[0].numel() * args[0].element_size()
    return Operation("convolutions", flops * kernels, moved, min(weight.shape[:2]), kernels)


def operations(
    name: str, width: int, size: int, batch: int, upsampling: str = "bilinear"
) -> tuple[list[Operation], list[Operation]]:
    """Return the operations of the forward pass in bf16, and those of the backward pass and the update."""
    key = "width" if name == "unet" else "decoder_width"
    target = own_option("model", name)["_target_"]
    settings = {"name": name, key: width, "upsampling": upsampling, "_target_": target}
    network = on_meta(settings).to(torch.bfloat16)
    image = torch.empty(batch, 3, size, size, device="meta", dtype=torch.bfloat16)
    mask = torch.empty(batch, size, size, device="meta", dtype=torch.uint8)
    # So that the network takes the ways that it takes on CUDA.
    with Recorder() as forward, mock.patch.object(torch.Tensor, "is_cuda", True, create=True):
        logits = network(image)
    with Recorder() as backward:
        cross_entropy(logits.float(), mask).mean().backward()
    parameters = [parameter.numel() for parameter in network.parameters()]
    # Every weight is cast to bf16, and its gradient back, in kernels of their own.
    casts = 2 * sum(weight.ndim == 4 for weight in network.parameters())
    update = Operation("optimizer", 0, OF_A_PARAMETER * sum(parameters), kernels=1 + casts)
    return forward.operations, [*backward.operations, update]


def reckon(case: str, card: Card) -> dict[str, str]:
    """Return the row of a case: what its step needs, what bounds it, and the pace that follows."""
    name, *words = case.split()
    width, size, batch = map(int, words[:3])
    forward, backward = operations(name, width, size, batch, *words[3:])
    both = [*forward, *backward]
    times: Counter[str] = Counter()
    for operation in both:
        times[operation.kind] += 1000 * operation.seconds(card)
    device = sum(times.values())
    launches = sum(operation.kernels for operation in both)
    host = 1000 * card.launch * launches
    calculating = 1000 * sum(it.seconds(card) for it in both if it.arithmetic(card) == it.seconds(card))
    bound = "launches" if host > device else "arithmetic" if calculating > device / 2 else "memory"
    columns = ("convolutions", "batch norm", "padding", "upsampling", "cat", "rest", "optimizer")
    return {
        "network, width, px, batch": case,
        "GMACs of an image": f"{sum(operation.flops for operation in forward) / 2e9 / batch:.3f}",
        **{f"{kind}, ms": f"{times[kind]:.2f}" for kind in columns},
        "device, ms": f"{device:.2f}",
        "launches": str(launches),
        "host, ms": f"{host:.2f}",
        "bound by": bound,
        "images/s": f"{batch * 1000 / max(device, host):.0f}",
        "images/s, all at peak": f"{batch / sum(it.least(card) for it in both):.0f}",
    }


def shares(text: str) -> dict[int, float]:
    """Return the pairs of `128:0.45,64:0.3`."""
    return {int(key): float(value) for key, value in (pair.split(":") for pair in text.split(","))}


def add_assumptions(parser: argparse.ArgumentParser) -> None:
    """Add an argument for each figure of a card."""
    add = parser.add_argument
    add("--peak", type=float, default=989e12, help="FLOP/s in bf16; H100 SXM, data sheet, dense")
    add("--bandwidth", type=float, default=3.35e12, help="bytes/s of the GPU's memory; H100 SXM, data sheet")
    add("--reached", type=float, default=0.8, help="share of the bandwidth that kernels reach; assumed")
    add(
        "--efficiency",
        type=shares,
        default="128:0.45,64:0.32,32:0.17,8:0.08,1:0.04",
        help="share of the peak that a convolution reaches, by the fewer of its channels; assumed",
    )
    add("--launch", type=float, default=8e-6, help="seconds of the host for an operation; assumed")


def card_of(given: argparse.Namespace) -> Card:
    """Return the card of these arguments."""
    return Card(**{name: getattr(given, name) for name in Card.__dataclass_fields__})


def main() -> None:
    """Print one table of all cases."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.ArgumentDefaultsHelpFormatter)
    add_assumptions(parser)
    parser.add_argument(
        "cases", nargs="*", default=CASES, help="network, width, side in pixels, batch size[, upsampling]"
    )
    given = parser.parse_args()
    rows: Rows = [reckon(case, card_of(given)) for case in given.cases]
    print(table(rows))


if __name__ == "__main__":
    main()
