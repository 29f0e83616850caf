"""A run knows its data: it is not taken for one of others, and not scored on what it was trained on unnoticed."""

import csv
import json
from pathlib import Path

import numpy as np
import pytest
import torch
from conftest import only_run, picture
from PIL import Image
from processes import forked

COUNT = 30
SETTINGS = [
    "data=folder",
    "data.size=32",
    "data.split_seed=3",
    "model.width=2",
    "train.epochs=1",
    "aug=none",
    "train.device=cpu",
    "tracker.mode=disabled",
    "train.keep_state=true",
]


def write(root: Path, count: int = COUNT, first: int = 0, inverted: bool = False) -> Path:
    for part in ("images", "masks"):
        (root / part).mkdir(parents=True, exist_ok=True)
    for index in range(first, first + count):
        image, trimap = picture(index)
        pet = np.asarray(trimap) == 1
        image.save(root / "images" / f"a{index:02d}.png")
        Image.fromarray(255 * (pet != inverted).astype(np.uint8)).save(root / "masks" / f"a{index:02d}.png")
    return root


@pytest.fixture
def root(tmp_path: Path) -> Path:
    return write(tmp_path / "data")


def train(place: Path, root: Path) -> Path:
    """Train in `place` on the pairs under `root`, and return the run."""
    done = forked(*SETTINGS, f"data.root={root}", cwd=place)
    assert done.returncode == 0, done.stderr
    assert "masks: 0 and 255, pet 2" in done.stdout
    assert " % of pixels; look: " in done.stdout
    return only_run(place)


@pytest.fixture
def trained(tmp_path: Path, root: Path) -> Path:
    return train(tmp_path, root)


def status(run: Path) -> dict:
    return json.loads((run / "status.json").read_text())


def test_the_digest_is_in_status_summary_and_checkpoint(trained: Path) -> None:
    data = status(trained)["data"]
    assert data["train"] + data["valid"] + data["test"] == COUNT
    assert data["masks"].startswith("0 and 255, pet ")
    assert json.loads((trained / "summary.json").read_text())["data_digest"] == data["digest"]
    assert torch.load(trained / "checkpoints" / "last.pt", weights_only=True)["data"] == data
    assert len((trained / "data.csv").read_text().splitlines()) == COUNT + 1


@pytest.mark.slow
def test_a_finished_run_of_other_data_is_not_finished_already(tmp_path: Path, root: Path, trained: Path) -> None:
    before = {path: path.read_bytes() for path in trained.rglob("*") if path.is_file()}
    write(root, inverted=True)
    command = [*SETTINGS, f"data.root={root}"]
    done = forked(*command, cwd=tmp_path)
    assert done.returncode == 2
    [line] = (done.stdout + done.stderr).strip().splitlines()[1:]
    assert f"was trained on other data ({COUNT} masks are other)" in line
    assert "existing=restart" in line
    # Nor do Hydra's files and the log say that there was another command.
    assert before == {path: path.read_bytes() for path in trained.rglob("*") if path.is_file()}
    # The same files with other times are the same data.
    write(root)
    assert "finished already" in forked(*command, cwd=tmp_path).stdout
    write(root, count=4, first=COUNT)
    done = forked(*command, cwd=tmp_path)
    assert "(4 images were added)" in done.stderr
    restarted = forked(*command, "existing=restart", cwd=tmp_path)
    assert restarted.returncode == 0, restarted.stderr
    assert status(trained)["data"]["digest"] != json.loads(before[trained / "status.json"])["data"]["digest"]


@pytest.mark.slow
def test_a_sweep_says_which_runs_it_did_not_do(tmp_path: Path, root: Path) -> None:
    command = ["-m", *SETTINGS, f"data.root={root}"]
    assert forked(*command, "seed=0", cwd=tmp_path).returncode == 0
    [former] = [path.name for path in (tmp_path / "runs" / "default").glob("unet*")]
    write(root, inverted=True)
    done = forked(*command, "seed=0,1", cwd=tmp_path)
    assert done.returncode == 1
    line = (
        f"\n{former} not done now, and shown with its former figures: runs/default/{former}: was trained on other data"
    )
    assert line in done.stdout, done.stdout


@pytest.mark.parametrize("known", ["status", "checkpoint"])
def test_a_stopped_run_does_not_go_on_with_other_data(tmp_path: Path, root: Path, trained: Path, known: str) -> None:
    content = status(trained) | {"state": "interrupted"}
    if known == "checkpoint":
        content.pop("data")
    (trained / "status.json").write_text(json.dumps(content))
    (trained / "summary.json").unlink()
    write(root, inverted=True)
    done = forked(*SETTINGS, f"data.root={root}", cwd=tmp_path)
    assert done.returncode == 2
    assert "was trained on other data" in done.stdout + done.stderr
    assert not (trained / "summary.json").exists()


@pytest.mark.slow
def test_a_run_of_an_older_version_stays_valid_and_its_data_unknown(tmp_path: Path, root: Path, trained: Path) -> None:
    state = torch.load(trained / "checkpoints" / "last.pt", weights_only=True)
    state.pop("data")
    torch.save(state, trained / "checkpoints" / "last.pt")
    content = status(trained) | {"state": "interrupted"}
    content.pop("data")
    (trained / "status.json").write_text(json.dumps(content))
    (trained / "data.csv").unlink()
    write(root, inverted=True)
    done = forked(*SETTINGS, f"data.root={root}", cwd=tmp_path)
    assert done.returncode == 0, done.stderr
    # A part of its epochs was trained on who knows what.
    assert status(trained)["data"] is None
    assert json.loads((trained / "summary.json").read_text())["data_digest"] is None
    done = forked("task=evaluate", f"checkpoint={trained}", cwd=tmp_path)
    assert done.returncode == 0, done.stderr
    assert done.stdout.startswith("split=test images=")
    assert "did not record its training images (data.csv): that none of these" in done.stdout + done.stderr


@pytest.mark.slow
def test_another_decoding_alone_is_told(tmp_path: Path, root: Path, trained: Path) -> None:
    content = status(trained)
    decoded = content["data"].pop("decoded")
    # Runs of older versions have another digest under another key, or none.
    older, other = {"pixels": "0" * 32}, {"decoded": "0" * 32}
    for recorded, times in ((older, 0), ({"decoded": decoded}, 0), (other, 1)):
        (trained / "status.json").write_text(json.dumps({**content, "data": content["data"] | recorded}))
        done = forked(*SETTINGS, f"data.root={root}", cwd=tmp_path)
        assert done.returncode == 0
        assert done.stdout.count("the same files are decoded to other pixels") == times
        assert "finished already" in done.stdout
        done = forked("task=evaluate", f"checkpoint={trained}", cwd=tmp_path)
        assert (done.stdout + done.stderr).count("decoded to other pixels than in training") == times


@pytest.mark.slow
def test_settings_of_the_data_may_refer_to_others(tmp_path: Path, root: Path) -> None:
    command = [*SETTINGS, "seed=3", "train.batch_size=32", f"name={root.name}"]
    referring = ["data.split_seed=${seed}", "data.size=${train.batch_size}", "data.root=${name}"]
    for times in range(2):
        done = forked(*command, *referring, cwd=tmp_path)
        assert done.returncode == 0, done.stderr
        assert ("finished already" in done.stdout) == bool(times)
    done = forked("-m", *command, *referring, "seed=3,4", cwd=tmp_path)
    assert (done.returncode, done.stdout.count("finished already")) == (0, 1), done.stderr


@pytest.mark.slow
def test_more_epochs_in_a_folder_that_is_given_relative(tmp_path: Path, root: Path) -> None:
    command = [*SETTINGS, f"data.root={root.name}"]
    assert forked(*command, cwd=tmp_path).returncode == 0
    done = forked(*command, "train.epochs=2", cwd=tmp_path)
    assert "is finished with train.epochs=1; this is another run" in done.stdout


@pytest.mark.slow
def test_a_project_that_was_moved_is_one_study(tmp_path: Path) -> None:
    before, after = tmp_path / "before", tmp_path / "after"
    write(before / "data")
    command = ["-m", *SETTINGS, "data.root=data"]
    assert forked(*command, "seed=0", cwd=before).returncode == 0
    before.rename(after)
    done = forked(*command, "seed=0,1", cwd=after)
    assert done.returncode == 0, done.stderr
    assert "model=unet  2 " in done.stdout
    with open(after / "runs" / "default" / "runs.csv") as file:
        assert [row["state"] for row in csv.DictReader(file)] == ["finished"] * 2


@pytest.mark.slow
def test_a_replay_says_that_the_data_have_changed(tmp_path: Path, root: Path, trained: Path) -> None:
    command = [f"replay={trained}", "tracker.mode=disabled"]

    def said(*arguments: str) -> list[str]:
        done = forked(*command, *arguments, cwd=tmp_path)
        assert done.returncode == 0, done.stderr
        lines = (done.stdout + done.stderr).splitlines()
        return [line.partition(f"replay={trained}: ")[2] for line in lines if "figures will differ" in line]

    assert said() == []
    content = status(trained)
    other = {**content, "data": content["data"] | {"decoded": "0" * 32}}
    (trained / "status.json").write_text(json.dumps(other))
    why = "the same files are decoded to other pixels; another Pillow?"
    line = "its data have changed since it was trained ({}), so that figures will differ"
    assert said() == [line.format(why)]
    (trained / "status.json").write_text(json.dumps(content))
    [tested, *_] = [row.split(",")[1] for row in (trained / "data.csv").read_text().splitlines() if "test," in row]
    Image.fromarray(np.eye(48, dtype=np.uint8) * 255).save(root / "masks" / f"{tested}.png")
    changed = [line.format("1 mask is another")]
    assert said("existing=restart") == changed
    # Also where that replay is finished already, and where the data have another place.
    assert said() == changed
    root.rename(tmp_path / "moved")
    assert said(f"data.root={tmp_path / 'moved'}") == changed
    # Other splits are other data, as the command says.
    assert said(f"data.root={tmp_path / 'moved'}", "data.split_seed=5") == []
