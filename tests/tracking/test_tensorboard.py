"""What TensorBoard reads of a run: every figure once, at its step, also when the run was killed and continued."""

import csv
import io
import json
import sys
from collections.abc import Callable
from pathlib import Path

import numpy as np
import pytest
from conftest import only_run, tiny
from PIL import Image
from processes import finish
from tensorboard.backend.event_processing.event_accumulator import IMAGES, SCALARS, TENSORS, EventAccumulator
from tensorboard.plugins.hparams import plugin_data_pb2
from test_wandb import write_folder
from wandb_child import config_of, pictures, row, steps

from pets_seg.run_folder.pictures import add_pictures, read_pictures
from pets_seg.tracking.replay import replay
from pets_seg.tracking.tensorboard_writer import TensorBoardWriter, side_by_side

EVERYTHING = {SCALARS: 0, IMAGES: 0, TENSORS: 0}


def read(folder: Path) -> EventAccumulator:
    return EventAccumulator(str(folder / "tensorboard"), size_guidance=EVERYTHING).Reload()


def points(found: EventAccumulator, tag: str) -> list[tuple[int, float]]:
    return [(event.step, event.value) for event in found.Scalars(tag)]


def table(file: Path) -> list[dict[str, float]]:
    with file.open(newline="") as opened:
        return [{key: float(value) for key, value in line.items()} for line in csv.DictReader(opened)]


def same(found: list[tuple[int, float]], expected: list[tuple[float, float]]) -> None:
    assert [step for step, _ in found] == [step for step, _ in expected]
    assert [value for _, value in found] == pytest.approx([value for _, value in expected], rel=1e-6)


@pytest.mark.slow
def test_a_run_that_was_killed_and_continued_has_every_point_once(oxford: Path, tmp_path: Path) -> None:
    arguments = [word for word in tiny(oxford) if not word.startswith("tracker")]
    arguments += ["tracker=tensorboard", "tracker.every_steps=1", "train.epochs=3", "train.save_every_steps=1"]
    assert finish(tmp_path, arguments, ("pets_seg.training.step.derive_seed", 4)) != 0
    assert finish(tmp_path, arguments, ("pets_seg.training.loop.write_epoch", 2)) != 0
    assert finish(tmp_path, arguments) == 0, (tmp_path / "shown").read_text()
    folder = only_run(tmp_path)
    found, epochs, of_steps = read(folder), table(folder / "metrics.csv"), table(folder / "steps.csv")
    assert [line["step"] for line in of_steps] == [1, 2, 3, 4, 5, 6]
    for name in epochs[0]:
        same(points(found, name), [(line["updates"], line[name]) for line in epochs])
    for name in ("step/loss", "step/lr"):
        same(points(found, name), [(line["step"], line[name]) for line in of_steps])
    summary = json.loads((folder / "summary.json").read_text())
    same(points(found, "test/dice"), [(6, summary["test_dice"])])
    kept = read_pictures(folder)
    assert [*kept] == [1, 2, 3]
    shown = found.Tags()["images"]
    assert len(shown) == len(kept[1])
    for tag in shown:
        images = found.Images(tag)
        assert [image.step for image in images] == [2, 4, 6]
        assert {(image.width, image.height) for image in images} == {(3 * 128, 128)}
    told = (tmp_path / "shown").read_text()
    assert f"TensorBoard files in {folder.relative_to(tmp_path)}/tensorboard\n" in told
    # A metric for the finished run.
    assert finish(tmp_path, [*arguments, "metric=boundary_f1"]) == 0
    found, summary = read(folder), json.loads((folder / "summary.json").read_text())
    same(points(found, "test/boundary_f1"), [(6, summary["test_boundary_f1"])])
    same(points(found, "step/loss"), [(line["step"], line["step/loss"]) for line in of_steps])
    assert len(found.Images(shown[0])) == 3


def test_a_run_that_starts_anew_keeps_nothing_of_other_trackers(
    oxford: Path, tmp_path: Path, in_process: Callable[..., tuple[int, str]]
) -> None:
    arguments = [word for word in tiny(oxford) if not word.startswith("tracker")] + ["train.epochs=1"]
    assert in_process(*arguments, "tracker=tensorboard", "tracker.every_steps=1")[0] == 0
    folder = only_run(tmp_path / "work")
    assert {"tensorboard", "steps.csv", "pictures.npz"} <= {path.name for path in folder.iterdir()}
    # As one that was killed before last.pt was written.
    (folder / "status.json").write_text(json.dumps({"state": "running", "started": "then"}))
    code, shown = in_process(*arguments, "tracker=none")
    assert code == 0, shown
    assert not {"tensorboard", "steps.csv", "pictures.npz"} & {path.name for path in folder.iterdir()}


def test_settings_are_of_the_run_itself(tmp_path: Path) -> None:
    config = config_of("auto") | {"existing": "restart", "runs": "x", "checkpoint": None}
    config["model"] = {"name": "unet", "_target_": "a.B", "width": 4, "sizes": [1, 2], "root": None}
    writer = TensorBoardWriter(config, tmp_path)
    replay(writer, [row(1)], steps(1, 2), {1: pictures()})
    writer.finish({"test_dice": 0.75, "data_digest": "d", "epochs_to_080": None}, failed=False)
    assert [path.name.startswith("events.") for path in (tmp_path / "tensorboard").iterdir()] == [True]
    found = read(tmp_path)
    assert points(found, "test/dice") == [(4, 0.75)]
    assert set(found.Tags()["scalars"]) == {*row(1), "step/loss", "step/lr", "test/dice"}
    assert points(found, "step/loss") == [(2, 0.5), (4, 0.25)]
    plugin = found.PluginTagToContent("hparams")
    begun = plugin_data_pb2.HParamsPluginData.FromString(plugin["_hparams_/session_start_info"])
    told = {key: value.WhichOneof("kind") for key, value in begun.session_start_info.hparams.items()}
    assert told.keys() == {
        "model.name",
        "model.width",
        "model.sizes",
        "aug.name",
        "optimizer.name",
        "optimizer.lr",
        "seed",
    }
    assert begun.session_start_info.hparams["optimizer.lr"].number_value == 0.001
    assert "_hparams_/session_end_info" in plugin


def test_a_copy_of_a_finished_run_that_is_broken_off_loses_nothing(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    write_folder(tmp_path, 2, every=1)
    TensorBoardWriter.copy_again(tmp_path)
    expected = points(read(tmp_path), "val/dice")
    assert [step for step, _ in expected] == [4, 8]

    def broken_off(writer: TensorBoardWriter, *given: object) -> None:
        writer.writer.close()
        raise KeyboardInterrupt

    for method in ("log", "finish"):
        with monkeypatch.context() as broken:
            broken.setattr(TensorBoardWriter, method, broken_off)
            with pytest.raises(KeyboardInterrupt):
                TensorBoardWriter.copy_again(tmp_path)
        assert len(list((tmp_path / "tensorboard").iterdir())) > 1
    TensorBoardWriter.copy_again(tmp_path)
    assert len(list((tmp_path / "tensorboard").iterdir())) == 1
    assert points(read(tmp_path), "val/dice") == expected
    assert len(points(read(tmp_path), "step/loss")) == 8


def test_pictures_show_image_truth_and_prediction_side_by_side() -> None:
    [picture] = pictures(1, size=48)
    shown = side_by_side(picture)
    assert (shown.shape, shown.dtype) == ((3, 144, 432), np.uint8)
    image, truth, predicted = (shown[:, :, part : part + 144] for part in (0, 144, 288))
    mask = picture[2].repeat(3, axis=0).repeat(3, axis=1)
    assert np.array_equal(truth[:, mask == 0], image[:, mask == 0])
    assert not truth[:, mask == 255].any()
    assert (truth[0][mask == 1] >= 127).all()
    assert (truth[1:][:, mask == 1] <= 127).all()
    # It is predicted where the mask is 0.
    assert np.array_equal(predicted[:, mask != 0], image[:, mask != 0])
    assert (predicted[0][mask == 0] >= 127).all()


def test_an_image_is_read_back_as_it_was(tmp_path: Path) -> None:
    taken = pictures(2, size=160)
    writer = TensorBoardWriter(config_of("auto"), tmp_path)
    replay(writer, [row(1)], [], {1: taken})
    writer.finish({}, failed=True)
    found = read(tmp_path)
    for stem, *rest in taken:
        [event] = found.Images(f"val/pictures/{stem}".replace("\x1b", "\\x1b"))
        content = np.asarray(Image.open(io.BytesIO(event.encoded_image_string)))
        assert np.array_equal(content, side_by_side((stem, *rest)).transpose(1, 2, 0))
    assert "_hparams_/session_end_info" not in found.PluginTagToContent("hparams")


def test_the_file_of_pictures_keeps_earlier_epochs_and_replaces_later_ones(tmp_path: Path) -> None:
    first, second = pictures(), [(stem, image, mask, ~mask.astype(bool)) for stem, image, mask, _ in pictures()]
    for epoch, taken in ((1, first), (3, first), (2, second)):
        add_pictures(tmp_path, epoch, taken)
    kept = read_pictures(tmp_path)
    assert [*kept] == [1, 2]
    for epoch, expected in ((1, first), (2, second)):
        for found, wanted in zip(kept[epoch], expected, strict=True):
            assert found[0] == wanted[0]
            assert all(np.array_equal(a, b) for a, b in zip(found[1:], wanted[1:], strict=True))
    (tmp_path / "pictures.npz").write_bytes(b"PK")
    assert read_pictures(tmp_path) == {}


def test_pictures_of_an_older_version_are_those_of_the_last_epoch(tmp_path: Path) -> None:
    (tmp_path / "wandb").mkdir()
    stems, images, masks, predicted = map(np.stack, zip(*pictures(), strict=True))
    file = tmp_path / "wandb" / "pictures.npz"
    np.savez_compressed(file, stem=stems, image=images, mask=masks, predicted=predicted)
    [(epoch, kept)] = read_pictures(tmp_path, last=7).items()
    assert (epoch, [stem for stem, *_ in kept]) == (7, [stem for stem, *_ in pictures()])
    assert np.array_equal(kept[1][3], predicted[1])


def test_without_tensorboard_it_says_what_to_install(
    in_process: Callable[..., tuple[int, str]], tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setitem(sys.modules, "tensorboard", None)
    code, shown = in_process("tracker=tensorboard", "data.size=32")
    assert (code, shown.count("\n")) == (2, 1)
    assert shown.startswith("tracker=tensorboard: needs tensorboard, which is not there; pip install")
    assert list((tmp_path / "work").iterdir()) == []
