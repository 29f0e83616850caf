"""What a report makes of the trials of a search: the best of them, and no group."""

import json
from pathlib import Path

import pytest
from sweeps import SMALL, write_sweep

from pets_seg.command.tasks.report import markdown_report
from pets_seg.report.page import write_page
from pets_seg.report.search import next_command, search_sentences, trials_table
from pets_seg.report.study.study import Study, read_study
from pets_seg.report.sweep import show_sweep
from pets_seg.run_folder.search import SEARCH, TRIAL

optuna = pytest.importorskip("optuna", reason="the extra optuna is not installed")

EFFECTS = {"first": 0.0, "second": 0.03, "third": -0.05}
COMMON = ["data.root='a b'", "seed=3", "name=old", "existing=restart"]


def write_search(folder: Path, runs: list[Path]) -> None:
    """Write the study of a search whose trials are `runs`, and one that failed."""
    study = optuna.create_study(storage=f"sqlite:///{folder}/study.db", study_name="s", direction="maximize")
    study.set_user_attr(SEARCH, {"settings": {}, "space": {"aug": "first, second"}, "words": COMMON, "seed": 3})
    for run in runs:
        trial = study.ask()
        name = json.loads((run / "summary.json").read_text())["best_val_dice"]
        trial.set_user_attr(TRIAL, {"words": [f"aug={run.name.split('-')[1]}"], "run": run.name})
        study.tell(trial, name)
    trial = study.ask()
    trial.set_user_attr(TRIAL, {"words": ["aug=none"], "error": "aug=none: is not here"})
    study.tell(trial, state=optuna.trial.TrialState.FAIL)


@pytest.fixture
def folder(tmp_path: Path) -> Path:
    # Signs that mean something in the address of a database.
    folder = tmp_path / "a?b#c%20d"
    write_sweep(folder, {name: {"effect": effect} for name, effect in EFFECTS.items()}, **{**SMALL, "seeds": 1})
    (tmp_path / "plain").mkdir()
    write_search(tmp_path / "plain", sorted(folder.glob("unet-*")))
    (tmp_path / "plain" / "study.db").rename(folder / "study.db")
    return folder


def dice(study: Study) -> dict[str, float]:
    return {run.name: run.number("best_val_dice") for run in study.runs}


def test_the_best_trial_and_the_command_for_its_settings(folder: Path) -> None:
    study = read_study([folder])
    [search] = study.searches
    assert (study.groups, study.differences, study.left_out) == ([], [], [])
    values = dice(study)
    best = max(values, key=lambda name: values[name])
    assert [trial.run for trial in search.complete] == sorted(values, key=lambda name: -values[name])
    assert search_sentences(study)[0].startswith(
        f"The best of 3 trials is trial {1 + sorted(values).index(best)}: validation Dice {values[best]:.4f} with aug="
    )
    words = next_command(study, search)
    assert words == f"-m 'data.root='\"'\"'a b'\"'\"'' aug={best.split('-')[1]} seed=4,5,6,7,8 'name=a?b#c%20d-seeds'"
    table = trials_table(search)
    assert [row[0] for row in table.rows] == [*(str(trial.number) for trial in search.complete), "4"]
    assert table.note.endswith("Trial 4: aug=none: is not here.")


def test_the_terminal_and_the_page_show_no_test_dice_and_no_verdict(
    folder: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    study = read_study([folder])
    # A trial failed.
    assert not show_sweep(study, [], None)
    text = capsys.readouterr().out + markdown_report(study)
    page = write_page(study, folder, [], [], [], [], []).read_text()
    for run in study.runs:
        assert f"{run.number('best_val_dice'):.4f}" in text
        for shown in (text, page):
            assert f"{run.number('test_dice'):.4f}" not in shown
    assert "95 % CI" not in text
    assert "4 trials, 3 complete, 1 failed" in text
    assert (folder / "figures" / "search_7in.svg").is_file()


def test_trials_stay_trials_when_their_folders_are_given_one_by_one(folder: Path) -> None:
    study = read_study(sorted(folder.glob("unet-*")))
    assert len(study.searches) == 1
    assert study.groups == []


def test_other_runs_are_compared_without_the_trials(folder: Path, tmp_path: Path) -> None:
    write_sweep(tmp_path / "others", {"none": {}, "elastic": {"effect": 0.1}}, **SMALL)
    study = read_study([folder, tmp_path / "others"])
    assert sorted(group.name for group in study.groups) == ["aug=elastic", "aug=none"]
    [item] = study.left_out
    assert (item.what, item.why[:17]) == (f"{folder}/study.db", "3 runs beside it:")
    assert search_sentences(study)[0].startswith("The best of 3 trials")


def test_equal_trials_and_runs_that_were_trained_again_are_told(folder: Path) -> None:
    study = read_study([folder])
    [search] = study.searches
    path = folder / search.complete[1].run / "summary.json"
    path.write_text(json.dumps(json.loads(path.read_text()) | {"best_val_dice": 0.999}))
    sentences = search_sentences(read_study([folder]))
    assert (
        f"{path.parent.name}: trained again since, with another validation Dice than the search was told." in sentences
    )
    search.trials.append(search.complete[0])
    assert "; one later trial has the same Dice." in search_sentences(study)[0]


def test_no_trial_is_the_best_of_different_data(folder: Path) -> None:
    for number, run in enumerate(sorted(folder.glob("unet-*"))):
        path = run / "status.json"
        path.write_text(json.dumps(json.loads(path.read_text()) | {"data": {"digest": str(min(number, 1)) * 32}}))
    study = read_study([folder])
    [search] = study.searches
    assert search_sentences(study)[0].startswith("The trials are of different data")
    assert next_command(study, search) == ""
