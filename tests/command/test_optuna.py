"""hydra/sweeper=optuna: a search that maximises validation Dice, goes on where it was cut, and compares no trials."""

import json
import re
import shlex
from pathlib import Path

import pytest
from conftest import command, tiny
from processes import finish, forked

from pets_seg.run_folder.search import COMPLETE, FAILED, Search, read_search

optuna = pytest.importorskip("optuna", reason="the extra optuna is not installed")

SEARCH = ["-m", "hydra/sweeper=optuna"]
SPACE = [
    "optimizer.lr=tag(log,interval(1e-3,1e-1))",
    "optimizer.weight_decay=0,0.01,0.1",
    "model.width=int(interval(4,9))",
]
# So that the second half of five trials is what Optuna makes of the first.
FIVE = ["hydra.sweeper.n_trials=5", "+hydra.sweeper.sampler.n_startup_trials=2"]


def settings(root: Path) -> list[str]:
    words = [word for word in tiny(root) if not word.startswith("model.width")]
    return [*SEARCH, *words, *SPACE, *FIVE, "name=s", "train.epochs=4"]


def searched(work: Path, name: str = "s") -> Search:
    search = read_search(work / "runs" / name)
    assert search
    return search


def begun(shown: str) -> list[str]:
    """Return which trials a command began."""
    return re.findall(r"^trial (\d+/\d+): ", shown, re.M)


def summary(work: Path, run: str, name: str = "s") -> dict[str, float]:
    return json.loads((work / "runs" / name / run / "summary.json").read_text())


@pytest.mark.slow
def test_a_search_maximises_validation_dice_and_goes_on_after_a_kill_as_if_it_had_not_been_cut(
    oxford: Path, tmp_path: Path
) -> None:
    whole, cut = tmp_path / "whole", tmp_path / "cut"
    whole.mkdir()
    words = settings(oxford)
    ran = forked(*words, cwd=whole)
    assert ran.returncode == 0, ran.stderr
    search = searched(whole)
    [study] = optuna.study.get_all_study_summaries(f"sqlite:///{whole}/runs/s/study.db")
    assert study.direction == optuna.study.StudyDirection.MAXIMIZE
    assert [trial.state for trial in search.trials] == [COMPLETE] * 5
    told = [trial.dice for trial in search.trials]
    assert told == [summary(whole, trial.run)["best_val_dice"] for trial in search.trials]
    assert len({*told}) > 1
    assert search.complete[0].dice == study.best_trial.value == max(told)
    # The terminal names the best trial and its settings as words of a command.
    assert f"best      trial {1 + study.best_trial.number}: validation Dice {max(told):.4f}" in ran.stdout
    assert f"settings  {' '.join(search.complete[0].words)}\n" in ran.stdout
    assert "5 trials, 5 complete\n" in ran.stdout
    assert re.search(r"page +file://.*/runs/s/report.html\n", ran.stdout)

    assert finish(cut, words, ("pets_seg.command.one_run.train", 4)) < 0
    assert [trial.state for trial in searched(cut).trials] == [COMPLETE] * 3 + ["interrupted"]
    again = forked(*words, cwd=cut)
    assert again.returncode == 0, again.stderr
    assert begun(again.stdout) == ["4/5", "5/5"]
    assert searched(cut).trials == search.trials
    # There is nothing left to do.
    third = forked(*words, cwd=cut)
    assert (third.returncode, begun(third.stdout)) == (0, [])
    assert third.stdout.split("Search in")[1] == again.stdout.split("Search in")[1]


@pytest.mark.slow
def test_a_failed_trial_stops_no_other_and_the_same_settings_are_not_trained_again(
    oxford: Path, tmp_path: Path
) -> None:
    fixed = ["optimizer=sgd", "name=s", "hydra.sweeper.n_trials=6", "hydra.sweeper.n_jobs=2"]
    ran = forked(*SEARCH, *tiny(oxford), *fixed, "optimizer.lr=0.01,1e30", cwd=tmp_path)
    assert ran.returncode == 1, ran.stderr
    trials = searched(tmp_path).trials
    states = {trial.words[0]: trial.state for trial in trials}
    assert states == {"optimizer.lr=0.01": COMPLETE, "optimizer.lr=1e+30": FAILED}
    assert len(trials) == 6
    good = [trial for trial in trials if trial.state == COMPLETE]
    assert ran.stdout.count("finished already") == len(good) - 1
    assert f"{len(good)} complete" in ran.stdout
    assert f"{6 - len(good)} failed" in ran.stdout
    assert "settings  optimizer.lr=0.01\n" in ran.stdout
    # A failed trial counts as one of the six.
    again = forked(*SEARCH, *tiny(oxford), *fixed, "optimizer.lr=0.01,1e30", cwd=tmp_path)
    assert (again.returncode, begun(again.stdout)) == (1, [])
    # More can be asked for.
    fixed[2] = "hydra.sweeper.n_trials=7"
    more = forked(*SEARCH, *tiny(oxford), *fixed, "optimizer.lr=0.01,1e30", cwd=tmp_path)
    assert begun(more.stdout) == ["7/7"]


@pytest.mark.slow
def test_trials_that_the_launcher_did_not_start_wait_for_the_next_command(oxford: Path, tmp_path: Path) -> None:
    fixed = ["optimizer=sgd", "name=s", "hydra.sweeper.n_trials=4", "hydra.sweeper.n_jobs=2", "optimizer.lr=1e30,2e30"]
    local = ["hydra/launcher=local", "hydra.launcher.slots=1", "hydra.launcher.stop_after=1"]
    ran = command(*SEARCH, *tiny(oxford), *fixed, *local, cwd=tmp_path)
    assert ran.returncode == 1, ran.stderr
    assert begun(ran.stdout) == ["1/4", "2/4"]
    assert [trial.number for trial in searched(tmp_path).trials if trial.state == FAILED] == [1]
    more = forked(*SEARCH, *tiny(oxford), *fixed, cwd=tmp_path)
    assert begun(more.stdout) == ["2/4", "3/4", "4/4"]


@pytest.mark.slow
def test_a_sampler_that_has_tried_everything_ends_the_search(oxford: Path, tmp_path: Path) -> None:
    fixed = ["name=s", "hydra.sweeper.n_trials=5", "optimizer.lr=0.01,0.02"]
    sampler = "hydra.sweeper.sampler._target_=optuna.samplers.BruteForceSampler"
    ran = forked(*SEARCH, *tiny(oxford), *fixed, sampler, cwd=tmp_path)
    assert ran.returncode == 0, ran.stderr
    assert begun(ran.stdout) == ["1/5", "2/5"]
    assert "the sampler has tried all settings\n" in ran.stdout
    assert sorted(trial.words[0] for trial in searched(tmp_path).complete) == ["optimizer.lr=0.01", "optimizer.lr=0.02"]


@pytest.mark.slow
def test_a_search_is_not_compared_and_its_next_command_runs_the_best_settings_with_new_seeds(
    oxford: Path, tmp_path: Path
) -> None:
    words = [*SEARCH, *tiny(oxford), "name=s", "hydra.sweeper.n_trials=2", "optimizer.lr=interval(0.001,0.01)"]
    ran = forked(*words, cwd=tmp_path)
    assert ran.returncode == 0, ran.stderr
    # Without Optuna, and later, the report says the same.
    (tmp_path / "bare").mkdir()
    (tmp_path / "bare" / "optuna.py").write_text("raise ImportError")
    report = command("task=report", "runs=runs/s", cwd=tmp_path, PYTHONPATH=str(tmp_path / "bare"))
    assert report.returncode == 0, report.stderr
    shown = report.stdout[report.stdout.index("Search in") :]
    assert shown == ran.stdout[ran.stdout.index("Search in") :]
    assert "\nTrials are no seeds of one another" in shown
    for word in ("95 % CI", "test Dice against", "difference", "cannot be told apart"):
        assert word not in shown
    page = (tmp_path / "runs" / "s" / "report.html").read_text()
    assert '<section id="search">\n<h2>Search</h2>' in page
    assert "Trials are no seeds of one another" in page
    assert "95 % CI" not in page
    best = searched(tmp_path).complete[0]
    assert f"{summary(tmp_path, best.run)['test_dice']:.4f}" not in page.replace(f"{best.dice:.4f}", "")
    [line] = re.findall(r"^  .* -m pets_seg\.run (.*)$", shown, re.M)
    assert line in page.replace("&#39;", "'")
    after = forked(*shlex.split(line), cwd=tmp_path)
    assert after.returncode == 0, after.stderr
    seeds = sorted(run.name.split("-s")[1][0] for run in (tmp_path / "runs" / "s-seeds").glob("unet-*"))
    assert seeds == ["1", "2", "3", "4", "5"]
    [lr] = {
        re.search(r"^  lr: (.*)$", file.read_text(), re.M)[1]
        for file in (tmp_path / "runs" / "s-seeds").glob("*/config.yaml")
    }
    assert f"optimizer.lr={float(lr)!r}" == best.words[0]
    # Ordinary runs in the folder of a search are compared without its trials.
    mixed = forked("-m", *tiny(oxford), "name=s", "aug=none,hflip", "seed=7", cwd=tmp_path)
    assert mixed.returncode == 0, mixed.stderr
    assert "left out: runs/s/study.db: 2 runs beside it: trials of a search" in mixed.stdout
    assert "test Dice against none" in mixed.stdout
    assert not re.search(r"^optimizer\.lr=\S+ ", mixed.stdout.split("left out:")[1], re.M)


@pytest.mark.slow
def test_another_search_under_the_name_of_one_is_refused(oxford: Path, tmp_path: Path) -> None:
    words = [*SEARCH, *tiny(oxford), "name=s", "hydra.sweeper.n_trials=1"]
    assert forked(*words, "optimizer.lr=interval(0.001,0.01)", cwd=tmp_path).returncode == 0
    for change, line in (
        ("optimizer.lr=interval(0.001,0.02)", "optimizer.lr: was 0.001 to 0.01 in the search"),
        ("optimizer.lr=interval(0.001,0.01) train.batch_size=5", "train.batch_size: was 16 in the search"),
        ("optimizer.lr=interval(0.001,0.01) seed=1", "seed: was 0 in the search"),
    ):
        refused = forked(*words, *change.split(), cwd=tmp_path)
        assert refused.returncode == 2
        assert refused.stderr.startswith(line)
        assert refused.stderr.endswith("so give another name=...\n")
    assert len(searched(tmp_path).trials) == 1


@pytest.mark.slow
def test_a_search_that_a_file_describes_ends_with_a_command_that_repeats_its_best_run(
    oxford: Path, tmp_path: Path
) -> None:
    own = tmp_path / "conf" / "experiment"
    own.mkdir(parents=True)
    (own / "tuned.yaml").write_text(
        "# @package _global_\ndefaults:\n  - override /hydra/sweeper: optuna\nname: tuned\nhydra:\n  sweeper:\n"
        "    n_trials: 2\n    params:\n      optimizer.lr: interval(0.001,0.01)\n"
    )
    searchpath = f"hydra.searchpath=[file://{tmp_path / 'conf'}]"
    ran = forked(searchpath, "experiment=tuned", *tiny(oxford), cwd=tmp_path)
    assert ran.returncode == 0, ran.stderr
    best = searched(tmp_path, "tuned").complete[0]
    assert f" -m replay=runs/tuned/{best.run} seed=1,2,3,4,5 name=tuned-seeds\n" in ran.stdout


@pytest.mark.slow
def test_two_commands_are_not_at_one_search(oxford: Path, tmp_path: Path) -> None:
    from filelock import FileLock

    words = [*SEARCH, *tiny(oxford), "name=s", "hydra.sweeper.n_trials=1", "optimizer.lr=interval(0.001,0.01)"]
    (tmp_path / "runs" / "s").mkdir(parents=True)
    with FileLock(tmp_path / "runs" / "s" / ".lock"):
        refused = forked(*words, cwd=tmp_path)
    assert refused.returncode == 2
    assert refused.stderr == "runs/s: another process is at this search; wait for it, or end it\n"
    assert forked(*words, cwd=tmp_path).returncode == 0
