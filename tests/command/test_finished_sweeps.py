"""A sweep that is finished is answered without torch, and only if everything is as it was."""

import json
import os
import re
import shutil
import subprocess
import sys
from collections.abc import Callable
from pathlib import Path

import pytest
from conftest import command, picture
from extending import FILES, rows, small
from four_runs import sweep, train
from processes import forked

Command = Callable[..., tuple[int, str]]
# What every Python process does first: at its end it tells which modules it has imported.
TELL = """
import atexit, os, sys
if "pets_seg.run" in sys.orig_argv:
    def tell():
        with open(os.environ["MODULES"], "w") as file:
            file.write("\\n".join(sys.modules))
    atexit.register(tell)
"""
HEAVY = {"torch", "torchvision", "kornia", "matplotlib", "wandb"}


def files(folder: Path) -> dict[str, tuple[int, int]]:
    """Return size and time of every file in a folder but locks, which are opened to be looked at."""
    found = [path for path in folder.rglob("*") if path.is_file() and path.suffix != ".lock" and path.name != ".lock"]
    return {str(path.relative_to(folder)): (path.stat().st_size, path.stat().st_mtime_ns) for path in found}


def without_times(shown: str) -> str:
    """Return the lines of a sweep without the time that its first jobs took."""
    return re.sub(r"^(job \d/\d), .* done", r"\1", shown, flags=re.MULTILINE)


def started_again(work: Path, *words: str) -> tuple[subprocess.CompletedProcess[str], set[str]]:
    """Run the command line in a process of its own; return it, and the modules that it imported."""
    site = work / "site"
    site.mkdir(exist_ok=True)
    (site / "sitecustomize.py").write_text(TELL)
    path = os.pathsep.join([str(site), str(work)])
    done = command(*words, cwd=work, PYTHONPATH=path, MODULES=str(site / "modules"))
    return done, set((site / "modules").read_text().splitlines())


@pytest.fixture(scope="module")
def trained(tmp_path_factory: pytest.TempPathFactory) -> tuple[Path, Path]:
    """The root of a data set, and a folder in which its sweep of four runs was trained."""
    return train(tmp_path_factory)


@pytest.mark.slow
def test_it_shows_the_same_without_torch_and_writes_nothing(
    trained: tuple[Path, Path], monkeypatch: pytest.MonkeyPatch, capfd: pytest.CaptureFixture[str]
) -> None:
    root, work = trained
    before = files(work / "runs")
    done, modules = started_again(work, *sweep(root))
    assert (done.returncode, done.stderr) == (0, "")
    assert "pandas" in modules
    assert modules & HEAVY == set()
    assert files(work / "runs") == before
    # With train.device=auto it asks for devices, in a child process that does without torch too.
    done, modules = started_again(work, *[word for word in sweep(root) if word != "train.device=cpu"])
    assert done.stdout.count("finished already") == 4
    assert modules & HEAVY == set()

    # What jobs print that look for themselves.
    from pets_seg.run import main

    monkeypatch.setattr("pets_seg.command.hooks.find_finished", lambda config, jobs: [])
    monkeypatch.chdir(work)
    monkeypatch.setenv("HYDRA_FULL_ERROR", "0")
    monkeypatch.setattr(sys, "argv", ["run.py", *sweep(root)])
    capfd.readouterr()
    main()
    assert without_times(capfd.readouterr().out) == done.stdout


@pytest.mark.slow
def test_a_wrong_value_is_refused_as_in_any_sweep(trained: tuple[Path, Path]) -> None:
    root, work = trained
    for word, line in (
        ("train.device=cuda:7", "train.device=cuda:7: 0 CUDA devices here"),
        ("tracker.mode=of", "tracker.mode=of: must be one of auto, online"),
        ("existing=again", "existing=again: must be one of continue, restart"),
        ("model.width=x", "model.width=x: expected a whole number"),
    ):
        done = forked(*sweep(root), word, cwd=work)
        assert done.returncode == 2
        assert line in done.stderr
        assert len(done.stderr.splitlines()) == 1


@pytest.mark.slow
def test_the_page_is_written_if_a_run_changed_or_a_part_of_it_is_not_there(trained: tuple[Path, Path]) -> None:
    root, work = trained
    folder = work / "runs" / "default"
    page = folder / "report.html"

    def written(*words: str) -> bool:
        before = page.stat().st_mtime_ns if page.exists() else None
        done = forked(*words, cwd=work)
        assert done.returncode == 0, done.stderr
        assert f"page      {page.absolute().as_uri()}" in done.stdout
        return page.stat().st_mtime_ns != before

    assert written("task=report", "runs=runs/default")
    # Of that page it is not known what it was made of, as of one that an older version wrote.
    assert written(*sweep(root))
    (folder / "figures" / "curves_7in.pdf").unlink()
    assert written(*sweep(root))
    assert (folder / "figures" / "curves_7in.pdf").is_file()
    run = next(folder.glob("unet-none-*-s0-*"))
    summary = (run / "summary.json").read_text()
    (run / "summary.json").write_text(json.dumps({**json.loads(summary), "test_dice": 0.5}))
    assert written(*sweep(root))
    assert "0.5" in [row["test_dice"] for row in rows(folder / "runs.csv")]
    (run / "summary.json").write_text(summary)


@pytest.mark.slow
def test_a_new_metric_is_scored_once(trained: tuple[Path, Path]) -> None:
    root, work = trained
    done = forked(*sweep(root, "metric=boundary_f1"), cwd=work)
    assert done.stdout.count("scoring the best weights again for boundary_f1") == 4, done.stderr
    done, modules = started_again(work, *sweep(root, "metric=boundary_f1"))
    assert done.stdout.count("finished already") == 4
    assert modules & HEAVY == set()
    done = forked(*sweep(root, "metric=boundary_f1", "metric.boundary_f1.tolerance=0.1"), cwd=work)
    assert done.stdout.count("scoring the best weights again") == 4
    done = forked(*sweep(root, "metric=boundary_f1", "metric.boundary_f1.tolerance=x"), cwd=work)
    assert (done.returncode, len(done.stderr.splitlines())) == (2, 1)


@pytest.mark.slow
def test_restart_trains_and_other_data_and_commits_are_told(oxford: Path, tmp_path: Path) -> None:
    words = [*sweep(oxford)[:-2], "aug=none", "seed=0,1"]
    assert forked(*words, cwd=tmp_path).returncode == 0
    assert forked(*words, "existing=restart", cwd=tmp_path).stdout.count("epoch 1/1") == 2
    for file in (tmp_path / "runs" / "default").glob("*/status.json"):
        status = json.loads(file.read_text())
        file.write_text(json.dumps({**status, "git": {"commit": "c" * 40, "dirty": False}}))
    shown = forked(*words, cwd=tmp_path).stdout
    assert shown.count("finished already") == 2
    if (Path(__file__).parents[2] / ".git").exists():
        assert shown.count(f"this run was begun with commit {'c' * 10}, the code is now at ") == 2
    # The same bytes with another time are the same data, and one other image is not.
    image = oxford / "oxford-iiit-pet" / "images" / "pet_1.jpg"
    os.utime(image, (1, 1))
    assert forked(*words, cwd=tmp_path).stdout.count("finished already") == 2
    picture(99)[0].save(image)
    done = forked(*words, cwd=tmp_path)
    assert done.returncode == 1
    assert done.stdout.count("was trained on other data (1 image is another)") >= 2
    assert "finished already" not in done.stdout


@pytest.mark.slow
def test_code_of_ones_own_is_compared_without_an_import(oxford: Path, tmp_path: Path) -> None:
    for name, text in FILES.items():
        (tmp_path / name).parent.mkdir(parents=True, exist_ok=True)
        (tmp_path / name).write_text(text)
    words = ["-m", "hydra.searchpath=[file://conf]", "model=tiny", "metric=area", *small(oxford), "seed=0,1"]
    first, modules = started_again(tmp_path, *words)
    assert first.returncode == 0, first.stderr
    assert {"tiny", "torch"} <= modules
    done, modules = started_again(tmp_path, *words)
    assert done.stdout.count("finished already") == 2, done.stdout + done.stderr
    assert modules & {"tiny", *HEAVY} == set()
    # The masks on the page are those of one's own network here too.
    shutil.rmtree(tmp_path / "runs" / "default" / "figures")
    done, _ = started_again(tmp_path, *words)
    assert done.stdout.count("finished already") == 2
    assert (tmp_path / "runs" / "default" / "figures" / "masks_7in.pdf").exists()
    (tmp_path / "tiny.py").write_text(FILES["tiny.py"] + "\nX = 1\n")
    done, _ = started_again(tmp_path, *words)
    assert done.returncode == 1
    assert "tiny.Tiny, or of a module that it imports from its folder, has changed since" in done.stdout
    (tmp_path / "tiny.py").write_text(FILES["tiny.py"])
    # A metric of other code is another one.
    metric = next(name for name in FILES if "def area" in FILES[name])
    (tmp_path / metric).write_text(FILES[metric] + "\nX = 1\n")
    done, _ = started_again(tmp_path, *words)
    assert done.stdout.count("scoring the best weights again for area") == 2, done.stdout + done.stderr


@pytest.mark.slow
def test_a_finished_sweep_of_another_launcher_launches_nothing(trained: tuple[Path, Path]) -> None:
    root, work = trained
    words = [*sweep(root), "hydra/launcher=submitit_local"]
    # What tests before this one changed is in the page then.
    assert forked(*sweep(root), cwd=work).returncode == 0
    done, modules = started_again(work, *words, "train.precision=fp32")
    assert done.stdout.count("finished already") == 4, done.stderr
    assert modules & HEAVY == set()
    assert not list((work / "runs" / "default").glob(".submitit*"))
