"""How the page of task=demo is used: views, downloads, the keyboard, two networks, any host, light and dark."""

import threading
from collections.abc import Iterator
from functools import partial
from http.server import SimpleHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path

import pytest
import torch
from browser import WIDER, Browser, opened
from conftest import make_network
from pages import SETTLED, STATUS, TIMES, runtime, served, visit
from PIL import Image
from processes import wait_for

from pets_seg.export.graph import export_graph
from pets_seg.export.page import Model, page_files, write_folder

pytestmark = pytest.mark.slow
HOSTILE = "<b>network</b> \u202egpj"
FOCUSED = """(({ id, dataset, value, textContent }) => {
  return id || dataset.sample || value || textContent;
})(document.activeElement)"""
# The colours of the middle of the first canvas.
MIDDLE = """(() => {
  const canvas = document.querySelector("canvas");
  return [...canvas.getContext("2d").getImageData(canvas.width / 2, canvas.height / 2, 1, 1).data];
})()"""


class Quiet(SimpleHTTPRequestHandler):
    """Serves a folder as any static host does, without the headers for threads."""

    def log_message(self, format: str, *args: object) -> None:
        pass


@pytest.fixture(scope="module")
def browser(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Browser]:
    yield from opened(tmp_path_factory.mktemp("profile"))


@pytest.fixture(scope="module")
def pages(browser: Browser, tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A folder with the pages `one` and `two`, of networks that have learned nothing."""
    files, models, folder = runtime(), [], tmp_path_factory.mktemp("pages")
    for seed, name in enumerate((HOSTILE, "a-network-whose-name-is-long-" * 3)):
        torch.manual_seed(seed)
        network = make_network("unet", width=4)
        # So that it is not the same everywhere.
        network.train()(torch.randn(4, 3, 64, 64))
        content = export_graph(network.eval(), 32, "imagenet")[0].SerializeToString()
        models.append(Model(name, "unet", 32, False, "", content, 0.5, 4, "test"))
    for name, some in (("one", models[:1]), ("two", models)):
        write_folder(folder / name, page_files(some, files))
    return folder


@pytest.fixture(scope="module")
def page(pages: Path) -> Iterator[str]:
    """The address of the page of one network, as this package serves it."""
    with served(pages / "one") as address:
        yield address


def test_views_are_drawn_and_files_are_downloaded(browser: Browser, page: str, tmp_path: Path) -> None:
    visit(browser, page)
    browser.run("document.querySelector('[data-sample]').click()")
    wait_for(lambda: browser.run(SETTLED) == 1)
    seen = {}
    for view in ("photo", "mask", "confidence", "cutout"):
        browser.run(f"document.querySelector('[value={view}]').click()")
        seen[view] = (browser.run(MIDDLE), browser.run("document.getElementById('opacity').disabled"))
        assert browser.run("document.querySelector('.scale').hidden") is (view != "confidence")
        label = browser.run("document.querySelector('canvas').getAttribute('aria-label')")
        assert label.endswith("% pet")
    assert len({str(colour) for colour, _ in seen.values()}) >= 3
    assert [disabled for _, disabled in seen.values()] == [True, False, False, True]
    # With no opacity the photograph is all that is seen.
    browser.run("document.querySelector('[value=confidence]').click()")
    slide = "(opacity.value = 0, opacity.dispatchEvent(new Event('input')))"
    browser.run(slide)
    assert browser.run(MIDDLE) == seen["photo"][0]
    browser.call("Page.setDownloadBehavior", behavior="allow", downloadPath=str(tmp_path))
    name = browser.run("document.querySelector('.card h3').textContent").removesuffix(".jpg")
    browser.run("document.querySelector('.buttons button').click()")
    wait_for((tmp_path / f"{name}_cutout.png").exists)
    wait_for(lambda: not [*tmp_path.glob("*.crdownload")])
    assert Image.open(tmp_path / f"{name}_cutout.png").size == (128, 128)


def press(browser: Browser, key: str, code: int, text: str = "") -> None:
    for kind in ("keyDown", "keyUp"):
        more = {"text": text} if kind == "keyDown" and text else {}
        browser.call("Input.dispatchKeyEvent", type=kind, key=key, code=key, windowsVirtualKeyCode=code, **more)


def test_the_keyboard_reaches_everything(browser: Browser, page: str) -> None:
    visit(browser, page)
    reached = []
    press(browser, "Tab", 9)
    assert browser.run(FOCUSED) == "files"
    assert browser.run("getComputedStyle(document.querySelector('.drop')).outlineStyle") == "solid"
    press(browser, "Tab", 9)
    assert browser.run(FOCUSED).startswith("samples/")
    press(browser, "Enter", 13, "\r")
    wait_for(lambda: browser.run(SETTLED) == 1)
    for _ in range(26):
        press(browser, "Tab", 9)
        reached.append(browser.run(FOCUSED))
        assert browser.run("getComputedStyle(document.activeElement).outlineStyle") != "none" or reached[-1] == "mask"
    assert reached[19:] == ["mask", "opacity", "clear", TIMES, "Download cut-out", "Download mask", reached[-1]]
    browser.run("document.querySelector('[value=mask]').focus()")
    press(browser, "ArrowRight", 39)
    assert browser.run("document.querySelector('[name=view]:checked').value") == "cutout"
    browser.run("document.querySelector('.card header button').focus()")
    press(browser, "Enter", 13, "\r")
    # Focus is not lost with what was removed.
    assert browser.run(FOCUSED) == "files"
    assert browser.run("document.getElementById('results').hidden") is True


@pytest.mark.parametrize("media", ["light", "dark"])
@pytest.mark.parametrize("width", [390, 1280])
def test_two_networks_stand_side_by_side_on_any_host_and_width(
    browser: Browser, pages: Path, width: int, media: str
) -> None:
    server = ThreadingHTTPServer(("127.0.0.1", 0), partial(Quiet, directory=str(pages / "two")))
    with server:
        threading.Thread(target=server.serve_forever, daemon=True).start()
        visit(browser, f"http://127.0.0.1:{server.server_address[1]}/", width=width, media=media)
        assert browser.run(STATUS) == "Ready, on one thread."
        browser.run("document.querySelector('[data-sample]').click()")
        wait_for(lambda: browser.run(SETTLED) == 1)
        server.shutdown()
    names = browser.run("[...document.querySelectorAll('.card h4')].map((name) => name.textContent)")
    # A foreign name is text, without what turns text around.
    assert names == [HOSTILE.replace("\u202e", r"\u202e"), "a-network-whose-name-is-long-" * 3]
    boxes = browser.run("[...document.querySelectorAll('canvas')].map((one) => one.getBoundingClientRect().toJSON())")
    assert boxes[0]["top"] == boxes[1]["top"]
    assert boxes[0]["right"] < boxes[1]["left"]
    assert browser.run(WIDER) == []
    assert browser.run("document.documentElement.scrollWidth") <= width
    assert browser.problems == []


def test_opened_as_a_file_it_says_what_it_needs(browser: Browser, pages: Path) -> None:
    browser.open(pages / "one" / "index.html")
    assert browser.run(STATUS).startswith("This page was opened as a file")
    assert "python -m http.server" in browser.run(STATUS)
    assert browser.run("document.querySelectorAll('input:enabled, button:enabled').length") == 0


def test_a_network_that_is_not_there_is_said(browser: Browser, pages: Path, page: str) -> None:
    model = pages / "one" / "model.onnx"
    away = model.rename(pages / "model.away")
    try:
        browser.open(page)
        wait_for(lambda: "could not be loaded" in browser.run(STATUS))
        assert "model.onnx: 404" in browser.run(STATUS)
    finally:
        away.rename(model)
