"""What a run's status says of the machine that it was made on."""

import pytest
import torch

import pets_seg.run_folder.folder as folder


def test_a_package_that_is_not_installed_has_no_version(monkeypatch: pytest.MonkeyPatch) -> None:
    # W&B with tracker.mode=disabled, and the package itself where only its checkout is.
    monkeypatch.setattr(folder, "PACKAGES", ("torch", "no-such-package"))
    versions = folder.describe_machine("cpu", 1)["versions"]
    assert versions.keys() == {"python", "torch"}
    assert torch.__version__.startswith(versions["torch"])
