"""Keys -> what an earlier run worked out for them: entries in a folder of this user, which may vanish at any time.

What is read here decides about rewrites, so an entry has to be one that this user's statelift wrote. The folder
belongs to the user and nobody else may write into it; one that is not so is refused. An entry is checked against
its digest and its key before anybody sees it, and holds data only: nothing in it is ever run. More would not help:
who may write into a folder of the user may as well replace the program.
"""

import os
import stat
import zlib
from collections.abc import Iterator
from contextlib import suppress
from dataclasses import dataclass, field
from hashlib import blake2b
from pathlib import Path
from secrets import token_hex

AT_MOST = 1_000_000_000  # bytes; a repository of a thousand files needs twenty million
FOLDERS = 16  # by the first digit of the key
KEPT_AT_CLEANING = 0.7  # of that, the newest
LARGEST = 500_000_000  # bytes of one entry, unpacked: what no file of code needs
_SUFFIX = ".entry"
_DIGEST = 32


class UnsafeFolderError(Exception):
    """Others may write into the folder, or it is not the user's. The message says which, and what to do."""


def default_folder() -> Path | None:
    """The folder in STATELIFT_CACHE_DIR, else where this system keeps such things; None for a relative path."""
    from platformdirs import user_cache_path

    named = os.environ.get("STATELIFT_CACHE_DIR")
    folder = Path(named) if named else user_cache_path("statelift", appauthor=False)
    return folder if folder.is_absolute() else None  # a relative one would lie in the repository


def key_of(*parts: bytes) -> str:
    """The key of what depends on these parts, and on nothing else."""
    digest = blake2b(digest_size=_DIGEST)
    for part in parts:
        digest.update(len(part).to_bytes(8, "big"))
        digest.update(part)
    return digest.hexdigest()


@dataclass(frozen=True, slots=True)
class Cache:
    """Entries by key. Several processes may use one folder at once: an entry appears whole, or not at all."""

    folder: Path
    _grown: set[str] = field(
        default_factory=set, compare=False, repr=False
    )  # folders in it, since the last cleaning

    def read(self, key: str) -> bytes | None:
        """What was written for a key; None where there is nothing, or nothing that can be used."""
        try:
            packed = self._path(key).read_bytes()
        except OSError:
            return None
        return _unpacked(key, packed)

    def write(self, key: str, data: bytes) -> None:
        """Keep something. A disk that is full or read-only is no error: it is worked out again."""
        path = self._path(key)
        partial = path.with_name(f"{path.name}.{token_hex(6)}")
        try:
            path.parent.mkdir(mode=0o700, exist_ok=True)
            partial.write_bytes(_packed(key, data))
            partial.replace(path)
            self._grown.add(path.parent.name)
        except OSError:
            with suppress(OSError):
                partial.unlink()

    def clean(self, at_most: int = AT_MOST) -> None:
        """Let the oldest entries go where there are more bytes than that.

        Keys are spread evenly: each of the folders has its share, and only those that have grown are looked at.
        """
        for name in sorted(self._grown):
            self._clean(name, at_most // FOLDERS)
        self._grown.clear()

    def _clean(self, name: str, at_most: int) -> None:
        found = sorted(self._entries(name), reverse=True)
        if sum(size for _, size, _ in found) <= at_most:
            return
        left = int(at_most * KEPT_AT_CLEANING)
        for _, size, path in found:
            left -= size
            if left < 0:
                with suppress(OSError):
                    path.unlink()

    def clear(self) -> int:
        """Let all entries go; gives how many."""
        found = list(self._entries())
        for _, _, path in found:
            path.unlink(missing_ok=True)
        return len(found)

    def _path(self, key: str) -> Path:
        return self.folder / key[:1] / f"{key[1:]}{_SUFFIX}"

    def _entries(self, name: str = "[0-9a-f]") -> Iterator[tuple[float, int, Path]]:
        """Time, size and path of everything in the folders of entries; also what an interrupted run left there."""
        for path in self.folder.glob(f"{name}/*{_SUFFIX}*"):
            with suppress(OSError):
                status = path.lstat()
                yield status.st_mtime, status.st_size, path


def open_cache(folder: Path) -> Cache | None:
    """The cache in a folder, which is made. None where it cannot be; UnsafeFolderError where others may write."""
    try:
        folder.parent.mkdir(mode=0o700, parents=True, exist_ok=True)
        folder.mkdir(mode=0o700, exist_ok=True)
        status = folder.lstat()
    except OSError:
        return None
    if hasattr(os, "getuid"):
        _check_owner(folder, status)
    return Cache(folder)


def _check_owner(folder: Path, status: os.stat_result) -> None:
    again = "Remove it, or name another one in STATELIFT_CACHE_DIR."
    if not stat.S_ISDIR(status.st_mode):
        raise UnsafeFolderError(f"The cache {folder} is a link, not a folder. {again}")
    if status.st_uid != os.getuid():
        raise UnsafeFolderError(f"The cache {folder} belongs to another user. {again}")
    if status.st_mode & (stat.S_IWGRP | stat.S_IWOTH):
        raise UnsafeFolderError(f"Others may write into the cache {folder}. Run: chmod 700 {folder}")


def _packed(key: str, data: bytes) -> bytes:
    body = zlib.compress(data, 1)
    return _digest(key, body) + body


def _unpacked(key: str, packed: bytes) -> bytes | None:
    """The data, if it is whole and was written for this key."""
    body = packed[_DIGEST:]
    if packed[:_DIGEST] != _digest(key, body):
        return None
    unpack = zlib.decompressobj()
    try:
        data = unpack.decompress(body, LARGEST)
    except zlib.error:
        return None
    return data if unpack.eof else None


def _digest(key: str, body: bytes) -> bytes:
    return blake2b(body, key=key.encode()[:64], digest_size=_DIGEST).digest()
