"""root -> the right to write in it: one process at a time.

The system releases the lock when its holder dies, so there is no stale lock to clean up.
"""

import fcntl
import os
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import BinaryIO

from statelift.writing.errors import BusyError, WriteFailedError
from statelift.writing.journal import open_home


@contextmanager
def locked(root: Path) -> Iterator[None]:
    """Hold the root's lock. Raises BusyError, RefusedPathError, WriteFailedError."""
    with _open(root) as file:
        _take(file, root)
        yield


def _open(root: Path) -> BinaryIO:
    try:
        return (open_home(root) / "lock").open("a+b")
    except OSError as error:
        raise WriteFailedError(
            f"Cannot keep a journal in {root / '.statelift'}: {error.strerror}. Nothing was written. "
            "Make that folder writable, then try again."
        ) from error


def _take(file: BinaryIO, root: Path) -> None:
    try:
        fcntl.flock(file, fcntl.LOCK_EX | fcntl.LOCK_NB)
    except BlockingIOError as error:
        file.seek(0)
        holder = file.read(20).decode("ascii", "replace").strip() or "unknown"
        raise BusyError(
            f"Another statelift (process {holder}) is writing in {root}. Wait until it ends, then try again."
        ) from error
    except OSError as error:
        raise WriteFailedError(f"Cannot lock {file.name}: {error.strerror}. Nothing was written.") from error
    file.truncate(0)
    file.write(str(os.getpid()).encode())
    file.flush()
