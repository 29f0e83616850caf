"""task=predict where something goes wrong on the way: what stays fits the table, and the line says how to go on."""

import csv
import errno
import os
import signal
import threading
from collections.abc import Callable
from pathlib import Path
from types import SimpleNamespace

import numpy as np
import pytest
import torch
from conftest import make_network, picture
from PIL import Image
from processes import pause, start, wait_for

from pets_seg.command import segmenting
from pets_seg.command.photos import find_photos
from pets_seg.config.options import own_option
from pets_seg.evaluation.predictor import Predictor
from pets_seg.machine.files import write_whole
from pets_seg.models.checkpoint import save_weights

Command = Callable[..., tuple[int, str]]
NAMES = ["a.jpg", "b.jpg", "more/c.jpg", "more/d.jpg"]


@pytest.fixture
def words(tmp_path: Path) -> list[str]:
    """A command that segments four photographs by a network that nothing was taught."""
    for index, name in enumerate(NAMES):
        (tmp_path / "photos" / name).parent.mkdir(parents=True, exist_ok=True)
        picture(index)[0].save(tmp_path / "photos" / name)
    about = {"size": 32, "normalisation": "imagenet", "boundary": "foreground", "precision": "fp32", "epoch": 1}
    model = {"name": "unet", "_target_": own_option("model", "unet")["_target_"], "width": 4}
    weights = make_network("unet", width=4).state_dict()
    for name, values in {"network": 1.0, "endless": torch.nan}.items():
        kept = {key: part * values if part.is_floating_point() else part for key, part in weights.items()}
        save_weights(tmp_path / f"{name}.safetensors", kept, {**about, "model": model})
    return [
        "task=predict",
        f"checkpoint={tmp_path / 'network.safetensors'}",
        f"input={tmp_path / 'photos'}",
        f"output={tmp_path / 'out'}",
        "train.device=cpu",
    ]


def rows(tmp_path: Path) -> list[str]:
    """Return the photographs of the table, after seeing that they and no others have pictures, and nothing else is."""
    with open(tmp_path / "out" / "predictions.csv", newline="") as file:
        names = [row["file"] for row in csv.DictReader(file)]
    made = {path.relative_to(tmp_path / "out").as_posix() for path in (tmp_path / "out").rglob("*") if path.is_file()}
    ends = ("_mask.png", "_cutout.png", "_overlay.jpg")
    wanted = {f"{name.rpartition('.')[0]}{end}" for name in names for end in ends}
    assert made == wanted | {"predictions.csv", ".lock"}
    return names


def spoil(monkeypatch: pytest.MonkeyPatch, name: str, number: int) -> None:
    """Let the system refuse to write a file of this name."""

    def write(path: Path, fill: Callable[..., object]) -> None:
        def refuse(file: object) -> None:
            raise OSError(number, os.strerror(number))

        write_whole(path, refuse if path.name == name else fill)

    monkeypatch.setattr(segmenting, "write_whole", write)


def test_a_full_disk_leaves_no_picture_without_its_row(
    words: list[str], tmp_path: Path, in_process: Command, monkeypatch: pytest.MonkeyPatch
) -> None:
    with monkeypatch.context() as patch:
        spoil(patch, "c_cutout.png", errno.ENOSPC)
        code, shown = in_process(*words)
    assert code == 1
    done = rows(tmp_path)
    assert "more/c.jpg" not in done
    place = tmp_path / "out" / "more" / "c_cutout.png"
    assert shown.splitlines()[-1] == (
        f"{place}: cannot be written (No space left on device); make room; {len(done)} of 4 photographs are done; "
        "the same command with overwrite=true does all again"
    )
    code, shown = in_process(*words, "overwrite=true")
    assert code == 0, shown
    assert rows(tmp_path) == NAMES


def test_a_photograph_whose_pictures_cannot_be_made_is_left_out(
    words: list[str], tmp_path: Path, in_process: Command, monkeypatch: pytest.MonkeyPatch
) -> None:
    Image.new("RGB", (65_501, 1)).save(tmp_path / "photos" / "more" / "wide.png")
    # As a file system does that takes shorter names than others.
    spoil(monkeypatch, "b_overlay.jpg", errno.ENAMETOOLONG)
    code, shown = in_process(*words)
    assert code == 1
    lines = shown.splitlines()
    assert "b.jpg: its pictures cannot be made (File name too long)" in lines
    assert "more/wide.png: has a side of 65501 pixels, of which a JPEG takes 65500; make it smaller" in lines
    assert lines[-1].startswith("2 of 5 photographs could not be used; the others are in ")
    assert rows(tmp_path) == ["a.jpg", "more/c.jpg", "more/d.jpg"]


@pytest.mark.slow
def test_pictures_of_a_photograph_that_cannot_be_used_any_more_are_removed(
    words: list[str], tmp_path: Path, in_process: Command
) -> None:
    assert in_process(*words)[0] == 0
    for count, name in enumerate(NAMES, 1):
        (tmp_path / "photos" / name).write_bytes(b"no photograph")
        code, shown = in_process(*words, "overwrite=true")
        assert code == 1
        assert rows(tmp_path) == NAMES[count:]
    assert shown.splitlines()[-1] == "4 of 4 photographs could not be used"
    # Without overwrite=true nothing is there that contradicts the next command.
    (tmp_path / "out" / "predictions.csv").unlink()
    assert in_process(*words)[0] == 1
    assert not (tmp_path / "out" / "predictions.csv").exists()


def test_a_network_that_gives_nothing_finite_makes_no_mask(
    words: list[str], tmp_path: Path, in_process: Command
) -> None:
    endless = [word.replace("network.", "endless.") for word in words]
    code, shown = in_process(*endless)
    assert code == 1
    [line] = shown.splitlines()
    assert line.startswith(
        f"checkpoint={tmp_path / 'endless.safetensors'}: its weights give values that are not finite"
    )
    assert [path.name for path in (tmp_path / "out").rglob("*")] == [".lock"]
    # What an earlier command made stays as it is.
    assert in_process(*words)[0] == 0
    assert in_process(*endless, "overwrite=true")[0] == 1
    assert rows(tmp_path) == NAMES


def test_a_name_that_is_not_utf8_is_escaped_in_the_table(words: list[str], tmp_path: Path, in_process: Command) -> None:
    for name in NAMES:
        (tmp_path / "photos" / name).unlink()
    plain = "Bild\u202f1.jpg"
    try:
        for name in (plain, os.fsdecode(b"caf\xe9.jpg")):
            picture(0)[0].save(tmp_path / "photos" / name)
        (tmp_path / "photos" / os.fsdecode(b"caf\xe8.jpg")).write_bytes(b"no photograph")
    except OSError:
        pytest.skip("this file system takes UTF-8 alone")
    code, shown = in_process(*words)
    assert code == 1
    assert r"caf\udce8.jpg: not an image" in shown
    with open(tmp_path / "out" / "predictions.csv", newline="", encoding="utf-8") as file:
        assert [row["file"] for row in csv.DictReader(file)] == [plain, r"caf\udce9.jpg"]


@pytest.mark.parametrize(
    ("number", "times", "code"), [(signal.SIGINT, 1, 130), (signal.SIGINT, 2, 130), (signal.SIGTERM, 1, 143)]
)
def test_interrupted_it_ends_after_a_photograph_and_the_table_has_what_was_made(
    number: int, times: int, code: int, words: list[str], tmp_path: Path
) -> None:
    work = tmp_path / "work"
    work.mkdir()
    process = start(work, words, ("pets_seg.command.segmenting._finish", 2), pause)
    wait_for((work / "halted").exists)
    os.kill(process.pid, number)
    wait_for(lambda: "interrupted: the command stops after the photographs" in (work / "shown").read_text())
    for _ in range(1, times):
        os.kill(process.pid, number)
        # Time for the main thread to raise it, which then waits for the photograph all the same.
        process.join(0.5)
    (work / "go").touch()
    process.join(60)
    assert process.exitcode == code
    done = rows(tmp_path)
    assert "b.jpg" in done
    assert (work / "shown").read_text().splitlines()[-1] == (
        f"interrupted; {len(done)} of 4 photographs are done; the same command with overwrite=true does all again"
    )


@pytest.mark.parametrize(
    "error", [RuntimeError("DefaultCPUAllocator: can't allocate memory"), MemoryError(), torch.OutOfMemoryError("x")]
)
def test_a_lack_of_memory_is_a_line(
    error: Exception, words: list[str], in_process: Command, monkeypatch: pytest.MonkeyPatch
) -> None:
    def refuse(self: Predictor, squares: object) -> None:
        raise error

    monkeypatch.setattr(Predictor, "probabilities", refuse)
    monkeypatch.setattr(torch, "get_num_threads", lambda: 4)
    code, shown = in_process(*words)
    assert code == 1
    assert shown == (
        "out of memory: each of 4 threads computes batches of 8 photographs at 32 px; set OMP_NUM_THREADS=2 or less\n"
    )


@pytest.mark.parametrize(("size", "count"), [(32, 8), (512, 4), (1024, 1), (4096, 1)])
def test_a_batch_has_fewer_photographs_where_their_squares_are_large(size: int, count: int) -> None:
    assert segmenting.batch_size(size) == count


@pytest.mark.parametrize(("device", "at_once"), [("cuda", 1), ("cpu", 2)])
def test_one_batch_at_a_time_is_on_a_gpu(device: str, at_once: int, words: list[str], tmp_path: Path) -> None:
    computing, most = [], []
    two = threading.Event()

    def probabilities(squares: list[np.ndarray]) -> np.ndarray:
        computing.append(1)
        most.append(len(computing))
        if len(computing) == 2:
            two.set()
        two.wait(5 if at_once == 2 else 0.05)
        computing.pop()
        return np.zeros((len(squares), 32, 32), np.float32)

    predictor = SimpleNamespace(
        device=torch.device(device),
        size=32,
        value_range=None,
        squared=lambda photo: np.zeros((32, 32, 3), np.uint8),
        probabilities=probabilities,
    )
    photos, _ = find_photos(str(tmp_path / "photos"), tmp_path / "out")
    work = segmenting.Work(tmp_path / "out", lambda: False)
    threads = torch.get_num_threads()
    torch.set_num_threads(2)
    try:
        segmenting.segment_all(predictor, photos, work)
    finally:
        torch.set_num_threads(threads)
    assert max(most) == at_once
    assert len(work.rows) == 4
