"""Networks of all kinds as ONNX graphs, beside PyTorch."""

from collections.abc import Callable
from pathlib import Path

import numpy as np
import pytest
import torch
from conftest import make_network
from onnx_files import metadata, probabilities
from PIL import Image

from pets_seg import load_model
from pets_seg.errors import RunError
from pets_seg.export.graph import export_graph
from pets_seg.models.checkpoint import save_weights

Command = Callable[..., tuple[int, str]]


@pytest.mark.slow
@pytest.mark.parametrize(
    ("name", "settings", "normalisation"),
    [
        ("unet", {"width": 4, "upsampling": "transposed"}, "raw"),
        ("resnet34_unet", {"decoder_width": 4}, "imagenet"),
        ("timm_unet", {"encoder": "mobilenetv3_small_100", "width": 4}, "imagenet"),
        ("timm_unet", {"encoder": "swin_tiny_patch4_window7_224", "width": 4}, "imagenet"),
    ],
)
def test_a_file_of_weights_of_any_network_is_exported(
    name: str, settings: dict, normalisation: str, oxford: Path, tmp_path: Path, in_process: Command
) -> None:
    torch.manual_seed(0)
    network = make_network(name, **settings)
    # So that the statistics of batch norm are not those that it begins with.
    network.train()(torch.randn(4, 3, 64, 64))
    about = {"size": 64, "normalisation": normalisation, "boundary": "ignore", "precision": "fp32", "epoch": 1}
    file = tmp_path / "mine.safetensors"
    save_weights(file, network.state_dict(), {**about, "model": {"name": name, **settings}})
    data = ["data=oxford_pet", f"data.root={oxford}"]
    code, shown = in_process("task=export", f"checkpoint={file}", *data)
    assert code == 0, shown
    made = tmp_path / "work" / "mine.onnx"
    assert metadata(made)["training data"] == "unknown"
    photo = Image.fromarray(np.random.default_rng(0).integers(0, 256, (90, 130, 3), np.uint8))
    found = probabilities(made, np.asarray(photo)[None])[0]
    np.testing.assert_allclose(found, load_model(file, "cpu")(photo).probabilities, atol=1e-3)


def test_a_network_that_cannot_be_exported_is_named(tmp_path: Path) -> None:
    class Random(torch.nn.Module):
        def forward(self, image: torch.Tensor) -> torch.Tensor:
            if float(image.sum()) > 0:
                return image[:, :2]
            return image[:, 1:]

    with pytest.raises(RunError, match=r"^Random cannot be exported to ONNX \(.+\)$") as caught:
        export_graph(Random(), 32, "imagenet")
    assert "\n" not in str(caught.value)
