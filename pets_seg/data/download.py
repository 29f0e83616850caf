"""The checksummed download of the Oxford-IIIT Pet Dataset, by torchvision."""

import os
import shutil
import tempfile
from pathlib import Path

from filelock import FileLock

from pets_seg.errors import InputError


def download_oxford_pet(root: Path) -> None:
    """Make `root/oxford-iiit-pet`, whole or not at all; processes that start together download it once.

    Raises InputError if it cannot be downloaded.
    """
    from torchvision.datasets import OxfordIIITPet

    folder = root / "oxford-iiit-pet"
    beside = None
    try:
        root.mkdir(parents=True, exist_ok=True)
        with FileLock(root / "oxford-iiit-pet.lock"):
            if folder.exists():
                return
            print(f"downloading the Oxford-IIIT Pet Dataset (0.8 GB) to {folder}", flush=True)
            beside = Path(tempfile.mkdtemp(prefix=".oxford-iiit-pet-", dir=root))
            OxfordIIITPet(beside, target_types="segmentation", download=True)
            for archive in (beside / "oxford-iiit-pet").glob("*.tar.gz"):
                archive.unlink()
            os.replace(beside / "oxford-iiit-pet", folder)
    # URLError and most of urllib's errors are OSErrors; torchvision raises RuntimeError for a wrong checksum.
    except (OSError, RuntimeError) as error:
        raise InputError(
            f"data=oxford_pet: sought in {folder} and not found, and the download failed ({error}); "
            "set data.root to the folder that holds oxford-iiit-pet/, or use data=sample, which runs now"
        ) from error
    finally:
        if beside is not None:
            shutil.rmtree(beside, ignore_errors=True)
