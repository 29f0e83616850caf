"""A sweep of another task than training in the slots of this machine: interrupted, it says what is to be done."""

import os
import signal
from collections.abc import Iterator
from contextlib import suppress
from pathlib import Path

import pytest
import torch
from conftest import make_network, picture
from local_sweeps import begin, end, nothing_left
from omegaconf import OmegaConf
from processes import wait_for

from pets_seg.command import local
from pets_seg.command.hooks import Hooks
from pets_seg.command.reads import TASKS
from pets_seg.config.options import own_option
from pets_seg.models.checkpoint import save_weights

# Each starts several processes that import PyTorch, which takes long where other tests run beside them.
pytestmark = pytest.mark.timeout(600)
# More than are segmented before the signal comes.
PHOTOS = 200


@pytest.fixture(autouse=True)
def _nothing_left() -> Iterator[None]:
    """End what a test that failed has left at work."""
    yield from nothing_left()


@pytest.fixture
def words(tmp_path: Path) -> list[str]:
    """A sweep of two jobs, each of which segments many photographs by a network that nothing was taught."""
    (tmp_path / "photos").mkdir()
    picture(0)[0].resize((300, 200)).save(tmp_path / "photos" / "0.jpg")
    for number in range(1, PHOTOS):
        (tmp_path / "photos" / f"{number}.jpg").hardlink_to(tmp_path / "photos" / "0.jpg")
    about = {"size": 32, "normalisation": "imagenet", "boundary": "foreground", "precision": "fp32", "epoch": 1}
    model = {"name": "unet", "_target_": own_option("model", "unet")["_target_"], "width": 4}
    torch.manual_seed(0)
    save_weights(tmp_path / "net.safetensors", make_network("unet", width=4).state_dict(), {**about, "model": model})
    own = ["predict.flip=false,true", "output=masks-${predict.flip}"]
    return ["task=predict", f"checkpoint={tmp_path}/net.safetensors", f"input={tmp_path}/photos", *own]


@pytest.mark.slow
@pytest.mark.parametrize("number", [signal.SIGINT, signal.SIGTERM])
def test_predictions_that_are_stopped_are_made_again_with_overwrite(
    number: signal.Signals, words: list[str], tmp_path: Path
) -> None:
    work = tmp_path / "work"
    process = begin(work, words)
    wait_for(lambda: [*work.glob("masks-*/*_overlay.jpg")], seconds=200)
    process.send_signal(number)
    code, shown = end(process)
    assert code == 128 + number
    assert shown.endswith(
        "interrupted: the jobs stop after the photographs that they are at; Ctrl-C again stops them at once\n"
        "interrupted; the same command with overwrite=true does all again\n"
    )
    assert len([*work.glob("masks-*/*_overlay.jpg")]) < 2 * PHOTOS
    code, shown = end(begin(work, words))
    assert code == 2
    assert "of the files already" in shown
    code, shown = end(begin(work, [*words, "overwrite=true"]))
    assert code == 0, shown
    assert len([*work.glob("masks-*/*_overlay.jpg")]) == 2 * PHOTOS


def holders(path: Path) -> list[int]:
    """Return the processes that have the file open."""
    found = []
    for pid in filter(str.isdigit, os.listdir("/proc")):
        # A process may end meanwhile.
        with suppress(OSError):
            if any(opened.readlink() == path for opened in Path("/proc", pid, "fd").iterdir()):
                found.append(int(pid))
    return found


@pytest.mark.slow
def test_a_job_whose_process_dies_does_not_replace_what_it_had_written(words: list[str], tmp_path: Path) -> None:
    work = tmp_path / "work"
    process = begin(work, words)
    wait_for(lambda: [*work.glob("masks-False/*_overlay.jpg")], seconds=200)
    [worker] = holders(work / "masks-False" / ".lock")
    os.kill(worker, signal.SIGKILL)
    code, shown = end(process)
    assert code == 1
    assert "its process was ended by SIGKILL" in shown
    assert "is there already" in shown or "of the files already" in shown
    assert len([*work.glob("masks-True/*_overlay.jpg")]) == PHOTOS
    assert 0 < len([*work.glob("masks-False/*_overlay.jpg")]) < PHOTOS


@pytest.mark.slow
def test_previews_that_are_stopped_are_drawn_again(tmp_path: Path) -> None:
    words = ["task=preview", "aug=hflip,elastic", "seed=0,1,2"]
    process = begin(tmp_path, words)
    wait_for(lambda: [*tmp_path.glob("runs/default/preview/*.png")], seconds=200)
    process.send_signal(signal.SIGINT)
    code, shown = end(process)
    assert code == 130
    assert shown.endswith("interrupted: the jobs stop\ninterrupted; the same command does all again\n")
    code, shown = end(begin(tmp_path, words))
    assert code == 0, shown


def test_every_task_says_what_is_true_of_it(monkeypatch: pytest.MonkeyPatch) -> None:
    said, stops = {}, {}
    for task in TASKS:
        config = OmegaConf.create({"task": {"name": task}})
        monkeypatch.setattr(Hooks, "elsewhere", (Hooks(), config))
        said[task], stops[task] = local.goes_on(), local.stops(config)
    replaced = dict.fromkeys(["predict", "export", "demo"], "the same command with overwrite=true does all again")
    again = dict.fromkeys(["evaluate", "preview", "report"], "the same command does all again")
    assert said == {"train": "the same command continues the run", **replaced, **again}
    assert [task for task in TASKS if stops[task] != "the jobs stop"] == ["train", "predict"]
