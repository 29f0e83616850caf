"""docs/python.md: its code runs as printed, and gives what the page says."""

import re
import shutil
import sys
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import torch
from conftest import make_network, picture
from extending import FILES
from PIL import Image

from pets_seg.config import parts
from pets_seg.config.options import own_option
from pets_seg.config.weights import BEST
from pets_seg.models.checkpoint import save_weights

PAGE = (Path(__file__).parent.parent / "docs" / "python.md").read_text(encoding="utf-8")
BLOCKS = re.findall(r"^```python\n(.*?)^```$", PAGE, re.DOTALL | re.MULTILINE)
[PRINTED] = re.findall(r"^```text\n(.*?)^```$", PAGE, re.DOTALL | re.MULTILINE)
ATTRIBUTES = re.findall(r"^\| `(\w+)(?:\(\))?` \|", PAGE, re.MULTILINE)
ABOUT = {"size": 32, "normalisation": "imagenet", "boundary": "foreground", "precision": "fp32", "epoch": 1}


def save(network: torch.nn.Module, **model: Any) -> None:
    """Write the network as that of the run that the page names."""
    save_weights(Path("runs/NAME/RUN") / BEST, network.state_dict(), {**ABOUT, "model": model})


@pytest.fixture
def names(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> dict[str, Any]:
    """What the code of the page defines, in a folder that holds what it names: a run, photographs, and a module."""
    monkeypatch.chdir(tmp_path)
    monkeypatch.syspath_prepend(str(tmp_path))
    monkeypatch.delitem(sys.modules, "tiny", raising=False)
    # As in a process that ran no command.
    monkeypatch.setattr(parts, "_allowed", set())
    Path("tiny.py").write_text(FILES["tiny.py"])
    (Path("runs/NAME/RUN") / BEST).parent.mkdir(parents=True)
    torch.manual_seed(0)
    save(make_network("unet", width=4), name="unet", _target_=own_option("model", "unet")["_target_"], width=4)
    picture(1)[0].resize((40, 24)).save("photo.jpg")
    Path("photos").mkdir()
    shutil.copy("photo.jpg", "photos")
    Path("photos/notes.txt").write_text("no photograph")
    return {}


def test_every_block_runs_as_printed(names: dict[str, Any], tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    assert len(BLOCKS) == 6
    assert len([line for line in BLOCKS[0].splitlines() if line]) == 3
    for block in BLOCKS:
        if "import Tiny" in block:
            from tiny import Tiny

            save(Tiny(), name="tiny", _target_="tiny.Tiny")
        exec(block, names)
    assert Image.open("cutout.png").mode == "RGBA"
    made = {path.name: Image.open(path).size for path in Path("masks").iterdir()}
    assert made == {f"photo_{end}": (40, 24) for end in ("mask.png", "cutout.png", "overlay.jpg")}
    shown = capsys.readouterr().out
    assert "\nnotes.txt: " in shown
    assert re.search(r"^photo\.jpg: \d+% pet, confidence (0\.[5-9]\d|1\.00)$", shown, re.MULTILINE)
    assert shown.endswith(PRINTED.replace("/my/", f"{tmp_path}/"))


def test_what_it_returns_has_what_the_table_says(names: dict[str, Any]) -> None:
    exec(BLOCKS[0], names)
    prediction = names["model"]("photo.jpg")
    public = {name for name in dir(prediction) if not name.startswith("_")}
    assert set(ATTRIBUTES) == public
    assert prediction.probabilities.shape == prediction.mask.shape == (24, 40)
    assert (prediction.probabilities.dtype, prediction.mask.dtype) == (np.float32, np.bool_)
