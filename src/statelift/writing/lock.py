"""root -> the right to write in it: one process at a time.

The system releases the lock when its holder dies, so there is no stale lock to clean up.
"""

import fcntl
import os
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from pathlib import Path

from statelift.writing.disk import open_shared
from statelift.writing.errors import BusyError, WriteFailedError
from statelift.writing.journal import home_of, open_home
from statelift.writing.runs import HOME


@contextmanager
def locked(root: Path) -> Iterator[None]:
    """Hold the lock of the root, or of the repository around it.

    Raises BusyError, RefusedPathError, WriteFailedError.
    """
    home = home_of(root)
    lock = _open(home)
    try:
        _take(lock, home)
        yield
    finally:
        os.close(lock)


def _open(home: Path) -> int:
    try:
        open_home(home)
        return open_shared(home, f"{HOME}/lock")
    except OSError as error:
        raise WriteFailedError(
            f"Cannot keep a journal in {home / HOME}: {error.strerror}. Nothing was written. "
            "Make that folder writable, then try again."
        ) from error


def _take(lock: int, home: Path) -> None:
    try:
        fcntl.flock(lock, fcntl.LOCK_EX | fcntl.LOCK_NB)
    except BlockingIOError as error:
        holder = os.pread(lock, 20, 0).decode("ascii", "replace").strip() or "unknown"
        raise BusyError(
            f"Another statelift (process {holder}) is writing in {home}. Wait until it ends, then try again."
        ) from error
    except OSError as error:
        raise WriteFailedError(f"Cannot lock {home / HOME}: {error.strerror}. Nothing was written.") from error
    with suppress(OSError):  # who holds it is for people; a disk may be full
        os.ftruncate(lock, 0)
        os.write(lock, str(os.getpid()).encode())
