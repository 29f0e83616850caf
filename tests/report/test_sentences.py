"""What is said of a study in words, whatever came out."""

from pathlib import Path

from sweeps import SMALL, sweep, write_sweep

from pets_seg.report.sentences import answer
from pets_seg.report.study.study import read_study

PAIRS = ("elastic nor crop", "crop nor elastic")


def test_the_answer_is_in_plain_words(tmp_path: Path) -> None:
    raised, lowered = answer(sweep(tmp_path / "a", {"none": 0.0, "elastic": 0.05, "crop": -0.05}, seeds=5))
    assert raised.startswith("elastic raises test Dice by ")
    assert raised.endswith(", 5 seeds) against none.")
    assert lowered.startswith("crop lowers test Dice by ")
    [unknown] = answer(sweep(tmp_path / "b", {"none": 0.0, "elastic": 0.0}, seed_deviation=0.01))
    assert unknown.startswith("With 3 seeds, elastic cannot be told apart from none: the interval is -")
    [single] = answer(sweep(tmp_path / "c", {"none": 0.0, "elastic": 0.2}, seeds=1))
    assert "this leaves out how much training varies from seed to seed" in single
    assert "over the 40 test images" in single
    assert answer(sweep(tmp_path / "d", {"none": 0.0}))[0].startswith("model=unet is the only group")
    neither = answer(sweep(tmp_path / "f", {"none": 0.0, "elastic": 0.0, "crop": 0.0}, seed_deviation=0.02))
    assert neither[0] in [f"With 3 seeds, neither {pair} can be told apart from none." for pair in PAIRS]
    assert len(neither) == 3
    many = answer(sweep(tmp_path / "e", {"none": 0.0, **{f"a{index}": 0.0 for index in range(9)}}, seeds=2))
    assert many[-1].startswith("With 2 seeds, a")
    assert " cannot be told apart from none." in many[-1]


def test_many_groups_share_sentences_and_none_is_lost(tmp_path: Path) -> None:
    names = {f"a{index}": 0.0 for index in range(9)}
    several = answer(sweep(tmp_path / "a", {"none": 0.0, **names, "good": 0.2}, seeds=3, seed_deviation=0.02))
    assert several[0].startswith("good raises test Dice by ")
    assert several[1].startswith("With 3 seeds, a")
    assert " and one other cannot be told apart from none." in several[1]
    assert "seeds would be needed for half a point" in several[1]
    [single] = answer(sweep(tmp_path / "b", {"none": 0.0, **names, "good": 0.2}, seeds=1))
    assert single.startswith("With one seed there is no telling whether good, ")
    assert "told apart" not in single


def test_of_many_groups_told_apart_the_best_and_the_worst_are_named(tmp_path: Path) -> None:
    effects = {"none": 0.0} | {f"a{index:02}": 0.05 * (index - 8) for index in range(16) if index != 8}
    said = answer(sweep(tmp_path / "s", effects, seeds=4, seed_deviation=1e-4, image_deviation=1e-4))
    assert len(said) == 13
    assert said[0].startswith("a15 raises test Dice by ")
    assert said[6] == "Of 3 other groups 1 raise and 2 lower test Dice."
    assert said[-1].startswith("a00 lowers test Dice by ")


def test_a_difference_too_small_to_write_is_not_zero(tmp_path: Path) -> None:
    [said] = answer(sweep(tmp_path / "s", {"none": 0.0, "crop": 2e-6}, seed_deviation=0, image_deviation=1e-9))
    assert said.startswith("crop raises test Dice by less than 0.01 points")


def test_many_interactions_share_a_sentence_and_none_is_lost(tmp_path: Path) -> None:
    groups = {
        f"{model} {aug}": {"config": {"model.name": model, "aug.name": aug}, "effect": effect}
        for model in ("unet", "resnet34_unet")
        for aug in ("none", "a1", "a2", "a3", "a4", "a5", "a6", "a7", "zz")
        for effect in (0.25 if (model, aug) == ("resnet34_unet", "zz") else 0.0,)
    }
    write_sweep(tmp_path / "s", groups, seeds=4, seed_deviation=0.01, **SMALL)
    answered = answer(read_study([tmp_path / "s"], {"model": "unet", "aug": "none"}))
    said = [said for said in answered if "the effect of aug" in said.lower()]
    assert len(said) == 2
    assert said[0].startswith("The effect of aug=zz on test Dice differs between model=resnet34_unet and model=unet")
    assert said[1] == "For the other 7 pairs it cannot be told whether the effect of aug differs with model."
