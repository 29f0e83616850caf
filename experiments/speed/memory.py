"""What memory does a training step take, and what do accumulating and checkpointing activations trade for it?

Every measurement is a process of its own: the peak of a process does not fall again.
"""

import argparse
import json
import subprocess
import sys
import tempfile
from collections.abc import Iterator
from pathlib import Path

import torch
from hydra import compose, initialize_config_module
from omegaconf import OmegaConf
from timing import Rows

from pets_seg.config import register
from pets_seg.data.cache import Dataset, Split
from pets_seg.tracking.run_folder import RunFolder
from pets_seg.tracking.wandb_sink import WandbSink
from pets_seg.training.loop import train

SIZE = 128
STEPS = 4
NETWORKS = {"UNet width 64": "model=unet", "ResNet34-UNet": "model=resnet34_unet"}
UNET_ONLY = "train.checkpoint_activations=true"
SETTINGS: list[list[str]] = [[], ["train.accumulate=4"], [UNET_ONLY], ["train.accumulate=4", UNET_ONLY]]


def tables(device: torch.device, seconds: float) -> Iterator[tuple[str, Rows]]:
    """Yield the title and rows of the one table."""
    rows = []
    for name, network in NETWORKS.items():
        for settings in SETTINGS:
            if UNET_ONLY in settings and name != "UNet width 64":
                continue
            arguments = [network, *settings, f"train.device={device}"]
            done = subprocess.run([sys.executable, __file__, *arguments], capture_output=True, text=True, check=True)
            found = json.loads(done.stdout.splitlines()[-1])
            rows.append(
                {
                    "network": name,
                    "settings": " ".join(settings) or "default",
                    "peak MB": f"{found['peak_memory_mb']:.0f}",
                    "images a second": f"{found['images_per_second']:.1f}",
                }
            )
    where = "of the GPU's tensors" if device.type == "cuda" else "of the process"
    yield f"Peak memory {where}, batch 16 at {SIZE} px", rows


def measure(overrides: list[str]) -> dict[str, float]:
    """Train two epochs of STEPS batches; return peak memory and the pace of the second."""
    register()
    with initialize_config_module("pets_seg.conf", version_base="1.3"):
        fixed = ["tracker.mode=disabled", "train.epochs=2", f"data.size={SIZE}", "aug=none"]
        cfg = compose("config", overrides=[*fixed, *overrides])
    count = STEPS * cfg.train.batch_size
    images = torch.randint(256, (count, 3, SIZE, SIZE), dtype=torch.uint8)
    trimaps = torch.randint(1, 4, (count, SIZE, SIZE), dtype=torch.uint8)
    splits = [Split([str(i) for i in range(n)], torch.arange(n), images, trimaps) for n in (count, 2, 2)]
    with tempfile.TemporaryDirectory() as folder:
        run = RunFolder(Path(folder))
        summary = train(cfg, Dataset(*splits), run, WandbSink(OmegaConf.to_container(cfg, resolve=True), run.path))
        heads, *lines = [line.split(",") for line in (run.path / "metrics.csv").read_text().splitlines()]
    pace = float(lines[-1][heads.index("images_per_second")])
    return {"peak_memory_mb": summary["peak_memory_mb"], "images_per_second": pace}


if __name__ == "__main__":
    parser = argparse.ArgumentParser()
    parser.add_argument("overrides", nargs="*")
    print(json.dumps(measure(parser.parse_args().overrides)))
