"""What a report calls the weights that runs started from."""

from pathlib import Path

import pytest
import yaml
from sweeps import SMALL, write_sweep

from pets_seg.report.limits import remarks
from pets_seg.report.origin import origin
from pets_seg.report.study.study import Study, read_study

ONE, OTHER = "1" * 64, "1" * 11 + "2" * 53


def study_of(folder: Path, starts: dict[str, tuple[str, str] | None]) -> Study:
    """Return the study of a sweep with a group for each name, whose runs started from a path of this digest."""
    runs = write_sweep(folder, {name: {"config": {}} for name in starts}, seeds=2, **SMALL)
    for run, start in zip(runs, (start for start in starts.values() for _ in range(2)), strict=True):
        config = yaml.safe_load((run / "config.yaml").read_text())
        if start:
            config |= {"checkpoint": start[0], "checkpoint_sha256": start[1]}
        (run / "config.yaml").write_text(yaml.safe_dump(config))
        # The names of runs say what they started from, which `write_sweep` does not know.
        run.rename(run.with_name(f"{run.name}-{start[1][:12] if start else ''}"))
    return read_study([folder])


NAMED = {
    "a run or a file": (
        ("/r/base/unet-s0-1/checkpoints/best.safetensors", ONE),
        ("/r/mine.safetensors", OTHER),
        ["checkpoint=mine.safetensors", "checkpoint=unet-s0-1"],
    ),
    "the same name": (
        ("/r/base/unet-s0-1/checkpoints/best.safetensors", ONE),
        ("/r/other/unet-s0-1/checkpoints/best.safetensors", OTHER),
        ["checkpoint=unet-s0-1@111111111111", "checkpoint=unet-s0-1@111111111112"],
    ),
    "random weights": (None, ("/r/mine.safetensors", ONE), ["checkpoint=null", "checkpoint=mine.safetensors"]),
}


@pytest.mark.parametrize("what", NAMED)
def test_groups_have_the_names_of_their_starts(what: str, tmp_path: Path) -> None:
    first, second, names = NAMED[what]
    study = study_of(tmp_path / "sweep", {"a": first, "b": second})
    assert (study.keys, [group.name for group in study.groups]) == (["checkpoint"], names)
    assert not [line for line in remarks(study) if "started from" in line]
    [listed] = [text for name, text in origin(study, []) if name == "Started from"]
    for start in filter(None, (first, second)):
        assert f"(SHA-256 {start[1]}, {start[0]})" in listed


def test_the_same_weights_in_two_places_are_one_start(tmp_path: Path) -> None:
    study = study_of(tmp_path / "sweep", {"a": ("/r/x.safetensors", ONE), "b": ("/r/y.safetensors", ONE)})
    assert [group.name for group in study.groups] == ["model=unet"]
    assert "All runs started from the weights of x.safetensors." in remarks(study)


def test_teachers_are_named_as_starts_are(tmp_path: Path) -> None:
    runs = write_sweep(tmp_path / "sweep", {name: {"config": {}} for name in ("a", "b")}, seeds=2, **SMALL)
    for number, run in enumerate(runs):
        config = yaml.safe_load((run / "config.yaml").read_text())
        teacher = {"teacher": "/r/large/unet-s0-1/checkpoints/best.safetensors"} if number < 2 else {}
        config |= {"train": {**config["train"], **teacher}} | ({"teacher_sha256": ONE} if teacher else {})
        (run / "config.yaml").write_text(yaml.safe_dump(config))
        run.rename(run.with_name(f"{run.name}-{number < 2}"))
    study = read_study([tmp_path / "sweep"])
    assert study.keys == ["train.teacher"]
    assert [group.name for group in study.groups] == ["train.teacher=null", "train.teacher=unet-s0-1"]
    [listed] = [text for name, text in origin(study, []) if name == "Learned from"]
    assert listed.startswith(f"unet-s0-1 (SHA-256 {ONE}, /r/large/")
    alike = read_study([*study.groups[1].runs[0].folder.parent.glob("*-True")])
    assert "All runs learned from the network of unet-s0-1." in remarks(alike)


def test_runs_without_a_start_are_not_said_to_have_one(tmp_path: Path) -> None:
    study = study_of(tmp_path / "sweep", {"a": None})
    assert not [line for line in remarks(study) if "started from" in line]
    assert "Started from" not in dict(origin(study, []))
