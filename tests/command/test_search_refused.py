"""What hydra/sweeper=optuna refuses, in one line and before any work."""

from pathlib import Path

import pytest
from conftest import command, tiny
from processes import forked

optuna = pytest.importorskip("optuna", reason="the extra optuna is not installed")

SEARCH = ["-m", "hydra/sweeper=optuna"]
# What hydra-optuna-sweeper does when Hydra finds it.
PLUGIN = """
from dataclasses import dataclass, field
from hydra.core.config_store import ConfigStore


@dataclass
class Conf:
    _target_: str = "hydra_plugins.sweeper.Minimising"
    defaults: list = field(default_factory=lambda: [{"sampler": "tpe"}])


ConfigStore.instance().store(group="hydra/sweeper", name="optuna", node=Conf)
"""


@pytest.mark.parametrize(
    ("words", "line"),
    [
        (["optimizer.lr=interval(1e-3,1e-2)", "seed=0,1"], "seed: cannot be searched, for the best seed is luck"),
        (["optimizer.lr=0.01"], "hydra/sweeper=optuna: nothing is searched"),
        (["optimizer.lr=tag(log,interval(0,1))"], "optimizer.lr=tag(log,interval(0,1)): cannot be searched"),
        (["optimizer.lr=tag(lgo,interval(1e-3,1e-2))"], "optimizer.lr=tag(lgo,interval(1e-3,1e-2)): an interval may"),
        (["optimizer.lr=interval(1e-3,1e-2)", "report.wandb=true"], "report.wandb=true: a search has no seeds"),
        (["optimizer.lr=interval(-1,1)"], "optimizer.lr=-1.0: must be"),
        (["train.epochs=interval(1,3)"], "train.epochs=1.0: expected a whole number"),
        (["optimizer.lr=interval(1e-3,1e-2)", "hydra.sweeper.n_trials=0"], "hydra.sweeper.n_trials=0: must be"),
        (["optimizer.lr=interval(1e-3,1e-2)", "hydra.sweeper.sampler=null"], "hydra.sweeper.sampler: cannot be made"),
        (["optimizer.lr=interval(1e-3,1e-2)", "task=preview"], "task=preview: has no Dice"),
        (
            ["optimizer.lr=interval(1e-3,1e-2)", "hydra/sweeper=basic"],
            "optimizer.lr=interval(1e-3,1e-2): a sweep takes",
        ),
    ],
)
def test_what_cannot_be_searched_is_one_line_before_any_work(
    words: list[str], line: str, oxford: Path, tmp_path: Path
) -> None:
    given = [
        word for word in tiny(oxford) if not word.startswith(tuple(f"{word.partition('=')[0]}=" for word in words))
    ]
    sweeper = [] if "hydra/sweeper=basic" in words else ["hydra/sweeper=optuna"]
    refused = forked("-m", *sweeper, *given, *words, cwd=tmp_path)
    assert refused.returncode == 2
    assert refused.stderr.count("\n") == 1
    assert refused.stderr.startswith(line)
    assert not (tmp_path / "runs").exists()


def test_without_the_extra_one_line_says_how_to_get_it(oxford: Path, tmp_path: Path) -> None:
    (tmp_path / "optuna.py").write_text("raise ImportError")
    words = [*SEARCH, *tiny(oxford), "optimizer.lr=interval(1e-3,1e-2)"]
    refused = command(*words, cwd=tmp_path, PYTHONPATH=str(tmp_path))
    assert refused.returncode == 2
    assert refused.stderr == "hydra/sweeper=optuna: Optuna is not there; pip install 'pets_seg[optuna]'\n"
    assert not (tmp_path / "runs").exists()


def test_the_plugin_of_the_same_name_may_be_installed(tmp_path: Path) -> None:
    (tmp_path / "hydra_plugins").mkdir()
    (tmp_path / "hydra_plugins" / "sweeper.py").write_text(PLUGIN)
    words = ["hydra/sweeper=optuna", "--cfg=hydra", "--package=hydra.sweeper"]
    shown = command(*words, cwd=tmp_path, PYTHONPATH=str(tmp_path))
    assert shown.returncode == 0, shown.stderr
    assert "_target_: hydra_plugins.pets_seg.OptunaSweeper\n" in shown.stdout


@pytest.mark.slow
def test_a_study_that_is_not_understood_is_refused(oxford: Path, tmp_path: Path) -> None:
    words = [*tiny(oxford), "name=s", "optimizer.lr=0.01"]
    assert forked("-m", *words, "seed=0,1", cwd=tmp_path).returncode == 0
    database = tmp_path / "runs" / "s" / "study.db"
    database.write_text("no database")
    report = forked("task=report", "runs=runs/s", cwd=tmp_path)
    assert report.returncode == 2
    assert report.stdout.startswith("runs/s/study.db: cannot be read as a search (file is not a database)")
    # A sweep beside it would end without a report.
    sweep = forked("-m", *words, "seed=0,1,2", cwd=tmp_path)
    assert sweep.returncode == 2
    assert sweep.stderr.startswith("runs/s/study.db: cannot be read as a search")
    assert len(list((tmp_path / "runs" / "s").glob("unet-*"))) == 2
    database.unlink()
    # One of another program, which minimises.
    optuna.create_study(storage=f"sqlite:///{database}", study_name="other")
    assert "not a search of this program" in forked("task=report", "runs=runs/s", cwd=tmp_path).stdout
