"""task=export and task=demo of a network that no ONNX file can hold."""

import json
import os
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest
import torch

from pets_seg.command import export_request
from pets_seg.config.options import own_option
from pets_seg.models import on_meta

Command = Callable[..., tuple[int, str]]


def write_large(path: Path, width: int) -> None:
    """Write a checkpoint of a UNet as far as its header; the values are a hole that takes no room on the disk."""
    model = {"name": "unet", "_target_": own_option("model", "unet")["_target_"], "width": width}
    about = {"size": 32, "normalisation": "imagenet", "boundary": "foreground", "precision": "fp32", "epoch": 1}
    header: dict[str, Any] = {"__metadata__": {"pets_seg": json.dumps({**about, "model": model})}}
    kinds, end = {torch.float32: "F32", torch.int64: "I64"}, 0
    for name, values in on_meta(model).state_dict().items():
        begin, end = end, end + values.numel() * values.element_size()
        header[name] = {"dtype": kinds[values.dtype], "shape": list(values.shape), "data_offsets": [begin, end]}
    text = json.dumps(header).encode()
    path.write_bytes(len(text).to_bytes(8, "little") + text)
    os.truncate(path, 8 + len(text) + end)


@pytest.mark.parametrize("task", ["export", "demo"])
def test_a_network_that_no_onnx_file_can_hold_is_refused_before_any_work(
    task: str, tmp_path: Path, in_process: Command, monkeypatch: pytest.MonkeyPatch
) -> None:
    def read(path: Path) -> str:
        raise AssertionError(f"{path} was read")

    monkeypatch.setattr(export_request, "sha256", read)
    file = tmp_path / "wide.safetensors"
    write_large(file, 512)
    code, shown = in_process(f"task={task}", f"checkpoint={file}", "data=sample")
    assert code == 2
    assert shown == (
        f"checkpoint={file}: its network has 3.43 GB of weights; an ONNX file holds at most 2.14 GB; give the "
        "checkpoint of a smaller network, or use this one with task=predict\n"
    )
    # The next narrower power of two has a quarter of that.
    write_large(file, 256)
    with pytest.raises(AssertionError, match="was read"):
        export_request.request_of({"checkpoint": str(file), "export": {"int8": False}}, set())
