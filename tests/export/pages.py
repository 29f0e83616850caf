"""The page of task=demo in a browser: opened, given files, and asked for what it made of them."""

import base64
import threading
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

import pytest
from browser import Browser
from PIL import Image
from processes import wait_for

from pets_seg.errors import InputError
from pets_seg.export.onnxruntime_web import runtime_files
from pets_seg.export.serve import Server

# Keeps what would be downloaded, by the name of the file.
KEEP = """(() => {
  let last;
  const address = URL.createObjectURL;
  window.made = {};
  URL.createObjectURL = (blob) => { last = blob; return address(blob); };
  HTMLAnchorElement.prototype.click = function () { made[this.download] = last; };
})()"""
READ = """made[{!r}].arrayBuffer().then((held) => {{
  return btoa(Array.from(new Uint8Array(held), (byte) => String.fromCharCode(byte)).join(""));
}})"""
STATUS = "document.getElementById('status').textContent"
TIMES = "\N{MULTIPLICATION SIGN}"
SETTLED = "document.querySelectorAll('.card[data-state]').length"


def runtime() -> dict[str, bytes]:
    """Return what computes in the browser; the test is skipped where it cannot be had."""
    try:
        return runtime_files()
    except InputError:
        pytest.skip("onnxruntime-web cannot be had from the npm registry")


@contextmanager
def served(folder: Path) -> Iterator[str]:
    """Serve a page as this package does, and give its address."""
    with Server(folder) as server:
        threading.Thread(target=server.serve_forever, daemon=True).start()
        yield server.address
        server.shutdown()


def visit(browser: Browser, page: str, **look: object) -> None:
    browser.open(page, **look)
    wait_for(lambda: browser.run(STATUS).startswith("Ready"))


def choose(browser: Browser, *files: Path) -> list[str]:
    """Choose files, and return what their cards say."""
    place = browser.call("Runtime.evaluate", expression="document.getElementById('files')")["result"]["objectId"]
    before = browser.run(SETTLED)
    browser.call("DOM.setFileInputFiles", files=[str(file) for file in files], objectId=place)
    wait_for(lambda: browser.run(SETTLED) == before + len(files))
    texts = "[...document.querySelectorAll('.card')].map((card) => card.querySelector(':scope > p').textContent)"
    return browser.run(texts)[: len(files)]


def made(browser: Browser, name: str, path: Path) -> Image.Image:
    wait_for(lambda: browser.run(f"{name!r} in made"))
    path.write_bytes(base64.b64decode(browser.run(READ.format(name))))
    return Image.open(path)
