"""What the study consists of: networks, each plain and distilled, by seed, and the commands that train them."""

from argparse import ArgumentTypeError
from collections.abc import Iterator
from dataclasses import dataclass
from itertools import product
from pathlib import Path

from pets_seg import compose
from pets_seg.config.identity import run_name
from pets_seg.config.weights import BEST
from pets_seg.report.study.runs import Run, read_run

NAME, TEACHER_NAME = "small_models", "small_models_teacher"
PLAIN, DISTILLED = "plain", "distilled"
TRAININGS = (PLAIN, DISTILLED)
# In runs.csv, in place of one of these.
TEACHER_ROW = "teacher"
# A seed that no student has, so that none of them starts from the weights that its teacher started from.
TEACHER = ("model.width=32", "aug=strong", "train.epochs=20", "seed=1000")
UNET = "unet"
LAUNCHER = "hydra/launcher=local"
LABELS = {UNET: "UNet", "mobilenetv3_small_100": "MobileNetV3-small"}
# By encoder and width. With a decoder of width 8 the work of the one with an encoder is between those of UNet 8 and 16.
NETWORKS = "unet:4,unet:8,unet:16,unet:32,mobilenetv3_small_100:8"


@dataclass(frozen=True)
class Network:
    """A network by the name that the tables have: `unet`, or that of timm's encoder; and its width."""

    name: str
    width: int

    @property
    def model(self) -> list[str]:
        """The words that choose it, but for its width."""
        return [f"model={UNET}"] if self.name == UNET else ["model=timm_unet", f"model.encoder={self.name}"]

    @property
    def label(self) -> str:
        """What tables and figures call it."""
        return f"{LABELS.get(self.name, self.name)} {self.width}"


def read_networks(text: str) -> list[Network]:
    """Return the networks of a list such as NETWORKS; ArgumentTypeError if it is none."""
    pairs = [word.rpartition(":")[::2] for word in text.split(",")]
    if not all(name and width.isdecimal() for name, width in pairs):
        raise ArgumentTypeError(f"{text}: expected NAME:WIDTH, with commas between, such as {NETWORKS}")
    return [Network(name, int(width)) for name, width in pairs]


@dataclass(frozen=True)
class Cell:
    """A run of the study: its network, how it is trained, and its seed."""

    network: Network
    training: str
    seed: int


@dataclass(frozen=True)
class Study:
    """What is to be trained, below the folder `work`; `settings` are words that every run shares."""

    work: Path
    networks: list[Network]
    seeds: int
    epochs: int
    settings: tuple[str, ...]
    given_teacher: Path | None = None

    @property
    def students(self) -> list[str]:
        """The words that all students share."""
        return [f"experiment={NAME}", "tracker=none", f"train.epochs={self.epochs}", *self.settings]

    @property
    def teacher_words(self) -> list[str]:
        """The command that trains the teacher."""
        return [f"experiment={NAME}", "tracker=none", f"name={TEACHER_NAME}", *TEACHER, *self.settings]

    @property
    def teacher_folder(self) -> Path:
        """The run of the teacher that the study trains itself."""
        return self.work / "runs" / TEACHER_NAME / run_name(compose(*self.teacher_words))

    def teacher(self) -> Path | None:
        """Return the run or the file of weights of the teacher; None while it is not there."""
        if self.given_teacher:
            return self.given_teacher
        run = finished_run(self.teacher_folder)
        return run and run.folder

    def cells(self, training: str) -> Iterator[Cell]:
        """Yield the runs of all networks that are trained so."""
        yield from (Cell(network, training, seed) for network, seed in product(self.networks, range(self.seeds)))

    def sweeps(self, training: str) -> list[list[str]]:
        """Return a command for each model, whose widest networks come first: they take longest."""
        models: dict[tuple[str, ...], list[int]] = {}
        for network in self.networks:
            models.setdefault(tuple(network.model), []).append(network.width)
        shared = [*self.students, *self._taught(training), LAUNCHER]
        seeds = f"seed={','.join(map(str, range(self.seeds)))}"
        if training == DISTILLED:
            shared.append("report.baseline={train.teacher:null}")
        return [
            ["-m", *shared, *model, f"model.width={','.join(map(str, sorted(widths, reverse=True)))}", seeds]
            for model, widths in models.items()
        ]

    def folder(self, cell: Cell) -> Path:
        """Return where the run of a cell is."""
        words = [*cell.network.model, f"model.width={cell.network.width}", f"seed={cell.seed}"]
        cfg = compose(*self.students, *self._taught(cell.training), *words)
        return self.work / "runs" / NAME / run_name(cfg)

    def _taught(self, training: str) -> list[str]:
        return [] if training == PLAIN else [f"train.teacher={self.teacher()}"]


def finished_run(folder: Path) -> Run | None:
    """Return the run in a folder; None if none has finished there."""
    try:
        run = read_run(folder)
    except ValueError:
        return None
    return run if run.finished and (folder / BEST).is_file() else None
