"""What a report says of the data of its runs: where they changed, and where they are not known."""

from collections import Counter
from collections.abc import Iterable, Sequence
from typing import Any

from pets_seg.report.study.groups import SAME_FILES, changed_data, data_settings, first_digits
from pets_seg.report.study.runs import Run
from pets_seg.report.study.study import Study
from pets_seg.report.study.words import count, listed
from pets_seg.report.truths import readings
from pets_seg.run_folder.data_record import describe_change, read_data


def data_remarks(study: Study) -> list[str]:
    """Return why groups are kept apart by their data, which have no baseline for it, and whose data are not known."""
    sentences = [*_changes(study.runs), *_without_baseline(study)]
    finished, unknown = _finished(study.runs)
    if len(unknown) == 1 and len(finished) > 1:
        rest = "was made before data were recorded; that its images are the same is not known."
        sentences.append(f"1 of {len(finished)} runs {rest}")
    elif 0 < len(unknown) < len(finished):
        rest = "were made before data were recorded; that their images are the same is not known."
        sentences.append(f"{len(unknown)} of {len(finished)} runs {rest}")
    return sentences + _other_pixels(finished)


def data_of_runs(study: Study) -> list[str]:
    """Return a text for each digest of the data and reading of their masks: its runs, and what they record of it."""
    alike: dict[tuple[str, str], list[Run]] = {}
    for run in study.runs:
        if run.data.digest:
            alike.setdefault((run.data.digest, run.data.contents), []).append(run)
    texts = []
    for (digest, contents), runs in alike.items():
        for settings, number in readings(runs):
            described = "; ".join(filter(None, [contents, settings]))
            texts.append(f"{digest} ({count(number, 'run')}{': ' * bool(described)}{described})")
    if unknown := _finished(study.runs)[1]:
        texts.append(f"not known ({count(len(unknown), 'run')}, made before data were recorded)")
    return texts


def _finished(runs: Iterable[Run]) -> tuple[list[Run], list[Run]]:
    """Return the finished runs, and those of them whose data are not known; what has no figures does not count."""
    finished = [run for run in runs if run.finished]
    return finished, [run for run in finished if not run.data.digest]


def _changes(runs: Sequence[Run]) -> list[str]:
    # With several sizes, for example, the same files changed in the same way: that is one sentence.
    alike: dict[tuple[str, ...], list[Run]] = {}
    for settings, digests in changed_data(runs).items():
        alike.setdefault(tuple(digests), []).extend(run for run in runs if data_settings(run) == settings)
    digits = first_digits(runs)
    sentences = []
    for changed, concerned in alike.items():
        numbers = Counter(run.data.digest for run in concerned)
        names = [f"data {digits[digest]} ({count(numbers[digest], 'run')})" for digest in changed]
        rows = [_rows(concerned, digest) for digest in changed]
        steps = zip(names[1:], rows[:-1], rows[1:], strict=True)
        parts = [names[0], *(f"then {name}, {_change(before, after)}" for name, before, after in steps)]
        sentences.append(
            f"Runs of the same settings are of different data and are kept apart: {', '.join(parts)}. To compare them, "
            "train all of them on the data as they are now with existing=restart."
        )
    return sentences


def _change(before: list[dict[str, str]], after: list[dict[str, str]]) -> str:
    change = describe_change(before, after) if before and after else ""
    return f"in which {change}" if change else "of which it is not known what changed"


def _rows(runs: Iterable[Run], digest: str) -> list[dict[str, str]]:
    """Return the files of the data of this digest, from the first run that has them; none if no run has."""
    for run in runs:
        if run.data.digest == digest:
            try:
                return read_data(run.folder)
            except ValueError:
                continue
    return []


def _without_baseline(study: Study) -> list[str]:
    baselines = set(study.baselines.values())
    alone = [group for group in study.finished if group not in baselines and group.name not in study.baselines]
    alone = [group for group in alone if group.data]
    names = [group.short for group in alone if not any(group.may_share_data(other) for other in baselines)]
    if not names or not baselines:
        return []
    verb, whose = ("is", "its") if len(names) == 1 else ("are", "their")
    return [f"{listed(names, 'and')} {verb} compared with no group: no finished baseline has {whose} data."]


def _other_pixels(finished: Iterable[Run]) -> list[str]:
    alike: dict[tuple[Any, ...], Counter[str]] = {}
    for run in finished:
        if run.data.digest and run.data.decoded:
            settings = (data_settings(run), *(run.settings.get(key) for key in SAME_FILES), run.data.digest)
            alike.setdefault(settings, Counter())[run.data.decoded] += 1
    several = [pixels for pixels in alike.values() if len(pixels) > 1]
    if not several:
        return []
    number = sum(pixels.total() for pixels in several)
    others = number - sum(max(pixels.values()) for pixels in several)
    return [
        f"{others} of {number} runs decoded the same files to other pixels than the rest, as another version of Pillow "
        "may do; this does not keep them apart."
    ]
