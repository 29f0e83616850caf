"""The checksummed download of the Oxford-IIIT Pet Dataset."""

import os
import shutil
import tarfile
import zlib
from contextlib import suppress
from http.client import HTTPException
from pathlib import Path

from filelock import FileLock

from pets_seg.errors import InputError, printable

# As torchvision.datasets.OxfordIIITPet has them: addresses and MD5 checksums.
ARCHIVES = (
    ("https://www.robots.ox.ac.uk/~vgg/data/pets/data/images.tar.gz", "5c4f3ee8e5d25df40f4fd59a7f44e54c"),
    ("https://www.robots.ox.ac.uk/~vgg/data/pets/data/annotations.tar.gz", "95a8c909bbe2e81eed6a22bccdf3f68f"),
)


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
    # Most of urllib's errors are OSErrors; tarfile lets those of the compression pass.
    except (OSError, RuntimeError, ValueError, HTTPException, tarfile.TarError, EOFError, zlib.error) as error:
        raise InputError(
            f"data=oxford_pet: sought in {printable(folder)} and not found, and the download failed "
            f"({printable(' '.join(str(error).split()))}); "
            "set data.root to the folder that holds oxford-iiit-pet/, or use data=sample, which runs now"
        ) from error
    finally:
        for path in absent:
            # This removes empty folders only.
            with suppress(OSError, ValueError):
                path.rmdir()


def _download(folder: Path, part: Path) -> None:
    # Importing it is slow.
    from torchvision.datasets.utils import download_url

    # A killed process may have left it; this one holds the lock.
    shutil.rmtree(part, ignore_errors=True)
    unpacked = part / folder.name
    try:
        for url, md5 in ARCHIVES:
            archive = part / os.path.basename(url)
            try:
                download_url(url, part, md5=md5)
            except RuntimeError as error:
                raise RuntimeError(f"{url}: not the file that it should be (MD5 checksum differs)") from error
            with tarfile.open(archive) as members:
                members.extractall(unpacked, filter=_files_and_folders)
            archive.unlink()
        if not all((unpacked / name).is_dir() for name in ("images", "annotations")):
            raise ValueError("the archives do not hold images/ and annotations/")
        os.replace(unpacked, folder)
    finally:
        shutil.rmtree(part, ignore_errors=True)


def _files_and_folders(member: tarfile.TarInfo, folder: str) -> tarfile.TarInfo:
    # The data filter lets links that stay inside through, and had security holes there; this data set has no links.
    if not member.isfile() and not member.isdir():
        raise tarfile.TarError(f"{member.name} is neither a file nor a folder")
    return tarfile.data_filter(member, folder)
