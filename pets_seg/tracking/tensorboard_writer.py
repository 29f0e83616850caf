"""tracker=tensorboard: a copy of a run's figures in the files of TensorBoard."""

import importlib.util
import json
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Annotated, Any

import numpy as np

from pets_seg.config.rules import Range
from pets_seg.errors import InputError, escaped
from pets_seg.machine.terminal import from_here, shell
from pets_seg.run_folder.names import TENSORBOARD
from pets_seg.run_folder.pictures import Picture
from pets_seg.tracking.content import PICTURES, enlarged, flat, run_settings, summary_figures
from pets_seg.tracking.replay import replay_folder

# The figures by which TensorBoard's page of settings compares runs.
COMPARED = ("val/dice", "test/dice")
RED = np.array([255, 0, 0])


class TensorBoardWriter:
    """Writes scalars, pictures and settings of one run; everything is placed at the number of its step in the run."""

    label = "TensorBoard"

    def __init__(
        self, config: Mapping[str, Any], folder: Path, every_steps: Annotated[int, Range(0, 1_000_000)] = 10
    ) -> None:
        from torch.utils.tensorboard import SummaryWriter
        from torch.utils.tensorboard.summary import hparams

        self.every_steps = every_steps
        self.place = folder / TENSORBOARD
        self.step, self.columns = 0, set[str]()
        self.pictures: list[Picture] = []
        # A run that is continued passes everything again. Until `finish` the former files stay, for nobody would write
        # those of a finished run again after a kill; a TensorBoard drops what it read in them at the new one.
        self.former = [*self.place.glob("events.out.tfevents.*")]
        self.writer = SummaryWriter(str(self.place), purge_step=0)
        settings = {key: _simple(value) for key, value in flat(run_settings(config))}
        # Not by add_hparams, which would make a second run of it in a folder below.
        experiment, begin, self.end = hparams(settings, dict.fromkeys(COMPARED, 0.0))
        self._file.add_summary(experiment)
        self._file.add_summary(begin)

    @staticmethod
    def check(sweep: bool, every_steps: int = 10) -> None:
        """Raise InputError if TensorBoard is not installed."""
        if importlib.util.find_spec("tensorboard") is None:
            raise InputError(
                'tracker=tensorboard: needs tensorboard, which is not there; pip install "pets_seg[tensorboard]"'
            )

    @classmethod
    def copy_again(cls, folder: Path, every_steps: int = 10) -> str:
        """Write the files of a finished run, which got new metrics, anew."""
        from pets_seg.run_folder.config_file import load_plain
        from pets_seg.run_folder.names import CONFIG

        writer = cls(load_plain(folder / CONFIG), folder, every_steps)
        replay_folder(writer, folder)
        return writer.where()

    def log_steps(self, rows: Sequence[Mapping[str, Any]]) -> None:
        """Write the figures of steps."""
        for row in rows:
            self._write(row, row["step"])

    def log_pictures(self, epoch: int, pictures: list[Picture]) -> None:
        """Keep pictures until the row of their epoch says at which step they are."""
        self.pictures = pictures

    def log(self, row: Mapping[str, Any]) -> None:
        """Write the figures of an epoch, at its last step, and its pictures."""
        # Rows of older versions do not know their steps.
        self.step = row.get("updates") or row["epoch"]
        self.columns |= row.keys()
        self._write(row, self.step)
        for picture in self.pictures:
            self.writer.add_image(f"{PICTURES}/{escaped(picture[0])}", side_by_side(picture), self.step)
        self.pictures = []
        self.writer.flush()

    def finish(self, summary: Mapping[str, Any], failed: bool) -> None:
        """Write the figures of the summary, and that the run is over."""
        figures = summary_figures(summary)
        # Of images and updates it has what the last row said.
        self._write({name: figures[name] for name in figures.keys() - self.columns}, self.step)
        if not failed:
            self._file.add_summary(self.end)
        self.writer.close()
        for file in self.former:
            file.unlink(missing_ok=True)

    def where(self) -> str:
        """Return where the files are, and how they are shown."""
        place = str(from_here(self.place))
        return f"files in {shell([place])}\nshow with {shell(['tensorboard', '--logdir', place])}"

    @property
    def _file(self) -> Any:
        return self.writer._get_file_writer()

    def _write(self, figures: Mapping[str, Any], step: int) -> None:
        for name, value in figures.items():
            if isinstance(value, int | float) and name != "step":
                self.writer.add_scalar(name, value, step)


def side_by_side(picture: Picture) -> np.ndarray:
    """Return image, truth and prediction as one image uint8 (3,S,3S); pet is red, uncounted pixels are black."""
    _, image, mask, predicted = enlarged(picture)
    tinted = (image // 2 + RED[:, None, None] // 2).astype(np.uint8)
    truth = np.where(mask == 1, tinted, np.where(mask == 255, 0, image))
    return np.concatenate((image, truth, np.where(predicted, tinted, image)), axis=2).astype(np.uint8)


def _simple(value: Any) -> Any:
    return value if isinstance(value, bool | int | float | str | None) else json.dumps(value, default=str)
