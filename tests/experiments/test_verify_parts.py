"""What numbers a page has, when one is the rounded value, and what an expression gives."""

import math
from pathlib import Path
from typing import Any

import pytest
from claims import PageCheck
from digests import kept_results
from expressions import Source, evaluate
from kept_files import read_table
from markdown_pages import Page
from templates import Template, agrees, as_written

TABLE = "name,group,score,list\na,x,0.5,training (1 s); testing (2 s)\nb,x,0.7,training (3 s)\nc,y,0.25,\nd,y,,\n"


def page(tmp_path: Path, text: str) -> Page:
    (tmp_path / "README.md").write_text(text)
    return Page(tmp_path / "README.md")


def test_numbers_are_those_that_a_reader_sees_outside_code(tmp_path: Path) -> None:
    text = (
        "# 1 heading\n\nOf 3,312 at 8e-3, -0.3 (-3.5 to 2.8), ResNet34 in fp32, 24(2), 1/16, 22.05.8. `x=7` [8](9.md)\n"
        "<!-- 10 -->\n\n    11 indented\n\n```sh\n12\n```\n- 13.5 %\n\n| a | 14 |\n|---|---|\n| +0.01 ± 2 | `15` |\n"
    )
    expected = [
        "1",
        "3,312",
        "8e-3",
        "-0.3",
        "-3.5",
        "2.8",
        "24",
        "2",
        "1",
        "16",
        "22.05.8",
        "8",
        "13.5",
        "14",
        "+0.01",
        "2",
    ]
    found = page(tmp_path, text)
    assert [number.text for number in found.numbers] == expected
    assert [found.line(number.start) for number in found.numbers][:2] == [1, 3]
    [table] = found.tables
    assert table.title == "| a | 14 |"
    assert [[cell.text for cell in row] for row in table.rows] == [["+0.01 ± 2", "`15`"]]


def test_sections_end_where_the_next_heading_of_their_level_begins(tmp_path: Path) -> None:
    found = page(tmp_path, "# A\n\n## B `c`\n1\n### D\n2\n## E\n3\n")
    [(start, end)] = found.sections("B `c`")
    assert [number.text for number in found.within(start, end)] == ["1", "2"]


@pytest.mark.parametrize(
    ("written", "value", "sound"),
    [
        ("0.75", 0.7549, True),
        ("0.75", 0.7551, False),
        ("0.750", 0.7494, False),
        ("-0.3", -0.315, True),
        ("0.3", -0.315, False),
        ("3,312", 3312.0, True),
        ("8e-3", 0.008, True),
        ("8e-3", 0.0086, False),
        ("989e12", 9.89e14, True),
        ("2", 2.5, True),
        ("3", 2.5, True),
        ("2", 2.51, False),
        ("7", math.nan, False),
        ("22.05.8", "22.05.8", True),
        ("22.05.8", 22.05, False),
    ],
)
def test_a_number_is_sound_if_it_is_the_value_rounded(written: str, value: float | str, sound: bool) -> None:
    assert agrees(written, value) is sound


def test_what_should_stand_there_has_as_many_digits() -> None:
    assert [as_written(*pair) for pair in (("0.751", 0.75), ("+0.1", 0.25), ("9,000", 12345.6), ("7e-3", 0.0081))] == [
        *("0.750", "+0.2", "12,346", "8e-3")
    ]


def test_a_text_is_found_across_lines_with_its_numbers() -> None:
    template = Template("takes {a} to {100*b} % (of all)")
    [[first, second]] = template.find("It takes 1.5\nto -2 %  (of all), takes 3 to x % (of all)")
    assert (first.text, second.text) == ("1.5", "-2")
    assert template.expressions == ["a", "100*b"]
    assert template.fill("takes 1 to 2 % (of all) more") is None


@pytest.mark.parametrize(
    ("expression", "value"),
    [
        ("only(score, where='name=b')", 0.7),
        ("100*mean(score)", 100 * (0.5 + 0.7 + 0.25) / 3),
        ("sd(score, where='group=x')", 0.2 / math.sqrt(2)),
        ("max(score) - min(score)", 0.45),
        ("count(where='score<0.6')", 2),
        ("count(where='score>=0.5; group!=y')", 2),
        ("different(group)", 2),
        ("items('list', 'training') + items('list')", 5),
        ("sum(score, file='other.csv')", 3),
        ("paired_mean(score, 'group', 'name=a')", 0.2),
        # Rows of other groups have no part in it, and without a row to be paired with there is no value.
        ("paired_mean(score, 'group', 'name!=b; score>0')", 0.2),
        ("paired_mean(score, 'group', 'name=c')", math.nan),
        ("share_high(0.1, 10)", 0.54429),
        ("p_above(score, 0.4, where='group=x')", 0.5 - math.atan(2) / math.pi),
        ("p_above(score, 0.8, where='group=x')", 0.5 + math.atan(2) / math.pi),
        ("-abs(0 - 2)/4", -0.5),
        ("found('b,x,([\\d.]+),')", "0.7"),
    ],
)
def test_an_expression_gives(expression: str, value: float | str, tmp_path: Path) -> None:
    (tmp_path / "table.csv").write_text(TABLE)
    (tmp_path / "other.csv").write_text("score\n1\n2\n")
    where = {"name": "b"} if "paired" in expression else {}
    found = evaluate(expression, Source(tmp_path, "table.csv", where))
    assert found == (value if isinstance(value, str) else pytest.approx(value, abs=1e-5, nan_ok=True))


@pytest.mark.parametrize(
    ("expression", "error"),
    [
        ("score", "4 rows are there, not one"),
        ("gone", "there is no column gone"),
        ("only(score, where='name')", "is no condition"),
        ("open('x')", "is no function"),
        ("score.x", "is not understood"),
        ("found('[abc],([xy])')", "found as 2 different texts"),
        ("count()/0", "ZeroDivisionError"),
        ("p_above(score, 0.4, where='name=a')", "two or more values of score that differ"),
        ("p_above(score)", "TypeError"),
        ("2*64", "reads nothing of a file; list the number as not from runs"),
        ("1 +", "SyntaxError"),
        ("sum(score, file='gone.csv')", "FileNotFoundError"),
    ],
)
def test_an_expression_that_cannot_be_computed_says_so(expression: str, error: str, tmp_path: Path) -> None:
    (tmp_path / "table.csv").write_text(TABLE)
    with pytest.raises(ValueError, match=error):
        evaluate(expression, Source(tmp_path, "table.csv", {}))


def test_tables_are_read_from_json_and_from_pages_too(tmp_path: Path) -> None:
    (tmp_path / "a.json").write_text('{"a": {"b": 1}, "rows": [{"c": 2}, {"c": null}]}')
    assert read_table(tmp_path / "a.json").to_dict("records")[0]["a.b"] == "1"
    assert [*read_table(tmp_path / "a.json", "rows")["c"]] == ["2", ""]
    (tmp_path / "a.md").write_text("# T\n\n| a |\n|---|\n| 1 |\n\nand\n\n| b |\n|---|\n| 2 % |\n")
    assert [*read_table(tmp_path / "a.md", "T")["a"]] == ["1"]
    assert evaluate("b", Source(tmp_path, "a.md#T (2)", {})) == 2


def checked(tmp_path: Path, content: dict[str, Any]) -> list[str]:
    (tmp_path / "table.csv").write_text(TABLE)
    check = PageCheck(tmp_path / "claims.yaml", content)
    check.run()
    return [line.replace(f"{tmp_path}/", "") for line in check.failures]


def test_rows_and_cells_that_a_table_should_not_have_are_named(tmp_path: Path) -> None:
    (tmp_path / "README.md").write_text("| what | score |\n|---|---|\n| a | 0.5 |\n| `d` | |\n| e | 0.1 |\n| c | |\n")
    claim = {"header": "| what |", "file": "table.csv", "keys": {"what": "name"}, "cells": {"score": "{score}"}}
    assert checked(tmp_path, {"tables": [claim]}) == [
        'README.md:5: "0.1" in "| e | 0.1 |" should be nothing: score of table.csv where name=e',
        'README.md:6: "" should be as "{score}" of table.csv where name=c',
    ]
    assert checked(tmp_path, {"tables": [claim | {"header": "| who"}]})[0].endswith(
        'no table of README.md begins with "| who"'
    )
    assert "has no column" in checked(tmp_path, {"tables": [claim | {"cells": {"sum": "{score}"}}]})[0]
    assert "has no row" in checked(tmp_path, {"tables": [claim | {"rows": ["z"]}]})[0]


def test_a_printed_table_is_held_to_the_nearest_that_is_printed(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    printed = (
        "T\n\n| a | b |\n| --- | --- |\n| 1 | 2 |\n| 3 | 4 |\n\nU\n\n| a | b |\n| --- | --- |\n| 5 | 6 |\n| 3 | 4 |\n"
    )
    monkeypatch.setattr("claims.printed_by", lambda command: printed)
    (tmp_path / "README.md").write_text("| a | b |\n|---|---|\n| 5 | 7 |\n| 3 | 4 |\n")
    claim = {"command": "python x.py", "headers": ["| a |"]}
    assert checked(tmp_path, {"printed": [claim]}) == [
        'README.md:3: "| 5 | 7 |" should be "| 5 | 6 |", which `python x.py` prints'
    ]


def test_lists_cover_what_they_name_and_nothing_that_is_bound(tmp_path: Path) -> None:
    (tmp_path / "README.md").write_text("Is 0.25 of 64 px.\n\n## S\n\n7\n\n| x | y |\n|---|---|\n| 1 | 2 |\n")
    bound = {"sentences": [{"file": "table.csv", "where": {"name": "c"}, "text": "Is {score} of"}]}
    lists = [{"why": "-", "patterns": [r"\d+ px"]}, {"why": "-", "rows": {"| x |": ["1"]}}]
    assert checked(tmp_path, bound | {"not_from_runs": lists, "not_kept": [{"why": "-", "sections": ["S"]}]}) == []
    stale = [*lists, {"why": "-", "texts": ["0.25 of"], "sections": ["T"], "columns": {"| x |": ["z"]}}]
    lines = checked(tmp_path, bound | {"not_from_runs": stale})
    assert [line for line in lines if "has no number in README.md that is not bound" in line] == lines[:3]
    assert [line for line in lines if "is in no claim" in line] == lines[3:]
    assert len(lines) == 4


def test_runs_below_an_experiment_are_no_results_of_it(tmp_path: Path) -> None:
    for name in ("results/runs.csv", "runs/study/run/metrics.csv"):
        (tmp_path / name).parent.mkdir(parents=True)
        (tmp_path / name).write_text("a\n")
    assert kept_results(tmp_path) == [tmp_path / "results" / "runs.csv"]
