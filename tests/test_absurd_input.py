"""What nobody writes by mistake has no sentence of its own: it ends in one line with exit code 2, as all else does."""

from collections.abc import Callable
from pathlib import Path

import pytest
from refusals import ends_in_a_line

Command = Callable[..., tuple[int, str]]
ABSURD = [
    "model=null",
    "model=1",
    "experiment=null",
    "hydra.mode=FOO",
    "hydra.mode=2",
    f"optimizer.lr={'1' * 400}",
    f"seed={'1' * 5000}",
    "=1",
    "+=",
    "~",
    f"{'a.' * 1000}b=1",
    "++model=unet",
    "--cfg job -m",
    "--resolve",
    "-m model=null,unet",
    "-m seed=range(0,1,0)",
    "-m seed=range(0,nan)",
    "-m optimizer.lr=interval(0,1)",
    "-m hydra.sweeper.max_batch_size=0",
    "hydra.searchpath=[foo://x]",
    "-m hydra.run.dir=a,b",
    f"seed={'[' * 5000}",
    f"seed={'[' * 3000}1{']' * 3000}",
    "name=a}",
    "seed=${",
    "model@foo=unet",
    "hydra.searchpath=file:///x",
    "-m seed=choice()",
    "~hydra.callbacks",
    "optimizer.betas=[${nothing},0.1]",
    "hydra=null",
    "hydra.job.num=x",
    "-m hydra.sweep.subdir=${hydra.job.num} seed=0,1",
    "-m hydra.sweep.dir=x/${hydra.job.num} seed=0,1",
    "hydra.run.dir=${hydra.job.num}",
    "hydra.mode=RUN,MULTIRUN",
]


@pytest.mark.parametrize("arguments", ABSURD, ids=lambda text: ascii(text)[1:-1][:60])
def test_absurd_input_ends_in_a_line(arguments: str, in_process: Command, tmp_path: Path) -> None:
    ends_in_a_line(*in_process(*arguments.split(" ")), tmp_path)
