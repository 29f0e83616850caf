"""What a visit to a GPU has found, beside what was aimed at: one table, from the files that its parts wrote."""

import csv
import xml.etree.ElementTree as ElementTree
from collections.abc import Iterator
from pathlib import Path
from statistics import mean

Rows = list[dict[str, str]]
# Ours to the plain loop in the first case; the most that augmentation adds to a step, and an epoch to its bare steps;
# eight jobs to one.
TO_PLAIN, OF_AUGMENTATION, OF_EPOCH, TO_ONE_JOB = 1.4, 0.03, 0.05, 3.0
# What pytest counts.
COUNTS = ("tests", "failures", "errors", "skipped")


def verdict(folder: Path) -> Rows:
    """Return the rows of the table; a part that left no file has none."""
    parts = {
        "tests.xml": _tests,
        "pace.csv": _paces,
        "jobs.csv": _jobs,
        "repeats.csv": _repeats,
        "kernels.csv": _kernels,
    }
    rows: Rows = []
    for name, part in parts.items():
        if (folder / name).exists():
            try:
                rows += part(folder / name)
            # A part that was stopped leaves what it had written by then.
            except (ValueError, LookupError, ElementTree.ParseError) as error:
                rows.append(row(name, f"cannot be read ({type(error).__name__})", "", False))
    return rows


def row(what: str, measured: str, aim: str, held: bool | None) -> dict[str, str]:
    """Return a row of the table; `held` is None where nothing is aimed at."""
    return {"what": what, "measured": measured, "aim": aim, "held": {True: "yes", False: "no", None: ""}[held]}


def _tests(path: Path) -> Iterator[dict[str, str]]:
    suite = ElementTree.parse(path).getroot().find("testsuite")
    counts = {key: int((suite.get(key) if suite is not None else None) or 0) for key in COUNTS}
    bad = counts["failures"] + counts["errors"]
    passed = counts["tests"] - bad - counts["skipped"]
    what = f"{passed} passed, {bad} failed, {counts['skipped']} skipped"
    yield row("tests marked gpu", what, "all pass", passed > 0 and not bad)


def _paces(path: Path) -> Iterator[dict[str, str]]:
    found: dict[str, dict[tuple[str, str], list[float]]] = {}
    for line in _read(path):
        loops = found.setdefault(line["case"], {})
        loops.setdefault((line["loop"], line["aug"]), []).append(float(line["images_per_second"]))
    for case, lists in found.items():
        is_first = case == next(iter(found))
        paces = {key: mean(values) for key, values in lists.items()}
        yield from _case(case, paces, is_first)


def _case(case: str, paces: dict[tuple[str, str], float], is_first: bool) -> Iterator[dict[str, str]]:
    """Yield what a case, network, width and pixels, says; of what was not reached it says nothing."""
    ours = {aug: pace for (loop, aug), pace in paces.items() if loop == "ours"}
    for aug, pace in ours.items():
        if plain := paces.get(("plain", aug)):
            aim, held = (f"{TO_PLAIN} or more", pace / plain >= TO_PLAIN) if is_first else ("", None)
            what = f"{pace:.0f} to {plain:.0f} images/s: {pace / plain:.2f} times"
            yield row(f"{case}, aug={aug}: ours to a plain loop", what, aim, held)
    if not (none := ours.get("none")):
        return
    if smp := paces.get(("smp.Unet resnet34", "none")):
        what = f"{none:.0f} to {smp:.0f} images/s: {none / smp:.2f} times"
        yield row(f"{case}, aug=none: ours to smp.Unet resnet34", what, "", None)
    for aug in ours.keys() - {"none"}:
        share = none / ours[aug] - 1
        aim = f"{100 * OF_AUGMENTATION:.0f} % or less"
        yield row(f"{case}: what aug={aug} adds to a step", f"{100 * share:.1f} %", aim, share <= OF_AUGMENTATION)
    if bare := paces.get(("bare step", "none")):
        more = bare / none - 1
        aim = f"{100 * OF_EPOCH:.0f} % or less"
        yield row(f"{case}: an epoch beside its bare steps", f"{100 * more:+.1f} %", aim, more <= OF_EPOCH)


def _jobs(path: Path) -> Iterator[dict[str, str]]:
    paces = {int(line["jobs"]): (line["case"], float(line["images_per_second"])) for line in _read(path)}
    _, alone = paces[min(paces)]
    for count, (case, pace) in paces.items():
        if count > min(paces):
            what = f"{pace:.0f} to {alone:.0f} images/s: {pace / alone:.2f} times"
            yield row(f"{case}: {count} jobs at once to one", what, f"{TO_ONE_JOB} or more", pace / alone >= TO_ONE_JOB)


def _repeats(path: Path) -> Iterator[dict[str, str]]:
    for line in _read(path):
        where = line["differs_at"]
        what = f"differ at {where}" if where else "the same"
        yield row(f"{line['case']}: two deterministic runs", what, "bit for bit", not where)


def _kernels(path: Path) -> Iterator[dict[str, str]]:
    first = _read(path)[0]
    yield row("the largest kernel of the profile", f"{first['share']} of a step: {first['kernel'][:60]}", "", None)


def _read(path: Path) -> list[dict[str, str]]:
    with open(path, newline="") as file:
        return list(csv.DictReader(file))
