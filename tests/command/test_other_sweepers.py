"""A sweeper that is not Hydra's own: its jobs are known only once it has chosen them."""

from pathlib import Path

import pytest
from conftest import command, tiny

SWEEPER = """
from hydra._internal.core_plugins.basic_sweeper import BasicSweeper


class OneByOne(BasicSweeper):
    pass
"""


@pytest.mark.slow
def test_a_sweep_of_another_sweeper_ends_with_the_runs_it_made(oxford: Path, tmp_path: Path) -> None:
    (tmp_path / "hydra_plugins").mkdir()
    (tmp_path / "hydra_plugins" / "one_by_one.py").write_text(SWEEPER)
    sweeper = "hydra.sweeper._target_=hydra_plugins.one_by_one.OneByOne"
    ran = command("-m", sweeper, *tiny(oxford), "seed=0,1", cwd=tmp_path, PYTHONPATH=str(tmp_path))
    assert ran.returncode == 0, ran.stderr
    assert "\n2 runs in runs/default" in ran.stdout
    assert "not made" not in ran.stdout
    assert (tmp_path / "runs" / "default" / "report.html").is_file()
