"""The model that ships: what its card says of it, and that it is what tasks use that were given no other."""

import json
import re
from collections.abc import Callable
from pathlib import Path

import numpy as np
import onnx
import pytest
import torch
from PIL import Image

from pets_seg import load_model
from pets_seg.config.weights import SHIPPED, sha256
from pets_seg.data import open_dataset
from pets_seg.models.checkpoint import load_network, read_about
from pets_seg.models.cost import count_parameters
from pets_seg.training.rescore import score_checkpoint

Command = Callable[..., tuple[int, str]]
CARD = (SHIPPED.parent / "README.md").read_text(encoding="utf-8")
RECORD = json.loads(SHIPPED.with_suffix(".json").read_text())
PHOTOS = Path(__file__).parents[2] / "experiments" / "shipped_model" / "photos"


def test_its_class_may_be_handed_over_too() -> None:
    from pets_seg.models.unet import UNet

    assert load_model(device="cpu", model=UNet).size == 128


def test_its_card_says_what_it_is() -> None:
    network = load_network(SHIPPED, torch.device("cpu"))
    about, summary = read_about(SHIPPED), RECORD["summary"]
    assert SHIPPED.stat().st_size < 5_000_000
    assert sha256(SHIPPED) in CARD
    assert f"{SHIPPED.stat().st_size / 1e6:.2f} MB" in CARD
    assert f"{count_parameters(network):,} parameters" in CARD
    assert count_parameters(network) == summary["parameters"]
    assert f"width {about['model']['width']} with {about['model']['upsampling']}" in CARD
    assert f"{about['size']} x {about['size']} pixels" in CARD
    assert about["epoch"] == summary["best_epoch"]
    data = RECORD["status"]["data"]
    counts = re.search(r"([\d,]+) photographs to learn from, (\d+) to choose the epoch", CARD)
    assert counts
    assert [int(number.replace(",", "")) for number in counts.groups()] == [data["train"], data["valid"]]
    figures = re.search(r"test Dice \| ([\d.]+) on (\d+) photographs .* IoU ([\d.]+);", CARD)
    assert figures
    assert figures.groups() == (f"{summary['test_dice']:.4f}", str(data["test"]), f"{summary['test_iou']:.4f}")


@pytest.mark.slow
def test_it_scores_on_the_bundled_test_images_as_on_all() -> None:
    about = read_about(SHIPPED)
    dataset = open_dataset(
        {"name": "sample", "_target_": "pets_seg.data.sources.sample", "skip_bad": False, "cache_dir": None}
        | {key: about[key] for key in ("size", "boundary", "normalisation")}
    )
    scores = score_checkpoint(SHIPPED, torch.device("cpu"), "fp32", {"test": dataset.test}, {})
    # None of them is among the 3,680 that it was trained and chosen on.
    assert scores["test"].means()["dice"] == pytest.approx(RECORD["summary"]["test_dice"], abs=0.015)


def test_photographs_are_segmented_with_it_unless_another_is_given(tmp_path: Path, in_process: Command) -> None:
    code, shown = in_process("task=predict", f"input={PHOTOS}", f"output={tmp_path / 'out'}", "train.device=cpu")
    assert code == 0, shown
    assert "4 of 4 photographs" in shown
    predict = load_model(device="cpu")
    for photo in PHOTOS.glob("*.jpg"):
        mask = np.asarray(Image.open(tmp_path / "out" / f"{photo.stem}_mask.png")) == 255
        prediction = predict(photo)
        # Batches differ in rounding.
        assert np.mean(prediction.mask != mask) < 5e-3
        # The pet is in the middle of each, and not at the upper edge.
        height, width = mask.shape
        assert mask[height * 9 // 20 : height * 3 // 5, width * 9 // 20 : width * 11 // 20].mean() > 0.9
        assert mask[:5].mean() < 0.1


@pytest.mark.slow
def test_it_is_exported_with_its_licence_and_data(tmp_path: Path, in_process: Command) -> None:
    code, shown = in_process("task=export", f"output={tmp_path / 'net.onnx'}")
    assert code == 0, shown
    assert "on 148 test images of data=sample" in shown
    told = {entry.key: entry.value for entry in onnx.load(tmp_path / "net.onnx").metadata_props}
    assert told["sha256 of the weights"] == sha256(SHIPPED)
    assert told["licence of the training data"].startswith("CC BY-SA 4.0")
    assert json.loads(told["training data"])["name"] == "oxford_pet"
    assert json.loads(told["figures of the run"])["test_dice"] == RECORD["summary"]["test_dice"]


def test_bf16_is_computed_where_the_cpu_has_it(monkeypatch: pytest.MonkeyPatch) -> None:
    from pets_seg.evaluation import predictor

    formats = []
    monkeypatch.setattr(predictor, "autocast", lambda device, precision: formats.append(precision) or torch.no_grad())
    for instructions in (["AVX512_BF16"], []):
        monkeypatch.setattr(predictor, "bf16_instructions", lambda found=instructions: found)
        load_model(device="cpu")(np.zeros((20, 30, 3), np.uint8))
    assert formats == ["bf16", "fp32"]
