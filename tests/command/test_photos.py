"""Which photographs a command names: what is searched, what is left out, and what is refused."""

import os
from pathlib import Path

import pytest

from pets_seg.command.photo_search import TABLE
from pets_seg.command.photos import find_photos
from pets_seg.errors import InputError


@pytest.fixture
def work(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """A folder with photographs in two of its sub-folders, in which commands are given."""
    for name in (
        "a.jpg",
        "more/b.png",
        "more/deep/c.JPG",
        "other/d.webp",
        ".hidden/e.jpg",
        "more/.f.jpg",
        "more/g.txt",
    ):
        (tmp_path / "photos" / name).parent.mkdir(parents=True, exist_ok=True)
        (tmp_path / "photos" / name).touch()
    monkeypatch.chdir(tmp_path)
    return tmp_path


def found(given: str) -> list[str]:
    photos, _ = find_photos(given, Path("out"))
    assert all(photo.path.is_file() for photo in photos)
    return [photo.name.as_posix() for photo in photos]


def refusal(given: str) -> str:
    with pytest.raises(InputError) as refused:
        find_photos(given, Path("out"))
    return str(refused.value)


ALL = ["a.jpg", "more/b.png", "more/deep/c.JPG", "other/d.webp"]


@pytest.mark.parametrize(
    ("given", "names"),
    [
        ("photos", ALL),
        ("photos/**", ALL),
        ("photos/**/*", ALL),
        ("photos/**/**/*", ALL),
        ("photos/*", ["a.jpg"]),
        ("photos/*/*", ["more/b.png", "other/d.webp"]),
        ("photos/**/deep/*", ["more/deep/c.JPG"]),
        ("photos/*/**/[b-c]*", ["more/b.png", "more/deep/c.JPG"]),
        ("photos/.hidden/*", ["e.jpg"]),
        ("photos/*/.*.jpg", ["more/.f.jpg"]),
        ("photos/a.jpg", ["a.jpg"]),
        ("photos/../photos/o*/*.webp", ["other/d.webp"]),
    ],
)
def test_a_folder_and_a_pattern_are_searched(given: str, names: list[str], work: Path) -> None:
    assert found(given) == names


def test_what_an_earlier_command_made_is_left_out_and_named(work: Path) -> None:
    for name in ("more", "other/x"):
        (work / "photos" / name).mkdir(exist_ok=True)
        (work / "photos" / name / TABLE).touch()
    (work / "photos" / "other" / "x" / "y.jpg").touch()
    line = "left out as outputs of earlier commands, which hold predictions.csv: more, other/x"
    for given in ("photos", "photos/**/*.*"):
        photos, left_out = find_photos(given, work / "out")
        assert [photo.name.as_posix() for photo in photos] == ["a.jpg", "other/d.webp"]
        assert left_out == line
    assert (
        refusal("photos/**/*.png")
        == f"input=photos/**/*.png: matches no picture; give a photograph, a folder or a pattern; {line}"
    )
    for given in ("photos/more", "photos/more/*.png"):
        assert (
            "photos/more is the output of an earlier command, as it holds predictions.csv; give the folder"
            in refusal(given)
        )
    # Whoever names a file means it.
    assert found("photos/more/b.png") == ["b.png"]


def test_an_output_without_a_table_is_searched_as_other_folders_are(work: Path) -> None:
    photos, left_out = find_photos("photos", work / "photos" / "other")
    assert [photo.name.as_posix() for photo in photos] == ALL
    assert left_out == ""


def test_linked_folders_are_followed_and_each_folder_is_searched_once(work: Path) -> None:
    (work / "elsewhere").mkdir()
    (work / "elsewhere" / "z.jpg").touch()
    links = {
        "more/again": "..",
        "link": "../elsewhere",
        "link2": "../elsewhere",
        "aaa": "more",
        "self": "self",
        "b.jpg": "a.jpg",
    }
    for name, target in links.items():
        (work / "photos" / name).symlink_to(target)
    wanted = sorted([*ALL, "b.jpg", "link/z.jpg"])
    assert found("photos") == wanted
    assert found("photos/**/*") == wanted
    assert found("photos/**/link2/*") == ["link2/z.jpg"]
    assert found("photos/*/*") == ["aaa/b.png", "link/z.jpg", "link2/z.jpg", "more/b.png", "other/d.webp"]
    assert refusal("photos/self") == "input=photos/self: is not there; give a photograph, a folder or a pattern"


@pytest.mark.parametrize("given", ["photos/*/../a.jpg", "photos/**/../*.jpg", "photos/*/.."])
def test_a_pattern_does_not_lead_back(given: str, work: Path) -> None:
    assert refusal(given).startswith(f"input={given}: has .. behind a wildcard")


@pytest.mark.parametrize("given", ["photos", "photos/**/*.jpg", "photos/*/*.jpg"])
def test_a_folder_that_cannot_be_read_is_named(given: str, work: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    scan = os.scandir

    def refuse(path: Path) -> object:
        if Path(path).name == "more":
            raise PermissionError(13, "Permission denied", str(path))
        return scan(path)

    monkeypatch.setattr(os, "scandir", refuse)
    place = work / "photos" / "more"
    assert refusal(given) == f"input={given}: {place} cannot be read (Permission denied); make it readable"


def test_the_folder_of_the_photographs_is_no_output_but_for_a_single_one(work: Path) -> None:
    for given in ("photos", "photos/*"):
        with pytest.raises(InputError, match="photos: is the folder of the photographs"):
            find_photos(given, work / "photos")
    assert [photo.name.as_posix() for photo in find_photos("photos/a.jpg", work / "photos")[0]] == ["a.jpg"]
