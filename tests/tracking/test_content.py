"""What trackers show of a run's settings: what a command can give, under names that it has."""

import json

import pytest
from hydra import compose, initialize_config_module

from pets_seg.config.plain import plain
from pets_seg.tracking.content import flat, run_settings


def settings_of(*overrides: str) -> dict[str, object]:
    with initialize_config_module("pets_seg.conf", version_base="1.3"):
        return run_settings(plain(compose("config", overrides=["train.device=cpu", *overrides])))


@pytest.mark.parametrize("overrides", [[], ["aug=strong", "loss=ce_dice"], ["model=resnet34_unet", "loss=focal"]])
def test_no_setting_says_how_a_part_is_called(overrides: list[str]) -> None:
    found = settings_of(*overrides)
    for word in ("_target_", "_partial_", "_convert_", "kornia.", "pets_seg."):
        assert word not in json.dumps(found), word
    assert {"model.name", "optimizer.lr", "loss.name", "train.epochs", "seed"} <= dict(flat(found)).keys()


def test_a_loss_shows_its_weights_and_not_what_follows_from_them() -> None:
    assert settings_of("loss=ce_dice", "loss.dice=0.5")["loss"] == {
        "name": "ce_dice",
        "cross_entropy": 1.0,
        "dice": 0.5,
    }


def test_a_teacher_is_shown_with_its_digest() -> None:
    assert "teacher_sha256" not in settings_of()
    with initialize_config_module("pets_seg.conf", version_base="1.3"):
        config = plain(compose("config", overrides=["train.device=cpu", "train.teacher=/r/x.safetensors"]))
    shown = dict(flat(run_settings({**config, "teacher_sha256": "1" * 64})))
    assert (shown["train.teacher"], shown["teacher_sha256"]) == ("/r/x.safetensors", "1" * 64)


def test_operations_are_shown_by_their_names() -> None:
    first, second, *_ = settings_of("aug=strong")["aug"]["operations"]
    assert first == {"name": "RandomHorizontalFlip", "p": 0.5}
    assert [one["name"] for one in second["one_of"]] == ["RandomGridElastic", "RandomResizedCrop", "RandomAffine"]
    assert second["one_of"][0] == {"name": "RandomGridElastic", "cells": 4, "displacement": 0.03}
