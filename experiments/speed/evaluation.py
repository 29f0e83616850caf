"""What does validation cost beside its forward passes?"""

from collections.abc import Iterator
from statistics import median

import torch
from timing import Rows, in_turns

from pets_seg.data import Batches, Normalise
from pets_seg.data.cache import Split
from pets_seg.evaluation.evaluate import evaluate
from pets_seg.machine.device import resolve_precision
from pets_seg.machine.precision import autocast, use_device
from pets_seg.models import memory_format
from pets_seg.models.resnet34_unet import ResNet34UNet
from pets_seg.models.unet import UNet

IMAGES = 368
CASES = {"UNet width 16, 64 px": (UNet, {"width": 16}, 64), "ResNet34-UNet, 128 px": (ResNet34UNet, {}, 128)}


def tables(device: torch.device, seconds: float) -> Iterator[tuple[str, Rows]]:
    """Yield the title and rows of the one table."""
    use_device(device)
    precision = resolve_precision("auto", device)
    rows = []
    for case, (network_class, arguments, size) in CASES.items():
        network = network_class(**arguments).to(device).eval()
        layout = memory_format(device, network)
        network = network.to(memory_format=layout)
        images = torch.randint(256, (IMAGES, 3, size, size), dtype=torch.uint8)
        levels = torch.randint(3, (IMAGES, size, size), dtype=torch.uint8)
        trimap_of = torch.tensor([1, 2, 3], dtype=torch.uint8).repeat(IMAGES, 1)
        split = Split([str(index) for index in range(IMAGES)], torch.arange(IMAGES), images, levels, trimap_of)
        batches, normalise = Batches(split, device, "foreground"), Normalise("imagenet", device, layout)
        ready = [normalise(batches.take(rows_of)[0]) for rows_of in torch.arange(IMAGES).split(64)]

        def bare(index: int, network: torch.nn.Module = network, ready: list[torch.Tensor] = ready) -> None:
            with torch.inference_mode(), autocast(device, precision):
                for image in ready:
                    network(image)

        def real(
            index: int, network: torch.nn.Module = network, batches: Batches = batches, normalise: Normalise = normalise
        ) -> None:
            evaluate(network, batches, normalise, autocast(device, precision))

        times = {key: median(found) for key, found in in_turns({"bare": bare, "real": real}, device, seconds).items()}
        rows.append(
            {
                "network": case,
                "ms, bare forward passes": f"{times['bare']:.0f}",
                "ms, validation": f"{times['real']:.0f}",
                "ratio": f"{times['real'] / times['bare']:.3f}",
            }
        )
    yield f"Validation of {IMAGES} images against bare forward passes", rows
