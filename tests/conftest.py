"""What the tests share: small data sets made on the spot, and the command line run as a user runs it."""

import os
import shlex
import shutil
import signal
import subprocess
import sys
from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import torch
from hydra import compose, initialize_config_module
from omegaconf import OmegaConf
from PIL import Image

import pets_seg.config.register
from pets_seg.config.options import own_option
from pets_seg.models import build_model

pets_seg.config.register.register()

NO_CUDA = "no CUDA device"


def pytest_ignore_collect(collection_path: Path, config: pytest.Config) -> bool | None:
    """With `-m gpu` read tests/gpu alone: a machine with a GPU may lack what other tests import."""
    elsewhere = collection_path.name.startswith("test_") and collection_path.parent.name != "gpu"
    return True if config.option.markexpr == "gpu" and elsewhere else None


def pytest_collection_modifyitems(items: list[pytest.Item]) -> None:
    """Skip what needs a CUDA device where there is none."""
    if not torch.cuda.is_available():
        for item in items:
            if item.get_closest_marker("gpu"):
                item.add_marker(pytest.mark.skip(reason=NO_CUDA))


def pytest_terminal_summary(terminalreporter: Any, config: pytest.Config) -> None:
    """Say why nothing ran after `-m gpu`."""
    skipped = [report for report in terminalreporter.stats.get("skipped", []) if NO_CUDA in str(report.longrepr)]
    if skipped and config.option.markexpr == "gpu":
        terminalreporter.write_line(f"{len(skipped)} skipped: {NO_CUDA}")


@pytest.fixture(autouse=True, scope="session")
def _own_folders(tmp_path_factory: pytest.TempPathFactory) -> None:
    """Keep the user's cache, accounts, threads and shell out of it; subprocesses inherit this."""
    # A shell starts what it runs in the background with Ctrl-C ignored, and commands would inherit that.
    signal.signal(signal.SIGINT, signal.default_int_handler)
    os.environ["XDG_CACHE_HOME"] = str(tmp_path_factory.mktemp("cache"))
    os.environ["WANDB_MODE"] = "offline"
    # Where `wandb login` keeps a key.
    os.environ["NETRC"] = str(tmp_path_factory.mktemp("netrc") / "none")
    for name in ("WANDB_API_KEY", "HYDRA_FULL_ERROR"):
        os.environ.pop(name, None)


def picture(index: int, size: int = 48) -> tuple[Image.Image, Image.Image]:
    """Return an image with a bright square on a dark ground, and the trimap of that square."""
    generator = np.random.default_rng(index)
    image = generator.integers(0, 90, (size, size, 3), dtype=np.uint8)
    trimap = np.full((size, size), 2, np.uint8)
    side = size // 2
    top, left = generator.integers(0, size - side, 2)
    image[top : top + side, left : left + side] += 150
    trimap[top : top + side, left : left + side] = 3
    trimap[top + 1 : top + side - 1, left + 1 : left + side - 1] = 1
    return Image.fromarray(image), Image.fromarray(trimap)


def write_oxford(root: Path, trainval: int = 20, test: int = 4, size: int = 48) -> Path:
    """Write a data set in torchvision's layout under `root` and return its oxford-iiit-pet/."""
    folder = root / "oxford-iiit-pet"
    (folder / "images").mkdir(parents=True)
    (folder / "annotations" / "trimaps").mkdir(parents=True)
    stems = [f"pet_{index}" for index in range(trainval + test)]
    for index, stem in enumerate(stems):
        image, trimap = picture(index, size)
        image.save(folder / "images" / f"{stem}.jpg")
        trimap.save(folder / "annotations" / "trimaps" / f"{stem}.png")
    for name, part in (("trainval", stems[:trainval]), ("test", stems[trainval:])):
        (folder / "annotations" / f"{name}.txt").write_text("".join(f"{stem} 1 1 1\n" for stem in part))
    return folder


@pytest.fixture
def oxford(tmp_path: Path) -> Path:
    """A root folder that holds a data set of 20 trainval and 4 test pairs in torchvision's layout."""
    root = tmp_path / "data"
    write_oxford(root)
    return root


def make_network(name: str, **settings: Any) -> torch.nn.Module:
    """Return a network of the package's own option `name`."""
    return build_model({"name": name, **settings, "_target_": own_option("model", name)["_target_"]})


def only_run(work: Path, name: str = "default") -> Path:
    """Return the one run folder of the sweep `name` of a command that was run in `work`."""
    [run] = (work / "runs" / name).glob("*/")
    return run


def tiny(root: Path) -> list[str]:
    """Return the overrides of a run that takes a second, on the data set under `root`."""
    return [
        "data=oxford_pet",
        f"data.root={root}",
        "data.size=32",
        "model.width=4",
        "train.epochs=2",
        "aug=none",
        "train.device=cpu",
        "tracker.mode=disabled",
    ]


# For `tiny`: last.pt is written at the end of every epoch, which has two steps, and kept.
SAVED = ["train.save_every_steps=2", "train.keep_state=true"]


def aug_operations(option: str, size: int) -> list[dict[str, Any]]:
    """Return the operations of conf/aug/<option>.yaml as plain values."""
    with initialize_config_module("pets_seg.conf", version_base="1.3"):
        cfg = compose("config", overrides=[f"aug={option}", f"data.size={size}"])
    return OmegaConf.to_container(cfg.aug.operations, resolve=True)


def blocks(count: int = 8, size: int = 40, seed: int = 0) -> tuple[torch.Tensor, torch.Tensor]:
    """Return random images (B,3,size,size) and masks (B,size,size) with blocks of 0, 1 and 255."""
    generator = torch.Generator().manual_seed(seed)
    coarse = torch.randint(3, (count, 1, 5, 5), generator=generator).float()
    index = torch.nn.functional.interpolate(coarse, size=(size, size), mode="nearest").long().squeeze(1)
    return torch.rand(count, 3, size, size, generator=generator), torch.tensor([0, 1, 255])[index]


def python_elsewhere() -> str:
    """Return what commands that run in a folder of a test call the interpreter by: no path relative to this folder."""
    return "python" if shutil.which("python") == sys.executable else shlex.quote(sys.executable)


def command(*arguments: str, cwd: Path, timeout: float = 120, **environment: str) -> subprocess.CompletedProcess[str]:
    """Run `python -m pets_seg.run` with `arguments` in `cwd`, as a user does."""
    return subprocess.run(
        [sys.executable, "-m", "pets_seg.run", *arguments],
        cwd=cwd,
        capture_output=True,
        text=True,
        timeout=timeout,
        env={**os.environ, **environment},
        check=False,
    )


@pytest.fixture
def in_process(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capfd: pytest.CaptureFixture[str]
) -> Callable[..., tuple[int, str]]:
    """Run the command line in this process, in a folder `work`; returns exit code and what it printed."""
    from pets_seg.run import main

    work = tmp_path / "work"
    work.mkdir()

    def run(*arguments: str) -> tuple[int, str]:
        monkeypatch.chdir(work)
        # The entry point sets it; this restores it for the tests after this one.
        monkeypatch.setenv("HYDRA_FULL_ERROR", "0")
        monkeypatch.setattr(sys, "argv", ["run.py", *arguments])
        capfd.readouterr()
        code = 0
        try:
            main()
        except SystemExit as stop:
            code = int(stop.code or 0)
        shown = capfd.readouterr()
        return code, shown.out + shown.err

    return run


@pytest.fixture
def run(
    in_process: Callable[..., tuple[int, str]], tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> Callable[..., tuple[int, str]]:
    """Run the command line in this process, in a folder that holds the files of docs/extending.md."""
    from extending import FILES

    work = tmp_path / "work"
    for name, text in FILES.items():
        (work / name).parent.mkdir(parents=True, exist_ok=True)
        (work / name).write_text(text)
    # As `python -m` does; a module of another test's folder must not be found.
    monkeypatch.syspath_prepend(str(work))
    for name in FILES:
        monkeypatch.delitem(sys.modules, name.removesuffix(".py"), raising=False)
    return in_process
