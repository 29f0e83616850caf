"""ONNX Runtime for browsers: the files of npm's onnxruntime-web that compute on the CPU, kept in the user's cache."""

import base64
import hashlib
import http.client
import io
import logging
import os
import re
import tarfile
import urllib.request
from functools import partial
from pathlib import Path
from typing import BinaryIO

from pets_seg.errors import InputError, RunError, printable, reason
from pets_seg.machine.files import read_limited, write_whole
from pets_seg.machine.home import user_cache

VERSION = "1.30.0"
# As the registry states it, of the package as it is downloaded.
INTEGRITY = "q0y+JrrtukXSzsBWEMccVfqX25LRmosXHF+CaRJmg8pZClzcV7svNc4rKY3jL02Vb7QmRMDs1SigqR4CXAfKYQ=="
SCRIPT, WASM = "ort.wasm.bundle.min.mjs", "ort-wasm-simd-threaded.wasm"
# SHA-256 of the files that are taken from it.
FILES = {
    SCRIPT: "11e64bd8ffe11bd1a2a2f0d6275fdfbbba7262f0b76b99b53d228a8a22ef3d90",
    WASM: "3398c10d07d229bd91b364548e130e0e51a8e5704b88c7c083ebbeb78842dee2",
}
REGISTRY = "https://registry.npmjs.org"
# Where npm itself looks for another registry.
VARIABLES = ("npm_config_registry", "NPM_CONFIG_REGISTRY")
# In bytes: the package has 33 MB, its largest file of ours 14.
LARGEST = 1 << 26
# In seconds, for one answer of the registry.
PATIENCE = 30
log = logging.getLogger("pets_seg")


def runtime_files() -> dict[str, bytes]:
    """Return the files by their names, from the user's cache or else from the registry.

    Raises InputError if they are in neither.
    """
    folder = user_cache("XDG_CACHE_HOME") / f"onnxruntime-web-{VERSION}"
    kept = {name: _kept(folder / name, digest) for name, digest in FILES.items()}
    found = {name: content for name, content in kept.items() if content is not None}
    return found if found.keys() == FILES.keys() else _downloaded(folder)


def _kept(path: Path, digest: str) -> bytes | None:
    """Return the content of a file of the cache; None if it is not there, or damaged."""
    try:
        content = read_limited(path, LARGEST)
    except (OSError, ValueError):
        return None
    return content if hashlib.sha256(content).hexdigest() == digest else None


def _downloaded(folder: Path) -> dict[str, bytes]:
    """Return the files of the package from the registry, and keep them in a folder."""
    registry = next(filter(None, map(os.environ.get, VARIABLES)), REGISTRY).rstrip("/")
    # Without a password that may stand in it.
    shown = printable(re.sub("//[^/]*@", "//", registry))
    if "@" in registry.partition("//")[2].partition("/")[0]:
        raise InputError(f"npm_config_registry: a name or password before {shown} is not sent; give the address alone")
    if not re.match("https?://", registry):
        raise InputError(f"npm_config_registry={shown}: must begin with http:// or https://; {REGISTRY} is npm's own")
    print(f"downloading onnxruntime-web {VERSION} (33 MB) from {shown}", flush=True)
    try:
        address = f"{registry}/onnxruntime-web/-/onnxruntime-web-{VERSION}.tgz"
        with urllib.request.urlopen(address, timeout=PATIENCE) as answer:
            package = answer.read(LARGEST)
        if base64.b64encode(hashlib.sha512(package).digest()).decode() != INTEGRITY:
            raise ValueError("what came is not the package: its checksum differs")
    # A registry may be no address, be out of reach, or break off.
    except (OSError, ValueError, http.client.HTTPException) as error:
        why = printable(reason(getattr(error, "reason", None) or error))
        raise InputError(
            f"task=demo: onnxruntime-web {VERSION} cannot be had from {shown} ({why}); go online, or name another "
            f"npm registry by npm_config_registry, or copy {folder} from a machine that has it"
        ) from error
    files = _unpacked(package)
    try:
        for name, content in files.items():
            write_whole(folder / name, partial(_write, content))
    except RunError as error:
        log.warning(f"{error}; until then it is downloaded every time")
    return files


def _write(content: bytes, file: BinaryIO) -> None:
    file.write(content)


def _unpacked(package: bytes) -> dict[str, bytes]:
    with tarfile.open(fileobj=io.BytesIO(package), mode="r|gz") as archive:
        # Read in one go, since going back would unpack it again.
        wanted = {f"package/dist/{name}": name for name in FILES}
        return {
            wanted[member.name]: file.read()
            for member in archive
            if member.name in wanted and (file := archive.extractfile(member))
        }
