"""A slip of the pen on the command line: the line names the sign that is the trouble, and what was meant."""

import shlex
from collections.abc import Callable
from pathlib import Path

import pytest
from refusals import refused

Command = Callable[..., tuple[int, str]]
CUT = "the shell cuts a command at its spaces, so leave out those beside commas, = and brackets"
# What a user types, with the quotes of a shell: the end of the line that he gets.
UNREADABLE = {
    "seed=0, 1, 2": f"seed=0, 1, 2: cannot be read; {CUT}; write seed=0,1,2",
    "seed=0 ,1 name=x": "write seed=0,1",
    "aug=none , crop": "write aug=none,crop",
    "seed = 3": f"seed = 3: cannot be read; {CUT}; write seed=3",
    "seed =3": "write seed=3",
    "'seed = 3'": "seed = 3: cannot be read; write seed=3",
    "optimizer.betas=[0.9, 0.99] seed=1": "write 'optimizer.betas=[0.9,0.99]'",
    "aug.operations=[{p: 0.5,  _target_: x}]": "write 'aug.operations=[{p:0.5,_target_:x}]'",
    "seed: 3": "write seed=3",
    "seed:3": "seed:3: cannot be read; write seed=3",
    "seed==3": "write seed=3",
    "aug=none,": "aug=none,: cannot be read; write aug=none",
    "aug=none, train.epochs=1": "aug=none,: cannot be read; write aug=none",
    "seed=,1": "write seed=1",
    "seed=0,,1": "write seed=0,1",
    "'seed=range(0:2)'": "write 'seed=range(0,2)'",
    "'seed=range[0,10,2]'": "write 'seed=range(0,10,2)'",
    "'seed=range(0-2)'": "write 'seed=range(0,2)'",
    "'seed=(0,1)'": "write seed=0,1",
    "'seed={0,1}'": "write seed=0,1",
    "'existing=restart;'": "write existing=restart",
    "'data=folder' 'data.root=/x;y=1'": "write 'data.root=\"/x;y=1\"'",
    "'aug=none;crop'": "write aug=none,crop",
    "name=[a": "name=[a: cannot be read; write key=value",
    "'aug.operations=[{p:0.5]'": "cannot be read; write key=value",
    "'aug=none,crop)'": "cannot be read; write key=value",
    '"name=\'a"': "cannot be read; write key=value",
    "'seed=range(3'": "cannot be read; write key=value",
    "'seed=ragne(3)'": "cannot be read; write key=value",
    "'seed=choice()'": "cannot be read; write key=value",
    "seed=0 1 2": "values of a sweep stand without spaces: seed=0,1",
    "epochs seed=1": "epochs: cannot be read; write key=value",
    "data=folder data.root=/a=b": "data.root=/a=b: cannot be read; write 'data.root=\"/a=b\"'",
    "''": "'': cannot be read",
}
# Values that can be read and are not what they look like.
MISUNDERSTOOD = {
    "seed=0-2": "seed=0-2: expected a whole number; seed=range(0,3) sweeps over them (with -m)",
    "-m seed=0-2": "seed=range(0,3) sweeps over them",
    "seed=0..2": "seed=range(0,3) sweeps over them",
    "'seed=[0,1]'": "seed=[0,1]: expected a whole number; seed=0,1 sweeps over them (with -m)",
    "-m 'train.epochs=[1,2]'": "train.epochs=1,2 sweeps over them",
    "-m 'seed=\"0,1\"'": "seed=0,1 sweeps over them",
    "'seed=0|1'": "seed=0,1 sweeps over them",
    "'aug=[none,crop]'": "takes one option; aug=none,crop sweeps",
}


@pytest.mark.parametrize(("typed", "line"), [*UNREADABLE.items(), *MISUNDERSTOOD.items()])
def test_a_slip_is_named(typed: str, line: str, in_process: Command, tmp_path: Path) -> None:
    refused(*in_process(*shlex.split(typed)), line, tmp_path)


def test_what_is_proposed_can_be_read(in_process: Command) -> None:
    for typed in UNREADABLE:
        shown = in_process(*shlex.split(typed))[1]
        _, proposal, words = shown.strip().rpartition("; write ")
        if proposal and "=" in words and not words.startswith("key=value"):
            shown = in_process("--cfg", "job", "-p", "seed", *shlex.split(words))[1]
            assert "cannot be read" not in shown, (typed, shown)


def test_a_value_that_is_a_list_is_not_taken_for_a_sweep(in_process: Command, tmp_path: Path) -> None:
    refused(*in_process("optimizer.betas=[a,b]"), "optimizer.betas=[a,b]: expected a list of numbers\n", tmp_path)
    refused(*in_process("name=[a,b]"), "name=[a,b]: expected a string\n", tmp_path)
