"""The checksummed download of the Oxford-IIIT Pet Dataset."""

import os
import shutil
import tarfile
import zlib
from contextlib import suppress
from http.client import HTTPException
from pathlib import Path

from filelock import FileLock

from pets_seg.data.foreign import printable
from pets_seg.errors import InputError

# As torchvision.datasets.OxfordIIITPet has them: addresses and MD5 checksums.
ARCHIVES = (
    ("https://www.robots.ox.ac.uk/~vgg/data/pets/data/images.tar.gz", "5c4f3ee8e5d25df40f4fd59a7f44e54c"),
    ("https://www.robots.ox.ac.uk/~vgg/data/pets/data/annotations.tar.gz", "95a8c909bbe2e81eed6a22bccdf3f68f"),
)


def download_oxford_pet(root: Path) -> None:
    """Make `root/oxford-iiit-pet`, whole or not at all; processes that start together download it once.

    Raises InputError if it cannot be downloaded; then no folder that was not there before is left.
    """
    folder = root / "oxford-iiit-pet"
    absent = [path for path in (root, *root.parents) if not os.path.lexists(path)]
    try:
        root.mkdir(parents=True, exist_ok=True)
        lock = FileLock(root / "oxford-iiit-pet.lock")
        with lock:
            try:
                if not folder.exists():
                    print(f"downloading the Oxford-IIIT Pet Dataset (0.8 GB) to {folder}", flush=True)
                    _download(folder, root / ".oxford-iiit-pet.part")
            finally:
                # Who waits for this file takes a new one.
                with suppress(OSError):
                    os.unlink(lock.lock_file)
    # Most of urllib's errors are OSErrors; tarfile lets those of the compression pass.
    except (OSError, RuntimeError, ValueError, HTTPException, tarfile.TarError, EOFError, zlib.error) as error:
        raise InputError(
            f"data=oxford_pet: sought in {printable(folder)} and not found, and the download failed "
            f"({printable(' '.join(str(error).split()))}); "
            "set data.root to the folder that holds oxford-iiit-pet/, or use data=sample, which runs now"
        ) from error
    finally:
        for path in absent:
            # Only an empty folder can be removed so.
            with suppress(OSError, ValueError):
                path.rmdir()


def _download(folder: Path, beside: Path) -> None:
    # Slow to import, and seldom needed.
    from torchvision.datasets.utils import download_url

    # What a killed process left: the lock is ours, so nobody is at work on it.
    shutil.rmtree(beside, ignore_errors=True)
    unpacked = beside / folder.name
    try:
        for url, md5 in ARCHIVES:
            archive = beside / os.path.basename(url)
            try:
                download_url(url, beside, md5=md5)
            except RuntimeError as error:
                raise RuntimeError(f"{url}: not the file that it should be (MD5 checksum differs)") from error
            with tarfile.open(archive) as members:
                members.extractall(unpacked, filter=_plain)
            archive.unlink()
        if not all((unpacked / name).is_dir() for name in ("images", "annotations")):
            raise ValueError("the archives do not hold images/ and annotations/")
        os.replace(unpacked, folder)
    finally:
        shutil.rmtree(beside, ignore_errors=True)


def _plain(member: tarfile.TarInfo, folder: str) -> tarfile.TarInfo:
    # The data filter lets links through that stay inside, and has been outwitted by them; this data set has none.
    if not member.isfile() and not member.isdir():
        raise tarfile.TarError(f"{member.name} is neither a file nor a folder")
    return tarfile.data_filter(member, folder)
