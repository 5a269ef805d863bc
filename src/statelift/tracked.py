"""A git work tree -> the files that git tracks, read from its index. git itself is not run.

A repository's configuration can name programs that git would start, even for a listing; its index is only data.
Read are the versions 2 to 4, with SHA-1 or SHA-256, split or sparse: https://git-scm.com/docs/index-format
"""

import os
from collections.abc import Iterator
from dataclasses import dataclass
from hashlib import sha1, sha256
from pathlib import Path
from stat import S_ISREG

_HEADER = 12
_STATUS = 40  # bytes of an entry in front of its hash; the mode is at 24 to 28
_HAS_MORE_FLAGS = 0x4000


class DamagedIndexError(ValueError):
    """What is there is not an index as git writes it."""


@dataclass(frozen=True, slots=True)
class _Index:
    data: bytes
    version: int
    count: int
    hash_size: int

    def number(self, start: int, size: int) -> int:
        if start + size > len(self.data):
            raise DamagedIndexError("it ends too early")
        return int.from_bytes(self.data[start : start + size], "big")


def work_tree(folder: Path) -> Path | None:
    """The top of the git work tree that a folder lies in: the nearest folder with a `.git`."""
    return next((each for each in (folder, *folder.parents) if os.path.lexists(each / ".git")), None)


def tracked_files(top: Path) -> frozenset[str]:
    """The regular files in the index of a work tree: POSIX paths relative to `top`.

    Empty where there is no index. Raises OSError, and DamagedIndexError for what is no index.
    """
    home = _git_folder(top)
    if not (home / "index").exists():
        return frozenset()
    index = _opened(home / "index")
    names = set(_names(index))
    if shared := _shared(index):
        names |= set(_names(_opened(home / shared)))
    return frozenset(map(os.fsdecode, names))


def _git_folder(top: Path) -> Path:
    """`.git`, or the folder that it names: linked work trees and submodules have theirs elsewhere."""
    marker = top / ".git"
    if not marker.is_file():
        return marker
    with marker.open("rb") as file:
        named = os.fsdecode(file.read(4096))
    return top / named.removeprefix("gitdir:").split("\n")[0].strip().replace("\0", "")


def _opened(path: Path) -> _Index:
    if not path.is_file():
        raise DamagedIndexError(f"{path.name} is not a file")
    data = path.read_bytes()
    version, count = (int.from_bytes(data[at : at + 4], "big") for at in (4, 8))
    if data[:4] != b"DIRC" or version not in (2, 3, 4):
        raise DamagedIndexError("it is not of version 2, 3 or 4")
    return _Index(data, version, count, _hash_size(data))


def _hash_size(data: bytes) -> int:
    """20 or 32, by the checksum at the end; git can be told to write zeros there."""
    for size, digest in ((20, sha1), (32, sha256)):
        if data[-size:] in (digest(data[:-size], usedforsecurity=False).digest(), bytes(size)):
            return size
    raise DamagedIndexError("its checksum is wrong")


def _names(index: _Index) -> Iterator[bytes]:
    position, name = _HEADER, b""
    for _ in range(index.count):
        mode = index.number(position + 24, 4)
        name, position = _entry(index, position, name)
        if S_ISREG(mode) and name:  # a split index has entries without names for what it replaces
            yield name


def _entry(index: _Index, start: int, previous: bytes) -> tuple[bytes, int]:
    """The name of the entry at `start`, and where the next one starts."""
    position = start + _STATUS + index.hash_size
    flags = index.number(position, 2)
    position += 4 if index.version > 2 and flags & _HAS_MORE_FLAGS else 2
    head = b""
    if index.version == 4:
        dropped, position = _variable(index, position)
        head = previous[: max(len(previous) - dropped, 0)]
    end = index.data.find(b"\0", position)
    if end < 0:
        raise DamagedIndexError("a name has no end")
    following = end + 1 if index.version == 4 else start + (end - start) // 8 * 8 + 8
    return head + index.data[position:end], following


def _variable(index: _Index, position: int) -> tuple[int, int]:
    """A number of variable width, and where it ends."""
    byte = index.number(position, 1)
    value = byte & 127
    while byte & 128:
        position += 1
        byte = index.number(position, 1)
        value = (value + 1 << 7) + (byte & 127)
    return value, position + 1


def _shared(index: _Index) -> str | None:
    """The file that holds the rest of a split index."""
    position, name = _HEADER, b""
    for _ in range(index.count):
        name, position = _entry(index, position, name)
    while position + 8 <= len(index.data) - index.hash_size:
        size = index.number(position + 4, 4)
        if index.data[position : position + 4] == b"link":
            digest = index.data[position + 8 : position + 8 + index.hash_size]
            return f"sharedindex.{digest.hex()}" if any(digest) else None
        position += 8 + size
    return None
