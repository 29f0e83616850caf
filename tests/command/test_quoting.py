"""Letters of any script in a value arrive as they were typed, and signs of Hydra's grammar keep their meaning."""

import os
import shlex
from collections.abc import Callable
from pathlib import Path

import pytest
import yaml
from conftest import command, picture, tiny, write_oxford
from hydra.core.override_parser.overrides_parser import OverridesParser
from hypothesis import given
from hypothesis import strategies as st
from refusals import refused

from pets_seg.command.quoting import one_value, quoted
from pets_seg.config.hints import readable

Command = Callable[..., tuple[int, str]]
VALUES = {
    "data.root=data/Fotos Jürgen": "data/Fotos Jürgen",
    "data.root=/données/été": "/données/été",
    "data.root=数据/猫": "数据/猫",
    "data.root=صور/قطط": "صور/قطط",
    "data.root=ن\u200cم": "ن\u200cم",
    "data.root=e\u0301t\u0301": "e\u0301t\u0301",
    "data.root=कुत्ते": "कुत्ते",
    "data.root=😀/🐈\u200d⬛": "😀/🐈\u200d⬛",
    "data.root=p\udcff": "p\udcff",
    "data.root=~/pets": "~/pets",
    "data.root=~user/Jürgen & Söhne": "~user/Jürgen & Söhne",
    "data.root= Jürgen ": "Jürgen",
    "data.root=C:\\Bilder\\Jürgen\\": "C:\\Bilder\\Jürgen\\",
    "data.root=Jürgen\\,\\ Özil": "Jürgen, Özil",
    "data.root=${oc.env:HOME}/Jürgen": "${oc.env:HOME}/Jürgen",
    "++data.root=é": "é",
    "runs=[runs/é,runs/b,3,null]": ["runs/é", "runs/b", 3, None],
    "runs=[é:1,[ü]]": ["é:1", ["ü"]],
    "loss={a:é,b:[ü,1.5],c:true}": {"a": "é", "b": ["ü", 1.5], "c": True},
}
# As a sweep.
SEVERAL = {
    "data.root=Jürgen,Özil": ["Jürgen", "Özil"],
    "data.root=Jürgen, b ,1,null,true": ["Jürgen", "b", 1, None, True],
    "data.root=\"é,ü\",'ö',ä": ["é,ü", "ö", "ä"],
    "data.root=choice(Jürgen,Özil,b)": ["Jürgen", "Özil", "b"],
}
# What Hydra can read, or nobody can.
KEPT = [
    "seed=1",
    "seed=0,1",
    "seed=choice(1,2)",
    "seed=range(3)",
    "data.root=a b",
    "data.root='é'",
    'data.root="a é",b',
    "data.root=${a}/b",
    "model=null",
    "train.compile=true",
    "optimizer.betas=[0.9,0.99]",
    "data.root=a=é",
    "data.root=[é",
    "data.root=(é)",
    "data.root=shuffle(é,ü)",
    "data.root='é",
    "data.root=é\x1b[31m",
    "data.root=\x85é",
    "模型=unet",
    "é",
]


def read(word: str) -> object:
    [override] = OverridesParser.create().parse_overrides([word])
    return override.value()


@pytest.mark.parametrize(("word", "value"), VALUES.items())
def test_a_value_arrives_as_it_was_typed(word: str, value: object) -> None:
    assert not readable(word)
    assert read(quoted(word)) == value


@pytest.mark.parametrize(("word", "values"), SEVERAL.items())
def test_the_values_of_a_sweep_arrive_and_can_be_read_again(word: str, values: list[object]) -> None:
    [override] = OverridesParser.create().parse_overrides([quoted(word)])
    assert [read(f"x={value}") for value in override.sweep_string_iterator()] == values


@pytest.mark.parametrize("word", KEPT)
def test_other_words_stay(word: str) -> None:
    assert quoted(word) == word


letters = st.characters(categories=["L", "M", "Nd"])
paths = st.text(letters | st.sampled_from(" _-+./"), min_size=1).map(lambda text: text.strip(" "))


@given(path=paths.filter(bool))
def test_any_path_of_letters_of_any_script_arrives_unchanged(path: str) -> None:
    value = read(quoted(f"data.root={path}"))
    # What Hydra takes for a number, a truth value or nothing is one as ever.
    assert value == path or (path.isascii() and not isinstance(value, str))


@given(first=paths.filter(bool), second=paths.filter(bool))
def test_two_such_paths_are_two_jobs(first: str, second: str) -> None:
    [override] = OverridesParser.create().parse_overrides([quoted(f"data.root={first},{second}")])
    again = [read(f"x={value}") for value in override.sweep_string_iterator()]
    alone = [read(quoted(f"x={path}")) for path in (first, second)]
    # Text that is not a number equals itself alone.
    assert [repr(value) for value in again] == [repr(value) for value in alone]


@given(value=st.text(st.characters(exclude_characters="\0"), max_size=20))
def test_one_value_holds_any_signs(value: str) -> None:
    word = one_value(f"data.root={value}")
    assert read(word) == value


AMBIGUOUS = {
    "data.root=/Fotos=Jürgen": "/Fotos=Jürgen",
    "data.root=Fotos [Jürgen]": "Fotos [Jürgen]",
    "data.root=Fotos (alt)/é": "Fotos (alt)/é",
    "data.root={Jürgen": "{Jürgen",
    "data.root=Jürgen's": "Jürgen's",
    "data.root=/a=b c": "/a=b c",
    "data.root=Jürgen,Özil": "Jürgen,Özil",
    "data.root=a/b, c": "a/b, c",
}


@pytest.mark.parametrize(("word", "value"), AMBIGUOUS.items())
def test_what_is_ambiguous_is_shown_quoted_for_a_shell(
    word: str, value: str, in_process: Command, tmp_path: Path
) -> None:
    code, shown = in_process("data=folder", word)
    assert (code, list((tmp_path / "work").iterdir())) == (2, [])
    _, _, shell = shown.strip().rpartition("in quotes, e.g. " if "e.g. " in shown else "writ")
    [proposed] = shlex.split(shell.removeprefix("ten ").removeprefix("e "))
    assert read(proposed) == value


@pytest.mark.slow
def test_a_run_and_a_sweep_of_such_folders(tmp_path: Path) -> None:
    for name in ("Fotos Jürgen", "Özil", "猫"):
        write_oxford(tmp_path / name)
    small = [word for word in tiny(tmp_path) if not word.startswith(("data.root", "train.epochs"))]
    done = command(*small, "train.epochs=1", "data.root=Fotos Jürgen", "name=one", cwd=tmp_path)
    assert done.returncode == 0, done.stderr
    # The command that is proposed next works as it stands.
    [line] = [line for line in done.stdout.splitlines() if "-m pets_seg.run -m" in line]
    assert 'data.root="Fotos Jürgen"' in shlex.split(line)
    done = command("-m", *small, "train.epochs=1", "data.root=Özil,猫", "name=two", cwd=tmp_path)
    assert done.returncode == 0, done.stderr
    configs = [yaml.safe_load(file.read_text()) for file in (tmp_path / "runs" / "two").glob("*/config.yaml")]
    assert {Path(config["data"]["root"]).name for config in configs} == {"Özil", "猫"}
    # A fixed value beside a sweep over its group.
    swept = ["-m", "data=oxford_pet", "data.root=猫", "name=three", "data.size=32", "model.width=2", "train.epochs=1"]
    done = command(*swept, "data=oxford_pet,oxford_pet", "aug=none", "tracker.mode=disabled", cwd=tmp_path)
    assert done.returncode == 0, done.stderr


def test_a_script_takes_such_values() -> None:
    from pets_seg import compose

    assert compose("data=folder", "data.root=Fotos Jürgen/猫").data.root == "Fotos Jürgen/猫"


def test_a_folder_that_is_not_utf8_is_found(in_process: Command, tmp_path: Path) -> None:
    folder = os.fsencode(tmp_path / "work") + b"/b\xff"
    for kind in (b"/images", b"/masks"):
        os.makedirs(folder + kind)
    for index in range(30):
        image, mask = picture(index)
        image.save(os.fsdecode(folder + b"/images/%d.png" % index))
        mask.save(os.fsdecode(folder + b"/masks/%d.png" % index))
    words = ["data=folder", f"data.root={os.fsdecode(b'b' + bytes([255]))}", "data.size=32", "model.width=2"]
    code, shown = in_process(*words, "train.epochs=1", "tracker.mode=disabled", "train.device=cpu")
    assert code == 0, shown
    assert "could not be drawn" not in shown
    assert "picture" in shown


def test_a_word_that_is_no_path_gets_the_rule(in_process: Command, tmp_path: Path) -> None:
    refused(*in_process("seed=(é"), "e.g. 'checkpoint=\"runs/a=b\"'", tmp_path)
