"""A folder served on this machine alone: compressed, with the headers that let a page use threads."""

import gzip
import signal
import sys
from collections.abc import Iterator
from contextlib import contextmanager
from functools import lru_cache
from http import HTTPStatus
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path
from types import FrameType
from typing import Any
from urllib.parse import unquote, urlsplit

from pets_seg.errors import RunError, reason

HOST = "127.0.0.1"
TYPES = {
    ".html": "text/html; charset=utf-8",
    ".js": "text/javascript; charset=utf-8",
    ".mjs": "text/javascript; charset=utf-8",
    ".wasm": "application/wasm",
    ".onnx": "application/octet-stream",
    ".json": "application/json",
    ".jpg": "image/jpeg",
    ".md": "text/plain; charset=utf-8",
    ".txt": "text/plain; charset=utf-8",
}
# They are compressed already.
AS_THEY_ARE = (".jpg",)
HEADERS = {
    # With these two a browser gives a page memory that threads share.
    "Cross-Origin-Opener-Policy": "same-origin",
    "Cross-Origin-Embedder-Policy": "require-corp",
    "Cross-Origin-Resource-Policy": "same-origin",
    "X-Content-Type-Options": "nosniff",
    # The folder may be built again.
    "Cache-Control": "no-cache",
    "Vary": "Accept-Encoding",
}


class Server(ThreadingHTTPServer):
    """Serves the files that a folder holds now, and nothing else, on a free port of the loopback address."""

    daemon_threads = True

    def __init__(self, folder: Path) -> None:
        """Find the files; RunError if there is no port."""
        self.files = {f"/{path.relative_to(folder).as_posix()}": path for path in folder.rglob("*") if path.is_file()}
        self.files["/"] = folder / "index.html"
        try:
            super().__init__((HOST, 0), _Handler)
        except OSError as error:
            raise RunError(f"serve=true: no port of {HOST} can be had ({reason(error)}); try again") from error

    @property
    def address(self) -> str:
        """What a browser is given."""
        return f"http://{HOST}:{self.server_address[1]}/"

    def handle_error(self, request: Any, client_address: Any) -> None:
        """Say nothing of a browser that went away."""
        if not isinstance(sys.exception(), ConnectionError):
            super().handle_error(request, client_address)


class _Handler(BaseHTTPRequestHandler):
    protocol_version = "HTTP/1.1"
    server: Server
    # In seconds, of a connection that says nothing.
    timeout = 60

    def do_GET(self) -> None:
        self._answer()

    def do_HEAD(self) -> None:
        self._answer()

    def _answer(self) -> None:
        # Found among names, so that no path can lead out of the folder.
        path = self.server.files.get(unquote(urlsplit(self.path).path))
        compressed = "gzip" in self.headers.get("Accept-Encoding", "") and path and path.suffix not in AS_THEY_ARE
        try:
            content = _content(path, path.stat().st_mtime_ns, bool(compressed)) if path else None
        except OSError:
            content = None
        if path is None or content is None:
            self.send_error(HTTPStatus.NOT_FOUND)
            return
        self.send_response(HTTPStatus.OK)
        self.send_header("Content-Type", TYPES.get(path.suffix, "application/octet-stream"))
        self.send_header("Content-Length", str(len(content)))
        if compressed:
            self.send_header("Content-Encoding", "gzip")
        self.end_headers()
        if self.command != "HEAD":
            self.wfile.write(content)

    def end_headers(self) -> None:
        for name, value in HEADERS.items():
            self.send_header(name, value)
        super().end_headers()

    def log_message(self, format: str, *args: Any) -> None:
        pass


@lru_cache
def _content(path: Path, stamp: int, compressed: bool) -> bytes:
    """Return the content of a file as it is sent; another `stamp` is another file."""
    content = path.read_bytes()
    return gzip.compress(content, 6, mtime=0) if compressed else content


def serve(folder: Path) -> None:
    """Serve a folder and print its address, until the process is interrupted or told to end."""
    with Server(folder) as server, _ended_by(signal.SIGTERM):
        try:
            print(f"serving {folder} at {server.address} until Ctrl-C", flush=True)
            server.serve_forever()
        except KeyboardInterrupt:
            print("ended")


@contextmanager
def _ended_by(number: int) -> Iterator[None]:
    """Let a signal do what Ctrl-C does."""

    def end(number: int, frame: FrameType | None) -> None:
        raise KeyboardInterrupt

    former = signal.signal(number, end)
    try:
        yield
    finally:
        signal.signal(number, former)
