"""A file that one process at a time holds."""

import errno
import logging
from pathlib import Path

from filelock import BaseFileLock, FileLock, Timeout

NO_LOCKS = {errno.ENOSYS, errno.ENOLCK, errno.EOPNOTSUPP}
# In seconds.
INSTANT = 0.25
log = logging.getLogger("pets_seg")


def take(path: Path, without: str) -> BaseFileLock:
    """Return the lock at `path`, held at most until the process ends; Timeout if another process has it.

    Raises OSError if it cannot be written; where the file system has no locks, the warning `without` has to do.
    """
    lock = FileLock(path)
    try:
        # Another process may have looked whether it is held, which takes an instant.
        lock.acquire(timeout=INSTANT, poll_interval=INSTANT / 5)
    except Timeout:
        raise
    # Some network file systems have no locks.
    except (NotImplementedError, OSError) as error:
        if getattr(error, "errno", errno.ENOSYS) not in NO_LOCKS:
            raise
        log.warning(without)
    return lock
