"""Runs from a script or a notebook."""

import subprocess
import sys
from pathlib import Path

import pytest
from conftest import only_run, tiny
from processes import forked

SCRIPT = """
import sys
import pets_seg
assert not {"torch", "hydra"} & set(sys.modules)
from pets_seg import compose, run_config
assert "torch" not in sys.modules
cfg = compose(*sys.argv[1:])
assert cfg.train.epochs == 2
print(run_config(cfg))
"""


@pytest.mark.slow
def test_a_script_makes_the_run_of_the_command_line(oxford: Path, tmp_path: Path) -> None:
    settings = [*tiny(oxford), "aug=elastic"]
    done = subprocess.run(
        [sys.executable, "-c", SCRIPT, *settings], cwd=tmp_path, capture_output=True, text=True, check=False
    )
    assert done.returncode == 0, done.stderr
    run = only_run(tmp_path)
    assert done.stdout.splitlines()[-1] == str(run.relative_to(tmp_path))
    assert "epoch 2/2" in done.stdout
    assert "epoch 2/2" in (run / "train.log").read_text()
    assert (run / "result.png").exists()
    assert "finished already" in forked(*settings, cwd=tmp_path).stdout


def test_what_is_wrong_is_raised(oxford: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    from pets_seg import compose, run_config
    from pets_seg.errors import InputError

    monkeypatch.chdir(tmp_path)
    with pytest.raises(InputError, match=r"train\.epochs=0: must be from 1"):
        run_config(compose(*tiny(oxford), "train.epochs=0"))
    with pytest.raises(InputError, match="task=report: run_config trains"):
        run_config(compose("task=report"))
    with pytest.raises(InputError, match=r"checkpoint=runs/a/b: .* is not there"):
        run_config(compose(*tiny(oxford), "checkpoint=runs/a/b"))
    with pytest.raises(InputError, match="split: has no place with task=train"):
        compose(*tiny(oxford), "split=valid")
    with pytest.raises(InputError, match=r"report\.wandb: has no effect on a single run"):
        compose(*tiny(oxford), "report.wandb=true")
    with pytest.raises(InputError, match="aug, seed: is swept over by a chosen file"):
        compose("experiment=quickstart")
    assert not (tmp_path / "runs").exists()


def test_a_script_replays_a_run(oxford: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    from pets_seg import compose

    monkeypatch.chdir(tmp_path)
    assert forked(*tiny(oxford), "seed=5", "aug=vflip", cwd=tmp_path).returncode == 0
    cfg = compose(f"replay={only_run(tmp_path)}")
    assert (cfg.seed, cfg.aug.name, cfg.model.width, cfg.name) == (5, "vflip", 4, "replay")


def test_what_fails_is_raised_and_kept_in_the_log(
    oxford: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capfd: pytest.CaptureFixture[str]
) -> None:
    from pets_seg import compose, run_config
    from pets_seg.errors import RunError

    monkeypatch.chdir(tmp_path)
    with pytest.raises(RunError, match="the training loss is"):
        run_config(compose(*tiny(oxford), "optimizer.lr=1e30"))
    kept = (only_run(tmp_path) / "train.log").read_text()
    assert "ERROR the training loss is" in kept
    assert "Traceback" in kept
    assert "Traceback" not in capfd.readouterr().out
