"""paths and FileWrites -> nothing, or a refusal: what may not be written, before anything is.

Root is a folder on disk (a link to it is the caller's choice and is resolved); below it no link is followed.
"""

import os
import re
import stat
import unicodedata
from collections import defaultdict
from collections.abc import Iterable, Sequence
from pathlib import Path, PurePosixPath, PureWindowsPath
from typing import TypeAlias

from statelift.model import FileWrite
from statelift.writing.disk import NotPlainError, read_below
from statelift.writing.errors import RefusedPathError, StaleError, listing

_Names: TypeAlias = dict[Path, dict[str, list[str]]]
"""Folder -> name without letter case -> the names there that are spelled so."""

_RESERVED = frozenset({".git", "git~1", ".statelift", "statel~1"})
_INVISIBLE = re.compile("[\u200c-\u200f\u202a-\u202e\u206a-\u206f\ufeff]")  # HFS+ passes over them


def real_root(root: Path) -> Path:
    """The root as an absolute path without links. Raises RefusedPathError where it is no folder."""
    try:
        resolved = root.resolve(strict=True)
    except OSError as error:
        raise RefusedPathError(f"{root} cannot be opened: {error.strerror}. Give an existing folder.") from error
    if not resolved.is_dir():
        raise RefusedPathError(f"{root} is not a folder. Give the folder that the plan was made for.")
    if _has_reserved(resolved.parts):
        raise RefusedPathError(f"{root} lies in .git or .statelift, and statelift does not write there.")
    return resolved


def check_paths(root: Path, paths: Sequence[str]) -> None:
    """Raise RefusedPathError unless each path is one plain file of its own inside `root`."""
    for path in paths:
        if fault := shape_fault(path):
            raise _refusal(path, fault)
    _check_pairs(paths)
    names: _Names = {}
    for path in paths:
        check_real(root, path)
        _check_case(root, path, names)


def check_real(root: Path, path: str) -> None:
    """Raise RefusedPathError where a link, or anything but folders and a last regular file, is on the way."""
    parts = PurePosixPath(path).parts
    for depth in range(1, len(parts) + 1):
        here = root.joinpath(*parts[:depth])
        try:
            mode = here.lstat().st_mode
        except FileNotFoundError:
            return
        except OSError as error:
            raise _refusal(path, f"{error.strerror}") from error
        if fault := _kind_fault(mode, "/".join(parts[:depth]), is_last=depth == len(parts)):
            raise _refusal(path, fault)


def check_fresh(root: Path, writes: Iterable[FileWrite]) -> None:
    """Raise StaleError unless every file still holds the bytes of `before`."""
    stale = tuple(write.path for write in writes if _read(root, write.path) != write.before)
    if stale:
        raise StaleError(
            f"Changed on disk since the plan was made: {listing(stale)}. Nothing was written. "
            "Plan again, then apply the new plan.",
            stale,
        )


def _read(root: Path, path: str) -> bytes | None:
    try:
        return read_below(root, path)
    except NotPlainError as error:
        raise _refusal(path, f"{error.strerror}") from error
    except OSError as error:
        raise _refusal(path, f"it cannot be read ({error.strerror})") from error


def _refusal(path: str, fault: str) -> RefusedPathError:
    return RefusedPathError(
        f"{path!r} is refused: {fault}. Nothing was written. Leave that file out, or plan again.", (path,)
    )


def shape_fault(path: str) -> str:
    """Why a string cannot be the path of a file in a run, "" if it can. Looks at no disk."""
    pure = PurePosixPath(path)
    if not pure.parts or _has_strange_characters(path):
        return "it is not a path of a file"
    if pure.is_absolute() or PureWindowsPath(path).anchor:
        return "it is absolute, and only files inside the root are written"
    if ".." in pure.parts:
        return "it climbs with '..'"
    if str(pure) != path:
        return f"it is not in its shortest form, {str(pure)!r}"
    if _has_reserved(pure.parts):
        return "statelift does not write into .git or .statelift"
    return ""


def _has_reserved(parts: Iterable[str]) -> bool:
    """Whether some disk reads a part as `.git`: letter case, endings, streams and invisible characters differ."""
    seen = (_INVISIBLE.sub("", _fold(part)).partition(":")[0].rstrip(". ") for part in parts)
    return not _RESERVED.isdisjoint(seen)


def _has_strange_characters(path: str) -> bool:
    try:
        os.fsencode(path)
    except UnicodeEncodeError:
        return True
    return "\0" in path or "\\" in path


def _kind_fault(mode: int, name: str, *, is_last: bool) -> str:
    if stat.S_ISLNK(mode):
        return f"{name!r} is a symbolic link, and links are not followed"
    if is_last and not stat.S_ISREG(mode):
        return "it is not a regular file"
    if not is_last and not stat.S_ISDIR(mode):
        return f"{name!r} is not a folder"
    return ""


def _check_pairs(paths: Sequence[str]) -> None:
    """No path twice, none inside another, none that only letter case tells apart."""
    spelled: dict[str, str] = {}
    files: set[str] = set()
    for path in paths:
        if path in files:
            raise _refusal(path, "it would be written twice")
        files.add(path)
        for name in (path, *_folders(path)):
            if spelled.setdefault(_fold(name), name) != name:
                raise _refusal(path, f"only letter case tells it apart from {spelled[_fold(name)]!r}")
    for path in paths:
        if inside := files.intersection(_folders(path)):
            raise _refusal(path, f"{min(inside)!r} would be a file and a folder")


def _folders(path: str) -> list[str]:
    return [str(parent) for parent in PurePosixPath(path).parents if parent.parts]


def _check_case(root: Path, path: str, names: _Names) -> None:
    """Where the disk has only a name in other letter case, one disk overwrites it and the next does not."""
    here = root
    for part in PurePosixPath(path).parts:
        if not here.is_dir():
            return
        if here not in names:
            names[here] = _names(here, path)
        twins = names[here].get(_fold(part), [part])
        if part not in twins:
            raise _refusal(path, f"only letter case tells it apart from {twins[0]!r} on disk")
        here /= part


def _names(folder: Path, path: str) -> dict[str, list[str]]:
    names: dict[str, list[str]] = defaultdict(list)
    try:
        for entry in folder.iterdir():
            names[_fold(entry.name)].append(entry.name)
    except OSError as error:
        raise _refusal(path, f"its folder cannot be read ({error.strerror})") from error
    return names


def _fold(name: str) -> str:
    return unicodedata.normalize("NFC", name).casefold()
