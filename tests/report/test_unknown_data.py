"""What a report says of runs whose data are not known, and of the same files decoded to other pixels."""

import json
from collections.abc import Callable
from pathlib import Path

from other_data import A, B, members, record, write

from pets_seg.report.limits import remarks
from pets_seg.report.origin import origin
from pets_seg.report.study.study import read_study
from pets_seg.report.tables import comparison_frame, runs_frame

Command = Callable[..., tuple[int, str]]


def test_unknown_data_stay_in_their_group_and_are_counted(tmp_path: Path) -> None:
    write(tmp_path / "s", {"none": "A-A", "crop": "AA-"})
    study = read_study([tmp_path / "s"])
    assert members(study) == {"aug=none": [0, 1, 2], "aug=crop": [0, 1, 2]}
    assert set(comparison_frame(study)["seeds"]) == {3}
    assert remarks(study) == [
        "2 of 6 runs were made before data were recorded; that their images are the same is not known."
    ]


def test_unknown_data_are_a_group_of_their_own_beside_two_that_are_known(tmp_path: Path) -> None:
    write(tmp_path / "s", {"none": "AB-"})
    study = read_study([tmp_path / "s"])
    assert sorted(members(study).items()) == [
        ("model=unet (data 3fa2c1)", [0]),
        ("model=unet (data 9b01d4)", [1]),
        ("model=unet (data unknown)", [2]),
    ]
    assert remarks(study)[-1] == (
        "1 of 3 runs was made before data were recorded; that its images are the same is not known."
    )


def test_old_sweeps_are_compared_as_ever_and_the_page_says_that_their_data_are_not_known(tmp_path: Path) -> None:
    write(tmp_path / "s", {"none": "--", "crop": "--"})
    study = read_study([tmp_path / "s"])
    assert (members(study), remarks(study)) == ({"aug=none": [0, 1], "aug=crop": [0, 1]}, [])
    assert dict(origin(study, []))["Data"] == "not known (4 runs, made before data were recorded)"
    assert "data_digest" not in runs_frame(study)


def test_the_page_gives_the_digests_and_what_runs_say_of_their_data(tmp_path: Path) -> None:
    [run, *_] = write(tmp_path / "s", {"none": "AB"})
    status = json.loads((run / "status.json").read_text())
    status["data"]["masks"] = "0 and 255, pet 31 % of pixels"
    (run / "status.json").write_text(json.dumps(status))
    assert dict(origin(read_study([tmp_path / "s"]), []))["Data"] == (
        f"{A} (one run: 5 train, 10 valid, 40 test; masks: 0 and 255, pet 31 % of pixels); "
        f"{B} (one run: 5 train, 10 valid, 40 test)"
    )


def test_other_pixels_of_the_same_files_are_told_and_keep_nothing_apart(tmp_path: Path) -> None:
    runs = write(tmp_path / "s", {"none": "AAA", "crop": "AAA"})
    record(runs[5], A, pixels="e" * 32)
    study = read_study([tmp_path / "s"])
    assert members(study) == {"aug=none": [0, 1, 2], "aug=crop": [0, 1, 2]}
    assert remarks(study) == [
        "1 of 6 runs decoded the same files to other pixels than the rest, as another version of Pillow may do; this "
        "does not keep them apart."
    ]


def test_pixels_of_another_size_are_others_by_design(tmp_path: Path) -> None:
    groups = [{"config": {"data.size": size}} for size in (32, 64)]
    runs = write(tmp_path / "s", {"one": "AA", "two": "AA"}, groups=groups)
    for run in runs[2:]:
        record(run, A, pixels="e" * 32)
    assert remarks(read_study([tmp_path / "s"])) == []
