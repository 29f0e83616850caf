"""task=predict: photographs in, masks, cut-outs and overlays out."""

import csv
import os
import shutil
from collections.abc import Callable
from pathlib import Path

import numpy as np
import pytest
import torch
from conftest import only_run, picture, tiny, write_oxford
from filelock import FileLock
from PIL import ExifTags, Image

from pets_seg import load_model
from pets_seg.command.output_folder import held
from pets_seg.errors import InputError
from pets_seg.models.checkpoint import load_network

Command = Callable[..., tuple[int, str]]


@pytest.fixture(scope="module")
def trained(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A run that tells the bright square from the dark ground."""
    from processes import forked

    work = tmp_path_factory.mktemp("trained")
    write_oxford(work / "data")
    learns = ["train.epochs=6", "train.batch_size=4", "optimizer.lr=0.01"]
    few = [word for word in tiny(work / "data") if not word.startswith("train.epochs")]
    done = forked(*few, *learns, cwd=work)
    assert done.returncode == 0, done.stderr
    return only_run(work)


@pytest.fixture
def photos(tmp_path: Path, in_process: Command) -> Path:
    """Photographs of several sizes, kinds and orientations, two of them with one stem."""
    folder = tmp_path / "work" / "photos"
    (folder / "more").mkdir(parents=True)
    for index, (name, size) in enumerate({"a.jpg": (90, 60), "a.png": (40, 70), "more/b.webp": (33, 31)}.items()):
        picture(index)[0].resize(size).save(folder / name)
    tags = Image.Exif()
    tags[ExifTags.Base.Orientation] = 6
    picture(7)[0].resize((100, 50)).save(folder / "turned.jpg", exif=tags)
    (folder / "notes.txt").write_text("no photograph")
    return folder


def arguments(run: Path, photos: Path, output: Path, *more: str) -> list[str]:
    return ["task=predict", f"checkpoint={run}", f"input={photos}", f"output={output}", "train.device=cpu", *more]


def table(output: Path) -> list[dict[str, str]]:
    with open(output / "predictions.csv", newline="") as file:
        return [*csv.DictReader(file)]


def test_every_photograph_gets_its_pictures_at_its_own_size(
    trained: Path, photos: Path, tmp_path: Path, in_process: Command
) -> None:
    code, shown = in_process(*arguments(trained, photos, tmp_path / "out"))
    assert code == 0, shown
    assert "4 of 4 photographs in " in shown
    made = {path.relative_to(tmp_path / "out").as_posix() for path in (tmp_path / "out").rglob("[!.]*.*")}
    stems = {"a.jpg": (90, 60), "a.png": (40, 70), "more/b": (33, 31), "turned": (50, 100)}
    ends = {"_mask.png": "L", "_cutout.png": "RGBA", "_overlay.jpg": "RGB"}
    assert made == {f"{stem}{end}" for stem in stems for end in ends} | {"predictions.csv"}
    rows = {row["file"]: row for row in table(tmp_path / "out")}
    assert [*rows] == ["a.jpg", "a.png", "more/b.webp", "turned.jpg"]
    for (stem, size), row in zip(stems.items(), rows.values(), strict=True):
        for end, mode in ends.items():
            with Image.open(tmp_path / "out" / f"{stem}{end}") as image:
                assert (image.size, image.mode) == (size, mode)
        mask = np.asarray(Image.open(tmp_path / "out" / f"{stem}_mask.png"))
        alpha = np.asarray(Image.open(tmp_path / "out" / f"{stem}_cutout.png"))[..., 3]
        assert {*np.unique(mask).tolist()} <= {0, 255}
        assert ((alpha > 127) == (mask == 255))[alpha != 128].all()
        assert float(row["share_of_pet"]) == pytest.approx((mask == 255).mean(), abs=1e-4)
        assert 0.5 <= float(row["confidence"]) <= 1
        assert (int(row["width"]), int(row["height"])) == size
    # The square is found: a quarter of the picture.
    assert 0.15 < float(rows["a.jpg"]["share_of_pet"]) < 0.4


def test_the_probabilities_are_those_of_the_network(trained: Path, tmp_path: Path) -> None:
    image = picture(3)[0].resize((100, 64), Image.Resampling.BICUBIC)
    image.save(tmp_path / "photo.png")
    found = load_model(trained, "cpu")(tmp_path / "photo.png")
    small = np.asarray(image.resize((32, 32), Image.Resampling.BILINEAR)).transpose(2, 0, 1) / 255
    mean, std = np.array([0.485, 0.456, 0.406]), np.array([0.229, 0.224, 0.225])
    normalised = (small - mean[:, None, None]) / std[:, None, None]
    network = load_network(trained / "checkpoints" / "best.safetensors", torch.device("cpu")).eval()

    def pet(values: np.ndarray) -> torch.Tensor:
        return network(torch.from_numpy(values[None].copy()).float()).softmax(1)[:, 1:]

    with torch.no_grad():
        plain, mirrored = pet(normalised), pet(normalised[..., ::-1]).flip(-1)
    for probabilities, flip in ((plain, False), ((plain + mirrored) / 2, True)):
        wanted = torch.nn.functional.interpolate(probabilities, (64, 100), mode="bilinear")[0, 0].numpy()
        told = load_model(trained, "cpu", flip=flip)(np.asarray(image))
        np.testing.assert_allclose(told.probabilities, wanted, atol=1e-4)
    assert found.mask.shape == (64, 100)
    assert found.cutout().getpixel((0, 0))[:3] == image.getpixel((0, 0))


def test_files_that_cannot_be_used_are_named_and_the_others_done(
    trained: Path, photos: Path, tmp_path: Path, in_process: Command
) -> None:
    (photos / "broken.jpg").write_bytes((photos / "a.jpg").read_bytes()[:300])
    (photos / "more" / "apple.heic").write_bytes(b"\0\0\0\x18ftypheic" + bytes(20))
    Image.fromarray(np.full((8, 8), 900, np.uint16)).save(photos / "dark.png")
    code, shown = in_process(*arguments(trained, photos, tmp_path / "out"))
    assert code == 1
    lines = shown.splitlines()
    assert any(line.startswith("broken.jpg: ") for line in lines)
    assert "more/apple.heic: not an image of a kind that is read, but HEIC; save it as JPEG or PNG" in lines
    assert any(
        line.startswith("dark.png: is a 16-bit picture whose values from 900 to 900 do not use") for line in lines
    )
    assert lines[-1].startswith("3 of 7 photographs could not be used; the others are in ")
    assert len(table(tmp_path / "out")) == 4


def test_nothing_is_replaced_unless_it_is_asked_for(
    trained: Path, photos: Path, tmp_path: Path, in_process: Command
) -> None:
    output = photos / "out"
    assert in_process(*arguments(trained, photos, output))[0] == 0
    before = {path: path.stat().st_mtime_ns for path in output.rglob("*.*")}
    code, shown = in_process(*arguments(trained, photos, output))
    assert code == 2
    assert "holds 13 of the files already, e.g. a.jpg_mask.png; give overwrite=true" in shown
    assert before == {path: path.stat().st_mtime_ns for path in output.rglob("*.*")}
    # What was made is no photograph of the next command.
    code, shown = in_process(*arguments(trained, photos, output, "overwrite=true"))
    assert code == 0, shown
    assert "4 of 4 photographs" in shown


def test_jobs_of_a_sweep_have_outputs_of_their_own(
    trained: Path, photos: Path, tmp_path: Path, in_process: Command
) -> None:
    words = ["-m", *arguments(trained, photos / "a.jpg", tmp_path / "out"), "predict.flip=false,true"]
    code, shown = in_process(*words)
    assert code == 2
    assert f"output={tmp_path / 'out'}: is that of several jobs" in shown
    assert "give each its own, e.g. with ${...} of what is swept over in it" in shown
    assert not (tmp_path / "out").exists()
    own = ["output=masks-${predict.flip}" if word.startswith("output=") else word for word in words]
    code, shown = in_process(*own)
    assert code == 0, shown
    assert [len(table(tmp_path / "work" / f"masks-{flip}")) for flip in (False, True)] == [1, 1]


def test_one_command_at_a_time_writes_into_a_folder(
    trained: Path, photos: Path, tmp_path: Path, in_process: Command
) -> None:
    output = tmp_path / "out"
    words = arguments(trained, photos, output)
    output.mkdir()
    with FileLock(output / ".lock"):
        code, shown = in_process(*words, "overwrite=true")
        assert code == 2
        assert shown == f"output={output}: another command is writing there; wait for it, or give another folder\n"
        # Also if it has begun since this one was prepared.
        with pytest.raises(InputError, match="another command is writing there"), held(output):
            pass
    assert [*output.iterdir()] == [output / ".lock"]
    (output / "more").mkdir()
    for left in (output / ".a.jpg_mask.png.1.part", output / "more" / ".b_mask.png.1.part"):
        left.touch()
    assert in_process(*words)[0] == 0
    assert not [*output.rglob("*.part")]


@pytest.mark.parametrize(
    ("change", "line"),
    [
        ("input=nowhere", "input=nowhere: is not there; give a photograph, a folder or a pattern"),
        ("input=photos/*.bmp", "input=photos/*.bmp: matches no picture"),
        ("input=empty", "input=empty: holds no pictures (.avif"),
        ("output=photos/a.jpg", "a.jpg: is a file; give a folder"),
        ("output=loop", "loop: is a link that leads nowhere; give a folder"),
        ("output=photos/a.jpg/x", "photos/a.jpg is a file, and a folder of that name is to be made; move it, or"),
        (
            "output=folders",
            "folders: predictions.csv is a folder, and a file of that name is to be made; move the folder",
        ),
        ("output=files", "files/more is a file, and a folder of that name is to be made; move it, or give another"),
        ("input=long", "the names made of aaa"),
        ("output=photos", "photos: is the folder of the photographs"),
        ("checkpoint=nowhere", "checkpoint=nowhere: "),
        ("input=null", "input: is needed with task=predict; give one, e.g. input=photos"),
        ("model=resnet34_unet", "model=resnet34_unet: the network of the run is unet; leave model out"),
        ("seed=1", "seed: has no place with task=predict, which segments photographs"),
        ("predict.flip=maybe", "predict.flip=maybe"),
    ],
)
def test_what_is_wrong_is_said_before_any_work(
    change: str, line: str, trained: Path, photos: Path, tmp_path: Path, in_process: Command
) -> None:
    work = tmp_path / "work"
    for folder in ("empty", "folders/predictions.csv", "files", "long"):
        (work / folder).mkdir(parents=True)
    (work / "files" / "more").touch()
    (work / "loop").symlink_to("loop")
    shutil.copy(photos / "a.jpg", work / "long" / f"{'a' * 240}.jpg")
    key = change.partition("=")[0]
    words = [word for word in arguments(trained, Path("photos"), Path("out")) if not word.startswith(f"{key}=")]
    code, shown = in_process(*words, change)
    assert code == 2
    assert line in shown
    assert len(shown.strip().splitlines()) == 1
    assert not (work / "out").exists()


def test_an_output_that_may_not_be_written_is_refused_before_any_work(
    trained: Path, photos: Path, tmp_path: Path, in_process: Command, monkeypatch: pytest.MonkeyPatch
) -> None:
    access = os.access
    monkeypatch.setattr(os, "access", lambda path, mode: Path(path) != tmp_path and access(path, mode))
    code, shown = in_process(*arguments(trained, photos, tmp_path / "out" / "here"))
    assert code == 2
    assert f"{tmp_path} may not be written; make it writable, or give another folder" in shown


def test_a_photograph_and_a_pattern_are_found(trained: Path, photos: Path, tmp_path: Path, in_process: Command) -> None:
    for given, files in (("photos/a.jpg", ["a.jpg"]), ("photos/**/*e*", ["more/b.webp", "turned.jpg"])):
        output = tmp_path / f"out{len(files)}"
        code, shown = in_process(*arguments(trained, Path(given), output))
        assert code == 0, shown
        assert [row["file"] for row in table(output)] == files


def test_training_does_not_read_what_predicting_does(tmp_path: Path, in_process: Command) -> None:
    code, shown = in_process("output=masks")
    assert code == 2
    assert "output: has no place with task=train, which trains a network" in shown
    assert not os.listdir(tmp_path / "work")
