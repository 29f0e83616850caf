"""Whether a command is a sweep: its flags, its values and the files that it chooses say so."""

from collections.abc import Callable
from pathlib import Path

import pytest
from conftest import tiny
from omegaconf import DictConfig
from processes import forked
from refusals import refused

from pets_seg.command.prepare import words_given
from pets_seg.errors import InputError

Command = Callable[..., tuple[int, str]]
STUDIES = {
    "study": "hydra: {sweeper: {params: {aug: 'none,hflip', seed: '0,1'}}}",
    "other": "hydra: {sweeper: {params: {seed: '0,1'}}}",
    "old": "hydra: {mode: MULTIRUN, sweeper: {params: {seed: '0,1'}}}",
    "bare": "hydra: {mode: MULTIRUN}",
    "held": "hydra: {mode: RUN, sweeper: {params: {seed: '0,1'}}}",
    "built": "defaults: [study, _self_]\ntrain: {epochs: 1}",
    "nets": "hydra: {sweeper: {params: {optimizer: 'sgd,muon'}}}",
    "plain": "train: {epochs: 1}",
}


@pytest.fixture
def conf(tmp_path: Path) -> Path:
    """A folder of a user's own options, among them experiments with and without sweeps."""
    folder = tmp_path / "conf" / "experiment"
    folder.mkdir(parents=True)
    for name, content in STUDIES.items():
        (folder / f"{name}.yaml").write_text(f"# @package _global_\n{content}\n")
    return folder.parent


@pytest.fixture
def jobs(monkeypatch: pytest.MonkeyPatch, in_process: Command) -> Callable[..., list[str]]:
    """Take a command line, and return the words of its jobs, none of which starts; a single run is one."""
    found: list[str] = []

    def stop(folder: Path) -> None:
        raise InputError("all jobs are found")

    def prepare(*configs: DictConfig) -> None:
        found.extend(" ".join(words_given(config)) for config in configs)

    monkeypatch.setattr("pets_seg.command.hooks.prepare_job", prepare)
    monkeypatch.setattr("pets_seg.command.hooks.prepare_jobs", lambda configs: prepare(*configs))
    # The last thing that is checked of a single run, and of a sweep.
    monkeypatch.setattr("pets_seg.command.hooks.check_free", stop)
    monkeypatch.setattr("pets_seg.command.before_sweep.check_writable", stop)

    def started(*arguments: str) -> list[str]:
        found.clear()
        assert in_process(*arguments) == (2, "all jobs are found\n")
        return list(found)

    return started


FOUR = [f"aug={aug} seed={seed}" for aug in ("none", "hflip") for seed in (0, 1)]
STARTED = {
    "experiment=study": [f"{words} experiment=study" for words in FOUR],
    "experiment=study seed=5": ["aug=none seed=5 experiment=study", "aug=hflip seed=5 experiment=study"],
    "-m experiment=study": [f"{words} experiment=study" for words in FOUR],
    "hydra.mode=MULTIRUN experiment=study": [f"{words} experiment=study" for words in FOUR],
    "hydra.mode=RUN experiment=study": ["experiment=study"],
    "--run experiment=study": ["experiment=study"],
    "experiment=built": [f"{words} experiment=built" for words in FOUR],
    "experiment=old": ["seed=0 experiment=old", "seed=1 experiment=old"],
    "hydra.mode=RUN experiment=old": ["experiment=old"],
    "--run experiment=old": ["experiment=old"],
    "experiment=bare": ["experiment=bare"],
    "experiment=held": ["experiment=held"],
    "-m experiment=held": ["seed=0 experiment=held", "seed=1 experiment=held"],
    "-m experiment=plain,bare": ["experiment=plain", "experiment=bare"],
    "-m seed=0,1": ["seed=0", "seed=1"],
    "seed=3": ["seed=3"],
    "-m aug=none,hflip seed=1 seed=2 seed=1": ["aug=none seed=1", "aug=hflip seed=1"],
    "experiment=study seed=range(2)": [f"{words} experiment=study" for words in FOUR],
    # The default optimizer has no momentum, and the default data no root.
    "-m optimizer=sgd,muon optimizer.momentum=0.9": [f"optimizer={o} optimizer.momentum=0.9" for o in ("sgd", "muon")],
    "experiment=nets optimizer.momentum=0.9": [
        f"optimizer={o} experiment=nets optimizer.momentum=0.9" for o in ("sgd", "muon")
    ],
    "-m data=oxford_pet,folder data.root=/a": [f"data={o} data.root=/a" for o in ("oxford_pet", "folder")],
    "-m optimizer=adam,adamw optimizer.betas=[0.8,0.9]": [
        f"optimizer={o} optimizer.betas=[0.8,0.9]" for o in ("adam", "adamw")
    ],
}


@pytest.mark.parametrize("arguments", STARTED)
def test_the_jobs_of_a_command(arguments: str, conf: Path, jobs: Callable[..., list[str]]) -> None:
    assert jobs(f"--config-dir={conf}", *arguments.split()) == STARTED[arguments]


def test_a_search_path_is_read_too(conf: Path, jobs: Callable[..., list[str]]) -> None:
    assert len(jobs(f"hydra.searchpath=[file://{conf}]", "experiment=study")) == 4


REFUSED = {
    "-m experiment=study,other": "experiment=study,other: experiment=study lists a sweep of its own "
    "(hydra.sweeper.params), which a sweep over such files would ignore; run each file in its own command, this o",
    "-m experiment=plain,study": "experiment=study lists a sweep of its own",
    "experiment=study,other": "experiment=study,other: several values need a sweep: add -m",
    "-m model=unet,resnet34_unet model.width=4": "model.width: belongs to model=timm_unet or model=unet, "
    "not to the model chosen (with "
    "model=resnet34_unet); run model=resnet34_unet in a separate command with the same name=..., whose report then "
    "compares all runs of that name",
    "-m optimizer=sgd,adamw optimizer.momentum=0.9": "belongs to optimizer=muon or optimizer=sgd, not to ",
    "-m experiment=recipe_unet,recipe_resnet34_unet data.root=/a": "is known in the jobs alone, so give data=... too",
    "-m data=sample,folder data.root=/a": "data.root: belongs to data=folder or data=oxford_pet, not to the",
    "-m scheduler=onecycle,constant scheduler.warmup=0.1,0.2": "chosen (with scheduler=constant); run sche",
    "-m aug=elastic,none aug.operations.0.p=0.1": "aug.operations.0.p=0.1: is not in this option; --cfg job shows",
    "-m optimizer=sgd,muon optimizer.momentun=0.9": "optimizer.momentun: no such setting (did you mean optimizer.mom",
    "-m model.width=4 model=resnet34_unet seed=0,1": "belongs to model=timm_unet or model=unet, not to the model",
}


@pytest.mark.parametrize(("arguments", "line"), REFUSED.items())
def test_what_cannot_be_one_sweep(arguments: str, line: str, conf: Path, in_process: Command, tmp_path: Path) -> None:
    refused(*in_process(f"--config-dir={conf}", *arguments.split()), line, tmp_path)


@pytest.mark.slow
def test_two_commands_of_one_name_compare_networks_with_settings_of_their_own(
    oxford: Path, in_process: Command
) -> None:
    # What the refusal of one sweep over both proposes.
    small = [word for word in tiny(oxford) if not word.startswith("model")]
    common = ["-m", *small, "train.epochs=1", "name=nets"]
    assert in_process(*common, "optimizer=sgd", "model.width=2", "optimizer.momentum=0.9")[0] == 0
    code, shown = in_process(*common, "optimizer=adamw", "model.width=2")
    assert code == 0, shown
    assert "optimizer=sgd" in shown
    assert "optimizer=adamw" in shown
    assert "difference (95 % CI)" in shown


@pytest.mark.parametrize("flags", [["--cfg", "job"], ["--help"], ["--info", "searchpath"]])
def test_what_only_shows_needs_no_mode(flags: list[str], conf: Path, tmp_path: Path) -> None:
    work = tmp_path / "empty"
    work.mkdir()
    # In a process of its own, for --info turns Hydra's messages on.
    done = forked(*flags, f"--config-dir={conf}", "experiment=study", cwd=work)
    assert done.returncode == 0, done.stderr
    assert list(work.iterdir()) == []
