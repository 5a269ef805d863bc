"""bytes -> files that survive a power cut: read, create, replace, remove, each flushed down to the disk.

Every file is named by a root and a path below it. The folders on the way are opened one by one, links refused,
and the last step works inside the opened folder: a link that somebody puts there meanwhile leads nowhere.
"""

import errno
import os
import stat
import sys
from collections.abc import Callable, Iterator
from contextlib import ExitStack, contextmanager, suppress
from pathlib import Path, PurePosixPath

_FOLDER = os.O_RDONLY | os.O_DIRECTORY | os.O_NOFOLLOW | os.O_CLOEXEC
_READ = os.O_RDONLY | os.O_NOFOLLOW | os.O_NONBLOCK | os.O_CLOEXEC  # a pipe must not make us wait
_CREATE = os.O_WRONLY | os.O_CREAT | os.O_EXCL | os.O_NOFOLLOW | os.O_CLOEXEC
_APPEND = os.O_RDWR | os.O_CREAT | os.O_APPEND | os.O_NOFOLLOW | os.O_NONBLOCK | os.O_CLOEXEC
_NEW_FILE = 0o644  # the kernel takes the umask off
_PRIVATE = 0o600  # until the mode of the old file is copied, nobody else may read
_SPECIAL = stat.S_ISUID | stat.S_ISGID | stat.S_ISVTX
_NOT_PLAIN = frozenset({errno.ELOOP, errno.ENOTDIR, errno.EISDIR, errno.ENXIO})
_NO_LINKS = frozenset({errno.EPERM, errno.ENOTSUP, errno.EOPNOTSUPP, errno.ENOSYS, errno.EMLINK, errno.EXDEV})


class NotPlainError(OSError):
    """A link, a folder, a pipe or a device stands where a file, or a folder on the way to it, should be."""


class ChangedError(OSError):
    """A file was edited, replaced, removed or moved between the check and the moment of writing."""


def read_below(root: Path, path: str) -> bytes | None:
    """The bytes of a regular file, None where there is none. Raises NotPlainError, OSError."""
    try:
        with _folder_of(root, path) as (folder, name):
            return _read_at(folder, name)
    except FileNotFoundError:
        return None
    except ValueError as error:  # a NUL in the name
        raise NotPlainError(errno.EINVAL, f"it is not a possible file name: {error}") from error


def create_below(root: Path, path: str, data: bytes) -> None:
    """Write a private file that must not exist yet, flushed; its folders are made. Raises OSError."""
    make_folders(root, str(PurePosixPath(path).parent))
    with _folder_of(root, path) as (folder, name):
        _fill(folder, name, data, _PRIVATE)


def replace_below(
    root: Path,
    path: str,
    temp: str,
    data: bytes,
    mode: int | None,
    *,
    is_expected: Callable[[bytes | None], bool] = lambda _: True,
    ready: Callable[[], None] = lambda: None,
) -> None:
    """Put `data` at `path` in one step, by way of the name `temp` in the same folder. `mode` None: as a new file.

    `ready` is called when `temp` is complete and `path` untouched; then `is_expected` judges what `path` holds,
    and a no is ChangedError. Raises NotPlainError, OSError.
    """
    with _folder_of(root, path) as (folder, name):
        with suppress(FileNotFoundError):
            os.unlink(temp, dir_fd=folder)
        _fill(
            folder, temp, data, _NEW_FILE if mode is None else _PRIVATE, lambda new: _dress(folder, name, new, mode)
        )
        ready()
        held = _read_missing_at(folder, name)
        if not (is_expected(held) and _is_still_at(root, path, folder)):
            os.unlink(temp, dir_fd=folder)
            raise ChangedError(errno.EBUSY, "it was changed by somebody else meanwhile")
        (_put_new if held is None else _put_over)(folder, temp, name)
        _sync(folder)


def remove_below(root: Path, path: str, *, is_expected: Callable[[bytes | None], bool] = lambda _: True) -> None:
    """Remove a file for good. Raises FileNotFoundError, ChangedError, NotPlainError, OSError."""
    with _folder_of(root, path) as (folder, name):
        if not is_expected(_read_missing_at(folder, name)):
            raise ChangedError(errno.EBUSY, "it was changed by somebody else meanwhile")
        os.unlink(name, dir_fd=folder)
        _sync(folder)


def discard_below(root: Path, path: str) -> None:
    """Remove a file that may be there; what a link leads to is not touched. Raises OSError."""
    with suppress(FileNotFoundError, NotPlainError), _folder_of(root, path) as (folder, name):
        os.unlink(name, dir_fd=folder)


def remove_empty_folder(root: Path, path: str) -> None:
    """Remove a folder. Raises OSError, where something is in it or it is none."""
    with _folder_of(root, path) as (folder, name):
        os.rmdir(name, dir_fd=folder)


def append_line(root: Path, path: str, line: str) -> None:
    """Append one line, flushed. Raises OSError."""
    with os.fdopen(open_shared(root, path), "ab") as file:
        file.write(f"{line}\n".encode())
        file.flush()
        os.fsync(file.fileno())


def open_shared(root: Path, path: str) -> int:
    """A descriptor of a regular file, made where it is missing, to append to. Raises NotPlainError, OSError."""
    with _folder_of(root, path) as (folder, name):
        return _open_plain(folder, name, _APPEND)


def make_folders(root: Path, path: str) -> None:
    """Make the folder at `path`, and flush every new name on the way. Raises OSError."""
    parts = PurePosixPath(path).parts
    for depth in range(1, len(parts) + 1):
        with _folder_of(root, "/".join(parts[:depth])) as (folder, name), suppress(FileExistsError):
            os.mkdir(name, dir_fd=folder)
            _sync(folder)


def sync_folder(root: Path, path: str = "") -> None:
    """Flush the names in a folder. Raises OSError."""
    with _opened(root, path) as folder:
        _sync(folder)


# ---------------------------------------------------------------- inside an opened folder


@contextmanager
def _folder_of(root: Path, path: str) -> Iterator[tuple[int, str]]:
    """The opened folder of a file, and the name of the file in it."""
    pure = PurePosixPath(path)
    with _opened(root, str(pure.parent)) as folder:
        yield folder, pure.name


@contextmanager
def _opened(root: Path, path: str) -> Iterator[int]:
    with ExitStack() as opened:  # each is closed once, also where Ctrl-C comes between two calls
        folder = os.open(root, _FOLDER)
        opened.callback(os.close, folder)
        for part in PurePosixPath(path).parts:
            folder = _open(part, _FOLDER, folder)
            opened.callback(os.close, folder)
        yield folder


def _is_still_at(root: Path, path: str, folder: int) -> bool:
    """Whether the opened folder is still the one that the path leads to."""
    try:
        with _folder_of(root, path) as (again, _):
            return os.path.samestat(os.fstat(again), os.fstat(folder))
    except (FileNotFoundError, NotPlainError):
        return False


def _read_at(folder: int, name: str) -> bytes:
    with os.fdopen(_open_plain(folder, name), "rb") as file:
        return file.read()


def _read_missing_at(folder: int, name: str) -> bytes | None:
    try:
        return _read_at(folder, name)
    except FileNotFoundError:
        return None


def _open(name: str, flags: int, folder: int) -> int:
    try:
        return os.open(name, flags, _NEW_FILE, dir_fd=folder)
    except OSError as error:
        if error.errno not in _NOT_PLAIN:
            raise
        raise NotPlainError(error.errno, f"{name!r} is a link, or not what it should be") from error


def _open_plain(folder: int, name: str, flags: int = _READ) -> int:
    descriptor = _open(name, flags, folder)
    if not stat.S_ISREG(os.fstat(descriptor).st_mode):
        os.close(descriptor)
        raise NotPlainError(errno.EINVAL, "it is not a regular file")
    return descriptor


def _fill(folder: int, name: str, data: bytes, mode: int, dress: Callable[[int], None] = lambda _: None) -> None:
    with os.fdopen(os.open(name, _CREATE, mode, dir_fd=folder), "wb") as file:
        file.write(data)
        file.flush()
        dress(file.fileno())
        os.fsync(file.fileno())


def _put_over(folder: int, temp: str, name: str) -> None:
    os.replace(temp, name, src_dir_fd=folder, dst_dir_fd=folder)


def _put_new(folder: int, temp: str, name: str) -> None:
    """Unlike a rename, a link never replaces what somebody put there in this very moment."""
    try:
        os.link(temp, name, src_dir_fd=folder, dst_dir_fd=folder, follow_symlinks=False)
    except FileExistsError as error:
        os.unlink(temp, dir_fd=folder)
        raise ChangedError(errno.EEXIST, "it was made by somebody else meanwhile") from error
    except OSError as error:
        if error.errno not in _NO_LINKS:  # FAT and some network mounts have none
            raise
        _put_over(folder, temp, name)
    else:
        os.unlink(temp, dir_fd=folder)


def _sync(folder: int) -> None:
    try:
        os.fsync(folder)
    except OSError as error:
        if error.errno not in (errno.EINVAL, errno.ENOTSUP):  # some network mounts cannot flush folders
            raise


def _dress(folder: int, name: str, new: int, mode: int | None) -> None:
    """Owner, attributes and mode of the old file; times stay new, because bytecode caches go by them.

    Setuid and the like are kept, never given: a journal that came with a repository cannot hand them out.
    """
    if mode is None:
        return
    special = 0
    with suppress(FileNotFoundError), os.fdopen(_open_plain(folder, name), "rb") as file:
        old, fresh = os.fstat(file.fileno()), os.fstat(new)
        special = old.st_mode & mode & _SPECIAL
        if (old.st_uid, old.st_gid) != (fresh.st_uid, fresh.st_gid):
            with suppress(OSError):  # only an administrator may, and not for every owner
                os.fchown(new, old.st_uid, old.st_gid)
        _copy_attributes(file.fileno(), new)
    os.fchmod(new, mode & 0o777 | special)


def _copy_attributes(old: int, new: int) -> None:
    if sys.platform != "linux":
        return
    with suppress(OSError):  # the disk knows no attributes, or this one is not ours to set
        for attribute in os.listxattr(old):
            with suppress(OSError):
                os.setxattr(new, attribute, os.getxattr(old, attribute))
