"""By what runs were made: the command, and where they were made by different code, on different machines or threads."""

from collections import Counter
from collections.abc import Callable
from typing import Any

from pets_seg.machine.terminal import shell
from pets_seg.report.study.runs import Run
from pets_seg.report.study.study import Study
from pets_seg.report.study.words import count, listed
from pets_seg.run_folder.config_file import load_plain
from pets_seg.run_folder.names import HYDRA, MULTIRUN

ROUNDING = "the same command gives figures there that differ by rounding"
CODE = "a difference between groups may be one between programs"
# This package has a commit, and what uploads figures changes none.
NO_LIBRARIES = {"pets_seg", "wandb"}
# Longer names come from damaged files.
LONGEST = 100


def provenance_remarks(study: Study) -> list[str]:
    """Return a sentence for each thing in which finished runs were made differently, with the groups that mix it."""
    sentences = [
        _differ(study, "The runs were trained by different code", commit_of, CODE),
        _differ(study, "The runs had different versions of libraries", _libraries_of(study), CODE),
        _differ(study, "The runs were trained on different devices", _device_of, ROUNDING),
        _differ(study, "The processors had different instructions", _instructions_of, ROUNDING),
        _differ(study, "The runs had different numbers of threads", _threads_of, ROUNDING),
    ]
    return [sentence for sentence in sentences if sentence] + _continued_otherwise(study)


def _differ(study: Study, what: str, of: Callable[[Run], str | None], harm: str) -> str:
    """Return a sentence if the finished runs do not all have the same; those that do not say it do not count."""
    known = Counter(text[:LONGEST] for run in study.runs if run.finished and (text := of(run)))
    if len(known) < 2:
        return ""
    each = listed([f"{count(number, 'run')} with {text}" for text, number in known.most_common()], "and")
    mixed = [group.name for group in study.groups if len({of(run) for run in group.finished} - {None}) > 1]
    where = f"; {listed(mixed, 'and')} {'mixes' if len(mixed) == 1 else 'mix'} them" if mixed else ""
    return f"{what} ({each}{where}): {harm}."


def commit_of(run: Run) -> str | None:
    """Return the commit of the code that trained a run, or else its version; None if it does not say."""
    git = run.status.get("git")
    if isinstance(git, dict) and git.get("commit"):
        return f"commit {str(git['commit'])[:10]}" + (" with changes" if git.get("dirty") else "")
    version = _versions(run).get("pets_seg")
    return f"version {version}" if version else None


def _versions(run: Run) -> dict[str, Any]:
    versions = run.status.get("versions")
    return versions if isinstance(versions, dict) else {}


def _libraries_of(study: Study) -> Callable[[Run], str | None]:
    """Return what tells the versions of a run, of the libraries in which finished runs differ."""
    known = [_versions(run) for run in study.runs if run.finished]
    names = sorted({name for versions in known for name in versions} - NO_LIBRARIES)
    names = [name for name in names if len({str(versions[name]) for versions in known if name in versions}) > 1]

    def told(run: Run) -> str | None:
        return ", ".join(f"{name} {_versions(run)[name]}" for name in names if name in _versions(run)) or None

    return told


def _device_of(run: Run) -> str | None:
    return str(run.status["device"]) if run.status.get("device") else None


def _on_cpu(run: Run, key: str) -> Any:
    return run.status.get(key) if run.status.get("device") == "cpu" else None


def _instructions_of(run: Run) -> str | None:
    instructions = _on_cpu(run, "instructions")
    return str(instructions) if instructions else None


def _threads_of(run: Run) -> str | None:
    threads = _on_cpu(run, "threads")
    return count(threads, "thread") if isinstance(threads, int) else None


def _continued_otherwise(study: Study) -> list[str]:
    changed = [
        run.name for run in study.runs if run.finished and _threads_of(run) and run.status.get("earlier_threads")
    ]
    if not changed:
        return []
    return [
        f"{listed(changed, 'and')} {'was' if len(changed) == 1 else 'were'} continued with another number of threads "
        "than before, so that figures differ by rounding from those of a run that was never stopped."
    ]


def trained_by(study: Study) -> str:
    """Return the command that trained the runs, as far as their folders record it; "" if they do not.

    That of a sweep is in its folder, and is that of the last one; other runs have their own.
    """
    commands = []
    for folder in study.folders:
        found = _command(folder / MULTIRUN)
        runs = [run for run in study.runs if folder in (run.folder, run.folder.parent)]
        commands += [found] if found else [command for run in runs if (command := _command(run.folder / HYDRA))]
    different = list(dict.fromkeys(commands))
    more = f"; and {count(len(different) - 3, 'other')}" if len(different) > 3 else ""
    return "; ".join(different[:3]) + more


def _command(file: Any) -> str:
    try:
        hydra = load_plain(file)["hydra"]
        given = hydra["overrides"]
        # The mode is said by -m.
        own = [str(word) for word in given["hydra"] if not str(word).startswith("hydra.mode=")]
        words = [*(["-m"] if file.name == MULTIRUN else []), *own, *map(str, given["task"])]
    except (ValueError, KeyError, TypeError):
        return ""
    return f"python -m pets_seg.run {shell(words)}".strip()
