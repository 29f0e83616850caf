"""How many times as fast is a training step in bf16 as in fp32 on this CPU?

Every measurement is a process of its own, and the precisions take turns: a change of the machine's pace falls on both.
"""

import argparse
import subprocess
import sys
import time
from statistics import median

import torch

from pets_seg.losses.cross_entropy import cross_entropy
from pets_seg.machine.precision import autocast, use_device
from pets_seg.machine.processor import instruction_set
from pets_seg.models import memory_format
from pets_seg.models.resnet34_unet import ResNet34UNet
from pets_seg.models.unet import UNet
from pets_seg.training.objective import Objective

BATCH = 16
CPU = torch.device("cpu")
# Network, width, size of images in pixels.
CASES = ("unet 16 64", "unet 64 64", "unet 64 128", "resnet34_unet 32 64", "resnet34_unet 32 128")
PRECISIONS = ("fp32", "bf16")


def main() -> None:
    """Print the table; with a case and a precision, the median time of a step in seconds."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--seconds", type=float, default=20.0, help="to spend on each measurement")
    parser.add_argument("--rounds", type=int, default=3, help="measurements of each, the median of which counts")
    parser.add_argument(
        "--cases", default=",".join(CASES), help="network, width and size of images, with commas between"
    )
    parser.add_argument("--apart", nargs=2, metavar=("CASE", "PRECISION"), help=argparse.SUPPRESS)
    arguments = parser.parse_args()
    if arguments.apart:
        print(step_seconds(*arguments.apart, arguments.seconds))
        return
    print(f"{instruction_set()}; {torch.get_num_threads()} threads; torch {torch.__version__}; batch {BATCH}\n")
    print("| network, width, size | fp32, images/s | bf16, images/s | bf16 to fp32 |\n|---|---|---|---|")
    for case in arguments.cases.split(","):
        times: dict[str, list[float]] = {precision: [] for precision in PRECISIONS}
        for _ in range(arguments.rounds):
            for precision in PRECISIONS:
                command = [sys.executable, __file__, "--seconds", str(arguments.seconds), "--apart", case, precision]
                done = subprocess.run(command, capture_output=True, text=True, check=True)
                times[precision].append(float(done.stdout))
        fp32, bf16 = (BATCH / median(times[precision]) for precision in PRECISIONS)
        print(f"| {case} px | {fp32:.1f} | {bf16:.1f} | {bf16 / fp32:.2f} |", flush=True)


def step_seconds(case: str, precision: str, seconds: float) -> float:
    """Return the median time of a training step with AdamW, after two that are not counted."""
    torch.manual_seed(0)
    use_device(CPU)
    name, width, size = case.split()
    network = UNet(int(width)) if name == "unet" else ResNet34UNet(int(width))
    layout = memory_format(CPU, network)
    network = network.to(memory_format=layout)
    image = torch.rand(BATCH, 3, int(size), int(size)).contiguous(memory_format=layout)
    mask = torch.randint(2, (BATCH, int(size), int(size)), dtype=torch.uint8)
    optimizer = torch.optim.AdamW(network.parameters(), lr=1e-3, fused=True)
    objective, computed_in, times = Objective([(1, cross_entropy)]), autocast(CPU, precision), []
    while sum(times[2:]) < seconds or len(times) < 5:
        started = time.perf_counter()
        with computed_in:
            logits = network(image)
        objective(logits.float(), mask)[0].backward()
        optimizer.step()
        optimizer.zero_grad(set_to_none=True)
        times.append(time.perf_counter() - started)
    return median(times[2:])


if __name__ == "__main__":
    main()
