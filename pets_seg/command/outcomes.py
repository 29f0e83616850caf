"""What became of the jobs of a sweep, which may run in other processes than the one that asks."""

import atexit
import json
import shutil
import signal
import sys
import tempfile
from collections.abc import Sequence
from contextlib import suppress
from dataclasses import asdict, dataclass, replace
from pathlib import Path

from pets_seg.errors import RunError
from pets_seg.machine.files import write_text
from pets_seg.run_folder.reading import read_json

BEGUN, DONE, FAILED, HELD = "begun", "done", "failed", "held by another process"


@dataclass(frozen=True)
class Outcome:
    """The name of a job's run, what became of it (one of the four words above), and why, unless it is done."""

    run: str
    state: str
    reason: str = ""


class Outcomes:
    """The outcomes of jobs by number; copies of it in a launcher's other processes tell theirs through a folder."""

    def __init__(self) -> None:
        self.known: dict[int, Outcome] = {}
        self.folder: Path | None = None
        # The numbers under which jobs were launched again, and those that they had first.
        self.first_number: dict[int, int] = {}

    def listen(self, sweep: Path) -> None:
        """Make the folder for what other processes tell, in that of the sweep, which all of them see."""
        sweep.mkdir(parents=True, exist_ok=True)
        self.folder = Path(tempfile.mkdtemp(prefix=".jobs-", dir=sweep.absolute()))
        atexit.register(shutil.rmtree, self.folder, ignore_errors=True)
        # By default it would end this process without a call of what is registered.
        signal.signal(signal.SIGTERM, lambda number, frame: sys.exit(128 + number))

    def tell(self, number: int, outcome: Outcome) -> None:
        """Set the outcome of a job; called in the process of the job."""
        number = self.first_number.get(number, number)
        self.known[number] = outcome
        # Nobody listens any more if the folder is gone. On a full disk the job counts as one that did not end.
        if self.folder and self.folder.is_dir():
            with suppress(RunError):
                write_text(self.folder / f"{number}.json", json.dumps(asdict(outcome)))

    def read(self) -> bool:
        """Learn what other processes told; return whether any job has begun."""
        if self.folder:
            # A network file system shows a folder as it was up to a minute ago, unless it is changed from here.
            self.folder.chmod(self.folder.stat().st_mode)
        for file in self.folder.glob("[0-9]*.json") if self.folder else ():
            self.known[int(file.stem)] = Outcome(**read_json(file))
        return bool(self.known)

    def again(self, numbers: Sequence[int], first: int) -> None:
        """Say that these jobs are launched again, under the numbers from `first` on."""
        for index, number in enumerate(numbers):
            self.tell(number, replace(self.known[number], state=BEGUN))
            self.first_number[first + index] = number

    def numbers(self, state: str) -> list[int]:
        """Return the jobs of a state, in order."""
        return sorted(number for number, outcome in self.known.items() if outcome.state == state)
