"""task=demo: a folder of static files that holds the exported network, or no folder."""

import base64
import errno
import hashlib
import json
import os
import re
from collections.abc import Callable, Iterator
from functools import partial
from pathlib import Path

import onnx
import pytest
from conftest import make_network, write_oxford
from npm_registry import Registry, pinned
from PIL import Image

from pets_seg.command import exporting
from pets_seg.command.tasks import demo as demo_task
from pets_seg.config.weights import SHIPPED, sha256
from pets_seg.export import onnxruntime_web, page
from pets_seg.export.onnxruntime_web import SCRIPT, WASM
from pets_seg.models.checkpoint import save_weights

Command = Callable[..., tuple[int, str]]
ABOUT = {"size": 32, "normalisation": "imagenet", "boundary": "ignore", "precision": "fp32", "epoch": 1}


@pytest.fixture
def registry(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Iterator[Registry]:
    yield from pinned(tmp_path, monkeypatch)


@pytest.fixture(scope="module")
def networks(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A folder with the weights of two networks, and a data set with images of 48 pixels."""
    folder = tmp_path_factory.mktemp("networks")
    write_oxford(folder / "data")
    for name, width in (("first", 4), ("second<b>", 2)):
        network = make_network("unet", width=width)
        about = {**ABOUT, "model": {"name": "unet", "width": width, "upsampling": "bilinear"}}
        save_weights(folder / f"{name}.safetensors", network.state_dict(), about)
    return folder


@pytest.fixture
def demo(networks: Path, registry: Registry, in_process: Command) -> Command:
    """The task with the weights of the first network, compared on the data set, and words of one's own."""
    data = ["data=oxford_pet", f"data.root={networks / 'data'}"]
    return partial(in_process, "task=demo", f"checkpoint={networks}/first.safetensors", *data)


def names(folder: Path) -> set[str]:
    return {path.relative_to(folder).as_posix() for path in folder.rglob("*") if path.is_file()}


@pytest.mark.slow
def test_the_folder_holds_what_the_page_needs(
    demo: Command, registry: Registry, networks: Path, tmp_path: Path
) -> None:
    code, shown = demo(f'demo.beside="{networks}/second<b>.safetensors"')
    assert code == 0, shown
    assert f"downloading onnxruntime-web {onnxruntime_web.VERSION} (33 MB) from {registry.address}\n" in shown
    assert registry.asked == [f"/onnxruntime-web/-/onnxruntime-web-{onnxruntime_web.VERSION}.tgz"]
    assert [path.name for path in (tmp_path / "work").iterdir()] == ["demo"]
    folder = tmp_path / "work" / "demo"
    samples = {path.name for path in (folder / "samples").glob("*.jpg")}
    assert len(samples) == 20
    assert names(folder) == {
        *("index.html", "worker.js", "model.onnx", "beside.onnx", SCRIPT, WASM, "LICENSES.txt", "demo.json"),
        *(f"samples/{name}" for name in ("ATTRIBUTION.md", *samples)),
    }
    assert (folder / WASM).read_bytes() == registry.files[WASM]
    for name in ("model", "beside"):
        onnx.checker.check_model(folder / f"{name}.onnx")
    text = (folder / "index.html").read_text()
    for name in samples:
        assert f'data-sample="samples/{name}"' in text
        assert Image.open(folder / "samples" / name).size == (128, 128)
    for named in ("CC BY-SA 4.0", "onnxruntime-web", "MIT licence", "LICENSES.txt", "samples/ATTRIBUTION.md"):
        assert named in text
    assert "Microsoft Corporation" in (folder / "LICENSES.txt").read_text()
    # Foreign text is text.
    assert "second&lt;b&gt;" in text
    assert "second<b>" not in text
    # The policy lets this script run and no other.
    [script] = re.findall(r'<script type="module">(.*?)</script>', text, re.DOTALL)
    assert f"'sha256-{base64.b64encode(hashlib.sha256(script.encode()).digest()).decode()}'" in text
    # Nothing is loaded from elsewhere.
    assert re.findall(r'(?:src|fetch\(|import )[=\s]*"?(?:https?:)?//', text) == []


@pytest.mark.slow
def test_without_a_checkpoint_it_is_the_page_of_the_model_that_ships(
    networks: Path, registry: Registry, tmp_path: Path, in_process: Command, monkeypatch: pytest.MonkeyPatch
) -> None:
    served: list[Path] = []
    monkeypatch.setattr("pets_seg.export.serve.serve", served.append)
    data = ["data=oxford_pet", f"data.root={networks / 'data'}"]
    code, shown = in_process("task=demo", "serve=true", f"demo.beside={networks}/first.safetensors", *data)
    assert code == 0, shown
    marker = json.loads((tmp_path / "work" / "demo" / "demo.json").read_text())
    assert [network["name"] for network in marker["networks"]] == ["pets_unet", "first"]
    assert marker["networks"][0]["weights_sha256"] == sha256(SHIPPED)
    assert served == [tmp_path / "work" / "demo"]


@pytest.mark.parametrize(
    ("address", "why"),
    [
        ("http://127.0.0.1:9", "Connection refused"),
        ("http://name:secret@nowhere.invalid", "a name or password before http://nowhere.invalid is not sent"),
        ("file:///etc", "must begin with http:// or https://"),
        ("", "its checksum differs"),
    ],
)
def test_where_the_package_cannot_be_had_one_line_says_so_before_any_work(
    address: str, why: str, demo: Command, registry: Registry, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(demo_task, "exported", None)
    registry.package += b" "
    if address:
        monkeypatch.setenv("npm_config_registry", address)
    code, shown = demo()
    [line] = [line for line in shown.splitlines() if not line.startswith("downloading")]
    assert (code, why in line, "secret" in shown) == (2, True, False), shown
    assert "npm_config_registry" in line
    assert [*(tmp_path / "work").iterdir()] == []


@pytest.mark.slow
def test_a_page_is_replaced_and_served_when_that_is_wanted_and_nothing_else_is(
    demo: Command, networks: Path, tmp_path: Path, in_process: Command, monkeypatch: pytest.MonkeyPatch
) -> None:
    served: list[Path] = []
    monkeypatch.setattr("pets_seg.export.serve.serve", served.append)
    folder = tmp_path / "work" / "demo"
    code, shown = demo("serve=true")
    assert (code, served) == (0, [folder]), shown
    first = (folder / "model.onnx").read_bytes()
    (folder / "stays").write_text("until it is replaced")

    code, shown = demo()
    assert (code, shown) == (2, f"output={folder}: is there already; overwrite=true replaces it\n")
    # What is there is served, at once; with other networks it is not.
    assert in_process("task=demo", "serve=true")[0] == 0
    assert demo("serve=true")[0] == 0
    assert len(served) == 3
    code, shown = demo("serve=true", f'checkpoint="{networks}/second<b>.safetensors"')
    assert (code, "is a page of other networks; overwrite=true replaces it" in shown) == (2, True), shown
    assert (folder / "stays").exists()

    code, shown = demo("overwrite=true", f'checkpoint="{networks}/second<b>.safetensors"')
    assert code == 0, shown
    assert not (folder / "stays").exists()
    assert (folder / "model.onnx").read_bytes() != first
    assert [path.name for path in (tmp_path / "work").iterdir()] == ["demo"]

    monkeypatch.setattr(page, "read_marker", lambda folder: None)
    monkeypatch.setattr(demo_task, "exported", None)
    for words in (["overwrite=true"], ["serve=true"], []):
        code, shown = demo(*words)
        assert (code, "is there already, and no page of task=demo; give another folder" in shown) == (2, True), shown


@pytest.mark.slow
def test_a_page_that_cannot_be_built_leaves_what_was_there(
    demo: Command, networks: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    folder = tmp_path / "work" / "demo"
    folder.mkdir()
    (folder / "demo.json").write_text(json.dumps({"made_by": "pets_seg task=demo", "networks": []}))
    (folder / "index.html").write_text("former")
    with monkeypatch.context() as patch:
        patch.setattr(exporting, "MOST", -1.0)
        code, shown = demo("overwrite=true")
        assert (code, "would not give what PyTorch gives" in shown.splitlines()[-1]) == (1, True), shown
    with monkeypatch.context() as patch:
        patch.setattr(page, "LARGEST", 100_000)
        code, shown = demo("overwrite=true")
        assert (code, "the page would take at least 0.2 MB, 0.2 of them for networks" in shown) == (2, True), shown
    with monkeypatch.context() as patch:
        patch.setattr(page, "LARGEST", 250_000)
        code, shown = demo("overwrite=true")
        assert code == 1, shown
        assert re.search(r"the page would take 0\.\d MB, .* are the most; nothing was written", shown.splitlines()[-1])

    def full(source: Path, target: Path) -> None:
        if source.name.endswith(".part"):
            raise OSError(errno.ENOSPC, os.strerror(errno.ENOSPC))
        os.replace(source, target)

    with monkeypatch.context() as patch:
        patch.setattr(page.os, "rename", full)
        code, shown = demo("overwrite=true")
        assert (code, "No space left on device); nothing was changed" in shown) == (1, True), shown
    assert [path.name for path in (tmp_path / "work").iterdir()] == ["demo"]
    assert (folder / "index.html").read_text() == "former"


@pytest.mark.parametrize(
    ("words", "line"),
    [
        (["output=file"], "output={work}/file: is there already, and no page of task=demo; give another folder"),
        (["output=file", "overwrite=true"], "output={work}/file: is there already, and no page of task=demo"),
        (["output=mine", "overwrite=true"], "output={work}/mine: is there already, and no page of task=demo"),
        (["output=mine", "serve=true"], "output={work}/mine: is there already, and no page of task=demo"),
        (["output=no/demo"], "output={work}/no/demo: its folder is not there; make it, or give another one"),
        (["demo.beside=nowhere"], "demo.beside=nowhere: {work}/nowhere is not there; give a run folder"),
        (["serve=maybe"], "serve=maybe: expected true or false"),
        (["format=onnx"], "format: has no place with task=demo"),
        (["-m", "seed=0,1"], "seed: has no place with task=demo"),
        (["model=resnet34_unet"], "model=resnet34_unet: the network is unet; leave model out"),
    ],
)
def test_what_is_wrong_is_said_before_any_work(
    words: list[str], line: str, demo: Command, registry: Registry, tmp_path: Path
) -> None:
    work = tmp_path / "work"
    (work / "file").write_text("mine")
    (work / "mine").mkdir()
    code, shown = demo(*words)
    assert (code, len(shown.splitlines())) == (2, 1), shown
    assert line.format(work=work) in shown
    assert registry.asked == []
    assert {path.name for path in work.iterdir()} == {"file", "mine"}
    assert (work / "file").read_text() == "mine"


def test_a_sweep_is_not_served(demo: Command, tmp_path: Path) -> None:
    code, shown = demo("-m", "serve=true", "output=a,b")
    assert code != 0
    assert "serve=true: serves one page until it is interrupted" in shown
    assert [*(tmp_path / "work").iterdir()] == []
