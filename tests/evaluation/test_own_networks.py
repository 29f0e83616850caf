"""`load_model` of a network of one's own: it is made of the class that is handed over, and of no other."""

import csv
import functools
import importlib.util
import os
import sys
from collections.abc import Callable
from importlib import import_module
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import torch
from conftest import make_network, picture
from extending import Command
from PIL import Image

from pets_seg import load_model
from pets_seg.config import parts
from pets_seg.config.options import own_option
from pets_seg.errors import InputError
from pets_seg.models.checkpoint import save_weights

ABOUT = {"size": 32, "normalisation": "imagenet", "boundary": "foreground", "precision": "fp32", "epoch": 1}
TINY = {"name": "tiny", "_target_": "tiny.Tiny", "width": 4}
ADVICE = "if it is yours, hand over its class: load_model(..., model=MyNetwork)"


@pytest.fixture(autouse=True)
def _as_a_new_process(monkeypatch: pytest.MonkeyPatch) -> None:
    """Forget what commands of other tests named."""
    monkeypatch.setattr(parts, "_allowed", set())


@pytest.fixture
def tiny(run: Command) -> Any:
    """The class that docs/extending.md shows."""
    return import_module("tiny").Tiny


@pytest.fixture
def saved(tiny: Any, tmp_path: Path) -> Callable[..., Path]:
    """Return a function that writes weights of the class, as a file that says it is of another network."""

    def write(**model: Any) -> Path:
        torch.manual_seed(0)
        path = tmp_path / "best.safetensors"
        save_weights(path, tiny(width=4).state_dict(), {**ABOUT, "model": {**TINY, **model}})
        return path

    return write


def refusal(checkpoint: Path, model: Any = None) -> str:
    """Return the line with which a checkpoint is refused, after seeing that it is one."""
    with pytest.raises(InputError) as refused:
        load_model(checkpoint, "cpu", model=model)
    assert "\n" not in str(refused.value)
    return str(refused.value)


def test_it_gives_what_the_command_line_gives(
    tiny: Any, saved: Callable[..., Path], tmp_path: Path, run: Command
) -> None:
    checkpoint, photo, out = saved(), tmp_path / "photo.png", tmp_path / "out"
    picture(1)[0].resize((40, 24)).save(photo)
    found = load_model(checkpoint, "cpu", model=tiny)(photo)
    words = [f"checkpoint={checkpoint}", f"input={photo}", f"output={out}", "train.device=cpu"]
    code, shown = run("task=predict", *words, "model=tiny", "hydra.searchpath=[file://conf]")
    assert code == 0, shown
    # The cut-out shows the probabilities, and the table their mean.
    for name, made in (("mask", found.mask_picture()), ("cutout", found.cutout())):
        assert (np.asarray(Image.open(out / f"photo_{name}.png")) == np.asarray(made)).all()
    [row] = csv.DictReader((out / "predictions.csv").open())
    assert float(row["confidence"]) == pytest.approx(found.confidence, abs=1e-4)
    assert found.probabilities.std() > 0.01


def test_a_class_that_another_module_passes_on_is_that_class(
    tiny: Any, saved: Callable[..., Path], tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    (tmp_path / "work" / "passing.py").write_text("from tiny import Tiny\n")
    checkpoint = saved(_target_="passing.Tiny")
    # A file imports nothing, not even what is beside the class.
    assert "its network is passing.Tiny, not model=tiny.Tiny" in refusal(checkpoint, tiny)
    assert "passing" not in sys.modules
    passing = import_module("passing")
    monkeypatch.setitem(sys.modules, "passing", passing)
    assert load_model(checkpoint, "cpu", model=passing.Tiny).size == 32


def test_without_it_the_line_says_what_to_do(saved: Callable[..., Path]) -> None:
    checkpoint = saved()
    line = refusal(checkpoint)
    assert line.startswith(f"checkpoint={checkpoint}: its metadata cannot be used: model=tiny is not one of ")
    assert line.endswith(ADVICE)


def test_what_was_handed_over_once_is_not_handed_over_again(tiny: Any, saved: Callable[..., Path]) -> None:
    checkpoint = saved()
    load_model(checkpoint, "cpu", model=tiny)
    assert refusal(checkpoint).endswith(ADVICE)


def test_another_class_is_refused(tiny: Any, saved: Callable[..., Path], tmp_path: Path) -> None:
    checkpoint = saved()
    named = {
        "torch.nn.modules.linear.Identity": torch.nn.Identity,
        "a partial": functools.partial(tiny, width=4),
        "a Tiny": tiny(4),
    }
    for name, given in named.items():
        wanted = f"its network is tiny.Tiny, not model={name}; hand over that one, if it is yours"
        assert refusal(checkpoint, given).endswith(wanted)
    assert refusal(checkpoint, "tiny.Tiny").startswith("model=tiny.Tiny: must be a class or a function")
    # Also where the checkpoint alone would do.
    unet = {"name": "unet", "_target_": own_option("model", "unet")["_target_"], "width": 4}
    save_weights(checkpoint, make_network("unet", width=4).state_dict(), {**ABOUT, "model": unet})
    assert refusal(checkpoint, tiny).endswith(
        "its network is pets_seg.models.unet.UNet, not model=tiny.Tiny; leave model out"
    )
    assert load_model(checkpoint, "cpu", model=type(make_network("unet", width=4))).size == 32


@pytest.mark.parametrize("target", ["os.system", "evil.Net", "tiny.Tiny.evil", "evil", "", "..", 7, None])
def test_what_a_hostile_file_names_is_neither_imported_nor_run(
    target: Any, tiny: Any, saved: Callable[..., Path], tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    ran = []
    monkeypatch.setattr(os, "system", ran.append)
    (tmp_path / "work" / "evil.py").write_text("import os\nos.system('evil')\nNet = None\n")
    checkpoint = saved(_target_=target, command="evil")
    for given in (None, tiny):
        assert "its metadata cannot be used: " in refusal(checkpoint, given)
    assert ran == []
    assert "evil" not in sys.modules


def test_a_module_that_is_loaded_once_it_is_used_is_not_loaded(
    tiny: Any, saved: Callable[..., Path], tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    (tmp_path / "work" / "lazy.py").write_text("import sys\nsys.modules['it_ran'] = None\nNet = None\n")
    spec = importlib.util.spec_from_file_location("lazy", tmp_path / "work" / "lazy.py")
    assert spec
    assert spec.loader
    spec.loader = importlib.util.LazyLoader(spec.loader)
    module = importlib.util.module_from_spec(spec)
    spec.loader.exec_module(module)
    monkeypatch.setitem(sys.modules, "lazy", module)
    for target in ("lazy.Net", "lazy.Net.more", "lazy"):
        assert "its metadata cannot be used: " in refusal(saved(_target_=target), tiny)
    assert "it_ran" not in sys.modules
    # It would have been seen.
    assert module.Net is None
    assert "it_ran" in sys.modules
    del sys.modules["it_ran"]


def test_further_classes_among_its_settings_are_not_handed_over(tiny: Any, saved: Callable[..., Path]) -> None:
    checkpoint = saved(width={"_target_": "os.system", "command": "evil"})
    assert refusal(checkpoint, tiny).endswith("as its settings name further classes")
