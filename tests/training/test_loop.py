"""The loop: it learns, in the right mode, stops at a NaN, goes on where it was, and repeats itself exactly."""

import csv
import json
from collections.abc import Callable
from pathlib import Path

import pytest
import torch
from conftest import SAVED, only_run, tiny
from safetensors.torch import load_file

from pets_seg.models.unet import UNet

Command = Callable[..., tuple[int, str]]


def rows(run: Path) -> list[dict]:
    with open(run / "metrics.csv") as file:
        return list(csv.DictReader(file))


def without_time(rows: list[dict]) -> list[dict]:
    return [{key: row[key] for key in row if key not in ("seconds", "images_per_second")} for row in rows]


def test_it_overfits_eight_images(oxford: Path, tmp_path: Path, in_process: Command) -> None:
    (oxford / "oxford-iiit-pet" / "annotations" / "trainval.txt").write_text(
        "".join(f"pet_{index}\n" for index in range(9))
    )
    arguments = [*tiny(oxford), "model.width=8", "train.epochs=60", "train.batch_size=8", "optimizer.lr=0.01"]
    code, shown = in_process(*arguments)
    assert code == 0, shown
    found = rows(only_run(tmp_path / "work"))
    assert float(found[-1]["train/loss"]) < 0.1 < float(found[0]["train/loss"])
    # Bright squares are easy: an image never seen is found too.
    assert json.loads((only_run(tmp_path / "work") / "summary.json").read_text())["best_val_dice"] > 0.8


def test_every_epoch_trains_in_training_mode_and_validates_in_evaluation_mode(
    oxford: Path, in_process: Command, monkeypatch: pytest.MonkeyPatch
) -> None:
    modes: list[tuple[bool, bool]] = []
    statistics: list[torch.Tensor] = []
    forward = UNet.forward

    def watched(self: UNet, image: torch.Tensor) -> torch.Tensor:
        every = {module.training for module in self.modules()}
        assert len(every) == 1
        out = forward(self, image)
        # It is tried, and its cost counted, on images that hold nothing.
        if image.device.type != "meta":
            modes.append((every.pop(), torch.is_inference_mode_enabled()))
            statistics.append(self.encoder[0][1].running_mean.clone())
        return out

    monkeypatch.setattr(UNet, "forward", watched)
    code, shown = in_process(*tiny(oxford), "train.epochs=3", "train.batch_size=6")
    assert code == 0, shown
    training, validating = (True, False), (False, True)
    # 18 training images in 3 steps and 2 validation images in one batch, three times; then valid and test.
    assert modes[:12] == [training, training, training, validating] * 3
    assert modes[12:14] == [validating, validating]
    for epoch in range(3):
        steps, validation = statistics[4 * epoch : 4 * epoch + 3], statistics[4 * epoch + 3]
        assert not torch.equal(steps[0], steps[2])
        assert torch.equal(steps[2], validation)


def test_the_same_command_gives_the_same_figures(oxford: Path, tmp_path: Path, in_process: Command) -> None:
    found = []
    for name in ("first", "second"):
        code, shown = in_process(*tiny(oxford), f"name={name}", "aug=elastic")
        assert code == 0, shown
        found.append(only_run(tmp_path / "work", name))
        torch.rand(5)
    assert found[0].name == found[1].name
    assert without_time(rows(found[0])) == without_time(rows(found[1]))
    assert (found[0] / "per_image.csv").read_text() == (found[1] / "per_image.csv").read_text()


def test_a_loss_that_is_not_finite_fails_the_run_within_a_few_steps(
    oxford: Path, tmp_path: Path, in_process: Command
) -> None:
    code, shown = in_process(*tiny(oxford), "optimizer.lr=1e30", "train.batch_size=2")
    assert code == 1
    assert "try a lower optimizer.lr (now 1e+30)" in shown
    assert "Traceback" not in shown
    status = json.loads((only_run(tmp_path / "work") / "status.json").read_text())
    assert status["state"] == "failed"
    assert status["error"]["type"] == "DivergedError"
    assert not (only_run(tmp_path / "work") / "checkpoints").exists()


def test_weights_spoilt_by_the_last_step_fail_the_run(oxford: Path, tmp_path: Path, in_process: Command) -> None:
    one_step = ["train.epochs=1", "train.batch_size=18", "scheduler=constant", "optimizer.lr=1e30"]
    code, shown = in_process(*tiny(oxford), *one_step)
    assert code == 1
    assert "the validation loss is" in shown
    assert json.loads((only_run(tmp_path / "work") / "status.json").read_text())["state"] == "failed"


def test_out_of_memory_names_the_batch_size(
    oxford: Path, tmp_path: Path, in_process: Command, monkeypatch: pytest.MonkeyPatch
) -> None:
    forward = UNet.forward

    def full(self: UNet, image: torch.Tensor) -> torch.Tensor:
        # What is tried before a run takes no memory.
        if image.device.type == "meta":
            return forward(self, image)
        raise torch.OutOfMemoryError("CUDA out of memory")

    monkeypatch.setattr(UNet, "forward", full)
    code, shown = in_process(*tiny(oxford), "train.batch_size=16")
    assert code == 1
    assert "out of memory with train.batch_size=16 at data.size=32; try train.batch_size=8" in shown
    assert json.loads((only_run(tmp_path / "work") / "status.json").read_text())["state"] == "failed"


@pytest.mark.parametrize(
    "choice", ["loss=dice", "loss=ce_dice", "optimizer=sgd", "optimizer=adam", "optimizer=muon", "scheduler=cosine"]
)
def test_every_choice_trains(oxford: Path, tmp_path: Path, in_process: Command, choice: str) -> None:
    code, shown = in_process(*tiny(oxford), choice, "data.boundary=ignore", "data.normalisation=raw")
    assert code == 0, shown
    found = rows(only_run(tmp_path / "work"))
    assert ("val/objective" in found[0]) == choice.startswith("loss=")
    summary = json.loads((only_run(tmp_path / "work") / "summary.json").read_text())
    assert {"best_epoch", "best_val_dice", "val_loss_at_best", "test_dice", "test_iou", "test_loss"} <= summary.keys()
    assert {"parameters", "macs", "peak_memory_mb", "train_seconds", "epochs_to_080", "epochs_to_090"} <= summary.keys()


@pytest.mark.slow
def test_with_keep_original_a_run_sees_more_images_in_as_many_updates(
    oxford: Path, tmp_path: Path, in_process: Command
) -> None:
    summaries, runs = {}, {}
    for choice in ("false", "true"):
        code, shown = in_process(*tiny(oxford), "aug=hflip", f"aug.keep_original={choice}", f"name=kept_{choice}")
        assert code == 0, shown
        runs[choice] = only_run(tmp_path / "work", f"kept_{choice}")
        summaries[choice] = json.loads((runs[choice] / "summary.json").read_text())
    # 18 training images in batches of 16 and 2, in 2 epochs.
    assert [summaries[choice]["updates"] for choice in summaries] == [4, 4]
    assert summaries["false"]["images_seen"] == 36
    assert 36 < summaries["true"]["images_seen"] < 72
    assert [int(row["images_seen"]) for row in rows(runs["true"])][-1] == summaries["true"]["images_seen"]
    assert runs["false"].name != runs["true"].name


@pytest.mark.slow
def test_activations_computed_again_and_exact_algorithms_change_no_figure(
    oxford: Path, tmp_path: Path, in_process: Command
) -> None:
    found = {}
    for key in ("compile", "checkpoint_activations", "deterministic"):
        name = f"with_{key}"
        code, shown = in_process(*tiny(oxford), f"train.{key}={str(key != 'compile').lower()}", f"name={name}")
        assert code == 0, shown
        found[key] = only_run(tmp_path / "work", name)
    torch.use_deterministic_algorithms(False)
    plain = found.pop("compile")
    for run in found.values():
        assert run.name != plain.name
        assert without_time(rows(run)) == without_time(rows(plain))
        assert (run / "per_image.csv").read_text() == (plain / "per_image.csv").read_text()


@pytest.mark.slow
def test_the_averaged_weights_are_validated_and_kept(oxford: Path, tmp_path: Path, in_process: Command) -> None:
    runs = {}
    for decay in (0, 0.9):
        code, shown = in_process(*tiny(oxford), "train.epochs=1", f"train.ema={decay}", f"name=ema{decay}", *SAVED)
        assert code == 0, shown
        runs[decay] = only_run(tmp_path / "work", f"ema{decay}")
    plain, averaged = ([row["train/loss"] for row in rows(run)] for run in runs.values())
    assert plain == averaged
    assert rows(runs[0])[-1]["val/loss"] != rows(runs[0.9])[-1]["val/loss"]
    state = torch.load(runs[0.9] / "checkpoints" / "last.pt", weights_only=True)
    weights = load_file(runs[0.9] / "checkpoints" / "best.safetensors")
    assert all(torch.equal(tensor, weights[name]) for name, tensor in state["average"]["network"].items())
    trained = [name for name, tensor in state["network"].items() if tensor.is_floating_point()]
    assert not any(torch.equal(state["network"][name], weights[name]) for name in trained)


@pytest.mark.slow
def test_a_batch_in_parts_gives_the_same_update_but_for_batch_norm(
    oxford: Path, tmp_path: Path, in_process: Command, monkeypatch: pytest.MonkeyPatch
) -> None:
    # In evaluation mode batch norm knows nothing of the batch.
    monkeypatch.setattr(UNet, "train", lambda self, mode=True: torch.nn.Module.train(self, False))
    sizes = []
    forward = UNet.forward

    def watched(self: UNet, image: torch.Tensor) -> torch.Tensor:
        if image.device.type != "meta":
            sizes.append(len(image))
        return forward(self, image)

    monkeypatch.setattr(UNet, "forward", watched)
    losses = {}
    for parts in (1, 3):
        sizes.clear()
        arguments = ["train.batch_size=7", f"train.accumulate={parts}", f"name=parts{parts}", "loss=ce_dice"]
        code, shown = in_process(*tiny(oxford), *arguments, "data.boundary=ignore")
        assert code == 0, shown
        losses[parts] = [float(row["train/objective"]) for row in rows(only_run(tmp_path / "work", f"parts{parts}"))]
        # 18 images are batches of 7, 7 and 4; no part is a single image.
        assert sizes[: 3 if parts == 1 else 5] == ([7, 7, 4] if parts == 1 else [3, 4, 3, 4, 4])
    assert losses[1] == pytest.approx(losses[3], rel=1e-4)
