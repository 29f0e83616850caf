"""Studies with options and files of their own are planned as their pages say, by the commands that stand there."""

import os
import subprocess
import sys
from pathlib import Path

import pytest
from conftest import write_oxford

EXPERIMENTS = Path(__file__).parents[2] / "experiments"
# For each command of a page that takes files of a study's folder, by its number: what the plan says.
PLANS = {
    ("architecture", 0): "25 jobs in runs/architecture",
    ("architecture", 1): "6 jobs in runs/architecture_pace",
    ("architecture", 2): "9 jobs in runs/architecture_tuning",
    ("architecture", 3): "4 jobs in runs/architecture_tuning",
    # A run alone is shown without its folder.
    ("architecture", 4): "resnet34_unet-hflip-adamw-s1000",
    ("architecture", 5): "narrow_resnet34_unet-hflip-adamw-s1000",
    ("augmentation", 0): "9 groups, looked at after 4 seeds and after each one up to 20",
    ("augmentation", 1): "3 groups, looked at after 4 seeds",
    ("confidence", 0): "18 jobs in runs/long_training",
    ("confidence", 1): "6 jobs in runs/long_training",
    ("data_size", 0): "48 jobs in runs/data_size",
    (
        "optimizer",
        0,
    ): "Is test_dice of optimizer=adam_tuned, optimizer=muon_tuned, optimizer=sgd_tuned better or worse than",
    **{("optimizer", number): "8 jobs in runs/optimizer_tuning" for number in range(1, 5)},
    **{("optimizer", number): "4 jobs in runs/optimizer_tuning" for number in range(5, 7)},
    ("gpu", 0): "9 groups, looked at after 4 seeds and after each one up to 20",
    **{("gpu", number): "10 jobs in runs/architecture_256" for number in range(1, 3)},
    ("pitfalls", 0): "64 jobs in runs/pitfalls",
    ("recipe", 0): "8 jobs in runs/recipe_tuning",
    ("recipe", 1): "3 groups, looked at after 4 seeds and after each one up to 20",
    ("recipe", 2): "3 groups, looked at after 4 seeds and after each one up to 20",
    ("recipe", 3): "Is val_dice of model=identity_unet better or worse than that of model=unet",
    (
        "recipe",
        4,
    ): "Is val_dice of optimizer.norm_factor=4 better or worse than that of optimizer.norm_factor=1",
    ("recipe", 5): "4 jobs in runs/explore",
    ("recipe", 6): "8 jobs in runs/record",
    ("recipe", 7): "8 jobs in runs/explore_loss",
    ("recipe", 8): "10 jobs in runs/record_two",
    ("recipe", 9): "6 jobs in runs/final",
    ("recipe", 10): "6 jobs in runs/final",
    (
        "upsampling",
        0,
    ): "Is test_dice of model=bilinear_12, model=bilinear_8 better or worse than that of model=transposed_8",
}


def commands(page: Path) -> list[tuple[Path, str]]:
    """Return the commands of a page that train with files of a folder, each on a line, and that folder."""
    text = page.read_text(encoding="utf-8").replace("\\\n", "")
    folder, found = page.parent, []
    for line in (line.strip() for line in text.splitlines() if line.startswith("    ")):
        if line.startswith("cd experiments/"):
            folder = EXPERIMENTS.parent / line.removeprefix("cd ")
        elif "python -m pets_seg.run" in line and "hydra.searchpath" in line:
            found.append((folder, line))
    return found


def test_every_command_is_tried_here() -> None:
    pages = sorted(EXPERIMENTS.glob("*/README.md"))
    found = {(page.parent.name, number) for page in pages for number in range(len(commands(page)))}
    assert found == set(PLANS)
    stems = [path.stem for path in EXPERIMENTS.glob("*/conf/experiment/*.yaml")]
    assert len(stems) == len(set(stems))


@pytest.mark.slow
@pytest.mark.parametrize(("name", "number"), PLANS)
def test_the_study_is_planned(name: str, number: int, tmp_path: Path) -> None:
    write_oxford(tmp_path / "pets_seg")
    folder, command = commands(EXPERIMENTS / name / "README.md")[number]
    # As with the environment activated, and the data set downloaded.
    path = f"{Path(sys.executable).parent}:{os.environ['PATH']}"
    environment = os.environ | {"PATH": path, "XDG_CACHE_HOME": str(tmp_path)}
    done = subprocess.run(
        ["bash", "-c", f"{command} dry_run=true"],
        cwd=folder,
        env=environment,
        check=False,
        capture_output=True,
        text=True,
        timeout=300,
    )
    assert done.returncode == 0, done.stderr
    assert PLANS[name, number] in " ".join(done.stdout.split())
