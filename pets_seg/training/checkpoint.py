"""The checkpoint last.pt: all that a run needs to continue."""

import logging
import zipfile
from collections.abc import Mapping
from pathlib import Path
from typing import Any

import torch

from pets_seg.errors import InputError
from pets_seg.machine.files import write_whole

log = logging.getLogger("pets_seg")


def save_state(path: Path, state: Mapping[str, Any]) -> None:
    """Write the state of a run: plain types and tensors only, so that it loads with weights_only."""
    write_whole(path, lambda file: torch.save(dict(state), file))


def load_state(path: Path, layout: int) -> dict[str, Any] | None:
    """Return what `save_state` wrote, on the CPU, or None if there is no usable file of this `layout`.

    Checksums show damage. A stranger's file cannot run code, and a compressed one is not unpacked. Raises InputError if
    the file exists but may not be read.
    """
    try:
        _check_archive(path)
        # To the CPU, where the optimizer's step counts must stay: the host would wait for them on a GPU.
        state = torch.load(path, map_location="cpu", weights_only=True)
        if not isinstance(state, dict) or state.get("layout") != layout:
            raise ValueError("it is of another version of pets_seg")
    except FileNotFoundError:
        return None
    except OSError as error:
        raise InputError(f"{path}: cannot be read ({error.strerror}); make it readable, or existing=restart") from error
    # A damaged archive shows as one of many types (BadZipFile, RuntimeError, UnpicklingError, EOFError, KeyError, ...).
    except Exception as error:
        if isinstance(error, MemoryError) or "allocate memory" in str(error):
            raise
        reason = str(error).splitlines()[0] if str(error) else type(error).__name__
        log.warning(f"{path} cannot be read ({reason}); the run starts from its beginning")
        return None
    return state


def _check_archive(path: Path) -> None:
    with zipfile.ZipFile(path) as archive:
        entries = archive.infolist()
        # torch.save compresses nothing.
        packed = any(entry.compress_type != zipfile.ZIP_STORED for entry in entries)
        if packed or sum(entry.file_size for entry in entries) > path.stat().st_size:
            raise ValueError("it unpacks to more than it is")
        if damaged := archive.testzip():
            raise ValueError(f"checksum of {damaged} differs")
