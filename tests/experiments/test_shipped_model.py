"""What is put into the package beside the weights, and the picture of photographs and their cut-outs."""

import subprocess
import sys
from pathlib import Path

import numpy as np
import pytest
from conftest import only_run, tiny, write_oxford
from PIL import Image
from processes import forked

from pets_seg.run_folder.folder import RunFolder

FOLDER = Path(__file__).parents[2] / "experiments" / "shipped_model"


@pytest.mark.slow
def test_the_record_is_that_of_a_finished_run_without_this_machine(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.syspath_prepend(FOLDER)
    from ship import record

    write_oxford(tmp_path / "data")
    done = forked(*tiny(tmp_path / "data"), cwd=tmp_path)
    assert done.returncode == 0, done.stderr
    run = RunFolder(only_run(tmp_path))
    known = record(run)
    assert known["summary"]["test_dice"] == run.read_summary()["test_dice"]
    assert known["status"]["data"]["name"] == "oxford_pet"
    assert known["status"]["data"]["digest"] == run.read_status()["data"]["digest"]
    assert str(tmp_path) not in str(known)
    with monkeypatch.context() as patch:
        patch.setattr("ship.recorded_data", lambda path: {"name": "folder"})
        with pytest.raises(SystemExit, match="was trained on data=folder; give a run of data=oxford_pet"):
            record(run)
    run.write_status("running")
    with pytest.raises(SystemExit, match="its state is running; give a finished run"):
        record(run)


def test_the_picture_shows_photographs_above_their_cut_outs(tmp_path: Path) -> None:
    photo = Image.new("RGB", (400, 200), "red")
    photo.save(tmp_path / "a.jpg")
    cutout = photo.convert("RGBA")
    cutout.putalpha(Image.fromarray(np.repeat(np.uint8([[0] * 200 + [255] * 200]), 200, 0)))
    cutout.save(tmp_path / "a_cutout.png")
    command = [sys.executable, str(FOLDER / "picture.py"), str(tmp_path), str(tmp_path), str(tmp_path / "shown.png")]
    subprocess.run(command, check=True, capture_output=True, timeout=60)
    shown = np.asarray(Image.open(tmp_path / "shown.png")).astype(int)
    assert shown.shape == (530, 520, 3)
    assert np.abs(shown[5:250, 5:510] - [254, 0, 0]).max() < 9
    assert np.abs(shown[275:525, 270:510] - [254, 0, 0]).max() < 9
    # Grey of two kinds stands for what is transparent.
    ground = shown[275:525, 5:250]
    assert np.ptp(ground, axis=2).max() == 0
    assert {*np.unique(ground)} == {224, 255}
