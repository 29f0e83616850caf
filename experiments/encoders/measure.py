"""What does an encoder cost? Prints the table of README.md: shapes, parameters, multiply-accumulates, pace, memory.

Every measurement is a process of its own, with the loss and the optimizer of the defaults.
"""

import argparse
import json
import subprocess
import sys
import time
from statistics import median

import torch

from pets_seg.losses.cross_entropy import cross_entropy
from pets_seg.machine.device import resolve_device
from pets_seg.machine.precision import use_device
from pets_seg.machine.processor import instruction_set
from pets_seg.models import memory_format
from pets_seg.models.cost import count_macs, count_parameters
from pets_seg.models.timm_unet import TimmUNet
from pets_seg.training.memory import peak_memory_mb, reset_peak
from pets_seg.training.objective import Objective

ENCODERS = (
    "mobilenetv3_small_100",
    "mobilenetv3_large_100",
    "efficientnet_b0",
    "resnet18",
    "regnety_004",
    "densenet121",
    "pvt_v2_b0",
    "convnext_tiny",
    "swin_tiny_patch4_window7_224",
    "inception_v4",
)
BATCH = 16


def main() -> None:
    """Print the table; with an encoder, its row as JSON."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--encoders", default=",".join(ENCODERS), help="names of timm's, with commas between")
    parser.add_argument("--size", type=int, default=128, help="side of the images in pixels")
    parser.add_argument("--seconds", type=float, default=8.0, help="of training steps in each measurement")
    parser.add_argument("--rounds", type=int, default=3, help="measurements of each, the median of which counts")
    parser.add_argument("--apart", help=argparse.SUPPRESS)
    given = parser.parse_args()
    if given.apart:
        print(json.dumps(measured(given.apart, given.size, given.seconds)))
        return
    device = resolve_device("auto")
    hardware = instruction_set() if device.type == "cpu" else torch.cuda.get_device_name(device)
    threads = f"{torch.get_num_threads()} threads; " if device.type == "cpu" else ""
    print(f"{hardware}; {threads}torch {torch.__version__}; {given.size} px; batch {BATCH}; fp32\n")
    print(
        "| encoder | feature maps: channels at a part of the side | parameters, M | MACs, G | images/s | memory, MB |"
    )
    print("|---|---|---|---|---|---|")
    for encoder in given.encoders.split(","):
        settings = ["--size", str(given.size), "--seconds", str(given.seconds), "--apart", encoder]
        found = [apart(settings) for _ in range(given.rounds)]
        row = sorted(found, key=lambda each: each["pace"])[given.rounds // 2]
        maps = zip(row["channels"], row["reductions"], strict=True)
        shapes = ", ".join(f"{channels} at 1/{reduction}" for channels, reduction in maps)
        cost = f"{row['parameters'] / 1e6:.1f} | {row['macs'] / 1e9:.2f} | {row['pace']:.1f} | {row['memory']:.0f}"
        print(f"| `{encoder}` | {shapes} | {cost} |", flush=True)


def apart(settings: list[str]) -> dict:
    """Return what a process of its own measured."""
    done = subprocess.run([sys.executable, __file__, *settings], capture_output=True, text=True, check=True)
    return json.loads(done.stdout)


def measured(encoder: str, size: int, seconds: float) -> dict:
    """Return what a network with this encoder costs; the time is the median of the steps but for the first two."""
    torch.manual_seed(0)
    device = resolve_device("auto")
    use_device(device)
    reset_peak(device)
    network = TimmUNet(encoder)
    network = network.to(device, memory_format=memory_format(device, network)).train()
    optimizer = torch.optim.AdamW(network.parameters(), fused=True)
    objective = Objective([(1, cross_entropy)])
    image = torch.randn(BATCH, 3, size, size, device=device).to(memory_format=torch.channels_last)
    mask = torch.randint(2, (BATCH, size, size), dtype=torch.uint8, device=device)
    times: list[float] = []
    while len(times) < 5 or sum(times) < seconds:
        started = time.perf_counter()
        loss, _ = objective(network(image).float(), mask)
        loss.backward()
        optimizer.step()
        optimizer.zero_grad(set_to_none=True)
        loss.item()
        times.append(time.perf_counter() - started)
    return {
        "channels": network.encoder.feature_info.channels(),
        "reductions": network.encoder.feature_info.reduction(),
        "parameters": count_parameters(network),
        "macs": count_macs(network, size),
        "pace": BATCH / median(times[2:]),
        "memory": peak_memory_mb(device),
    }


if __name__ == "__main__":
    main()
