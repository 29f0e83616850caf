"""The one table of groups: what each is for, which of its settings the package reads, and how its part is called."""

import re
from dataclasses import dataclass

from pets_seg.config.schema import Aug, Data, Demo, Export, Optimizer, Predict, Report, Train

# Of an option, a sweep or a group: part of paths.
NAME = re.compile(r"[A-Za-z0-9][A-Za-z0-9_.+-]{0,99}")


@dataclass(frozen=True)
class Group:
    """A group of the configuration.

    `options` is what several of its options are called. `schema` types the settings that the package itself reads,
    `limits` arguments of parts by their name. `passed` is how many arguments the package gives to the class or function
    that an option names by `_target_` (None: an option names none). `counts` is whether the option is part of a run's
    identity (its name), `several` whether several can be chosen, and `later` whether its part is a function that is
    called in every step or for every batch.
    """

    text: str
    options: str = "options"
    counts: bool = False
    schema: type | None = None
    passed: int | None = None
    limits: type | None = None
    several: bool = False
    later: bool = False


GROUPS = {
    "model": Group("the network", "networks", counts=True, passed=0),
    "aug": Group("augmentation of training images and masks, together", "augmentations", counts=True, schema=Aug),
    "optimizer": Group("how weights are updated", "optimizers", counts=True, passed=1, limits=Optimizer),
    "scheduler": Group("how the learning rate moves over a run", "schedules", counts=True, passed=2),
    "loss": Group("what training minimises", "losses", counts=True, passed=2, later=True),
    "metric": Group(
        "metrics in addition to Dice, IoU and loss: one, or [several]", "metrics", passed=2, several=True, later=True
    ),
    "data": Group("where images and masks come from", "data sets", counts=True, schema=Data, passed=0),
    "train": Group("epochs, batch size, precision, device", counts=True, schema=Train),
    "tracker": Group("who gets a copy of the figures: W&B, TensorBoard or nobody", passed=2),
    "report": Group("how runs are compared", schema=Report),
    "predict": Group("how photographs are segmented", schema=Predict),
    "export": Group("how a network is exported", schema=Export),
    "demo": Group("what the page of a network shows", schema=Demo),
    "task": Group("what the command does"),
    "experiment": Group("a whole study in one file"),
}
# Groups and the one setting that make a run what it is, in the order in which they enter its name.
IDENTITY = (*(name for name, group in GROUPS.items() if group.counts), "seed")
# Those whose option says what a run is about; the settings of training have no options.
COMPARED = tuple(name for name in IDENTITY if name not in ("train", "seed"))
