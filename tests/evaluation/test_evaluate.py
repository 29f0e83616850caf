"""Scores of a split: independent of the batch, equal to figures made one image at a time."""

import math
from collections.abc import Callable, Mapping
from dataclasses import replace
from pathlib import Path
from types import MappingProxyType

import pytest
import torch
import torch.nn.functional as F
from conftest import make_network, write_oxford

from pets_seg.data import Batches, Normalise, open_dataset
from pets_seg.data.cache import Split
from pets_seg.evaluation import evaluate as module
from pets_seg.evaluation.evaluate import evaluate
from pets_seg.machine.precision import autocast

CPU = torch.device("cpu")


@pytest.fixture(scope="module")
def split(tmp_path_factory: pytest.TempPathFactory) -> Split:
    root = tmp_path_factory.mktemp("data")
    write_oxford(root, trainval=30)
    data = {
        "name": "oxford_pet",
        "_target_": "pets_seg.data.sources.oxford_pet",
        "root": root,
        "download": False,
        "size": 32,
        "skip_bad": False,
        "cache_dir": None,
    }
    return open_dataset(data).train


def scores(split: Split, boundary: str, figures: Mapping[str, Callable] = MappingProxyType({})) -> module.Scores:
    torch.manual_seed(0)
    network = make_network("unet", width=4)
    batches = Batches(split, CPU, boundary)
    return evaluate(network, batches, Normalise("imagenet", CPU), autocast(CPU, "fp32"), figures)


@pytest.mark.parametrize("boundary", ["foreground", "ignore"])
def test_figures_do_not_depend_on_the_batch(split: Split, boundary: str, monkeypatch: pytest.MonkeyPatch) -> None:
    whole = scores(split, boundary)
    monkeypatch.setattr(module, "LARGEST_BATCH", 1)
    single = scores(split, boundary)
    for name in ("dice", "iou", "loss", "pixels"):
        torch.testing.assert_close(getattr(whole, name), getattr(single, name), atol=1e-6, rtol=1e-5)
    for name, value in whole.means().items():
        assert value == pytest.approx(single.means()[name], abs=1e-6)


def test_loss_is_the_mean_over_all_counted_pixels(split: Split) -> None:
    found = scores(split, "ignore")
    torch.manual_seed(0)
    network = make_network("unet", width=4).eval()
    image, mask = Batches(split, CPU, "ignore").take(torch.arange(len(split)))
    with torch.no_grad():
        logits = network(Normalise("imagenet", CPU)(image))
    expected = F.cross_entropy(logits, mask.long(), ignore_index=255)
    assert found.means()["loss"] == pytest.approx(expected.item(), abs=1e-6)
    assert found.pixels.tolist() == (mask != 255).flatten(1).sum(1).tolist()
    assert found.pixels.unique().numel() > 1


def test_the_first_layer_sees_normalised_images(split: Split, tmp_path: Path) -> None:
    image, _ = Batches(split, CPU, "foreground").take(torch.arange(4))
    mean, std = torch.tensor([0.485, 0.456, 0.406]), torch.tensor([0.229, 0.224, 0.225])
    expected = (image - mean[:, None, None]) / std[:, None, None]
    torch.testing.assert_close(Normalise("imagenet", CPU)(image), expected)
    assert Normalise("raw", CPU)(image).max() > 200
    for kind in ("raw", "imagenet"):
        last = Normalise(kind, CPU, torch.channels_last)(image)
        assert last.is_contiguous(memory_format=torch.channels_last)
        assert torch.equal(last, Normalise(kind, CPU)(image))


def without_counted_pixels(split: Split, rows: list[int]) -> Split:
    """Return the split with images in which trimap 3 is everywhere."""
    trimap_of = split.trimap_of.clone()
    trimap_of[split.rows[rows]] = 3
    return replace(split, trimap_of=trimap_of)


@pytest.mark.parametrize("largest", [1, 4, 64])
def test_an_image_without_a_counted_pixel_is_left_out_of_every_mean(
    split: Split, largest: int, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(module, "LARGEST_BATCH", largest)
    figures = {"by_image": lambda logits, mask: logits.mean((1, 2, 3)), "by_pixel": lambda logits, mask: logits[:, 0]}
    out, kept = [0, 5, 6], [row for row in range(len(split)) if row not in (0, 5, 6)]
    found = scores(without_counted_pixels(split, out), "ignore", figures)
    others = scores(replace(split, stems=[split.stems[n] for n in kept], rows=split.rows[kept]), "ignore", figures)
    assert found.means() == pytest.approx(others.means(), abs=1e-6)
    for name in figures:
        assert found.mean(name) == pytest.approx(others.mean(name), abs=1e-6)
    assert (found.contents(), others.contents().left_out) == (module.MaskContents(len(split), 3, True), 0)
    for row, cells in enumerate(found.rows("test", split.stems)):
        scored = [cells[name] for name in ("dice", "iou", "loss", *figures)]
        assert [math.isnan(value) for value in scored] == [row in out] * 5
        assert (cells["pixels"] == 0) == (row in out)


def test_a_split_without_a_counted_pixel_has_no_figures(split: Split) -> None:
    found = scores(without_counted_pixels(split, list(range(len(split)))), "ignore", {})
    assert all(math.isnan(value) for value in found.means().values())
    assert found.contents() == module.MaskContents(len(split), len(split), False)
