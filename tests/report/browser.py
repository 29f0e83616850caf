"""A headless Chromium, spoken to over its DevTools pipe: what a page prints, asks for, and looks like."""

import base64
import fcntl
import json
import os
import select
import shutil
import signal
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest

NAMES = ("chromium", "chromium-browser", "google-chrome")
SECONDS = 30
# What reaches beyond the window, or beyond the box of its table.
WIDER = """[...document.querySelectorAll("body *")].filter((element) => {
  const { left, right, width } = element.getBoundingClientRect();
  const box = element.closest(".box")?.getBoundingClientRect();
  return width && (left < -0.5 || right > innerWidth + 0.5 || (box && right > box.right + 0.5));
}).map((element) => `${element.tagName} ${element.textContent.slice(0, 60)}`)"""


def opened(folder: Path) -> "Iterator[Browser]":
    """Give a browser for the tests of a file, with its profile in `folder`; without one they are skipped."""
    program = find_browser()
    if program is None:
        pytest.skip("no Chromium: set $CHROME to look at the page in one")
    browser = Browser(program, folder)
    yield browser
    browser.close()


def find_browser() -> str | None:
    """Return the browser that is there: $CHROME, or the first of its usual names."""
    return os.environ.get("CHROME") or next(filter(None, map(shutil.which, NAMES)), None)


class Browser:
    """One tab; `problems` holds what the console complains of, `requests` every address asked for but `data:`."""

    def __init__(self, program: str, folder: Path) -> None:
        """Start it with its profile in `folder`."""
        to_browser, from_browser = _pipe(), _pipe()
        flags = ["--headless=new", "--no-sandbox", "--disable-gpu", "--no-first-run", "--hide-scrollbars"]
        flags += ["--disable-background-networking", "--remote-debugging-pipe", f"--user-data-dir={folder}"]
        # The browser reads from 3 and writes to 4.
        files = [(os.POSIX_SPAWN_OPEN, stream, os.devnull, os.O_WRONLY, 0) for stream in (1, 2)]
        files += [(os.POSIX_SPAWN_DUP2, to_browser[0], 3), (os.POSIX_SPAWN_DUP2, from_browser[1], 4)]
        self._process = os.posix_spawn(program, [program, *flags, "about:blank"], os.environ, file_actions=files)
        os.close(to_browser[0])
        os.close(from_browser[1])
        self._write, self._read = to_browser[1], from_browser[0]
        self._buffer, self._count, self._session = b"", 0, None
        self._loaded = False
        self.problems: list[str] = []
        self.requests: list[str] = []
        target = self.call("Target.createTarget", url="about:blank")["targetId"]
        self._session = self.call("Target.attachToTarget", targetId=target, flatten=True)["sessionId"]
        for domain in ("Page", "Runtime", "Network", "Log"):
            self.call(f"{domain}.enable")

    def call(self, method: str, **parameters: Any) -> dict[str, Any]:
        """Call a method of the DevTools protocol and return its result."""
        self._count += 1
        number = self._count
        message = {"id": number, "method": method, "params": parameters}
        if self._session:
            message["sessionId"] = self._session
        os.write(self._write, json.dumps(message).encode() + b"\0")
        while (answer := self._receive()).get("id") != number:
            pass
        if "error" in answer:
            raise RuntimeError(f"{method}: {answer['error']}")
        return answer["result"]

    def open(self, page: Path | str, width: int = 1100, height: int = 900, media: str = "light") -> None:
        """Open a page of a size, light, dark or as for print, and wait for it; forgets what former pages did."""
        self.call("Emulation.setDeviceMetricsOverride", width=width, height=height, deviceScaleFactor=1, mobile=False)
        scheme = {"name": "prefers-color-scheme", "value": "light" if media == "light" else "dark"}
        self.call("Emulation.setEmulatedMedia", media="print" if media == "print" else "", features=[scheme])
        self.problems.clear()
        self.requests.clear()
        self._loaded = False
        self.call("Page.navigate", url=page.as_uri() if isinstance(page, Path) else page)
        self._wait_until_loaded()

    def reload_by(self, script: str) -> None:
        """Run a script by which the page loads itself again, and wait for it."""
        self._loaded = False
        # A page that is being left gives no answer, so the script begins once this one is given.
        self.run(f"void setTimeout(() => {{ {script} }})")
        self._wait_until_loaded()

    def run(self, script: str) -> Any:
        """Return the value of a JavaScript expression, awaited."""
        found = self.call("Runtime.evaluate", expression=script, awaitPromise=True, returnByValue=True)
        if "exceptionDetails" in found:
            raise RuntimeError(json.dumps(found["exceptionDetails"])[:500])
        return found["result"].get("value")

    def point(self, x: float, y: float) -> None:
        """Move the pointer there."""
        self.call("Input.dispatchMouseEvent", type="mouseMoved", x=x, y=y)

    def picture(self, path: Path, whole: bool = True) -> None:
        """Write a screenshot, of the whole page or of what is in sight."""
        found = self.call("Page.captureScreenshot", format="png", captureBeyondViewport=whole, **self._clip(whole))
        path.write_bytes(base64.b64decode(found["data"]))

    def print(self, path: Path) -> None:
        """Write the page as it is printed."""
        path.write_bytes(base64.b64decode(self.call("Page.printToPDF", printBackground=True)["data"]))

    def close(self) -> None:
        """End it."""
        os.close(self._write)
        os.close(self._read)
        os.kill(self._process, signal.SIGTERM)
        os.waitpid(self._process, 0)

    def _wait_until_loaded(self) -> None:
        while not self._loaded:
            self._receive()
        # What a script asks for on its own is under way by then.
        self.run("new Promise(done => setTimeout(done, 100))")

    def _clip(self, whole: bool) -> dict[str, Any]:
        if not whole:
            return {}
        size = self.call("Page.getLayoutMetrics")["cssContentSize"]
        return {"clip": {"x": 0, "y": 0, "width": size["width"], "height": size["height"], "scale": 1}}

    def _receive(self) -> dict[str, Any]:
        while b"\0" not in self._buffer:
            ready, _, _ = select.select([self._read], [], [], SECONDS)
            part = os.read(self._read, 1 << 20) if ready else b""
            if not part:
                raise RuntimeError("the browser ended, or says nothing")
            self._buffer += part
        line, self._buffer = self._buffer.split(b"\0", 1)
        message = json.loads(line)
        self._note(message.get("method"), message.get("params", {}))
        return message

    def _note(self, method: str | None, told: dict[str, Any]) -> None:
        if method == "Page.loadEventFired":
            self._loaded = True
        elif method == "Network.requestWillBeSent" and not told["request"]["url"].startswith("data:"):
            self.requests.append(told["request"]["url"])
        elif method == "Runtime.exceptionThrown":
            self.problems.append(str(told["exceptionDetails"].get("exception", told["exceptionDetails"])))
        elif method == "Runtime.consoleAPICalled" and told["type"] in ("error", "warning", "assert"):
            self.problems.append(str(told["args"]))
        elif method == "Log.entryAdded" and told["entry"]["level"] in ("error", "warning"):
            self.problems.append(told["entry"]["text"])


def _pipe() -> tuple[int, int]:
    """Return a pipe whose ends are none of the numbers that the browser expects its own at."""
    low = os.pipe()
    ends = tuple(fcntl.fcntl(end, fcntl.F_DUPFD_CLOEXEC, 10) for end in low)
    for end in low:
        os.close(end)
    return ends
