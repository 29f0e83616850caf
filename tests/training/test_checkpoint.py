"""Checkpoints: weights come back bit for bit, and what is not a checkpoint is refused in a line."""

import pickle
import re
import zipfile
from pathlib import Path

import pytest
import torch
from conftest import make_network
from safetensors.torch import save

import pets_seg
from pets_seg.errors import InputError
from pets_seg.models.checkpoint import load_network, read_about, save_weights
from pets_seg.training.checkpoint import load_state, save_state

CPU = torch.device("cpu")
ABOUT = {
    "model": {"name": "unet", "width": 4, "upsampling": "transposed"},
    "size": 32,
    "normalisation": "imagenet",
    "boundary": "foreground",
    "precision": "fp32",
    "epoch": 3,
}
LAYOUT = 7


def weights(**model: object) -> dict[str, torch.Tensor]:
    return make_network(**{**ABOUT["model"], **model}).state_dict()


def test_weights_and_what_rebuilds_the_network_come_back(tmp_path: Path) -> None:
    kept = weights()
    save_weights(tmp_path / "best.safetensors", kept, ABOUT)
    loaded = load_network(tmp_path / "best.safetensors", CPU)
    for name, tensor in kept.items():
        assert torch.equal(loaded.state_dict()[name], tensor)
    about = read_about(tmp_path / "best.safetensors")
    assert about.pop("model") == {**ABOUT["model"], "_target_": "pets_seg.models.unet.UNet"}
    assert about == {key: value for key, value in ABOUT.items() if key != "model"}
    assert [path.name for path in tmp_path.iterdir()] == ["best.safetensors"]


def test_a_failed_write_leaves_the_former_file(tmp_path: Path) -> None:
    path = tmp_path / "last.pt"
    save_state(path, {"layout": LAYOUT, "rows": [1]})
    with pytest.raises((pickle.PicklingError, AttributeError)):
        save_state(path, {"rows": lambda: None})
    assert load_state(path, LAYOUT) == {"layout": LAYOUT, "rows": [1]}
    assert [path.name for path in tmp_path.iterdir()] == ["last.pt"]


def refused(path: Path, caplog: pytest.LogCaptureFixture, reason: str) -> None:
    caplog.clear()
    assert load_state(path, LAYOUT) is None
    [message] = caplog.messages
    assert f"{path} cannot be read (" in message
    assert reason in message
    assert "\n" not in message


def test_a_missing_state_is_none_and_one_that_cannot_be_used_a_warning(tmp_path: Path, caplog) -> None:
    path = tmp_path / "last.pt"
    assert load_state(path, LAYOUT) is None
    assert caplog.messages == []
    path.write_bytes(b"damaged")
    refused(path, caplog, "not a zip file")
    save_state(path, {"layout": LAYOUT - 1})
    refused(path, caplog, "another version")
    save_state(path, {"layout": LAYOUT, "weights": torch.arange(1000.0)})
    whole = path.read_bytes()
    path.write_bytes(whole[:-100])
    refused(path, caplog, "not a zip file")
    path.write_bytes(b"")
    refused(path, caplog, "not a zip file")
    for place in (whole.find(torch.arange(1000.0).numpy().tobytes()) + 2000, whole.find(b"layout") + 3):
        path.write_bytes(whole[:place] + bytes([whole[place] ^ 4]) + whole[place + 1 :])
        refused(path, caplog, "checksum" if place > 1000 else "")
    path.write_bytes(whole)
    assert torch.equal(load_state(path, LAYOUT)["weights"], torch.arange(1000.0))


def test_a_passing_shortage_of_memory_does_not_throw_a_state_away(tmp_path: Path, monkeypatch) -> None:
    save_state(tmp_path / "last.pt", {"layout": LAYOUT})
    for error in (MemoryError(), RuntimeError("DefaultCPUAllocator: can't allocate memory")):

        def refuse(*_: object, error: Exception = error, **__: object) -> None:
            raise error

        monkeypatch.setattr(torch, "load", refuse)
        with pytest.raises(type(error)):
            load_state(tmp_path / "last.pt", LAYOUT)


class Payload:
    def __init__(self, target: Path) -> None:
        self.target = target

    def __reduce__(self) -> tuple:
        return (Path.touch, (self.target,))


def test_a_state_cannot_run_code(tmp_path: Path, caplog) -> None:
    path = tmp_path / "last.pt"
    torch.save({"layout": LAYOUT, "network": Payload(tmp_path / "ran")}, path)
    refused(path, caplog, "")
    # Before PyTorch 1.6 a state was a bare pickle.
    path.write_bytes(pickle.dumps({"layout": LAYOUT, "network": Payload(tmp_path / "ran")}))
    refused(path, caplog, "not a zip file")
    assert not (tmp_path / "ran").exists()


def test_an_archive_that_unpacks_to_more_than_it_is_is_not_unpacked(tmp_path: Path, caplog) -> None:
    path = tmp_path / "last.pt"
    with zipfile.ZipFile(path, "w", zipfile.ZIP_DEFLATED) as archive:
        archive.writestr("last/data.pkl", bytes(100_000_000))
    assert path.stat().st_size < 200_000
    refused(path, caplog, "unpacks to more")


@pytest.mark.parametrize(
    ("changed", "reason"),
    [
        (
            {"model": {"name": "os.system"}},
            "model=os.system is not one of resnet34_unet, timm_unet, unet; if it is yours, name it in the command",
        ),
        ({"model": {"name": ["unet"]}}, "is not one of resnet34_unet, timm_unet, unet"),
        ({"model": {"_target_": "os.system", "name": "unet"}}, "model=unet is not one of"),
        ({"model": {"name": "unet", "width": 8, "upsampling": "transposed"}}, "its weights are not those of"),
        ({"model": {"name": "unet", "width": 4, "upsampling": "bilinear"}}, "its weights are not those of"),
        ({"model": {"name": "resnet34_unet", "decoder_width": 4, "upsampling": "bilinear"}}, "weights are not those"),
        ({"model": {"name": "unet", "decoder_width": 4}}, "model.decoder_width: belongs to model=resnet34_unet"),
        ({"model": {"name": "unet", "width": 10**9}}, "model.width=1000000000: must be from 1 to 1024"),
        ({"model": {"name": "unet", "width": "4"}}, "model.width=4: expected a whole number"),
        ({"model": {"name": "unet", "width": True}}, "expected a whole number"),
        ({"model": {"name": "unet", "depth": 8}}, "UNet takes no such argument (did you mean width?)"),
        ({"model": [1]}, "is not a checkpoint"),
        ({"model": None}, "is not a checkpoint"),
        ({"size": 10**6}, "data.size=1000000: must be from 32 to 4096"),
        ({"boundary": "../x"}, "data.boundary=../x: must be one of"),
        ({"precision": "int8"}, "must be one of auto, fp32"),
        ({"precision": "auto"}, "its precision is auto"),
        ({"epoch": "3"}, "its epoch is '3'"),
        ({"note": "x" * 20_000}, "is not a checkpoint"),
    ],
)
def test_metadata_that_does_not_fit_is_refused(tmp_path: Path, changed: dict, reason: str) -> None:
    path = tmp_path / "best.safetensors"
    save_weights(path, weights(), ABOUT | changed)
    with pytest.raises(InputError) as refusal:
        load_network(path, CPU)
    message = str(refusal.value)
    assert message.startswith(f"checkpoint={path}: ")
    assert reason in message
    assert len(message) < 400 + len(str(path))


def test_a_file_that_is_no_checkpoint_is_refused(tmp_path: Path) -> None:
    path = tmp_path / "best.safetensors"
    save_weights(path, weights(), ABOUT)
    whole = path.read_bytes()
    plain = save({"a": torch.zeros(1)})
    nested = save({"a": torch.zeros(1)}, metadata={"pets_seg": "[" * 9_000})
    for content in (b"", b"x" * 100, whole[:100], whole[:-1], plain, nested, (2**63).to_bytes(8, "little") + whole[8:]):
        path.write_bytes(content)
        with pytest.raises(InputError, match="is not a checkpoint of pets_seg"):
            load_network(path, CPU)


def test_nothing_in_the_package_unpickles_a_file() -> None:
    source = {path: path.read_text() for path in Path(pets_seg.__file__).parent.rglob("*.py")}
    assert not any(re.search(r"weights_only=False|allow_pickle=True", text) for text in source.values())
    # What a process and its own children say to each other through pipes is pickled, and never lies in a file.
    pickling = {path: text for path, text in source.items() if re.search(r"\bpickle\b", text)}
    assert {path.parent.name for path in pickling} <= {"launch"}
    from_files = r"pickle\.(load|Unpickler)\b|read_bytes|['\"]rb"
    assert not any(re.search(from_files, text) for text in pickling.values())
    loads = [line for text in source.values() for line in text.splitlines() if "torch.load(" in line]
    assert loads
    assert all("weights_only=True" in line for line in loads)
