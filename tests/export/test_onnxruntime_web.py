"""The files of npm's onnxruntime-web: from the registry once, from the cache from then on, and never others."""

from collections.abc import Iterator
from pathlib import Path

import pytest
from npm_registry import Registry, pinned

from pets_seg.export import onnxruntime_web
from pets_seg.export.onnxruntime_web import WASM


@pytest.fixture
def registry(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Iterator[Registry]:
    yield from pinned(tmp_path, monkeypatch)


def test_the_cache_spares_the_registry_and_a_damaged_one_does_not(registry: Registry, tmp_path: Path) -> None:
    assert onnxruntime_web.runtime_files() == onnxruntime_web.runtime_files() == registry.files
    assert len(registry.asked) == 1
    [kept] = (tmp_path / "cache").rglob(WASM)
    kept.write_bytes(b"damaged")
    assert onnxruntime_web.runtime_files() == registry.files
    assert len(registry.asked) == 2
    assert kept.read_bytes() == registry.files[WASM]


def test_a_cache_that_cannot_be_written_stops_nothing(
    registry: Registry, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, caplog: pytest.LogCaptureFixture
) -> None:
    (tmp_path / "file").write_text("")
    monkeypatch.setattr(onnxruntime_web, "user_cache", lambda key: tmp_path / "file")
    assert onnxruntime_web.runtime_files() == registry.files
    assert "cannot be written" in caplog.text
