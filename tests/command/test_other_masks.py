"""What masks mean is a setting: figures against other masks are told apart, in a report and among evaluations."""

import hashlib
import json
from pathlib import Path

import numpy as np
import pytest
from conftest import only_run, picture
from PIL import Image
from processes import forked
from test_other_data import SETTINGS

ALONE = "is scored against other masks than its baseline, so that the difference between them is not one of predictions"


def write(root: Path, first: int = 0, count: int = 30) -> Path:
    """Write pairs whose masks hold 0, 100 on the margin of the pet, and 255 within it."""
    for part in ("images", "masks"):
        (root / part).mkdir(parents=True)
    for index in range(first, first + count):
        image, trimap = picture(index)
        image.save(root / "images" / f"a{index:02d}.png")
        Image.fromarray(np.array([0, 255, 0, 100], np.uint8)[np.asarray(trimap)]).save(
            root / "masks" / f"a{index:02d}.png"
        )
    return root


@pytest.fixture
def root(tmp_path: Path) -> Path:
    return write(tmp_path / "data")


@pytest.mark.slow
def test_a_report_says_how_each_group_reads_its_masks(tmp_path: Path, root: Path) -> None:
    swept = "data.mask_values={pet:[255]},{pet:[100]}"
    done = forked("-m", *SETTINGS, f"data.root={root}", swept, "seed=0,1", cwd=tmp_path)
    assert done.returncode == 0, done.stderr
    folder = tmp_path / "runs" / "default"
    report, page = ((folder / name).read_text() for name in ("report.md", "report.html"))
    for text in (report, page, " ".join(done.stdout.split())):
        assert text.count(ALONE) == 1
    for said in ("255 pet, 0, 100 background, pet 2", "100 pet, 0, 255 background, pet "):
        assert f"(2 runs: 23 train, 5 valid, 2 test; masks: {said}" in report
    done = forked("task=report", f"runs={folder}", "report.baseline={data.mask_values.pet.0:100}", cwd=tmp_path)
    assert f"data.mask_values.pet.0=255 {ALONE}" in " ".join(done.stdout.split()), done.stderr


@pytest.mark.slow
def test_evaluations_against_other_masks_do_not_replace_each_other(tmp_path: Path, root: Path) -> None:
    own = "data.mask_values={pet:[255]}"
    assert forked(*SETTINGS, f"data.root={root}", own, cwd=tmp_path).returncode == 0
    run, other = only_run(tmp_path), write(tmp_path / "other", first=50, count=6)

    def evaluate(*arguments: str) -> tuple[str, float]:
        done = forked("task=evaluate", f"checkpoint={run}", *arguments, cwd=tmp_path)
        assert done.returncode == 0, done.stderr
        written = Path(done.stdout.rpartition("written to ")[2].strip())
        return written.name, json.loads((written / "evaluation.json").read_text())["loss"]

    there, here = (hashlib.sha256(str(place).encode()).hexdigest()[:6] for place in (other, root))
    # Without a setting of masks, or with those that the run has, the names are those of the data.
    assert evaluate()[0] == "test"
    assert evaluate(own)[0] == evaluate("data=folder", f"data.root={root}", own)[0] == f"test-folder-{here}"
    names, losses = zip(
        *(
            evaluate("data=folder", f"data.root={other}", setting)
            for setting in (own, "data.mask_values={pet:[100]}", "data.mask_threshold=20", "data.mask_threshold=150")
        ),
        strict=True,
    )
    assert all(name.startswith(f"all-folder-{there}-") for name in names)
    assert len({*names}) == 4
    # The first and the last read them alike.
    assert len({*losses}) == 3
    assert evaluate("data.mask_values={pet:[100]}")[0].startswith(f"test-folder-{here}-")
    for path in (other / "masks").iterdir():
        Image.open(path).point(lambda value: 255 * (value == 255)).save(path)
    assert evaluate("data=folder", f"data.root={other}")[0] == f"all-folder-{there}"
    assert evaluate("data=folder", f"data.root={other}", "data.range=null")[0] == f"all-folder-{there}"


@pytest.mark.slow
def test_a_range_that_does_nothing_is_refused_by_every_task(tmp_path: Path, root: Path) -> None:
    command = [*SETTINGS, f"data.root={root}", "data.mask_threshold=20"]
    assert forked(*command, cwd=tmp_path).returncode == 0
    preview = ["task=preview", "data=folder", f"data.root={root}", "data.size=32", "data.mask_threshold=20"]
    evaluate = ["task=evaluate", f"checkpoint={only_run(tmp_path)}"]
    for words in (command, preview, evaluate):
        done = forked(*words, "data.range=[0,100]", cwd=tmp_path)
        assert done.returncode == 2, done.stdout
        assert "data.range: does nothing, for all pictures have 8 bits; leave it out" in done.stderr
        assert forked(*words, cwd=tmp_path).returncode == 0
