"""The study of small networks at work: exports that are refused, going on after a cut, all from end to end."""

import subprocess
import sys
from collections.abc import Callable, Iterator
from copy import deepcopy
from itertools import count
from pathlib import Path
from typing import Any

import onnx
import pandas as pd
import pytest
import torch
from conftest import only_run, tiny, write_oxford
from processes import forked, start
from small_studies import Load, keep_rows, modules

from pets_seg.command import exporting
from pets_seg.export import graph

PRINTED = """\
          Dice      MB   ms an image, one thread
fp32    0.8500    0.23                      0.68
int8    0.8200    0.10                      1.06
"""


@pytest.fixture
def load(monkeypatch: pytest.MonkeyPatch) -> Iterator[Load]:
    with modules(monkeypatch) as load:
        yield load


def writer(work: Path, failing: set[int]) -> tuple[Callable[[list[str]], Any], list[str]]:
    """Return a command that writes ONNX files, but fails as int8 is refused for calls in `failing`; and what it did."""
    done: list[str] = []

    def command(words: list[str]) -> subprocess.CompletedProcess[str]:
        file = Path(next(word for word in words if word.startswith("output=")).removeprefix("output="))
        done.append(file.stem)
        if len(done) in failing:
            why = "export.int8=true: costs 3.00 points of Dice, more than 1; nothing was written"
            return subprocess.CompletedProcess(words, 1, PRINTED, why)
        empty = onnx.ModelProto()
        onnx.helper.set_model_props(empty, {"compared with PyTorch": '{"exported_dice": 0.85, "int8_dice": 0.84}'})
        file.write_bytes(empty.SerializeToString())
        return subprocess.CompletedProcess(words, 0, "", "")

    return command, done


def exports_of(load: Load, results: Path, command: Callable[[list[str]], Any], monkeypatch: pytest.MonkeyPatch) -> Any:
    """Return exports whose files nothing computes with; the times are 1, 2, 3... milliseconds."""
    module, numbers = load("exports"), count(1)
    monkeypatch.setattr(module, "load_plain", lambda path: {"data": {}})
    monkeypatch.setattr(module, "open_dataset", lambda data, **given: type("Data", (), {"test": None}))
    conditions = {"processor": "p", "onnxruntime": "1", "others": 0.0}
    monkeypatch.setattr(
        module, "measured", lambda files, _: {"ms": [float(next(numbers)) for _ in files], **conditions}
    )
    return module.Exports(results, results / "work", command)


def test_exports_go_on_after_a_cut_and_are_timed_together(
    load: Load, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    folder = keep_rows(load, tmp_path / "kept")
    (folder / "exports.csv").unlink()
    command, done = writer(folder, failing={4})

    def cut(words: list[str]) -> Any:
        if len(done) == 7:
            raise KeyboardInterrupt
        return command(words)

    with pytest.raises(KeyboardInterrupt):
        exports_of(load, folder, cut, monkeypatch).complete()
    kept = load("kept").read(folder, "exports")
    assert len(kept) == 7
    assert kept["ms"].isna().all()
    exports = exports_of(load, folder, command, monkeypatch)
    exports.complete()
    assert len(done) == len({*done}) == 24
    kept = load("kept").read(folder, "exports")
    refused = kept[load("kept").refused(kept)]
    assert refused[["form", "mb", "dice"]].to_numpy().tolist() == [["int8", 0.1, 0.82]]
    assert refused["ms"].isna().all()
    assert kept["ms"].dropna().tolist() == [*range(1, 24)]
    text = (folder / "exports.csv").read_text()
    exports.complete()
    assert (folder / "exports.csv").read_text() == text
    # Measured again: all of them, and a file that is gone is made again.
    exports.file(kept["run"][0], "fp32").unlink()
    exports.time()
    assert load("kept").read(folder, "exports")["ms"].dropna().tolist() == [*range(24, 47)]
    assert len(done) == 25


def test_rows_of_other_weights_are_dropped_and_other_errors_end_it(
    load: Load, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    folder = keep_rows(load, tmp_path / "kept")
    runs, rows = (load("kept").read(folder, name) for name in ("runs", "exports"))
    runs.loc[0, "weights"] = "other"
    load("kept").write(folder, "runs", runs)

    def fail(words: list[str]) -> Any:
        return subprocess.CompletedProcess(words, 1, "", "the network cannot be quantised")

    with pytest.raises(SystemExit, match="cannot be quantised"):
        exports_of(load, folder, fail, monkeypatch).complete()
    command, done = writer(folder, failing=set())
    exports = exports_of(load, folder, command, monkeypatch)
    exports.file("x", "fp32").parent.mkdir(parents=True, exist_ok=True)
    for row in rows.itertuples():
        exports.file(row.run, row.form).touch()
    exports.complete()
    assert done == ["unet-plain-0_fp32", "unet-plain-0_int8"]
    assert load("kept").read(folder, "exports")["weights"].nunique() == rows["weights"].nunique()


@pytest.mark.slow
def test_int8_that_costs_too_much_is_recorded(
    load: Load, oxford: Path, tmp_path: Path, in_process: Callable, monkeypatch: pytest.MonkeyPatch
) -> None:
    work = tmp_path / "work"
    done = forked(*tiny(oxford), "name=small_models", cwd=work)
    assert done.returncode == 0, done.stderr
    monkeypatch.setattr(exporting, "MOST_LOST", -200.0)

    def command(words: list[str]) -> subprocess.CompletedProcess[str]:
        code, shown = in_process(*words)
        return subprocess.CompletedProcess(words, code, shown, shown)

    run = only_run(work, "small_models")
    exports = load("exports").Exports(tmp_path, work, command)
    cell = pd.Series({"network": "unet", "width": 4, "training": "plain", "seed": 0, "run": run.name, "weights": "w"})
    fp32, int8 = (exports.exported(cell, form) for form in ("fp32", "int8"))
    assert (fp32["refused"], int8["refused"]) == (False, True)
    assert exports.file(run.name, "fp32").exists()
    assert not exports.file(run.name, "int8").exists()
    assert 0 < int8["mb"] < fp32["mb"]
    assert int8["dice"] == pytest.approx(fp32["dice"], abs=0.2)


class Started:
    """A command of pets_seg in a process that starts soon."""

    def __init__(self, words: list[str], work: Path, quiet: bool = False) -> None:
        name = f"shown_{len([*work.glob('shown_*')])}"
        self.process = start(work, words, streams=(name, name))
        self.terminate = self.process.terminate
        (work / name).touch()

    def wait(self) -> int:
        self.process.join(100)
        return self.process.exitcode


def once(export: Callable[..., Any]) -> Callable[..., Any]:
    """Return a function that exports the same weights once, which takes seconds, and then gives copies of the graph."""
    known: dict[tuple[float, ...], Any] = {}

    def exported(network: torch.nn.Module, *given: Any) -> Any:
        key = tuple(float(value.double().sum()) for value in network.state_dict().values())
        if key not in known:
            known[key] = export(network, *given)
        return deepcopy(known[key])

    return exported


@pytest.mark.slow
def test_the_study_runs_from_end_to_end_and_repeats_nothing(
    load: Load, tmp_path: Path, in_process: Callable[..., tuple[int, str]], monkeypatch: pytest.MonkeyPatch
) -> None:
    write_oxford(tmp_path / "data")
    measure, cells, commands, called = load("measure"), load("cells"), load("commands"), []
    files: dict[str, Any] = {}

    def call(words: list[str], work: Path) -> subprocess.CompletedProcess[str]:
        called.append(words)
        file, form = Path(words[2].removeprefix("output=")), words[-1]
        # Exporting takes seconds: the files of seed 1 are those of seed 0.
        if "-s0-" in file.name:
            code, shown = in_process(*words)
            files[form] = (
                subprocess.CompletedProcess(words, code, shown, shown),
                file.read_bytes() if not code else None,
            )
        done, content = files[form]
        if content:
            file.write_bytes(content)
        return done

    monkeypatch.setattr(cells, "LAUNCHER", "hydra/launcher=basic")
    monkeypatch.setattr(cells, "TEACHER", ("model.width=6", "train.epochs=1", "seed=1000"))
    monkeypatch.setattr(commands, "start", Started)
    monkeypatch.setattr(commands, "call", call)
    monkeypatch.setattr(graph, "export_graph", once(graph.export_graph))
    options = ["--networks", "unet:4", "--seeds", "2", "--epochs", "1", "--root", str(tmp_path / "data")]
    options += ["--results", str(tmp_path / "kept"), "data.size=32", "train.device=cpu"]

    def study(*more: str) -> dict[Path, str]:
        monkeypatch.setattr(sys, "argv", ["measure.py", *more, *options])
        measure.main()
        return {path: path.read_text() for path in (tmp_path / "kept").glob("*.csv")}

    tables = study("--work", str(tmp_path / "work"))
    assert len(called) == 8
    runs = pd.read_csv(tmp_path / "kept" / "runs.csv")
    assert runs["training"].tolist() == ["plain", "plain", "distilled", "distilled", "teacher"]
    assert runs["run"].nunique() == runs["weights"].nunique() == 5
    exports = pd.read_csv(tmp_path / "kept" / "exports.csv")
    fp32 = exports[(exports["form"] == "fp32") & (exports["seed"] == 0)].set_index("run")["dice"]
    assert fp32.to_dict() == pytest.approx(runs.set_index("run")["test_dice"][fp32.index].to_dict(), abs=1e-6)
    assert (exports.loc[~exports["refused"], "ms"] > 0).all()
    assert len(pd.read_csv(tmp_path / "kept" / "table.csv")) == 4
    trained = {path: path.stat().st_mtime_ns for path in (tmp_path / "work" / "runs").glob("*/*/summary.json")}
    assert len(trained) == 5
    assert study("--work", str(tmp_path / "work")) == tables
    assert len(called) == 8
    assert {path: path.stat().st_mtime_ns for path in trained} == trained
    # Where there are no runs, the kept tables stay.
    with pytest.raises(SystemExit, match="holds no finished run"):
        study("--work", str(tmp_path / "elsewhere"), "--only", "export")
    assert study("--only", "table") == tables
