"""A private /tmp without namespaces: Python's own file functions see another folder under that name.

Libraries in C (sqlite3, numpy's own readers) and other programs do not pass here.
"""

from __future__ import annotations

import builtins
import functools
import io
import os
import tempfile
from collections.abc import Callable
from typing import Any

from . import isolate

_TMP = "/tmp"  # noqa: S108 - it is the subject here
_ONE_PATH = (
    *("open", "stat", "lstat", "listdir", "scandir", "mkdir", "makedirs", "remove", "unlink", "rmdir", "access"),
    *("chmod", "readlink", "utime", "truncate", "chdir", "mkfifo", "statvfs"),
)
_TWO_PATHS = ("rename", "replace", "link", "symlink")


def install(folder: str) -> None:
    """Show `folder` as /tmp to this process."""
    unlink = os.unlink
    kept = tuple(isolate.interpreters_own())
    for name in _ONE_PATH:
        setattr(os, name, _translated(getattr(os, name), folder, kept, 1))
    for name in _TWO_PATHS:
        setattr(os, name, _translated(getattr(os, name), folder, kept, 2))
    opened = _translated(io.open, folder, kept, 1)
    builtins.open = io.open = opened
    tempfile.tempdir = _TMP
    for method in vars(tempfile._TemporaryFileCloser).values():  # type: ignore[attr-defined]
        if defaults := getattr(method, "__defaults__", None):
            method.__defaults__ = tuple(os.unlink if value is unlink else value for value in defaults)


def _translated(
    function: Callable[..., Any], folder: str, kept: tuple[str, ...], count: int
) -> Callable[..., Any]:  # fmt: skip
    @functools.wraps(function)
    def call(*args: Any, **options: Any) -> Any:
        return function(*(_place(arg, folder, kept) for arg in args[:count]), *args[count:], **options)

    return call


def _place(path: Any, folder: str, kept: tuple[str, ...]) -> Any:
    if isinstance(path, int):
        return path
    text = os.fspath(path)
    if isinstance(text, bytes):
        return os.fsencode(_place(os.fsdecode(text), folder, kept))
    if (text == _TMP or text.startswith(_TMP + "/")) and not text.startswith(kept):
        return folder + text[len(_TMP) :]
    return path
