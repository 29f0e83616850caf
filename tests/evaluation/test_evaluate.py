"""Scores of a split: independent of the batch, equal to figures made one image at a time."""

from pathlib import Path

import pytest
import torch
import torch.nn.functional as F
from conftest import make_network, write_oxford

from pets_seg.data import Batches, Normalise, open_dataset
from pets_seg.data.cache import Split
from pets_seg.evaluation import evaluate as module
from pets_seg.evaluation.evaluate import evaluate
from pets_seg.training.precision import autocast

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


def scores(split: Split, boundary: str) -> module.Scores:
    torch.manual_seed(0)
    network = make_network("unet", width=4)
    batches = Batches(split, CPU, boundary)
    return evaluate(network, batches, Normalise("imagenet", CPU), autocast(CPU, "fp32"))


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
