"""Checkpoints: weights come back bit for bit, and what is not a checkpoint is refused in a line."""

import pickle
from pathlib import Path

import pytest
import torch

from pets_seg.errors import InputError
from pets_seg.models import build_model
from pets_seg.training.checkpoint import load_network, load_state, read_about, save_state, save_weights

CPU = torch.device("cpu")
ABOUT = {"model": {"name": "unet", "width": 4, "upsampling": "transposed"}, "size": 32}


def test_weights_and_what_rebuilds_the_network_come_back(tmp_path: Path) -> None:
    network = build_model(**ABOUT["model"])
    save_weights(tmp_path / "best.safetensors", network, ABOUT)
    loaded = load_network(tmp_path / "best.safetensors", CPU)
    for name, tensor in network.state_dict().items():
        assert torch.equal(loaded.state_dict()[name], tensor)
    assert read_about(tmp_path / "best.safetensors") == ABOUT
    assert [path.name for path in tmp_path.iterdir()] == ["best.safetensors"]


def test_a_failed_write_leaves_the_former_file(tmp_path: Path) -> None:
    path = tmp_path / "last.pt"
    save_state(path, {"rows": [1]})
    with pytest.raises((pickle.PicklingError, AttributeError)):
        save_state(path, {"rows": lambda: None})
    assert load_state(path) == {"rows": [1]}
    assert [path.name for path in tmp_path.iterdir()] == ["last.pt"]


def test_a_damaged_state_is_a_warning_and_a_missing_one_is_none(tmp_path: Path, caplog) -> None:
    assert load_state(tmp_path / "last.pt") is None
    (tmp_path / "last.pt").write_bytes(b"damaged")
    assert load_state(tmp_path / "last.pt") is None
    assert "cannot be read" in caplog.text


def test_a_state_cannot_run_code(tmp_path: Path) -> None:
    class Payload:
        def __reduce__(self) -> tuple:
            return (Path.touch, (tmp_path / "ran",))

    torch.save({"network": Payload()}, tmp_path / "last.pt")
    assert load_state(tmp_path / "last.pt") is None
    assert not (tmp_path / "ran").exists()


@pytest.mark.parametrize(
    ("about", "reason"),
    [
        ({"model": {"name": "os.system"}}, "do not fit"),
        ({"model": {"name": "unet", "width": 8, "upsampling": "transposed"}}, "do not fit"),
        ({"model": {"name": "unet", "depth": 8}}, "do not fit"),
        ({"network": "unet"}, "is not a checkpoint"),
        ({"model": {"name": ["unet"]}}, "does not say"),
    ],
)
def test_metadata_that_does_not_fit_is_refused(tmp_path: Path, about: dict, reason: str) -> None:
    save_weights(tmp_path / "best.safetensors", build_model(**ABOUT["model"]), about)
    with pytest.raises(InputError, match=reason):
        load_network(tmp_path / "best.safetensors", CPU)


def test_a_file_that_is_no_checkpoint_is_refused(tmp_path: Path) -> None:
    (tmp_path / "best.safetensors").write_bytes(b"x" * 100)
    with pytest.raises(InputError, match="is not a checkpoint of pets_seg"):
        load_network(tmp_path / "best.safetensors", CPU)
