"""What a number of a page must be: a short expression over the rows of a kept file, such as `100*mean(test_dice)`."""

import ast
import math
import operator
import re
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd
from kept_files import read_table, read_text, select, select_by_text
from scipy import stats

SIGNS: dict[type, Callable[[float, float], float]] = {
    ast.Add: operator.add,
    ast.Sub: operator.sub,
    ast.Mult: operator.mul,
    ast.Div: operator.truediv,
}
OF_VALUES: dict[str, Callable[[np.ndarray], float]] = {
    "mean": lambda values: float(values.mean()),
    "sd": lambda values: float(values.std(ddof=1)),
    "min": lambda values: float(values.min()),
    "max": lambda values: float(values.max()),
    "sum": lambda values: float(values.sum()),
    "median": lambda values: float(np.median(values)),
}
# Of differences of pairs, the ends of their 95 % t interval among them.
OF_PAIRS: dict[str, Callable[[np.ndarray], float]] = {
    "paired_mean": OF_VALUES["mean"],
    "paired_sd": OF_VALUES["sd"],
    "paired_low": lambda values: float(stats.ttest_1samp(values, 0).confidence_interval().low),
    "paired_high": lambda values: float(stats.ttest_1samp(values, 0).confidence_interval().high),
}
# The ends of the 99 % interval of a share (Clopper and Pearson).
OF_SHARES = {"share_low": "low", "share_high": "high"}


@dataclass(frozen=True)
class Source:
    """Rows of a kept file: those in which columns have the values of `where`. Other files are named from `folder`."""

    folder: Path
    file: str
    where: dict[str, Any]

    @property
    def path(self) -> Path:
        """The file without the part of it."""
        return (self.folder / self.file.partition("#")[0]).resolve()

    def rows(self) -> pd.DataFrame:
        """Return the rows."""
        return select(read_table(self.path, self.file.partition("#")[2]), self.where)

    def named(self) -> str:
        """Return where a value stands, in words."""
        conditions = ", ".join(f"{column}={value}" for column, value in self.where.items())
        return f"{self.file} where {conditions}" if conditions else self.file


def evaluate(expression: str, source: Source) -> float | str:
    """Return the value of an expression, NaN if nothing stands there; ValueError if it cannot be computed."""
    try:
        # A pattern is written as it is, not as Python writes a text.
        body = ast.parse(expression.strip().replace("\\", r"\\"), mode="eval").body
        if not any(map(_names_something, ast.walk(body))):
            raise ValueError(f"{expression} reads nothing of a file; list the number as not from runs")
        value = _value(body, source)
    except (SyntaxError, KeyError, TypeError, ZeroDivisionError, OSError) as error:
        raise ValueError(f"{type(error).__name__}: {error}") from None
    return value if isinstance(value, str) else float(value)


def _names_something(node: ast.AST) -> bool:
    return isinstance(node, ast.Name) or (isinstance(node, ast.Constant) and isinstance(node.value, str))


def _value(node: ast.expr, source: Source) -> float | str:
    match node:
        case ast.Constant(value=int() | float() as number):
            return number
        case ast.Name(id=column) | ast.Constant(value=str() as column):
            return _only(_numbers(source.rows(), column))
        case ast.UnaryOp(op=ast.USub(), operand=inner):
            return -_number(inner, source)
        case ast.BinOp(left=left, op=sign, right=right) if type(sign) in SIGNS:
            return SIGNS[type(sign)](_number(left, source), _number(right, source))
        case ast.Call(func=ast.Name(id=name), args=arguments, keywords=keywords):
            return _call(name, arguments, {word.arg: ast.literal_eval(word.value) for word in keywords}, source)
    raise ValueError(f"{ast.unparse(node)} is not understood")


def _number(node: ast.expr, source: Source) -> float:
    value = _value(node, source)
    if isinstance(value, str):
        raise TypeError(f"{value!r} is no number")
    return value


def _call(name: str, arguments: Sequence[ast.expr], given: dict[str | None, Any], source: Source) -> float | str:
    """Return what a function gives; all of them take `where=` for fewer rows, and `file=` for another file."""
    if "file" in given:
        source = Source(source.folder, given["file"], {})
    if name == "found":
        return _found(source, *map(ast.literal_eval, arguments))
    if name == "abs":
        return abs(_number(arguments[0], source))
    if name in OF_SHARES:
        share, count = (_number(node, source) for node in arguments)
        return float(getattr(stats.binomtest(round(share * count), round(count)).proportion_ci(0.99), OF_SHARES[name]))
    rows = source.rows()
    if "where" in given:
        rows = select_by_text(rows, given["where"])
    columns = [node.id if isinstance(node, ast.Name) else ast.literal_eval(node) for node in arguments]
    if name == "count":
        return len(rows)
    if name == "different":
        return rows[columns[0]].nunique()
    if name == "items":
        return _items(rows, *columns)
    if name in OF_PAIRS:
        return OF_PAIRS[name](_paired(rows, source, *columns))
    if name == "text":
        [words] = {*rows[columns[0]]} or {""}
        return str(words)
    if name == "only":
        return _only(_numbers(rows, columns[0]))
    if name == "p_above":
        return _p_above(rows, *columns)
    if name not in OF_VALUES:
        raise ValueError(f"{name} is no function that is known")
    values = np.concatenate([_numbers(rows, column) for column in columns])
    known = values[~np.isnan(values)]
    return OF_VALUES[name](known) if len(known) else math.nan


def _numbers(rows: pd.DataFrame, column: str) -> np.ndarray:
    """Return the numbers of a column, a percent sign or the like after them left out; NaN for other cells."""
    if column not in rows:
        raise ValueError(f"there is no column {column}")
    cells = rows[column].str.removesuffix("%").str.strip()
    return pd.to_numeric(cells, errors="coerce").to_numpy(dtype=float)


def _only(values: np.ndarray) -> float:
    if len(values) > 1:
        raise ValueError(f"{len(values)} rows are there, not one")
    return float(values[0]) if len(values) else math.nan


def _items(rows: pd.DataFrame, column: str, begin: str = "") -> int:
    """Return how many entries of cells that list several between semicolons begin with a text."""
    return sum(item.strip().startswith(begin) for cell in rows[column] for item in cell.split(";") if item.strip())


def _paired(rows: pd.DataFrame, source: Source, column: str, key: str, others: str) -> np.ndarray:
    """Return the difference of each row from that other row of the file which has the same key; NaN if none has."""
    beside = select_by_text(Source(source.folder, source.file, {}).rows(), others)
    sides = [pd.Series(_numbers(side, column), index=side[key]) for side in (rows, beside)]
    return (sides[0] - sides[1].reindex(sides[0].index)).to_numpy()


def _p_above(rows: pd.DataFrame, column: str, mark: float) -> float:
    values = _numbers(rows, column)
    known = values[~np.isnan(values)]
    if len({*known}) < 2:
        raise ValueError(f"p_above needs two or more values of {column} that differ")
    return float(stats.ttest_1samp(known, mark, alternative="greater").pvalue)


def _found(source: Source, pattern: str) -> str:
    """Return what the one group of a pattern is in the text of the file; it must be the same wherever it is found."""
    found = {*re.findall(pattern, read_text(source.path, source.file))}
    if len(found) != 1:
        raise ValueError(f"{pattern!r} is found as {len(found)} different texts")
    return str(found.pop())
