"""Encoders of timm's: shapes, one training step, their normalisation, their weights, and what is refused."""

import json
import sys
import time
from collections.abc import Callable
from pathlib import Path

import pytest
import timm
import torch
from conftest import make_network, only_run, tiny
from PIL import Image
from safetensors.torch import load_file, save_file

from pets_seg.errors import InputError
from pets_seg.models.checkpoint import save_weights

Command = Callable[..., tuple[int, str]]
SMALLEST = "mobilenetv3_small_100"
# Encoders of ten kinds and the smallest side among 32, 64 and 96 that they take.
ENCODERS = {
    SMALLEST: 32,
    "mobilenetv3_large_100": 32,
    "efficientnet_b0": 32,
    "resnet18": 32,
    "regnety_004": 32,
    "densenet121": 32,
    "convnext_tiny": 32,
    "swin_tiny_patch4_window7_224": 32,
    "pvt_v2_b0": 32,
    "inception_v4": 96,
}


@pytest.mark.slow
@pytest.mark.parametrize("encoder", ENCODERS)
def test_every_weight_of_a_network_learns(encoder: str) -> None:
    torch.manual_seed(0)
    size = ENCODERS[encoder]
    network = make_network("timm_unet", encoder=encoder, width=4).train()
    optimizer = torch.optim.Adam(network.parameters(), lr=1e-3)
    before = {key: value.detach().clone() for key, value in network.named_parameters()}
    # In the first step residual branches that begin with zero hide what is in them.
    for _ in range(2):
        logits = network(torch.randn(2, 3, size, size))
        assert logits.shape == (2, 2, size, size)
        torch.nn.functional.cross_entropy(logits, torch.randint(2, (2, size, size))).backward()
        assert [key for key, parameter in network.named_parameters() if parameter.grad is None] == []
        optimizer.step()
        optimizer.zero_grad()
    assert [key for key, value in network.named_parameters() if torch.equal(value, before[key])] == []


@pytest.mark.parametrize("upsampling", ["bilinear", "transposed"])
@pytest.mark.parametrize(
    ("encoder", "size"),
    [("resnet18", (33, 47)), (SMALLEST, (97, 64)), ("convnext_tiny", (45, 32)), ("inception_v4", (100, 131))],
)
def test_logits_have_the_size_of_the_image(encoder: str, size: tuple[int, int], upsampling: str) -> None:
    network = make_network("timm_unet", encoder=encoder, upsampling=upsampling, width=2).train()
    logits = network(torch.randn(2, 3, *size))
    assert logits.shape == (2, 2, *size)
    assert logits.isfinite().all()


def test_a_decoder_is_as_wide_as_it_says() -> None:
    network = make_network("timm_unet", encoder="resnet18", width=4)
    # Convolved are the map below and, at 1/16, 1/8, 1/4 and 1/2, the encoder's of 256, 128, 64 and 64 channels.
    inputs = [(block[0].in_channels, block[0].out_channels) for block in network.decoder]
    assert inputs == [(512 + 256, 64), (64 + 128, 32), (32 + 64, 16), (16 + 64, 8), (8, 4)]


@pytest.mark.parametrize("encoder", ["inception_v4", "mobilevit_s", "resnet18"])
def test_an_encoder_sees_images_normalised_by_its_own_data(encoder: str) -> None:
    network = make_network("timm_unet", encoder=encoder)
    image = torch.rand(1, 3, 8, 8)
    published = timm.get_pretrained_cfg(encoder)

    def normalised(mean: tuple[float, ...], std: tuple[float, ...]) -> torch.Tensor:
        return (image - torch.tensor(mean).view(3, 1, 1)) / torch.tensor(std).view(3, 1, 1)

    ours = normalised((0.485, 0.456, 0.406), (0.229, 0.224, 0.225)) * network.scale + network.shift
    torch.testing.assert_close(ours, normalised(published.mean, published.std))


@pytest.fixture
def hub(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """The hub's cache in a folder of the test, and no hub."""
    from huggingface_hub import constants

    monkeypatch.setattr(constants, "HF_HUB_CACHE", str(tmp_path / "hub"))
    monkeypatch.setattr(constants, "ENDPOINT", "http://127.0.0.1:9")
    return tmp_path / "hub"


@pytest.mark.slow
def test_weights_that_were_downloaded_are_taken(hub: Path, in_process: Command, oxford: Path, tmp_path: Path) -> None:
    torch.manual_seed(1)
    published = timm.create_model(SMALLEST)
    folder = hub / f"models--timm--{SMALLEST}.lamb_in1k"
    (folder / "refs").mkdir(parents=True)
    (folder / "refs" / "main").write_text("f00d")
    (folder / "snapshots" / "f00d").mkdir(parents=True)
    save_file(published.state_dict(), folder / "snapshots" / "f00d" / "model.safetensors")
    chosen = ["model=timm_unet", f"model.encoder={SMALLEST}.lamb_in1k", "model.pretrained=true", "optimizer.lr=1e-9"]
    code, shown = in_process(*tiny(oxford), *chosen)
    assert code == 0, shown
    weights = load_file(only_run(tmp_path / "work") / "checkpoints" / "best.safetensors")
    torch.testing.assert_close(weights["encoder.conv_stem.weight"], published.conv_stem.weight, rtol=0, atol=1e-6)
    code, shown = in_process(*tiny(oxford), *chosen[:1], *chosen[2:])
    assert (code, len(shown.splitlines())) == (2, 1)
    assert "say which weights" in shown


@pytest.mark.parametrize("content", ["garbage", "of another network"])
def test_a_file_of_other_weights_is_refused(content: str, hub: Path) -> None:
    folder = hub / f"models--timm--{SMALLEST}.lamb_in1k" / "snapshots" / "f00d"
    folder.mkdir(parents=True)
    (folder.parents[1] / "refs").mkdir()
    (folder.parents[1] / "refs" / "main").write_text("f00d")
    if content == "garbage":
        (folder / "model.safetensors").write_text(content)
    else:
        save_file({"fc.weight": torch.zeros(2)}, folder / "model.safetensors")
    with pytest.raises(InputError, match=r"model\.safetensors does not hold the weights of mobilenetv3") as caught:
        make_network("timm_unet", encoder=f"{SMALLEST}.lamb_in1k", pretrained=True).load_pretrained()
    assert "\n" not in str(caught.value)


def test_weights_that_cannot_be_had_are_told_at_once(hub: Path) -> None:
    network = make_network("timm_unet", encoder="resnet18.a1_in1k", pretrained=True)
    started = time.monotonic()
    with pytest.raises(InputError, match=r"timm/resnet18\.a1_in1k/model\.safetensors cannot be downloaded") as caught:
        network.load_pretrained()
    assert "use model.pretrained=false" in str(caught.value)
    assert "\n" not in str(caught.value)
    assert time.monotonic() - started < 10


@pytest.mark.parametrize(
    ("encoder", "line"),
    [
        ("resnet_18", "has no such network (did you mean resnet18?)"),
        ("resnet18.nothing", "Invalid pretrained tag"),
        ("resnet18.", "Invalid pretrained tag"),
        ("tf_efficientnet_b0_ap", "is a name of former versions of timm"),
        ("vit_tiny_patch16_224", "has feature maps at 1/16, 1/16, 1/16 of the side"),
        ("local-dir:/tmp/x", "has no such network"),
        ("hf-hub:timm/resnet18.a1_in1k", "has no such network"),
    ],
)
def test_what_is_no_encoder_is_refused(encoder: str, line: str) -> None:
    with pytest.raises(InputError) as caught:
        make_network("timm_unet", encoder=encoder)
    assert line in str(caught.value)
    assert str(caught.value).startswith(f"model.encoder={encoder}: ")


def test_an_encoder_that_needs_larger_images_is_refused_before_a_run(in_process: Command, tmp_path: Path) -> None:
    code, shown = in_process("model=timm_unet", "model.encoder=inception_v4", "data.size=32")
    assert (code, len(shown.splitlines())) == (2, 1)
    assert "cannot train on images of data.size=32" in shown
    assert not (tmp_path / "work" / "runs").exists()


def test_without_timm_a_line_says_what_to_install(monkeypatch: pytest.MonkeyPatch, in_process: Command) -> None:
    monkeypatch.setitem(sys.modules, "timm", None)
    code, shown = in_process("model=timm_unet")
    assert code == 2
    assert shown == "model=timm_unet: timm is not there; pip install 'pets_seg[encoders]'\n"


def test_a_run_is_trained_tested_again_and_used(oxford: Path, tmp_path: Path, in_process: Command) -> None:
    small = tiny(oxford)
    code, shown = in_process(*small, "model=timm_unet", f"model.encoder={SMALLEST}")
    assert code == 0, shown
    run = only_run(tmp_path / "work")
    trained = json.loads((run / "summary.json").read_text())
    code, shown = in_process("task=evaluate", f"checkpoint={run}", "split=test", "train.device=cpu")
    assert code == 0, shown
    assert f"dice={trained['test_dice']:.4f}" in shown
    photos = ["task=predict", f"checkpoint={run}", f"input={oxford}/oxford-iiit-pet/images", "output=out"]
    code, shown = in_process(*photos, "train.device=cpu")
    assert code == 0, shown
    assert len([*(tmp_path / "work" / "out").glob("*_mask.png")]) == 24


def test_a_strangers_file_makes_timm_read_nothing(tmp_path: Path, in_process: Command) -> None:
    settings = {"name": "timm_unet", "_target_": "pets_seg.models.timm_unet.TimmUNet", "encoder": "local-dir:/tmp"}
    about = {"size": 32, "normalisation": "imagenet", "boundary": "foreground", "precision": "fp32", "epoch": 1}
    file = tmp_path / "theirs.safetensors"
    save_weights(file, make_network("timm_unet", encoder=SMALLEST).state_dict(), {**about, "model": settings})
    Image.new("RGB", (40, 40)).save(tmp_path / "x.jpg")
    code, shown = in_process("task=predict", f"checkpoint={file}", f"input={tmp_path}/x.jpg", "output=out")
    assert (code, len(shown.splitlines())) == (2, 1)
    assert "has no such network" in shown
