"""The server of a page: on this machine alone, compressed, with the headers for threads, and nothing but its folder."""

import gzip
import http.client
import os
import signal
import socket
import sys
import threading
from collections.abc import Iterator
from pathlib import Path
from subprocess import PIPE, Popen
from urllib.parse import urlsplit

import pytest

from pets_seg.export.serve import Server

WASM = b"\0asm" + bytes(5000)


@pytest.fixture
def server(tmp_path: Path) -> Iterator[Server]:
    folder = tmp_path / "demo"
    (folder / "samples").mkdir(parents=True)
    (folder / "index.html").write_text("<title>page</title>")
    (folder / "ort.mjs").write_text("export {};")
    (folder / "ort.wasm").write_bytes(WASM)
    (folder / "samples" / "a b.jpg").write_bytes(b"jpeg")
    (tmp_path / "secret").write_text("secret")
    with Server(folder) as server:
        threading.Thread(target=server.serve_forever, daemon=True).start()
        yield server
        server.shutdown()


def asked(server: Server, path: str, method: str = "GET", **headers: str) -> tuple[int, dict[str, str], bytes]:
    connection = http.client.HTTPConnection(*server.server_address[:2], timeout=60)
    connection.request(method, path, headers=headers)
    answer = connection.getresponse()
    found = answer.status, dict(answer.getheaders()), answer.read()
    connection.close()
    return found


def test_files_come_with_their_types_and_the_headers_for_threads(server: Server) -> None:
    assert server.server_address[0] == "127.0.0.1"
    types = {
        "/": "text/html; charset=utf-8",
        "/index.html?again": "text/html; charset=utf-8",
        "/ort.mjs": "text/javascript; charset=utf-8",
        "/ort.wasm": "application/wasm",
        "/samples/a%20b.jpg": "image/jpeg",
    }
    for path, kind in types.items():
        status, headers, content = asked(server, path)
        assert (status, headers["Content-Type"], int(headers["Content-Length"])) == (200, kind, len(content))
        assert headers["Cross-Origin-Opener-Policy"] == "same-origin"
        assert headers["Cross-Origin-Embedder-Policy"] == "require-corp"
        assert "Content-Encoding" not in headers
    assert asked(server, "/")[2] == b"<title>page</title>"
    status, headers, content = asked(server, "/ort.wasm", "HEAD")
    assert (status, headers["Content-Length"], content) == (200, str(len(WASM)), b"")


def test_what_gains_by_it_is_compressed_for_those_that_take_it(server: Server) -> None:
    takes = {"Accept-Encoding": "gzip, deflate, br"}
    _, headers, content = asked(server, "/ort.wasm", **takes)
    assert headers["Content-Encoding"] == "gzip"
    assert len(content) < 100
    assert gzip.decompress(content) == WASM
    _, headers, content = asked(server, "/samples/a%20b.jpg", **takes)
    assert ("Content-Encoding" in headers, content) == (False, b"jpeg")
    # A folder that was built again is what is served.
    file = next(path for name, path in server.files.items() if name == "/ort.wasm")
    file.write_bytes(b"new")
    os.utime(file, (1, 1))
    assert gzip.decompress(asked(server, "/ort.wasm", **takes)[2]) == b"new"


@pytest.mark.parametrize(
    "path",
    [
        "/../secret",
        "/%2e%2e/secret",
        "/..%2fsecret",
        "//secret",
        "/samples",
        "/samples/",
        "/none",
        "secret",
        "/\\..\\secret",
    ],
)
def test_nothing_else_is_served(server: Server, path: str) -> None:
    status, headers, content = asked(server, path)
    assert status == 404
    assert b"secret" not in content
    assert headers["Cross-Origin-Embedder-Policy"] == "require-corp"
    assert asked(server, "/", "POST")[0] == 501


def test_a_file_that_went_away_and_a_browser_that_did_stop_nothing(
    server: Server, capfd: pytest.CaptureFixture[str]
) -> None:
    with socket.create_connection(server.server_address[:2]) as connection:
        connection.setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, b"\1\0\0\0\0\0\0\0")
        connection.sendall(b"GET /ort.wasm HTTP/1.1\r\n\r\n")
    next(path for name, path in server.files.items() if name == "/ort.wasm").unlink()
    assert asked(server, "/ort.wasm")[0] == 404
    assert asked(server, "/")[0] == 200
    assert capfd.readouterr() == ("", "")


@pytest.mark.parametrize("number", [signal.SIGINT, signal.SIGTERM])
def test_it_prints_its_address_and_ends_when_it_is_told_to(server: Server, number: int) -> None:
    folder = server.files["/"].parent
    script = f"from pathlib import Path; from pets_seg.export.serve import serve; serve(Path({str(folder)!r}))"
    with Popen([sys.executable, "-c", script], stdout=PIPE, stderr=PIPE, text=True) as process:
        assert process.stdout is not None
        line = process.stdout.readline()
        address = next(word for word in line.split() if word.startswith("http"))
        connection = http.client.HTTPConnection(urlsplit(address).netloc, timeout=60)
        connection.request("GET", "/")
        assert connection.getresponse().status == 200
        process.send_signal(number)
        shown = process.communicate(timeout=60)
    assert (process.returncode, shown) == (0, ("ended\n", ""))
