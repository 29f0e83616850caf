"""Put the runs of a sweep into one small file that `make verify` compares anew, and that lets the sweep go on.

    python experiments/verify/archive.py runs/NAME experiments/NAME/runs.tar.xz

The archive holds what a comparison needs of each run, without weights. In their place is a file that has no tensor, so
that a run counts as finished; task=evaluate, and images in a report, need the weights and so a run of one's own. The
same runs give the same bytes: entries are sorted, and have no time and no owner. Names of machines, process ids, and
the path of the folder in which the command was started are replaced; a data.root that was given as an absolute path
stays, as it is a part of the run's name.
"""

import argparse
import io
import json
import lzma
import sys
import tarfile
from collections.abc import Iterator
from pathlib import Path
from typing import Any

from safetensors.numpy import save

from pets_seg.run_folder.config_file import given_paths, load_plain
from pets_seg.run_folder.names import (
    BEST,
    CALIBRATION,
    CONFIG,
    DATA,
    DESIGN,
    HYDRA,
    METRICS,
    MULTIRUN,
    OVERRIDES,
    PER_IMAGE,
    STATUS,
    SUMMARY,
    VERDICTS,
)

# Where an archive says that its command was started.
ELSEWHERE = "/elsewhere"
OF_A_RUN = (CONFIG, STATUS, METRICS, SUMMARY, PER_IMAGE, CALIBRATION, DATA, HYDRA, OVERRIDES)
OF_A_SWEEP = (MULTIRUN, DESIGN, f"{VERDICTS}.csv", f"{VERDICTS}.json")
NO_WEIGHTS = {"left_out": "the weights are not in this archive; replay of this run trains them again"}


def entries(sweep: Path) -> Iterator[tuple[str, bytes]]:
    """Yield the name and the content of each file of an archive; ValueError if a run is not finished."""
    runs = sorted(path.parent for path in sweep.glob(f"*/{CONFIG}"))
    if not runs:
        raise ValueError(f"{sweep}: holds no run")
    hosts: dict[str, str] = {}
    places = {started: ELSEWHERE for run in runs if (started := _started_in(run))}
    for run in runs:
        status = json.loads((run / STATUS).read_text(encoding="utf-8"))
        if status.get("state") != "finished":
            raise ValueError(f"{run}: is {status.get('state')}, not finished; finish the sweep, or remove this run")
        for name in (name for name in OF_A_RUN if (run / name).exists()):
            content = (run / name).read_bytes()
            if name == STATUS:
                content = _without_machine(status, hosts)
            if name in (CONFIG, STATUS, HYDRA):
                content = _replaced(content, _given_places(run) | places)
            yield f"{sweep.name}/{run.name}/{name}", content
        yield f"{sweep.name}/{run.name}/{BEST}", save({}, NO_WEIGHTS)
    for name in (name for name in OF_A_SWEEP if (sweep / name).exists()):
        yield f"{sweep.name}/{name}", _replaced((sweep / name).read_bytes(), places)


def _started_in(run: Path) -> str | None:
    """Return the folder in which the command of a run was started; None if Hydra's file does not say."""
    try:
        return str(load_plain(run / HYDRA)["hydra"]["runtime"]["cwd"])
    except (ValueError, KeyError, TypeError):
        return None


def _given_places(run: Path) -> dict[str, str]:
    """Return the absolute paths of a configuration that were given as relative ones, and what stands for them."""
    config, found = load_plain(run / CONFIG), {}
    for key, given in given_paths(config).items():
        group, _, name = key.rpartition(".")
        absolute = config[group][name] if group else config[name]
        if isinstance(absolute, str):
            found[absolute] = f"{ELSEWHERE}/{given}"
    return found


def _replaced(content: bytes, places: dict[str, str]) -> bytes:
    # A folder comes before those that hold it.
    for place, other in sorted(places.items(), key=lambda item: -len(item[0])):
        content = content.replace(place.encode(), other.encode())
    return content


def _without_machine(status: dict[str, Any], hosts: dict[str, str]) -> bytes:
    """Return status.json with a number for the machine, so that it is still known which runs share one."""
    kept = {key: value for key, value in status.items() if key != "pid"}
    if "host" in kept:
        kept["host"] = hosts.setdefault(str(kept["host"]), f"machine-{len(hosts) + 1}")
    return (json.dumps(kept, indent=2) + "\n").encode()


def write_archive(sweep: Path, file: Path) -> None:
    """Write the archive of a sweep's folder."""
    bare = io.BytesIO()
    with tarfile.open(fileobj=bare, mode="w", format=tarfile.USTAR_FORMAT) as archive:
        for name, content in sorted(entries(sweep)):
            # Its time is 0, its owner root, its mode 0644.
            entry = tarfile.TarInfo(name)
            entry.size = len(content)
            archive.addfile(entry, io.BytesIO(content))
    file.write_bytes(lzma.compress(bare.getvalue(), preset=9 | lzma.PRESET_EXTREME))


def unpack(file: Path, folder: Path) -> Path:
    """Unpack an archive into a folder, and return the folder of the sweep there."""
    with tarfile.open(file, mode="r:xz") as archive:
        archive.extractall(folder, filter="data")
    [sweep] = {path.parent.parent for path in folder.glob(f"*/*/{CONFIG}")}
    return sweep


def main() -> None:
    """Write the archive and print its size."""
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("sweep", type=Path, help="the folder of a sweep, runs/NAME")
    parser.add_argument("file", type=Path, help="the archive, experiments/NAME/runs.tar.xz")
    arguments = parser.parse_args()
    try:
        write_archive(arguments.sweep, arguments.file)
    except (OSError, ValueError) as error:
        sys.exit(str(error))
    print(f"{arguments.file}: {arguments.file.stat().st_size / 1000:.0f} kB")


if __name__ == "__main__":
    main()
