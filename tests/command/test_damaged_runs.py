"""Finished runs whose files are damaged: they are known, told, and trained again."""

import errno
import json
import shutil
from collections.abc import Callable
from pathlib import Path

import pytest
from four_runs import sweep, train
from processes import forked

from pets_seg.errors import InputError
from pets_seg.run_folder.damage import damage
from pets_seg.run_folder.folder import RunFolder


@pytest.fixture(scope="module")
def trained(tmp_path_factory: pytest.TempPathFactory) -> tuple[Path, Path]:
    """The root of a data set, and a folder in which its sweep of four runs was trained."""
    return train(tmp_path_factory)


def cut(path: Path) -> None:
    path.write_bytes(path.read_bytes()[:-40])


def with_text_for_loss(path: Path) -> None:
    path.write_text(json.dumps({**json.loads(path.read_text()), "test_loss": "low"}))


DAMAGES: dict[str, tuple[str, Callable[[Path], object], str]] = {
    "weights": ("checkpoints/best.safetensors", cut, "best.safetensors cannot be read"),
    "no weights": ("checkpoints/best.safetensors", Path.unlink, "best.safetensors cannot be read"),
    "scores": ("per_image.csv", cut, "per_image.csv is not whole"),
    "some scores": (
        "per_image.csv",
        lambda path: path.write_text("".join(path.read_text().splitlines(keepends=True)[:-2])),
        "per_image.csv is not whole",
    ),
    "no epochs": ("metrics.csv", lambda path: path.write_text(""), "metrics.csv is not whole"),
    "data": ("data.csv", cut, "data.csv is not whole"),
    "figures": ("summary.json", with_text_for_loss, "summary.json has no number as test_loss"),
    "summary": ("summary.json", lambda path: path.write_text('{"test_dice": 0.9}'), "summary.json has no best_epoch"),
}


@pytest.mark.slow
@pytest.mark.parametrize("name", DAMAGES)
def test_a_damaged_run_is_known(name: str, trained: tuple[Path, Path], tmp_path: Path) -> None:
    _, work = trained
    run = shutil.copytree(next((work / "runs" / "default").glob("unet-hflip-*-s1-*")), tmp_path / "run")

    def said() -> str:
        return damage(run, json.loads((run / "status.json").read_text()), RunFolder(run).read_summary(), 1)

    assert said() == ""
    file, act, line = DAMAGES[name]
    act(run / file)
    assert said().startswith(line)


def test_a_run_that_cannot_be_read_now_is_not_damaged(
    trained: tuple[Path, Path], monkeypatch: pytest.MonkeyPatch
) -> None:
    _, work = trained
    run = next((work / "runs" / "default").glob("unet-hflip-*-s1-*"))
    status, summary = json.loads((run / "status.json").read_text()), RunFolder(run).read_summary()

    def refused(path: Path, most: int) -> bytes:
        raise PermissionError(errno.EACCES, "Permission denied")

    monkeypatch.setattr("pets_seg.run_folder.damage.read_limited", refused)
    with pytest.raises(InputError, match=r"metrics\.csv: cannot be read \(Permission denied\); make it readable"):
        damage(run, status, summary, 1)


@pytest.mark.slow
def test_a_loss_that_is_not_finite_is_no_damage(trained: tuple[Path, Path]) -> None:
    root, work = trained
    run = next((work / "runs" / "default").glob("unet-hflip-*-s1-*"))
    kept = (run / "summary.json").read_text()
    try:
        (run / "summary.json").write_text(json.dumps({**json.loads(kept), "test_loss": None}))
        done = forked(*sweep(root), cwd=work)
    finally:
        (run / "summary.json").write_text(kept)
    assert done.stdout.count("finished already") == 4, done.stderr
    assert ", loss not finite" in done.stdout


@pytest.mark.slow
def test_a_damaged_run_is_trained_again(trained: tuple[Path, Path]) -> None:
    root, work = trained
    run = next((work / "runs" / "default").glob("unet-hflip-*-s1-*"))
    whole = (run / "checkpoints" / "best.safetensors").read_bytes()
    cut(run / "checkpoints" / "best.safetensors")
    done = forked(*sweep(root), cwd=work)
    assert done.returncode == 0, done.stderr
    assert f"{run.relative_to(work)}: was finished, but best.safetensors cannot be read" in done.stdout
    assert (done.stdout.count("epoch 1/1"), done.stdout.count("finished already")) == (1, 3)
    assert (run / "checkpoints" / "best.safetensors").read_bytes() == whole


@pytest.mark.slow
def test_unreadable_files_are_named(trained: tuple[Path, Path]) -> None:
    root, work = trained
    run = next((work / "runs" / "default").glob("unet-hflip-*-s1-*"))
    kept = (run / "status.json").read_text()
    try:
        (run / "status.json").write_text(kept[:-20])
        done = forked(*sweep(root), cwd=work)
    finally:
        (run / "status.json").write_text(kept)
    assert done.returncode == 1
    assert "status.json cannot be read" in done.stdout
