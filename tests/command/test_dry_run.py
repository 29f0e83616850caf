"""`dry_run=true` says what a command would do, and does nothing."""

import os
import re
from collections.abc import Callable
from pathlib import Path

import pytest
from conftest import SAVED, command, only_run, tiny
from hydra import compose, initialize_config_module
from processes import die, finish, forked, pause, start, wait_for
from test_finished_sweeps import files, started_again
from test_other_sweepers import SWEEPER

from pets_seg import compose as compose_run
from pets_seg import run_config
from pets_seg.config.identity import run_name
from pets_seg.errors import InputError

Command = Callable[..., tuple[int, str]]
TIME = r"[\d.]+ (?:s|min)"
DRY = "dry_run=true"


def sweep(root: Path, *more: str) -> list[str]:
    return ["-m", *tiny(root), *SAVED, *more]


def state(shown: str, aug: str, seed: int) -> str:
    """Return the line of a run in a table of jobs."""
    [line, *_] = re.findall(rf"^unet-{aug}-adamw-s{seed}-\S+ +(.*)$", shown, re.MULTILINE)
    return line


@pytest.mark.slow
def test_nothing_is_made(oxford: Path, tmp_path: Path) -> None:
    work, cache = tmp_path / "work", tmp_path / "cache"
    work.mkdir()
    words = sweep(oxford, "aug=none,hflip", "seed=0,1", DRY)
    done = command(*words, cwd=work, XDG_CACHE_HOME=str(cache), COLUMNS="120")
    assert (done.returncode, done.stderr) == (0, "")
    assert list(work.iterdir()) == []
    assert not cache.exists()
    lines = done.stdout.splitlines()
    assert lines[0] == "dry run: nothing is trained or written"
    assert "4 jobs in runs/default" in lines
    assert state(done.stdout, "hflip", 1).split() == ["aug=hflip", "seed=1", "to", "run"]
    assert lines[-3:] == [
        "4 to run",
        "how long they take is not known: no run like them was trained on this machine",
        "the images of data=oxford_pet would be decoded first; its images and masks are checked only then",
    ]
    with initialize_config_module("pets_seg.conf", version_base="1.3"):
        names = [
            run_name(
                compose("config", overrides=[*words[1:-3], f"aug={aug}", f"seed={seed}"], return_hydra_config=True)
            )
            for aug in ("none", "hflip")
            for seed in (0, 1)
        ]
    # They are the names of the runs that a command without it makes.
    assert re.findall(r"^unet-\S+", done.stdout, re.MULTILINE) == names


@pytest.mark.slow
def test_a_dry_run_says_how_far_each_run_is(oxford: Path, tmp_path: Path) -> None:
    words = sweep(oxford, "aug=none,hflip", "seed=0,1")
    assert forked(*sweep(oxford, "seed=0"), cwd=tmp_path).returncode == 0
    # Killed as it writes what its second epoch gave.
    begun = [*tiny(oxford), *SAVED, "seed=1"]
    assert finish(tmp_path, begun, ("pets_seg.training.loop.write_epoch", 2), die) == -9
    held = start(tmp_path, [*tiny(oxford), *SAVED, "aug=hflip"], ("pets_seg.training.loop.write_epoch", 1), pause)
    wait_for((tmp_path / "halted").exists)
    before = files(tmp_path / "runs")
    shown = forked(*words, DRY, cwd=tmp_path).stdout
    assert files(tmp_path / "runs") == before
    (tmp_path / "go").touch()
    held.join(100)
    assert state(shown, "none", 0).endswith("finished")
    assert re.search(rf"to continue \(1 of 2 epochs\) +about {TIME}$", state(shown, "none", 1))
    assert state(shown, "hflip", 0).endswith("at work elsewhere")
    assert re.search(r"^unet-hflip-adamw-s0-\S+ at work elsewhere: host .*, pid \d+, since ", shown, re.MULTILINE)
    assert re.search(rf"to run +about {TIME}$", state(shown, "hflip", 1))
    assert "\n1 finished, 1 to continue, 1 to run, 1 at work elsewhere\n" in shown
    assert re.search(rf"\nabout {TIME} in all by what earlier runs took here\n", shown)

    # Of what the command does then, this was true.
    done = forked(*words, cwd=tmp_path)
    assert (done.returncode, done.stdout.count("finished already")) == (0, 2)
    assert "continuing after epoch" in done.stdout
    shown, modules = started_again(tmp_path, *words, DRY)
    assert "\n4 finished\n" in shown.stdout
    assert "torch" not in modules
    assert "\n4 to run\n" in forked(*words, "existing=restart", DRY, cwd=tmp_path).stdout
    assert "\n4 to score\n" in forked(*words, "metric=boundary_f1", DRY, cwd=tmp_path).stdout
    run = next((tmp_path / "runs" / "default").glob("unet-none-*-s0-*"))
    (run / "per_image.csv").write_text("")
    shown = forked(*words, DRY, cwd=tmp_path).stdout
    assert f"\n{run.name} to continue: per_image.csv is not whole\n" in shown
    assert "\n3 finished, 1 to continue\n" in shown
    done = forked(*words, cwd=tmp_path)
    assert "per_image.csv is not whole; its files are written again from last.pt" in done.stdout
    assert "epoch 1/" not in done.stdout
    (run / "checkpoints" / "last.pt").unlink()
    (run / "per_image.csv").write_text("")
    shown = forked(*words, DRY, cwd=tmp_path).stdout
    assert f"\n{run.name} to run: per_image.csv is not whole\n" in shown
    assert re.search(r"to run \(anew\) +about", shown)


@pytest.mark.slow
def test_a_run_of_other_data_is_shown_as_refused(oxford: Path, tmp_path: Path) -> None:
    words = sweep(oxford, "seed=0,1")
    assert forked(*sweep(oxford, "seed=0"), cwd=tmp_path).returncode == 0
    annotations = oxford / "oxford-iiit-pet" / "annotations"
    lists = [(annotations / f"{name}.txt").read_text().splitlines(keepends=True) for name in ("trainval", "test")]
    # The same files, one of them in another split.
    (annotations / "trainval.txt").write_text("".join(lists[0][:-1]))
    (annotations / "test.txt").write_text("".join([*lists[1], lists[0][-1]]))
    done = forked(*words, DRY, cwd=tmp_path)
    assert done.returncode == 0
    assert "\n1 to run, 1 refused\n" in done.stdout
    assert "was trained on other data (1 image is in another split)" in done.stdout


@pytest.mark.slow
def test_one_run(oxford: Path, tmp_path: Path) -> None:
    words = [*tiny(oxford), *SAVED]
    shown = forked(*words, DRY, cwd=tmp_path).stdout
    assert "\n1 job in runs/default\n" in shown
    assert "\n1 to run\n" in shown
    assert not (tmp_path / "runs").exists()
    assert forked(*words, cwd=tmp_path).returncode == 0
    before = files(tmp_path / "runs")
    assert "\n1 finished" in forked(*words, DRY, cwd=tmp_path).stdout
    assert files(tmp_path / "runs") == before
    assert "dry_run: false" in (only_run(tmp_path) / "config.yaml").read_text()


REFUSED = {
    "-m aug=none,elastc": "aug=elastc: no such option",
    "-m seed=0,1 train.epochs=0": "train.epochs=0: must be from 1",
    "-m seed=0,1 train.device=cuda:9": "train.device=cuda:9: 0 CUDA devices here",
    "-m seed=0,1 data=oxford_pet data.root=nowhere data.download=false": "sought in ",
    "-m seed=0,1 hydra.sweep.subdir=mine": "must be the run's name",
    "-m seed=0,1 train.batch_size=2 train.accumulate=3": "train.accumulate=3: must not exceed",
    "hydra.run.dir=mine": "must end in the run's name",
    "-m dry_run=true,false": "dry_run: is that of the whole sweep and cannot be swept over",
    "task=report runs=.": "dry_run: has no place with task=report",
    "dry_run=perhaps": "dry_run=perhaps: ",
}


@pytest.mark.slow
@pytest.mark.parametrize(("words", "line"), REFUSED.items())
def test_what_is_wrong_is_refused_as_always(words: str, line: str, in_process: Command, tmp_path: Path) -> None:
    small = [] if "task=" in words else ["model.width=4", "data.size=32", "tracker.mode=disabled"]
    given = words.split() if "dry_run" in words else [*words.split(), DRY]
    code, shown = in_process(*small, *given)
    assert code == 2, shown
    assert line in shown
    assert not (tmp_path / "work" / "runs").exists()


@pytest.mark.slow
def test_nothing_is_downloaded(tmp_path: Path) -> None:
    work, cache = tmp_path / "work", tmp_path / "cache"
    work.mkdir()
    small = ["data=oxford_pet", "data.size=32", "train.device=cpu", "tracker.mode=disabled"]
    # No server answers there.
    proxy = dict.fromkeys(("http_proxy", "https_proxy"), "http://127.0.0.1:9")
    words = ["-m", *small, "seed=0,1", "model=resnet34_unet", "model.pretrained=true", DRY]
    done = command(*words, cwd=work, XDG_CACHE_HOME=str(cache), TORCH_HOME=str(cache / "torch"), **proxy)
    assert (done.returncode, done.stderr) == (0, "")
    assert "\n2 to run\n" in done.stdout
    assert (
        "data=oxford_pet is not here and would be downloaded first; its images and masks are checked only"
        in done.stdout
    )
    assert list(work.iterdir()) == []
    assert not cache.exists()


def test_a_run_may_lie_in_the_folder_where_the_command_starts(oxford: Path, tmp_path: Path) -> None:
    done = forked(*tiny(oxford), "hydra.run.dir=${run_name:}", DRY, cwd=tmp_path)
    assert (done.returncode, done.stderr) == (0, "")
    assert "\n1 to run\n" in done.stdout


@pytest.mark.slow
def test_jobs_elsewhere(oxford: Path, tmp_path: Path) -> None:
    words = [word for word in sweep(oxford) if word != "train.device=cpu"]
    words += ["hydra/launcher=submitit_local", "seed=0,1", DRY]
    done = command(*words, cwd=tmp_path)
    assert (done.returncode, done.stderr) == (0, "")
    assert len(re.findall(r"^unet-none-adamw-s[01]-\? ", done.stdout, re.MULTILINE)) == 2
    assert "a name that ends in ? is not known yet: it depends on the precision" in done.stdout
    assert "how long they take is not known: they run elsewhere" in done.stdout
    # Names that differ in what is not known yet alone are those of different runs.
    shown = command(*words, "optimizer.lr=0.1,0.01", cwd=tmp_path).stdout
    assert "\n4 to run\n" in shown
    # Of a run that is there it is known how far it is.
    assert forked(*sweep(oxford, "seed=0"), cwd=tmp_path).returncode == 0
    done = command(*words, cwd=tmp_path)
    assert "\n1 finished, 1 to run\n" in done.stdout
    assert not list((tmp_path / "runs" / "default").glob(".[sj]*"))


@pytest.mark.slow
def test_jobs_that_a_sweeper_chooses_later(oxford: Path, tmp_path: Path) -> None:
    (tmp_path / "hydra_plugins").mkdir()
    (tmp_path / "hydra_plugins" / "one_by_one.py").write_text(SWEEPER)
    sweeper = "hydra.sweeper._target_=hydra_plugins.one_by_one.OneByOne"
    words = [*sweep(oxford), sweeper, "seed=0,1", DRY]
    done = command(*words, cwd=tmp_path, PYTHONPATH=str(tmp_path))
    assert (done.returncode, done.stderr) == (0, "")
    [line] = [line for line in done.stdout.splitlines() if "chooses the jobs one by one" in line]
    assert line.endswith("while the sweep runs: they are not known yet")
    assert "\nruns in runs/default: none\n" in done.stdout
    assert not (tmp_path / "runs").exists()
    assert forked(*tiny(oxford), *SAVED, cwd=tmp_path).returncode == 0
    done = command(*words, cwd=tmp_path, PYTHONPATH=str(tmp_path))
    assert "\nruns in runs/default: 1 finished\n" in done.stdout
    assert re.search(rf"\na job of the settings that all have in common takes about {TIME} here\n", done.stdout)


def test_a_script_has_no_dry_run(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.chdir(tmp_path)
    with pytest.raises(InputError, match="dry_run=true: run_config trains"):
        run_config(compose_run(DRY))
    assert os.listdir(tmp_path) == []
