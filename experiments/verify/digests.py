"""The digests of the kept results of an experiment, so that a changed digit in any row of them is noticed."""

import hashlib
from collections.abc import Iterator
from pathlib import Path

DIGESTS = "kept.sha256"
# What results are written in; pages and figures are made of them.
RESULTS = {".csv", ".json", ".txt", ".md", ".xz"}
# Folders that commands write their runs into.
RUNS = {"runs", "multirun", "outputs"}


def kept_results(experiment: Path) -> list[Path]:
    """Return the files of results below a folder, but for runs and for those of an experiment within it."""
    inner = [file.parent for file in experiment.glob("*/**/claims.yaml")]
    return sorted(
        path
        for path in experiment.rglob("*")
        if path.suffix in RESULTS
        and path.name != "README.md"
        and not RUNS & {*path.relative_to(experiment).parts}
        and not any(map(path.is_relative_to, inner))
    )


def digest(path: Path) -> str:
    """Return the SHA-256 of a file."""
    return hashlib.sha256(path.read_bytes()).hexdigest()


def write_digests(experiment: Path) -> None:
    """Write the digests of the results that are kept now, in the form that `sha256sum --check` reads."""
    lines = [f"{digest(path)}  {path.relative_to(experiment).as_posix()}\n" for path in kept_results(experiment)]
    file = experiment / DIGESTS
    if lines:
        file.write_text("".join(lines))
    else:
        file.unlink(missing_ok=True)


def check_digests(experiment: Path) -> Iterator[tuple[Path, str]]:
    """Yield each file of results that is not the one that was kept."""
    file = experiment / DIGESTS
    lines = file.read_text().splitlines() if file.exists() else []
    known = {experiment / line[66:]: line[:64] for line in lines}
    found = kept_results(experiment)
    for path in sorted({*found, *known}):
        if path not in found:
            yield path, f"is missing, and {DIGESTS} lists it"
        elif path not in known:
            yield path, f"is not in {DIGESTS}; verify.py --keep writes that anew"
        elif (now := digest(path)) != known[path]:
            yield path, f"was changed: its SHA-256 begins with {now[:12]}, that in {DIGESTS} with {known[path][:12]}"
