"""An npm registry on this machine, whose onnxruntime-web has a few bytes."""

import base64
import hashlib
import io
import tarfile
import threading
from collections.abc import Iterator
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path

import pytest

from pets_seg.export import onnxruntime_web
from pets_seg.export.onnxruntime_web import FILES, SCRIPT, WASM
from pets_seg.machine.home import user_cache


class Registry(ThreadingHTTPServer):
    """An npm registry on this machine with a package of a few bytes; `asked` are the paths that were asked for."""

    def __init__(self) -> None:
        self.files = {SCRIPT: b"export const env = {};", WASM: b"\0asm"}
        packed = io.BytesIO()
        with tarfile.open(fileobj=packed, mode="w:gz") as archive:
            for name, content in {**self.files, "other.js": b"other"}.items():
                member = tarfile.TarInfo(f"package/dist/{name}")
                member.size = len(content)
                archive.addfile(member, io.BytesIO(content))
        self.package = packed.getvalue()
        self.asked: list[str] = []
        super().__init__(("127.0.0.1", 0), Answer)

    @property
    def address(self) -> str:
        return f"http://127.0.0.1:{self.server_address[1]}"


class Answer(BaseHTTPRequestHandler):
    server: Registry

    def do_GET(self) -> None:
        self.server.asked.append(self.path)
        self.send_response(200)
        self.end_headers()
        self.wfile.write(self.server.package)

    def log_message(self, format: str, *args: object) -> None:
        pass


def pinned(folder: Path, monkeypatch: pytest.MonkeyPatch) -> Iterator[Registry]:
    """Give a test a registry whose package is the pinned one, and an empty cache in `folder`."""
    with Registry() as server:
        threading.Thread(target=server.serve_forever, daemon=True).start()
        monkeypatch.setenv("npm_config_registry", f"{server.address}/")
        monkeypatch.setenv("no_proxy", "127.0.0.1")
        monkeypatch.setenv("XDG_CACHE_HOME", str(folder / "cache"))
        # It keeps the folder that it found first.
        user_cache.cache_clear()
        integrity = base64.b64encode(hashlib.sha512(server.package).digest()).decode()
        monkeypatch.setattr(onnxruntime_web, "INTEGRITY", integrity)
        for name, content in server.files.items():
            monkeypatch.setitem(FILES, name, hashlib.sha256(content).hexdigest())
        yield server
        server.shutdown()
    user_cache.cache_clear()
