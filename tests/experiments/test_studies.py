"""Every study that has a file in experiments/NAME/conf/experiment is planned as its page says."""

from collections.abc import Callable
from pathlib import Path

import pytest
from conftest import write_oxford

EXPERIMENTS = Path(__file__).parents[2] / "experiments"
PARTS = "whole_recipe,without_muon,without_cycle,without_flip,without_normalisation"
NETWORKS = "unet_5_epochs,unet_equal_seconds,resnet34_unet_5_epochs,narrow_5_epochs"
# The words beside experiment=, and what the plan says.
STUDIES = {
    "augmentation": ("hydra.sweeper.sd=0.6", ["9 groups, looked at after 4 seeds", "aug=elastic_appended"]),
    "augmentation_40": ("", ["18 jobs", "18 to run"]),
    "confidence": ("", ["6 jobs", "6 to run"]),
    "data_size": (
        "data.train_fraction=0.25 train.epochs=40 name=data_size_25 hydra.sweeper.sd=0.6",
        ["aug=strong better or worse than that of aug=none", "2 groups"],
    ),
    "optimizer_tuning": ("-m optimizer=sgd optimizer.lr=1e-3,2e-3", ["4 jobs", "seed=1001 optimizer.lr=0.002"]),
    "pitfalls": ("", ["64 jobs", "64 to run"]),
    "upsampling": (
        "hydra.sweeper.sd=0.6",
        ["model=bilinear_12, model=bilinear_8 better or worse than that of model=transposed_8", "3 groups"],
    ),
    NETWORKS: (
        "-m report.baseline={model:unet,train.epochs:5} data=oxford_pet name=architecture hydra/sweeper=sequential "
        "hydra.sweeper.margin=1 hydra.sweeper.sd=0.6",
        ["4 groups", "better or worse than that of model=unet train.epochs=5"],
    ),
    PARTS: (
        "-m report.baseline={aug:hflip,optimizer:muon,scheduler:onecycle,data.normalisation:imagenet} data=oxford_pet "
        "name=recipe_parts hydra/sweeper=sequential hydra.sweeper.margin=1 hydra.sweeper.sd=0.6",
        ["5 groups", "than that of aug=hflip optimizer=muon scheduler=onecycle data.normalisation=imagenet"],
    ),
}
# What others are made of.
SHARED = {"architecture"}
FILES = {path.stem: path for path in EXPERIMENTS.glob("*/conf/experiment/*.yaml")}


def test_every_file_is_tried_here() -> None:
    assert {name for names in STUDIES for name in names.split(",")} | SHARED == set(FILES)


@pytest.mark.slow
@pytest.mark.parametrize("names", STUDIES)
def test_the_study_is_planned(
    names: str, tmp_path: Path, in_process: Callable[..., tuple[int, str]], monkeypatch: pytest.MonkeyPatch
) -> None:
    write_oxford(tmp_path / "data")
    words, expected = STUDIES[names]
    conf = FILES[names.split(",")[0]].parents[1]
    monkeypatch.syspath_prepend(str(conf.parent))
    search = [f"data.root={tmp_path / 'data'}", f"hydra.searchpath=[file://{conf}]", "dry_run=true"]
    code, shown = in_process(f"experiment={names}", *words.split(), *search)
    assert code == 0, shown
    joined = " ".join(shown.split())
    assert [text for text in expected if text not in joined] == []
