"""The name of a run: what enters it, and what must not."""

import hashlib
import json

import pytest
from hydra import compose, initialize_config_module
from omegaconf import DictConfig, OmegaConf

import pets_seg.config.register
from pets_seg.config.identity import identity, run_name
from pets_seg.config.options import known_settings

pets_seg.config.register.register()

SAME_RUN = """
    train.device=cpu data.cache_dir=/tmp/x data.download=false name=other existing=restart
    tracker.mode=disabled train.precision=fp32 split=valid closing=x data.train_fraction=1
"""
OTHER_RUN = """
    seed=1 model.width=8 model.upsampling=transposed aug=none optimizer.lr=0.5 scheduler=cosine
    loss=dice data.size=64 data.root=/d data.boundary=ignore train.epochs=3 train.batch_size=2
    train.precision=bf16 train.compile=true data.normalisation=raw data.skip_bad=true
    data.train_fraction=0.5
"""


def config(*overrides: str) -> DictConfig:
    with initialize_config_module("pets_seg.conf", version_base="1.3"):
        return compose("config", overrides=["data=oxford_pet", *overrides])


def test_the_name_says_what_the_run_is() -> None:
    name = run_name(config("aug=elastic", "seed=3", "train.device=cpu"))
    assert name.startswith("unet-elastic-adamw-s3-")
    digest = hashlib.sha256(
        json.dumps(
            identity(OmegaConf.to_container(config("aug=elastic", "seed=3", "train.precision=fp32"), resolve=True)),
            sort_keys=True,
        ).encode()
    ).hexdigest()
    assert name.endswith(digest[:8])


@pytest.mark.parametrize("override", SAME_RUN.split())
def test_what_cannot_change_the_result_does_not_enter(override: str) -> None:
    assert run_name(config("train.device=cpu", override)) == run_name(config("train.device=cpu"))


@pytest.mark.parametrize("override", OTHER_RUN.split())
def test_what_can_change_the_result_does(override: str) -> None:
    assert run_name(config(override)) != run_name(config())


def test_a_key_added_later_enters_the_name_only_when_it_changes_the_behaviour() -> None:
    assert "keep_original" not in identity(OmegaConf.to_container(config(), resolve=True))["aug"]
    assert run_name(config("aug.keep_original=false")) == run_name(config())
    assert run_name(config("aug.keep_original=true")) != run_name(config())


def test_every_setting_has_a_line_of_help() -> None:
    settings = known_settings()
    assert [key for key, owners in settings.items() if not any(owners.values())] == ["aug.operations"]
    assert len(settings) > 40


def test_experiments_are_the_reference_recipes() -> None:
    for name, batch_size in (("unet", 20), ("resnet34_unet", 60)):
        cfg = config(f"experiment=lab_{name}")
        assert (cfg.model.name, cfg.aug.name, cfg.optimizer.name, cfg.scheduler.name) == (
            name,
            "none",
            "adam",
            "constant",
        )
        assert (cfg.optimizer.lr, cfg.optimizer.weight_decay) == (1e-3, 0)
        assert (cfg.data.size, cfg.train.epochs, cfg.train.batch_size) == (256, 100, batch_size)
        assert cfg.name == f"lab_{name}"


def test_the_recipes_are_as_documented() -> None:
    unet, resnet = (config(f"experiment=recipe_{name}") for name in ("unet", "resnet34_unet"))
    assert (unet.model.name, unet.model.width, unet.train.epochs) == ("unet", 16, 4)
    assert (resnet.model.name, resnet.train.epochs) == ("resnet34_unet", 5)
    for cfg in (unet, resnet):
        assert (cfg.optimizer.name, cfg.data.name, cfg.data.size) == ("muon", "oxford_pet", 64)
        assert cfg.name == f"recipe_{cfg.model.name}"
    assert config("experiment=recipe_unet", "optimizer=adamw").optimizer.lr == 2e-3


def test_how_a_number_is_written_does_not_change_the_name() -> None:
    for one, other in (
        ("loss=focal loss.alpha=1", "loss=focal loss.alpha=1.0"),
        ("loss=ce_dice loss.dice=2", "loss=ce_dice loss.dice=2.0"),
        ("optimizer.lr=1", "optimizer.lr=1.0"),
        ("loss=focal", "loss=focal loss._partial_=false"),
    ):
        assert run_name(config(*one.split())) == run_name(config(*other.split()))
    assert run_name(config("loss=focal", "loss.gamma=1")) != run_name(config("loss=focal", "loss.gamma=1.5"))
    # What an option names enters where it is not the package's own.
    other = "model._target_=pets_seg.models.resnet34_unet.ResNet34UNet"
    assert run_name(config(other)) != run_name(config())
