"""bytes -> files that survive a power cut: create, replace, read, each flushed down to the disk."""

import errno
import os
import shutil
from collections.abc import Callable
from contextlib import suppress
from pathlib import Path

_NEW_FILE = 0o644  # the kernel takes the umask off
_PRIVATE = 0o600  # until the mode of the old file is copied, nobody else may read


def read_file(path: Path) -> bytes | None:
    """The bytes of a file, None where there is none. Raises OSError."""
    try:
        return path.read_bytes()
    except FileNotFoundError:
        return None


def create_file(path: Path, data: bytes) -> None:
    """Write a file that must not exist yet, flushed; its folders are made. Raises OSError."""
    path.parent.mkdir(parents=True, exist_ok=True)
    _fill(path, data, _PRIVATE, lambda: None)


def replace_file(
    target: Path, temp: Path, data: bytes, mode: int | None, *, ready: Callable[[], None] = lambda: None
) -> None:
    """Put `data` at `target` in one step, by way of `temp` in the same folder. `mode` None: a new file.

    `ready` is called when `temp` is complete and `target` still untouched. Raises OSError.
    """
    temp.unlink(missing_ok=True)
    _fill(temp, data, _NEW_FILE if mode is None else _PRIVATE, lambda: _dress(target, temp, mode))
    ready()
    temp.replace(target)
    sync_folder(target.parent)


def append_line(path: Path, line: str) -> None:
    """Append one line, flushed. Raises OSError."""
    with path.open("a", encoding="utf-8") as file:
        file.write(line + "\n")
        file.flush()
        os.fsync(file.fileno())


def make_folders(root: Path, folder: Path) -> None:
    """Make `folder` below `root` and flush every new name on the way. Raises OSError."""
    for parent in reversed([folder, *folder.parents]):
        if parent.is_relative_to(root) and not parent.is_dir():
            parent.mkdir()
            sync_folder(parent.parent)


def sync_folder(folder: Path) -> None:
    """Flush the names in a folder. Raises OSError."""
    descriptor = os.open(folder, os.O_RDONLY)
    try:
        os.fsync(descriptor)
    except OSError as error:
        if error.errno not in (errno.EINVAL, errno.ENOTSUP):  # some network mounts cannot flush folders
            raise
    finally:
        os.close(descriptor)


def _fill(path: Path, data: bytes, permissions: int, dress: Callable[[], None]) -> None:
    def opener(name: str, flags: int) -> int:
        return os.open(name, flags, permissions)

    with open(path, "xb", opener=opener) as file:
        file.write(data)
        file.flush()
        dress()
        os.fsync(file.fileno())


def _dress(target: Path, temp: Path, mode: int | None) -> None:
    """Owner, attributes and mode of the old file; times stay new, because bytecode caches go by them."""
    if mode is None:
        return
    if target.exists():
        old, new = target.stat(), temp.stat()
        if (old.st_uid, old.st_gid) != (new.st_uid, new.st_gid):
            with suppress(OSError):  # only an administrator may, and not for every owner
                os.chown(temp, old.st_uid, old.st_gid)
        shutil.copystat(target, temp)
        os.utime(temp)
    temp.chmod(mode)
