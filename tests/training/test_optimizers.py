"""Optimizers are those of the options; schedules have the shape that they promise."""

import pytest
import torch
from hydra import compose, initialize_config_module
from omegaconf import DictConfig

import pets_seg.config.register
from pets_seg.config.parts import build
from pets_seg.errors import InputError
from pets_seg.training.muon import Muon

pets_seg.config.register.register()


def config(*overrides: str) -> DictConfig:
    with initialize_config_module("pets_seg.conf", version_base="1.3"):
        return compose("config", overrides=list(overrides))


def rates(scheduler: str, steps: int = 100) -> list[float]:
    cfg = config(f"scheduler={scheduler}", "optimizer=sgd", "optimizer.lr=0.1")
    optimizer = build("optimizer", cfg.optimizer, torch.nn.Linear(2, 2).parameters())
    schedule = build("scheduler", cfg.scheduler, optimizer, steps)
    found = []
    for _ in range(steps):
        found.append(optimizer.param_groups[0]["lr"])
        optimizer.step()
        schedule.step()
    assert optimizer.param_groups[0]["momentum"] == 0.99
    return found


@pytest.mark.parametrize(
    ("option", "kind"),
    [("adam", torch.optim.Adam), ("adamw", torch.optim.AdamW), ("sgd", torch.optim.SGD), ("muon", Muon)],
)
def test_options_build_their_optimizers(option: str, kind: type) -> None:
    settings = config(f"optimizer={option}", "optimizer.lr=0.25").optimizer
    optimizer = build("optimizer", settings, torch.nn.Linear(2, 2).parameters())
    assert type(optimizer) is kind
    assert optimizer.defaults["lr"] == 0.25


def test_schedules() -> None:
    assert set(rates("constant")) == {0.1}
    cosine = rates("cosine")
    assert cosine[0] == 0.1
    assert cosine == sorted(cosine, reverse=True)
    assert cosine[-1] < 0.001
    cycle = rates("onecycle")
    assert max(cycle) == pytest.approx(0.1)
    assert cycle.index(max(cycle)) == 14
    assert cycle[0] < 0.005
    assert cycle[-1] < 1e-5


def test_settings_that_do_not_fit_their_class_are_refused() -> None:
    cfg = config("optimizer=sgd", "optimizer.momentum=0", "optimizer.nesterov=true")
    with pytest.raises(InputError, match="Nesterov"):
        build("optimizer", cfg.optimizer, torch.nn.Linear(2, 2).parameters())


def test_one_cycle_with_one_step_of_warm_up() -> None:
    cfg = config("scheduler.warmup=0.1")
    optimizer = build("optimizer", cfg.optimizer, torch.nn.Linear(2, 2).parameters())
    schedule = build("scheduler", cfg.scheduler, optimizer, 10)
    for _ in range(10):
        optimizer.step()
        schedule.step()
    assert optimizer.param_groups[0]["lr"] < 1e-4
