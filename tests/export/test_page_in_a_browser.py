"""The page of task=demo in a browser: masks as Python makes them, and sentences on files that are no use."""

from collections.abc import Iterator
from pathlib import Path

import numpy as np
import pytest
from browser import Browser, opened
from pages import KEEP, SETTLED, STATUS, TIMES, choose, made, runtime, served, visit
from PIL import Image, PngImagePlugin
from processes import forked, wait_for

from pets_seg import load_model
from pets_seg.evaluation.photo_prediction import Prediction
from pets_seg.export.page import MEGAPIXELS

pytestmark = pytest.mark.slow


@pytest.fixture(scope="module")
def browser(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Browser]:
    yield from opened(tmp_path_factory.mktemp("profile"))


@pytest.fixture(scope="module")
def folder(browser: Browser, tmp_path_factory: pytest.TempPathFactory) -> Path:
    """The page of the model that ships."""
    runtime()
    work = tmp_path_factory.mktemp("work")
    done = forked("task=demo", cwd=work)
    assert done.returncode == 0, done.stderr
    assert sum(path.stat().st_size for path in (work / "demo").rglob("*") if path.is_file()) < 20e6
    return work / "demo"


@pytest.fixture(scope="module")
def page(folder: Path) -> Iterator[str]:
    """The address of the page, as this package serves it."""
    with served(folder) as address:
        yield address


def iou(one: np.ndarray, other: np.ndarray) -> float:
    return (one & other).sum() / max(1, (one | other).sum())


def test_masks_are_those_that_python_makes(browser: Browser, folder: Path, page: str, tmp_path: Path) -> None:
    visit(browser, page)
    assert "Ready, on " in browser.run(STATUS)
    assert browser.run("crossOriginIsolated") is True
    samples = sorted((folder / "samples").glob("*.jpg"))
    model = load_model(device="cpu")
    browser.run(KEEP)
    browser.run("document.querySelectorAll('[data-sample]').forEach((button) => button.click())")
    wait_for(lambda: browser.run(SETTLED) == len(samples) == 20)
    browser.run("document.querySelectorAll('.buttons button').forEach((button) => button.click())")
    found, shares = [], []
    for file in samples:
        prediction: Prediction = model(file)
        mask = made(browser, f"{file.stem}_mask.png", tmp_path / "mask.png")
        found.append(iou(np.asarray(mask.convert("L")) > 127, prediction.mask))
        shares.append(prediction.share)
        cutout = made(browser, f"{file.stem}_cutout.png", tmp_path / "cutout.png")
        assert (cutout.mode, cutout.size) == ("RGBA", prediction.photo.size)
        theirs, ours = np.asarray(cutout).astype(int), np.asarray(prediction.cutout()).astype(int)
        assert np.abs(theirs - ours)[..., 3].mean() < 1.5
        opaque = theirs[..., 3] == 255
        assert np.abs(theirs - ours)[opaque, :3].mean() < 2 if opaque.any() else True
    # What is compared is no trifle.
    assert np.mean([0.05 < share < 0.95 for share in shares]) > 0.5
    assert np.mean(found) >= 0.99
    assert min(found) >= 0.97
    assert browser.problems == []
    # Nothing was asked of any other host.
    assert all(address.startswith((page, "blob:")) for address in browser.requests)


def test_photographs_of_any_size_and_kind_are_read_as_python_reads_them(
    browser: Browser, folder: Path, page: str, tmp_path: Path
) -> None:
    sample = Image.open(next((folder / "samples").glob("*.jpg")))
    exif = Image.Exif()
    exif[0x0112] = 6
    # With a gamma of its own, which is not to change what the network sees.
    gamma = PngImagePlugin.PngInfo()
    gamma.add(b"gAMA", (100_000).to_bytes(4, "big"))
    files = {
        "turned.jpg": sample.resize((600, 400)),
        "grey.png": sample.convert("L").resize((37, 90)),
        "palette.gif": sample.convert("P").resize((200, 100)),
        "gamma.png": sample.resize((100, 100)),
        "tiny.png": sample.resize((1, 3)),
        "lossless <i>x \u202egpj.webp": sample.resize((300, 301)),
    }
    for name, picture in files.items():
        more = {"exif": exif} if name == "turned.jpg" else {"lossless": True} if name.endswith("webp") else {}
        picture.save(tmp_path / name, **more, **({"pnginfo": gamma} if name == "gamma.png" else {}))
    visit(browser, page)
    browser.run(KEEP)
    said = choose(browser, *(tmp_path / name for name in files))
    assert said[0].startswith(f"400 {TIMES} 600 pixels, read in ")
    browser.run("document.querySelectorAll('.buttons button').forEach((button) => button.click())")
    for name in files:
        mask = made(browser, f"{Path(name).stem}_mask.png", tmp_path / "mask.png")
        prediction = load_model(device="cpu")(tmp_path / name)
        assert mask.size == prediction.photo.size
        assert iou(np.asarray(mask.convert("L")) > 127, prediction.mask) > 0.97 or prediction.share < 0.01, name
    # A foreign name is text.
    assert browser.run("document.querySelectorAll('.card i').length") == 0
    assert browser.problems == []


def test_a_file_that_is_no_use_gets_a_sentence_and_the_others_are_done(
    browser: Browser, folder: Path, page: str, tmp_path: Path
) -> None:
    sample = next((folder / "samples").glob("*.jpg"))
    Image.new("1", (10_000, 10_000)).save(tmp_path / "huge.png")
    Image.new("1", (MEGAPIXELS * 1000 + 10, 1000)).save(tmp_path / "above.png")
    (tmp_path / "broken.jpg").write_bytes(sample.read_bytes()[:300])
    (tmp_path / "text.png").write_text("no picture")
    (tmp_path / "notes.txt").write_text("no picture")
    (tmp_path / "empty.jpg").write_bytes(b"")
    (tmp_path / "phone.heic").write_bytes(b"\0\0\0\x18ftypheic")
    (tmp_path / "good.jpg").write_bytes(sample.read_bytes())
    names = ["huge.png", "above.png", "broken.jpg", "text.png", "notes.txt", "empty.jpg", "phone.heic", "good.jpg"]
    visit(browser, page)
    said = dict(zip(names, choose(browser, *(tmp_path / name for name in names)), strict=True))
    assert said["huge.png"] == (
        f"has 100 megapixels (10000 {TIMES} 10000), and at most {MEGAPIXELS} are taken; make it smaller."
    )
    assert f"at most {MEGAPIXELS} are taken" in said["above.png"]
    for name in ("broken.jpg", "text.png"):
        assert said[name].startswith("cannot be read as a picture; it is damaged, or of a type that this browser")
    assert said["notes.txt"] == "is not a picture; choose a JPEG, PNG or WebP file."
    assert said["empty.jpg"] == "is empty, or a folder; choose a photograph."
    assert "HEIC: save it as JPEG" in said["phone.heic"]
    assert said["good.jpg"].startswith(f"128 {TIMES} 128 pixels, read in ")
    assert browser.run(STATUS) == "7 files could not be used, 1 segmented; the reason is below the name."
    assert browser.run("document.querySelectorAll('.card[data-state=done] canvas').length") == 1
    assert browser.problems == []


def test_dropped_and_pasted_files_are_taken(browser: Browser, page: str) -> None:
    visit(browser, page)
    held = """fetch(document.querySelector("[data-sample]").dataset.sample).then((a) => a.blob()).then((blob) => {
      const held = new DataTransfer();
      held.items.add(new File([blob], "NAME.jpg", { type: "image/jpeg" }));
      return held;
    })"""
    drop = "dispatchEvent(new DragEvent('drop', { dataTransfer: held, bubbles: true, cancelable: true }))"
    paste = "dispatchEvent(new ClipboardEvent('paste', { clipboardData: held, bubbles: true }))"
    # The drop is taken from the browser, which would leave the page to show the file.
    assert browser.run(f"{held.replace('NAME', 'dropped')}.then((held) => document.body.{drop})") is False
    browser.run(f"{held.replace('NAME', 'pasted')}.then((held) => document.body.{paste})")
    wait_for(lambda: browser.run(SETTLED) == 2)
    names = browser.run("[...document.querySelectorAll('.card h3')].map((name) => name.textContent)")
    assert names == ["pasted.jpg", "dropped.jpg"]
    browser.run(f"(() => {{ const held = new DataTransfer(); document.body.{paste}; }})()")
    assert browser.run(STATUS) == "What was pasted holds no picture; copy one, or choose a file."
