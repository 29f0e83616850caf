"""The study of augmentations has the option of its own that it needs."""

from collections.abc import Callable
from pathlib import Path

import pytest
from conftest import write_oxford

FOLDER = Path(__file__).parents[2] / "experiments" / "augmentation"


@pytest.mark.slow
def test_the_study_compares_nine_groups_one_of_them_with_an_option_of_its_own(
    tmp_path: Path, in_process: Callable[..., tuple[int, str]]
) -> None:
    write_oxford(tmp_path / "data")
    study = [
        "experiment=augmentation",
        f"data.root={tmp_path / 'data'}",
        f"hydra.searchpath=[file://{FOLDER / 'conf'}]",
    ]
    code, shown = in_process(*study, "dry_run=true", "hydra.sweeper.sd=0.6")
    assert code == 0, shown
    assert "aug=elastic_appended" in shown
    assert "9 groups, looked at after 4 seeds" in shown
