"""The number of threads of a run: one that is continued keeps its own, and the report says where runs differ in it."""

import json
import os
from collections.abc import Callable
from pathlib import Path

import pytest
import torch
from conftest import SAVED, command, only_run, tiny
from outcome import check_same, outcome
from processes import die, finish

from pets_seg.command import repetition
from pets_seg.report.limits import remarks
from pets_seg.report.study.study import read_study

EPOCH = "pets_seg.training.loop.write_epoch"


@pytest.mark.slow
@pytest.mark.skipif(len(os.sched_getaffinity(0)) < 2, reason="needs two cores")
def test_a_run_is_continued_with_the_threads_that_it_was_begun_with(oxford: Path, tmp_path: Path) -> None:
    words = [*tiny(oxford), *SAVED]
    whole, cut = tmp_path / "whole", tmp_path / "cut"
    assert finish(whole, words) == 0
    assert finish(cut, words, (EPOCH, 2), die) < 0
    status = only_run(cut) / "status.json"
    begun = json.loads(status.read_text())["threads"]
    other = 3 - begun
    done = command(*words, cwd=cut, OMP_NUM_THREADS=str(other))
    assert done.returncode == 0, done.stderr
    assert f"number of threads: {begun} instead of {other}, as when the run was begun\n" in done.stdout
    assert json.loads(status.read_text())["threads"] == begun
    check_same(outcome(only_run(whole)), outcome(only_run(cut)))


def test_threads_that_this_machine_lacks_are_told(
    oxford: Path, tmp_path: Path, in_process: Callable, monkeypatch: pytest.MonkeyPatch
) -> None:
    words = [*tiny(oxford), *SAVED]
    assert finish(tmp_path / "work", words, (EPOCH, 2), die) < 0
    status = only_run(tmp_path / "work") / "status.json"
    status.write_text(json.dumps(json.loads(status.read_text()) | {"threads": 64}))
    own = torch.get_num_threads()
    monkeypatch.setattr(repetition, "_cores", lambda: 2)
    code, shown = in_process(*words)
    assert code == 0
    assert f"the run was begun with 64 threads and is continued with {own} (2 cores), so that figures differ" in shown
    assert torch.get_num_threads() == own
    facts = json.loads(status.read_text())
    assert (facts["threads"], facts["earlier_threads"]) == (own, [64])
    [sentence] = [line for line in remarks(read_study([status.parent.parent])) if "threads" in line]
    assert sentence.startswith(f"{status.parent.name} was continued with another number of threads than before")


@pytest.mark.slow
def test_groups_that_mix_numbers_of_threads_are_told(oxford: Path, tmp_path: Path) -> None:
    assert finish(tmp_path / "work", ["-m", *tiny(oxford), "aug=none,hflip", "seed=0,1"]) == 0
    sweep = tmp_path / "work" / "runs" / "default"
    runs = sorted(sweep.glob("unet-*"))

    def threads(run: Path, **facts: object) -> None:
        status = json.loads((run / "status.json").read_text())
        (run / "status.json").write_text(json.dumps(status | facts))

    def told() -> list[str]:
        # Another remark is made where the machine was busy with other work.
        return [line for line in remarks(read_study([sweep])) if "threads" in line]

    for run in runs:
        threads(run, threads=2)
    assert told() == []
    threads(runs[0], threads=1)
    assert told() == [
        "The runs had different numbers of threads (3 runs with 2 threads and one run with one thread; aug=hflip mixes "
        "them): the same command gives figures there that differ by rounding."
    ]
    threads(runs[1], threads=1)
    assert told() == [
        "The runs had different numbers of threads (2 runs with one thread and 2 runs with 2 threads): the same "
        "command gives figures there that differ by rounding."
    ]
    for run in runs[:2]:
        threads(run, device="cuda (H100)")
    assert told() == []
