"""Hold every figure of README.md and of the pages in experiments/ to the kept results, and these to each other.

    python experiments/verify/verify.py [--replay]

Prints a line for each thing that is wrong, and ends with code 1 if there is one. README.md beside this file says how.
"""

import argparse
import sys
import time
from collections.abc import Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import yaml
from claim_kinds import load_claims
from claims import EVERYWHERE, PageCheck, shown
from digests import check_digests, write_digests
from kept_files import ROOT
from kept_studies import RUNS, Kept, check_study
from replayed import replay_one

EXPERIMENTS = ROOT / "experiments"


@dataclass
class Outcome:
    """What was found: failures, a line each, and how many numbers of each page are covered how."""

    failures: list[str] = field(default_factory=list)
    counts: dict[str, list[int]] = field(default_factory=dict)
    used: set[str] = field(default_factory=set)


def claim_files(experiments: Path = EXPERIMENTS) -> list[Path]:
    """Return the claims files of all pages: beside each README.md, and that of the repository's in verify/."""
    return sorted([*experiments.glob("**/claims.yaml"), *experiments.glob("verify/repository.yaml")])


def studies_of(content: dict[str, Any]) -> list[Kept]:
    """Return the studies that a claims file names."""
    return [Kept(**entry) for entry in content.get("studies", ())]


def check_files(files: Sequence[Path]) -> Outcome:
    """Check the pages of these claims files, and the kept results beside them."""
    found = Outcome()
    for file in files:
        try:
            content = load_claims(file)
            check = PageCheck(file, content)
            check.run()
            wrong = [item for kept in studies_of(content) for item in check_study(kept, file.parent)]
        except (OSError, TypeError, ValueError, yaml.YAMLError) as error:
            found.failures.append(f"{shown(file)}: {' '.join(str(error).split())}")
            continue
        named = {path for path, _ in wrong}
        # What was changed in a file may be known already.
        if file.name == "claims.yaml":
            wrong += [(path, text) for path, text in check_digests(file.parent) if path not in named]
        found.failures += check.failures + [f"{shown(path)}: {text}" for path, text in wrong]
        found.counts[shown(check.page.path)] = [len(check.bound), *map(len, check.listed.values())]
        found.used |= check.used
    return found


def check_all(experiments: Path = EXPERIMENTS) -> Outcome:
    """Check all pages; a page without claims fails, and a pattern of everywhere.yaml that no page needs."""
    files = claim_files(experiments)
    found = check_files(files)
    for page in sorted([*experiments.glob("README.md"), *experiments.glob("*/README.md")]):
        if page.with_name("claims.yaml") not in files:
            found.failures.append(f"{shown(page)}: has no claims.yaml beside it")
    for pattern in load_claims(EVERYWHERE):
        if pattern not in found.used:
            found.failures.append(f"{shown(EVERYWHERE)}: no page has a number of the pattern {pattern}")
    return found


def replay_all(files: Sequence[Path], seed: int, data: Path | None) -> list[str]:
    """Replay a run of each archive, print what came of it, and return the failures."""
    failures = []
    for file in files:
        for kept in studies_of(load_claims(file)):
            if kept.archive:
                result = replay_one(kept, file.parent, seed, data)
                lines = [f"{shown(file.parent / kept.folder / RUNS)}: {text}" for text in result.failures]
                print("\n".join(lines or [f"{shown(file.parent)}: {result.remark}"]), flush=True)
                failures += lines
    return failures


def main() -> None:
    """Check all pages, or those of the files that are given."""
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("files", nargs="*", type=Path, help="claims files; without any all of them")
    parser.add_argument("--replay", action="store_true", help="replay one run of each archive, drawn at random")
    parser.add_argument("--seed", type=int, default=time.time_ns() % 100_000, help="what draws the runs")
    parser.add_argument("--data", type=Path, help="folder of the data set, for runs of other data than the sample")
    parser.add_argument("--keep", action="store_true", help="write the digests of the results as they are now")
    arguments = parser.parse_args()
    files = arguments.files or claim_files()
    if arguments.keep:
        for file in files:
            write_digests(file.parent)
    found = check_files(files) if arguments.files else check_all()
    for line in found.failures:
        print(line)
    if arguments.replay:
        print(f"runs are drawn with --seed {arguments.seed}", flush=True)
        found.failures += replay_all(files, arguments.seed, arguments.data)
    for page, (bound, not_from_runs, not_kept) in found.counts.items():
        print(
            f"{page}: {bound} numbers bound, {not_from_runs} not from runs, {not_kept} from results that were not kept"
        )
    if found.failures:
        sys.exit(1)


if __name__ == "__main__":
    main()
