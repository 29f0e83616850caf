"""Code of one's own is part of what a run is, and is imported only where the command names it."""

import json
import sys
from pathlib import Path

import pytest
from conftest import only_run
from extending import Command, small

from pets_seg.config import parts, sources


def rewrite(file: Path, before: str, after: str, monkeypatch: pytest.MonkeyPatch) -> None:
    """Change a module as it would be for the next process."""
    file.write_text(file.read_text().replace(before, after))
    monkeypatch.delitem(sys.modules, file.stem)
    sources._imported.cache_clear()


@pytest.mark.slow
def test_changed_code_of_ones_own_is_another_run(
    oxford: Path, tmp_path: Path, run: Command, monkeypatch: pytest.MonkeyPatch
) -> None:
    work = tmp_path / "work"
    words = ["hydra.searchpath=[file://conf]", "model=tiny", *small(oxford), "train.keep_state=true"]
    assert run(*words)[0] == 0
    code, shown = run(*words)
    assert "finished already" in shown
    rewrite(work / "tiny.py", "nn.ReLU()", "nn.GELU()", monkeypatch)
    code, shown = run(*words)
    assert code == 2
    assert "tiny.Tiny, or of a module that it imports from its folder, has changed since this run was" in shown
    code, shown = run("task=evaluate", f"checkpoint={only_run(work)}", *words[:2])
    assert code == 2
    assert "has changed since" in shown
    # The same for one that is only begun.
    status = only_run(work) / "status.json"
    status.write_text(json.dumps({**json.loads(status.read_text()), "state": "failed", "sources": {}}))
    code, shown = run(*words)
    assert code == 2
    assert "last.pt: the code of tiny.Tiny, or of a module that it imports from its folder, has changed since" in shown
    code, shown = run(*words, "existing=restart")
    assert code == 0, shown


@pytest.mark.slow
def test_a_network_of_ones_own_is_rebuilt_only_where_the_command_names_it(
    oxford: Path, tmp_path: Path, run: Command
) -> None:
    code, shown = run("hydra.searchpath=[file://conf]", "model=tiny", *small(oxford))
    assert code == 0, shown
    folder = only_run(tmp_path / "work")
    assert (folder / "result.png").exists()
    # As a process of its own would begin.
    parts._allowed.clear()
    code, shown = run("task=evaluate", f"checkpoint={folder}")
    assert code == 2
    assert "name it in the command: model=tiny hydra.searchpath=[file:///my/conf]" in shown
    assert len(shown.strip().splitlines()) == 1
    code, shown = run("task=evaluate", f"checkpoint={folder}", "hydra.searchpath=[file://conf]", "model=tiny")
    assert code == 0, shown
    code, shown = run("task=evaluate", f"checkpoint={folder}", "model=unet")
    assert code == 2
    code, shown = run(f"replay={folder}", "train.device=cpu")
    assert code == 2
    assert "model=tiny: no such option" in shown


def test_what_a_class_imports_beside_it_counts_as_its_code(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    (tmp_path / "mine_base.py").write_text("class Base:\n    pass\n")
    (tmp_path / "mine_top.py").write_text("import os\nfrom mine_base import Base\n\n\nclass Top(Base):\n    pass\n")
    (tmp_path / "mine_other.py").write_text("")
    monkeypatch.syspath_prepend(str(tmp_path))
    config = {"model": {"_target_": "mine_top.Top"}, "loss": {"_target_": "pets_seg.losses.focal.focal"}}
    first = sources.source_digests(config)
    assert list(first) == ["mine_top.Top"]
    (tmp_path / "mine_base.py").write_text("class Base:\n    x = 1\n")
    # The code in memory is what a run is made of.
    assert sources.source_digests(config) == first
    sources._imported.cache_clear()
    second = sources.source_digests(config)
    assert second != first
    (tmp_path / "mine_other.py").write_text("x = 1")
    sources._imported.cache_clear()
    assert sources.source_digests(config) == second


def test_a_network_keeps_what_is_not_among_its_weights(oxford: Path, tmp_path: Path, run: Command) -> None:
    (tmp_path / "work" / "shifted.py").write_text(
        "import torch\nfrom torch import nn\n\n\nclass Shifted(nn.Module):\n    def __init__(self):\n"
        "        super().__init__()\n        self.conv = nn.Conv2d(3, 2, 3, padding=1)\n"
        "        self.register_buffer('shift', torch.tensor([0.25, 0.5]).view(2, 1, 1), persistent=False)\n"
        "        self.scale = torch.tensor(2.0)\n        self.rates = [x.item() for x in torch.linspace(0, 1, 3)]\n\n"
        "    def forward(self, image):\n        return self.conv(image) * self.scale.to(image.device) + self.shift\n"
    )
    (tmp_path / "work" / "conf" / "model" / "shifted.yaml").write_text("name: shifted\n_target_: shifted.Shifted\n")
    words = ["hydra.searchpath=[file://conf]", "model=shifted"]
    code, shown = run(*words, *small(oxford))
    assert code == 0, shown
    folder = only_run(tmp_path / "work")
    dice = json.loads((folder / "summary.json").read_text())["test_dice"]
    code, shown = run("task=evaluate", f"checkpoint={folder}", *words)
    assert code == 0, shown
    assert f"dice={dice:.4f}" in shown


@pytest.mark.parametrize("package", [False, True])
def test_digests_of_code_are_the_same_with_and_without_an_import(
    package: bool, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    folder = tmp_path / "parcel" if package else tmp_path
    folder.mkdir(exist_ok=True)
    name = "parcel.top" if package else "parcel_top"
    (folder / "__init__.py").write_text("")
    (folder / "parcel_base.py").write_text("class Base:\n    pass\n")
    base = "parcel.parcel_base" if package else "parcel_base"
    (folder / f"{name.split('.')[-1]}.py").write_text(f"from {base} import Base\n\n\nclass Top(Base):\n    pass\n")
    monkeypatch.syspath_prepend(str(tmp_path))
    config = {"model": {"_target_": f"{name}.Top"}, "loss": {"_target_": "pets_seg.losses.focal.focal"}}
    recorded = json.loads(json.dumps(sources.source_files(config)))
    assert sources.read_digests(config, recorded) == sources.source_digests(config)
    assert len(recorded[f"{name}.Top"]["files"]) >= 2
    (folder / "parcel_base.py").write_text("class Base:\n    x = 1\n")
    assert sources.read_digests(config, recorded) != sources.source_digests(config)
    (folder / "parcel_base.py").unlink()
    assert sources.read_digests(config, recorded) is None
    assert sources.read_digests(config, {}) is None
    # A package that passes the class on may pass on another one, and none of its files changes.
    if package:
        (folder / "parcel_base.py").write_text("class Base:\n    pass\n")
        (folder / "__init__.py").write_text("from parcel.top import Top\n")
        for module in [module for module in sys.modules if module.startswith("parcel")]:
            monkeypatch.delitem(sys.modules, module)
        passed_on = {"model": {"_target_": "parcel.Top"}}
        assert sources.source_digests(passed_on).keys() == {"parcel.Top"}
        assert sources.source_files(passed_on) == {}
        assert sources.read_digests(passed_on, {}) is None
    assert sources.read_digests({"model": {"_target_": "torch.nn.Identity"}}, None) == {}
    for module in [module for module in sys.modules if module.startswith("parcel")]:
        monkeypatch.delitem(sys.modules, module)
