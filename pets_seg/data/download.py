"""The checksummed download of the Oxford-IIIT Pet Dataset."""

import os
import shutil
import tarfile
from contextlib import suppress
from pathlib import Path

from filelock import FileLock

from pets_seg.errors import InputError, printable


def download_oxford_pet(root: Path) -> None:
    """Make `root/oxford-iiit-pet`, whole or not at all, once for all processes; InputError if the download fails."""
    folder = root / "oxford-iiit-pet"
    absent = [path for path in (root, *root.parents) if not os.path.lexists(path)]
    try:
        root.mkdir(parents=True, exist_ok=True)
        with FileLock(root / "oxford-iiit-pet.lock") as lock:
            try:
                if not folder.exists():
                    print(f"downloading the Oxford-IIIT Pet Dataset (0.8 GB) to {folder}", flush=True)
                    _download(folder, root / ".oxford-iiit-pet.part")
            finally:
                # A process that waits for this file makes a new one.
                with suppress(OSError):
                    os.unlink(lock.lock_file)
    # Beside its own errors torchvision raises those of urllib, tarfile and the compression.
    except Exception as error:
        raise InputError(
            f"data=oxford_pet: sought in {printable(folder)} and not found, and the download failed "
            f"or its checksum differs ({printable(' '.join(str(error).split()))}); "
            "set data.root to the folder that holds oxford-iiit-pet/, or use data=sample, which runs now"
        ) from error
    finally:
        for path in absent:
            # This removes empty folders only.
            with suppress(OSError, ValueError):
                path.rmdir()


def _download(folder: Path, part: Path) -> None:
    # Importing it is slow.
    from torchvision.datasets import OxfordIIITPet

    # A killed process may have left it; this one holds the lock.
    shutil.rmtree(part, ignore_errors=True)
    # As from Python 3.14 on: no member leads outside.
    tarfile.TarFile.extraction_filter = staticmethod(tarfile.data_filter)
    try:
        OxfordIIITPet(part, download=True)
        for archive in (part / folder.name).glob("*.tar.gz"):
            archive.unlink()
        os.replace(part / folder.name, folder)
    finally:
        shutil.rmtree(part, ignore_errors=True)
