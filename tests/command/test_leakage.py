"""A run is scored on what the command means, and not unnoticed on what it was trained on."""

import json
import shutil
from pathlib import Path

import numpy as np
import pytest
from conftest import only_run
from PIL import Image
from processes import forked
from test_other_data import COUNT, SETTINGS, train, write


@pytest.fixture
def root(tmp_path: Path) -> Path:
    return write(tmp_path / "data")


@pytest.fixture
def trained(tmp_path: Path, root: Path) -> Path:
    return train(tmp_path, root)


def evaluate(run: Path, *arguments: str) -> tuple[int, str, dict]:
    for old in (run / "evaluations").glob("*"):
        shutil.rmtree(old)
    done = forked("task=evaluate", f"checkpoint={run}", *arguments, cwd=run.parent)
    written = list(run.glob("evaluations/*/evaluation.json"))
    return done.returncode, done.stdout + done.stderr, json.loads(written[0].read_text()) if written else {}


def test_the_splits_of_an_evaluation_are_those_of_the_run(root: Path, trained: Path) -> None:
    test = json.loads((trained / "summary.json").read_text())["test_dice"]
    # split_seed is not given and not the default.
    for arguments in ([], ["data=folder", f"data.root={root}"], ["split=test"]):
        code, shown, found = evaluate(trained, *arguments)
        assert code == 0, shown
        assert (found["split"], found["dice"], found["trained_on"]) == ("test", test, 0)


def test_images_that_were_trained_on_are_counted_under_any_name(tmp_path: Path, root: Path, trained: Path) -> None:
    stems = [row.split(",")[1] for row in (trained / "data.csv").read_text().splitlines() if row.startswith("train,")]
    other = write(tmp_path / "other", count=6, first=50)
    for number, stem in enumerate(stems[:4]):
        for part in ("images", "masks"):
            shutil.copy(root / part / f"{stem}.png", other / part / f"renamed{number}.png")
    arguments = ["data=folder", f"data.root={other}"]
    code, shown, found = evaluate(trained, *arguments)
    assert (code, found) == (2, {})
    assert "split=all: the run was trained on 4 of these 10 images (renamed0, renamed1, renamed2, renamed3)" in shown
    code, shown, found = evaluate(trained, *arguments, "allow_trained=true")
    assert code == 0, shown
    assert shown.splitlines()[0].startswith("split=all images=10 dice=")
    assert shown.splitlines()[0].endswith(" trained_on=4")
    assert found["trained_on"] == 4
    code, shown, _ = evaluate(trained, "split=all")
    assert code == 2
    assert f"was trained on {len(stems)} of these {COUNT} images" in shown


def test_all_pairs_of_another_folder_are_scored(tmp_path: Path, trained: Path) -> None:
    other = write(tmp_path / "five", count=5, first=60)
    code, shown, found = evaluate(trained, "data=folder", f"data.root={other}")
    assert code == 0, shown
    assert shown.startswith("split=all images=5 dice=")
    assert (found["images"], found["split"]) == (5, "all")
    code, shown, _ = evaluate(trained, "data=folder", f"data.root={other}", "split=valid")
    assert code == 2
    assert "split=valid: holds no image; split=all scores every pair" in shown


def test_data_that_changed_under_a_run_are_told(root: Path, trained: Path) -> None:
    write(root, inverted=True)
    code, shown, _ = evaluate(trained, "split=test")
    assert code == 0
    assert f"the data of this run have changed since it was trained ({COUNT} masks are other)" in shown


@pytest.mark.slow
@pytest.mark.parametrize("key", ["checkpoint", "train.teacher"])
def test_weights_that_know_the_test_images_are_not_used_unnoticed(
    key: str, tmp_path: Path, root: Path, trained: Path
) -> None:
    other = ["data.split_seed=5" if word == "data.split_seed=3" else word for word in SETTINGS]
    command = [*other, f"data.root={root}", f"{key}={trained}", "name=on"]
    done = forked(*command, cwd=tmp_path)
    assert done.returncode == 2
    assert f"{key}: was trained on " in done.stderr
    assert "validation and test images of this run" in done.stderr
    done = forked(*command, "allow_trained=true", cwd=tmp_path)
    assert done.returncode == 0, done.stderr
    assert "validation and test images of this run" in done.stdout + done.stderr
    on = only_run(tmp_path, "on")
    # Also where the splits are those of the new run, what its start or teacher knew counts.
    code, shown, _ = evaluate(on, "split=test")
    assert code == 2
    assert "the run was trained on" in shown


@pytest.mark.slow
@pytest.mark.parametrize("key", ["checkpoint", "train.teacher"])
def test_what_unrecorded_weights_were_trained_on_stays_unknown(
    key: str, tmp_path: Path, root: Path, trained: Path
) -> None:
    (trained / "data.csv").unlink()
    weights = tmp_path / "w.safetensors"
    shutil.copy(trained / "checkpoints" / "best.safetensors", weights)
    other = write(tmp_path / "other", first=50)
    for name, start in (("run", trained), ("file", weights)):
        done = forked(*SETTINGS, f"data.root={other}", f"{key}={start}", f"name={name}", cwd=tmp_path)
        assert done.returncode == 0, done.stderr
        assert "did not record its training images" in done.stdout + done.stderr
        code, shown, found = evaluate(only_run(tmp_path, name), "data=folder", f"data.root={root}")
        assert code == 0, shown
        assert found["trained_on"] is None
        assert "cannot be checked" in shown


@pytest.mark.slow
def test_the_range_of_pictures_goes_with_the_checkpoint(tmp_path: Path) -> None:
    root = tmp_path / "data"
    for path in write(root).glob("images/*.png"):
        Image.fromarray(np.asarray(Image.open(path).convert("L")).astype(np.uint16) * 16).save(path)
    command = [*SETTINGS, f"data.root={root}"]
    done = forked(*command, cwd=tmp_path)
    assert done.returncode == 2
    assert "16-bit pictures hold values from" in done.stderr
    done = forked(*command, "data.range=[0,4095]", cwd=tmp_path)
    assert done.returncode == 0, done.stderr
    # Other data of 8 bits are scored all the same; to train on them with it would do nothing.
    plain = write(tmp_path / "plain", count=4, first=70)
    code, shown, _ = evaluate(only_run(tmp_path), "data=folder", f"data.root={plain}")
    assert code == 0, shown
    done = forked(*SETTINGS, f"data.root={write(tmp_path / 'more')}", "data.range=[0,4095]", cwd=tmp_path)
    assert done.returncode == 2
    assert "data.range: does nothing, for all pictures have 8 bits" in done.stderr
    code, shown, found = evaluate(only_run(tmp_path), "data=folder", f"data.root={root}", "data.cache_dir=null")
    assert code == 0, shown
    assert found["data"]["range"] == [0, 4095]
    assert found["dice"] == json.loads((only_run(tmp_path) / "summary.json").read_text())["test_dice"]
