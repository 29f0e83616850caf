"""Whatever is written on the command line: an answer within seconds, a refusal in one line, no traceback."""

import shutil
import time
from collections.abc import Callable
from pathlib import Path
from types import SimpleNamespace

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from pets_seg.command import jobs
from pets_seg.command.leakage import Evaluated
from pets_seg.command.tasks import demo, evaluate, export, predict, preview, train
from pets_seg.config.groups import GROUPS
from pets_seg.config.options import known_settings
from pets_seg.data import Index, Source
from pets_seg.data.request import Request

Command = Callable[..., tuple[int, str]]
# In seconds of the processor's time.
SOON = 10
VALID = """
    model=timm_unet model.encoder=resnet18
    model=unet model=resnet34_unet aug=none aug=strong optimizer=sgd scheduler=constant data=folder task=preview
    task=evaluate experiment=quickstart seed=3 name=abc train.epochs=2 train.batch_size=8 data.size=32
    optimizer.lr=1e-3 optimizer.betas=[0.9,0.99] model.width=8 model.pretrained=true aug.operations.0.p=0.5
    aug.operations=[{_target_:kornia.augmentation.RandomVerticalFlip,p:0.5}] +aug.operations.0.same_on_batch=true
    ++train.ema=0.5 train.device=cpu train.precision=fp32 data.root='a\\'b' name="a=b" data.cache_dir=${oc.env:HOME}
    name=${model.name} seed=0,1 aug=none,elastic seed=range(3) model=glob(*) seed=choice(1,2) seed=shuffle(1,2)
    optimizer.lr=float(range(1,3)) hydra.job.name=abc hydra/launcher=basic hydra.mode=RUN checkpoint=runs replay=runs
    train.teacher=runs train.teacher_weight=0.9 train.teacher_temperature=4
    data.train_fraction=0.25
"""
SIGNS = "=+~,.:/@'\"\\[]{}()$%#*&|<>!?^-_ \t\n0159eaé日\x1b\udcff"
KEYS = [
    *GROUPS,
    *known_settings(),
    "hydra",
    "hydra.run.dir",
    "hydra.callbacks",
    "aug.operations.0",
    "schema",
]
VALUES = ["unet", "null", "nan", "-inf", "1e400", "9" * 20, "true", "???", "[1,{a:b}]", "'x'", "${seed}", "${name}", ""]
VALUES += ["range(99999999999)", "range(0,1,0)", "interval(0,1)", "0,0", "choice(a,null)", "glob(x)", "${run_name:}"]


@st.composite
def mutated(draw: st.DrawFn) -> str:
    text = draw(st.sampled_from(VALID.split()))
    for _ in range(draw(st.integers(1, 3))):
        place, end = sorted(draw(st.tuples(st.integers(0, len(text)), st.integers(0, len(text)))))
        insert = draw(st.sampled_from([*SIGNS, ""]))
        text = text[:place] + insert + text[draw(st.sampled_from([place, place + 1, end])) :]
    return text


def written(*signs: str) -> st.SearchStrategy[str]:
    """Any of our keys, in front of it nothing or a sign, behind it one of `signs` and a word."""
    front = st.sampled_from(["", "", "", "", "+", "++", "~", "-", "--"])
    words = st.sampled_from([*VALUES, *KEYS])
    return st.builds("{}{}{}{}".format, front, st.sampled_from(KEYS), st.sampled_from(signs), words)


nested = st.builds(
    lambda key, opened, times, inner, closed, fewer: f"{key}={opened * times}{inner}{closed * (times - fewer)}",
    st.sampled_from(KEYS),
    st.sampled_from(["[", "{a:", "int(", "'", "${", "[{a:"]),
    st.sampled_from([1, 2, 30, 300, 3000]),
    st.sampled_from(["", "1", "a,b"]),
    st.sampled_from(["]", "}", ")", "'", "}]"]),
    st.integers(0, 1),
)
junk = st.text(st.characters(exclude_characters="\0"), max_size=30)
right = st.sampled_from(VALID.split())
one = right | written("=") | written("=") | written(".", "/", "@", "==", "") | mutated() | nested | junk
# Where one of several cannot be read, the others are not looked at.
several = st.lists(right | right | right | written("="), min_size=2, max_size=3)
FLAGS = [[], [], [], ["-m"], ["-m"], ["--cfg", "job"]]


@pytest.fixture
def command_line(in_process: Command, monkeypatch: pytest.MonkeyPatch) -> Command:
    """The command line, whose tasks do nothing after their checks."""
    for task in (train, evaluate, predict, export, demo, preview):
        monkeypatch.setattr(task, "run", lambda cfg: 1.0)
    index = Index(Request.of("", Source({"train": [], "valid": [], "test": []}), 32), [])
    monkeypatch.setattr(preview, "ensure_decoded", lambda *settings, **named: (Path(), index))
    for task in (train, evaluate):
        monkeypatch.setattr(task, "open_dataset", lambda *settings, **named: SimpleNamespace(index=index))
        monkeypatch.setattr(task, "check_masks", lambda *settings: None)
    monkeypatch.setattr(train, "check_start", lambda config, index: [])
    monkeypatch.setattr(evaluate, "choose", lambda *settings, **named: Evaluated("test", None, []))
    monkeypatch.setattr("pets_seg.models.resnet34_unet.imagenet_weights", lambda: None)
    monkeypatch.setattr(jobs, "MOST_JOBS", 4)
    return in_process


@pytest.mark.slow
@settings(
    max_examples=50,
    deadline=None,
    derandomize=True,
    # The fixture is a function: each example runs it in the same, emptied folder.
    suppress_health_check=[HealthCheck.function_scoped_fixture, HealthCheck.too_slow],
)
@given(arguments=one.map(lambda word: [word]) | several, flags=st.sampled_from(FLAGS))
def test_any_command_line_is_answered(
    arguments: list[str], flags: list[str], command_line: Command, tmp_path: Path
) -> None:
    started = time.process_time()
    code, shown = command_line(*arguments, *flags)
    took = time.process_time() - started
    left = list((tmp_path / "work").iterdir())
    for path in left:
        shutil.rmtree(path)
    assert took < SOON
    assert "Traceback" not in shown
    if code == 2:
        assert len(shown.splitlines()) == 1, shown
        assert len(shown) < 1000
        assert left == []
        # What this ends with nobody has thought of.
        assert "HYDRA_FULL_ERROR" not in shown
    else:
        # A sweep whose jobs do nothing ends with 1, for no run is finished.
        assert code in (0, 1)
        assert code == 0 or "0 runs in" in shown
