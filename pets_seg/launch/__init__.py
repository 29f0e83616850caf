"""A Hydra launcher for one machine: jobs side by side in warm worker processes, each on a GPU or a share of the cores.

It knows nothing of this project; another Hydra application calls `register`, and its jobs call `report`.
"""

from .application import Application, End
from .launcher import register
from .pool import NotStarted
from .worker import report

__all__ = ["Application", "End", "NotStarted", "register", "report"]
