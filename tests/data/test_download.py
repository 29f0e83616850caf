"""The download: whole or not at all, once, and nothing outside its folder, whatever the archives hold."""

import functools
import hashlib
import http.server
import io
import shutil
import tarfile
import threading
from collections.abc import Callable, Iterator
from pathlib import Path

import pytest
from conftest import write_oxford
from processes import together
from torchvision.datasets import OxfordIIITPet

from pets_seg.data import download, read_source
from pets_seg.errors import InputError


class _Quiet(http.server.SimpleHTTPRequestHandler):
    def log_message(self, *_: object) -> None:
        return


@pytest.fixture
def serve(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Iterator[Callable[..., None]]:
    """Serve archives as those of the data set; `sent` replaces some after their checksums were taken."""
    served = tmp_path / "served"
    served.mkdir()
    server = http.server.ThreadingHTTPServer(("127.0.0.1", 0), functools.partial(_Quiet, directory=str(served)))
    threading.Thread(target=server.serve_forever, args=(0.01,), daemon=True).start()
    monkeypatch.setenv("no_proxy", "127.0.0.1")

    def start(archives: dict[str, bytes], sent: dict[str, bytes] | None = None) -> None:
        listed = []
        for name, content in archives.items():
            (served / name).write_bytes((sent or {}).get(name, content))
            url = f"http://127.0.0.1:{server.server_port}/{name}"
            listed.append((url, hashlib.md5(content).hexdigest()))
        monkeypatch.setattr(OxfordIIITPet, "_RESOURCES", tuple(listed))

    yield start
    server.shutdown()
    server.server_close()


def archive(folder: Path, *extra: tuple[tarfile.TarInfo, bytes]) -> bytes:
    content = io.BytesIO()
    with tarfile.open(fileobj=content, mode="w:gz") as members:
        members.add(folder, folder.name)
        for member, data in extra:
            member.size = len(data)
            members.addfile(member, io.BytesIO(data))
    return content.getvalue()


def archives(tmp_path: Path, *extra: tuple[tarfile.TarInfo, bytes]) -> dict[str, bytes]:
    folder = write_oxford(tmp_path / "made")
    return {
        "images.tar.gz": archive(folder / "images"),
        "annotations.tar.gz": archive(folder / "annotations", *extra),
    }


def member(name: str, kind: bytes = tarfile.REGTYPE, target: str = "") -> tarfile.TarInfo:
    info = tarfile.TarInfo(name)
    info.type, info.linkname, info.mode = kind, target, 0o777
    return info


def wanted(root: Path) -> dict:
    return {"name": "oxford_pet", "_target_": "pets_seg.data.sources.oxford_pet", "root": str(root), "download": True}


def refused(root: Path) -> str:
    with pytest.raises(InputError) as refusal:
        read_source(wanted(root))
    assert str(refusal.value).isprintable()
    return str(refusal.value)


def contents(folder: Path) -> set[str]:
    return {str(path.relative_to(folder)) for path in folder.rglob("*")}


def test_what_is_downloaded_is_the_data_set_and_nothing_else(tmp_path: Path, serve) -> None:
    serve(archives(tmp_path))
    splits = read_source(wanted(tmp_path / "new" / "root")).splits
    assert {name: len(pairs) for name, pairs in splits.items()} == {"train": 18, "valid": 2, "test": 4}
    assert contents(tmp_path / "new" / "root" / "oxford-iiit-pet") == contents(tmp_path / "made" / "oxford-iiit-pet")
    assert [path.name for path in (tmp_path / "new" / "root").iterdir()] == ["oxford-iiit-pet"]


def test_what_a_killed_download_left_is_removed(tmp_path: Path, serve) -> None:
    serve(archives(tmp_path))
    left = tmp_path / "root" / ".oxford-iiit-pet.part" / "oxford-iiit-pet" / "images"
    left.mkdir(parents=True)
    (left / "half.jpg").write_bytes(b"")
    (tmp_path / "root" / "oxford-iiit-pet.lock").touch()
    read_source(wanted(tmp_path / "root"))
    assert [path.name for path in (tmp_path / "root").iterdir()] == ["oxford-iiit-pet"]
    assert not (tmp_path / "root" / "oxford-iiit-pet" / "images" / "half.jpg").exists()


OUTSIDE = {
    "above": member("../../../evil"),
    "above, by a folder": member("images/../../../../evil"),
    "symbolic link outside": member("images/evil", tarfile.SYMTYPE, "/etc/passwd"),
    "hard link outside": member("images/evil", tarfile.LNKTYPE, "../../../../evil"),
    "pipe": member("images/evil", tarfile.FIFOTYPE),
    "device": member("images/evil", tarfile.CHRTYPE),
    "control characters": member("images/\x1b[2J\nevil", tarfile.SYMTYPE, "/etc/passwd"),
}


@pytest.mark.parametrize("kind", OUTSIDE)
def test_a_member_that_leaves_the_folder_is_refused(tmp_path: Path, serve, kind: str) -> None:
    serve(archives(tmp_path, (OUTSIDE[kind], b"")))
    before = contents(tmp_path)
    assert "the download failed" in refused(tmp_path / "new" / "root")
    assert contents(tmp_path) == before


def test_a_link_does_not_lead_a_later_member_outside(tmp_path: Path, serve) -> None:
    outside = tmp_path / "outside"
    outside.mkdir()
    link = member("images/way", tarfile.SYMTYPE, str(outside))
    serve(archives(tmp_path, (link, b""), (member("images/way/evil"), b"evil")))
    refused(tmp_path / "root")
    assert contents(outside) == set()


def test_an_absolute_path_lands_inside(tmp_path: Path, serve) -> None:
    serve(archives(tmp_path, (member(f"{tmp_path}/evil"), b"evil")))
    read_source(wanted(tmp_path / "root"))
    assert not (tmp_path / "evil").exists()
    assert (tmp_path / "root" / "oxford-iiit-pet" / str(tmp_path / "evil").lstrip("/")).read_bytes() == b"evil"


BROKEN = {
    "not an archive": lambda content: b"<html>not found</html>",
    "empty": lambda content: b"",
    "truncated": lambda content: content[: len(content) // 2],
    "another archive": lambda content: archive(Path(__file__)),
    "its last byte missing": lambda content: content[:-1],
    "a flipped bit": lambda content: content[:999] + bytes([content[999] ^ 1]) + content[1000:],
}


@pytest.mark.parametrize("kind", BROKEN)
@pytest.mark.parametrize("name", ["images.tar.gz", "annotations.tar.gz"])
def test_an_archive_that_is_not_the_right_one_leaves_nothing(tmp_path: Path, serve, name: str, kind: str) -> None:
    good = archives(tmp_path)
    serve(good, sent={name: BROKEN[kind](good[name])})
    before = contents(tmp_path)
    said = refused(tmp_path / "new" / "root")
    assert "the download failed or its checksum differs (File not found or corrupted.); set data.root" in said
    assert contents(tmp_path) == before


@pytest.mark.parametrize("kind", list(BROKEN)[:4])
@pytest.mark.parametrize("name", ["images.tar.gz", "annotations.tar.gz"])
def test_an_archive_that_cannot_be_unpacked_leaves_nothing(tmp_path: Path, serve, name: str, kind: str) -> None:
    good = archives(tmp_path)
    serve({**good, name: BROKEN[kind](good[name])})
    before = contents(tmp_path)
    assert "corrupted" not in refused(tmp_path / "new" / "root")
    assert contents(tmp_path) == before


def test_what_was_there_before_a_failed_download_is_left(tmp_path: Path, serve) -> None:
    serve(archives(tmp_path), sent={"images.tar.gz": b""})
    (tmp_path / "root").mkdir()
    refused(tmp_path / "root")
    assert contents(tmp_path / "root") == set()
    (tmp_path / "root" / "notes.txt").write_text("mine")
    refused(tmp_path / "root")
    assert contents(tmp_path / "root") == {"notes.txt"}
    refused(tmp_path / "root" / "new" / "deep")
    assert contents(tmp_path / "root") == {"notes.txt"}


def test_an_address_that_does_not_answer_leaves_nothing(tmp_path: Path, serve) -> None:
    serve(archives(tmp_path))
    shutil.rmtree(tmp_path / "served")
    assert "HTTP Error 404" in refused(tmp_path / "new" / "root")
    assert not (tmp_path / "new").exists()


def _download(root: str, fetched: str) -> None:
    original = download._download

    def counting(folder: Path, beside: Path) -> None:
        with open(fetched, "a") as file:
            file.write("once\n")
        original(folder, beside)

    download._download = counting
    assert len(read_source(wanted(Path(root))).splits["train"]) == 18


def test_processes_that_start_together_download_once(tmp_path: Path, serve) -> None:
    serve(archives(tmp_path))
    fetched = tmp_path / "fetched"
    assert together(4, _download, str(tmp_path / "new" / "root"), str(fetched)) == [0] * 4
    assert fetched.read_text() == "once\n"
    assert [path.name for path in (tmp_path / "new" / "root").iterdir()] == ["oxford-iiit-pet"]
