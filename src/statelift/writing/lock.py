"""root -> the right to write in it: one process at a time.

The system releases the lock when its holder dies, so there is no stale lock to clean up.
"""

import fcntl
import os
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import BinaryIO

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
    with _open(home) as file:
        _take(file, home)
        yield


def _open(home: Path) -> BinaryIO:
    try:
        open_home(home)
        return os.fdopen(open_shared(home, f"{HOME}/lock"), "a+b")
    except OSError as error:
        raise WriteFailedError(
            f"Cannot keep a journal in {home / HOME}: {error.strerror}. Nothing was written. "
            "Make that folder writable, then try again."
        ) from error


def _take(file: BinaryIO, home: Path) -> None:
    try:
        fcntl.flock(file, fcntl.LOCK_EX | fcntl.LOCK_NB)
    except BlockingIOError as error:
        file.seek(0)
        holder = file.read(20).decode("ascii", "replace").strip() or "unknown"
        raise BusyError(
            f"Another statelift (process {holder}) is writing in {home}. Wait until it ends, then try again."
        ) from error
    except OSError as error:
        raise WriteFailedError(f"Cannot lock {file.name}: {error.strerror}. Nothing was written.") from error
    file.truncate(0)
    file.write(str(os.getpid()).encode())
    file.flush()
