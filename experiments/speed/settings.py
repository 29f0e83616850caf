"""What do the settings cost that trade time for memory, for exact repetition, for smoother weights, or the reverse?

Every measurement is a process of its own: the peak of a process does not fall again.
"""

import argparse
import json
import subprocess
import sys
import tempfile
from collections.abc import Iterator
from pathlib import Path
from statistics import median

import torch
from hydra import compose, initialize_config_module
from timing import Rows

from pets_seg.config.checks import check
from pets_seg.config.register import register
from pets_seg.data import SPLITS, Dataset, Index, Source
from pets_seg.data.cache import Split
from pets_seg.data.request import Request
from pets_seg.machine.device import resolved
from pets_seg.run_folder.folder import RunFolder
from pets_seg.training.loop import train

ACCUMULATE, CHECKPOINT = "train.accumulate=4", "train.checkpoint_activations=true"
OTHERS = [["train.deterministic=true"], ["train.ema=0.99"], ["train.compile=true"]]
# The network and its overrides, the steps of an epoch, and the settings.
CASES: dict[str, tuple[list[str], int, list[list[str]]]] = {
    "UNet width 64, 128 px": (
        ["model=unet", "data.size=128"],
        4,
        [[], [ACCUMULATE], [CHECKPOINT], [ACCUMULATE, CHECKPOINT]],
    ),
    "ResNet34-UNet, 128 px": (["model=resnet34_unet", "data.size=128"], 8, [[], [ACCUMULATE], *OTHERS]),
    "UNet width 16, 64 px": (["model=unet", "model.width=16", "data.size=64"], 60, [[], *OTHERS]),
}
COLUMNS = ("peak MB", "images a second", "to default", "extra seconds of the first epoch")
EPOCHS = 4


def tables(device: torch.device, seconds: float) -> Iterator[tuple[str, Rows]]:
    """Yield the title and rows of the one table."""
    rows = []
    for case, (network, steps, choices) in CASES.items():
        usual = None
        for settings in choices:
            arguments = [f"--steps={steps}", *network, *settings, f"train.device={device}"]
            done = subprocess.run([sys.executable, __file__, *arguments], capture_output=True, text=True)
            row = {"batch 16": case, "settings": " ".join(settings) or "default"}
            if done.returncode:
                # Compiling, for one, needs a compiler that is not everywhere.
                rows.append({**row, **dict.fromkeys(COLUMNS, "failed")})
                why = (done.stderr.splitlines() or [f"exit code {done.returncode}"])[-1]
                print(f"{case} {row['settings']}: {why}", file=sys.stderr)
                continue
            found = json.loads(done.stdout.splitlines()[-1])
            pace = found["images_per_second"]
            usual = usual if settings else pace
            cells = (
                f"{found['peak_memory_mb']:.0f}",
                f"{pace:.1f}",
                f"{pace / usual:.2f}" if usual else "failed",
                f"{found['start_seconds']:.1f}",
            )
            rows.append({**row, **dict(zip(COLUMNS, cells, strict=True))})
    where = "of the GPU's tensors" if device.type == "cuda" else "of the process"
    yield f"What settings cost; peak memory {where}", rows


def measure(overrides: list[str], steps: int) -> dict[str, float]:
    """Train EPOCHS of `steps` batches; return peak memory, the pace after the first epoch, and its extra seconds."""
    register()
    with initialize_config_module("pets_seg.conf", version_base="1.3"):
        fixed = ["tracker=none", f"train.epochs={EPOCHS}", "aug=none"]
        cfg = compose("config", overrides=[*fixed, *overrides])
    count, size = steps * cfg.train.batch_size, cfg.data.size
    images = torch.randint(256, (count, 3, size, size), dtype=torch.uint8)
    levels = torch.randint(3, (count, size, size), dtype=torch.uint8)
    trimap_of = torch.tensor([1, 2, 3], dtype=torch.uint8).repeat(count, 1)
    splits = [Split([str(i) for i in range(n)], torch.arange(n), images, levels, trimap_of) for n in (count, 2, 2)]
    # The pixels are of no files.
    index = Index(Request.of("", Source({name: [] for name in SPLITS}), size), [])
    with tempfile.TemporaryDirectory() as folder:
        run = RunFolder(Path(folder))
        config, device = resolved(check(cfg))
        summary = train(config, Dataset(*splits, index), run, device)
        heads, *lines = [line.split(",") for line in (run.path / "metrics.csv").read_text().splitlines()]
    first, *later = (float(line[heads.index("images_per_second")]) for line in lines)
    pace = median(later)
    start = count / first - count / pace
    return {"peak_memory_mb": summary["peak_memory_mb"], "images_per_second": pace, "start_seconds": start}


if __name__ == "__main__":
    parser = argparse.ArgumentParser()
    parser.add_argument("--steps", type=int)
    parser.add_argument("overrides", nargs="*")
    print(json.dumps(measure(**vars(parser.parse_args()))))
