"""A clock that stands still during an event, for every function of Python that tells the time.

The pointers in the C structures of the built-in functions are exchanged, so that it also holds for names
that were imported before (`from time import time`) and for `datetime.datetime.now`, a type's own method.
"""

from __future__ import annotations

import ctypes
import datetime
import sys
import threading
import time
from collections.abc import Callable
from typing import Any

from .streams import is_infrastructure

_FASTCALL = 0x0080
_PATIENCE = 10_000  # calls in one event, then the clock walks: a loop that waits for a deadline must end

real_sleep = time.sleep


class _MethodDef(ctypes.Structure):
    _fields_ = (
        ("name", ctypes.c_char_p),
        ("call", ctypes.c_void_p),
        ("flags", ctypes.c_int),
        ("doc", ctypes.c_char_p),
    )


class Clock:
    """Frozen time in nanoseconds since the epoch; sleeping moves it."""

    def __init__(self) -> None:
        self.now_ns = 1_700_000_000_000_000_000
        self._asked = 0
        self._root = ""
        self._kept: list[Any] = []

    def move_to(self, seconds: float) -> None:
        """Set the time, as an event begins."""
        self.now_ns = round(seconds * 1_000_000) * 1000
        self._asked = 0

    def watch(self, root: str) -> None:
        """Let files below `root` see a frozen monotonic clock, too; libraries wait by the real one."""
        self._root = root

    def install(self) -> None:
        """Take over Python's clocks."""
        for name in ("time", "perf_counter", "process_time", "thread_time"):
            self._replace(getattr(time, name), lambda: self._ask() / 1e9)
            self._replace(getattr(time, name + "_ns"), self._ask)
        self._original_monotonic = real_monotonic()
        self._replace(time.monotonic, lambda: self._monotonic() / 1e9)
        self._replace(time.monotonic_ns, self._monotonic)
        self._replace_now(datetime.datetime.now)
        self._replace_method(datetime.datetime.utcnow, lambda cls: self._datetime(cls, None))
        setattr(time, "sleep", self.sleep)  # noqa: B010 - its declared type is narrower than what it takes
        for name in ("gmtime", "localtime", "ctime"):
            setattr(time, name, _with_default(getattr(time, name), lambda: self._ask() // 1_000_000_000))
        for name, at in (("strftime", 1), ("asctime", 0)):
            setattr(time, name, _with_tuple(getattr(time, name), at))

    def sleep(self, seconds: float) -> None:
        """`time.sleep` without waiting. ValueError for a negative length, as the original.

        The pauses between the SDK's tries move nothing: a refused call must not show in the program's times.
        """
        if seconds < 0:
            raise ValueError("sleep length must be non-negative")
        if not is_infrastructure(sys._getframe(1)):
            self.now_ns += round(float(seconds) * 1e9)
        if threading.active_count() > 1:
            real_sleep(0.0005)  # somebody may be waiting for another thread to get on

    def _ask(self) -> int:
        self._asked += 1
        if self._asked > _PATIENCE:
            self.now_ns += 1_000_000
        return self.now_ns

    def _monotonic(self) -> int:
        caller = sys._getframe(2)
        while caller.f_back is not None and caller.f_code.co_filename == __file__:
            caller = caller.f_back
        if self._root and caller.f_code.co_filename.startswith(self._root):
            return self._ask()
        return self._original_monotonic()

    def _datetime(self, cls: type[datetime.datetime], tz: datetime.tzinfo | None) -> datetime.datetime:
        seconds, rest = divmod(self._ask(), 1_000_000_000)
        return cls.fromtimestamp(seconds, tz).replace(microsecond=rest // 1000)

    def _replace(self, function: Any, answer: Callable[[], object]) -> None:
        """Exchange a function without arguments."""
        kind = ctypes.PYFUNCTYPE(ctypes.py_object, ctypes.c_void_p, ctypes.c_void_p)
        self._point(function, kind(lambda _self, _none: answer()))

    def _replace_method(self, function: Any, answer: Callable[[Any], object]) -> None:
        kind = ctypes.PYFUNCTYPE(ctypes.py_object, ctypes.py_object, ctypes.c_void_p)
        self._point(function, kind(lambda cls, _none: answer(cls)))

    def _replace_now(self, function: Any) -> None:
        flags = _definition(function).flags
        if flags & _FASTCALL:
            kind = ctypes.PYFUNCTYPE(
                ctypes.py_object,
                ctypes.py_object,
                ctypes.POINTER(ctypes.py_object),
                ctypes.c_ssize_t,
                ctypes.c_void_p,
            )
            self._point(
                function, kind(lambda cls, args, count, names: self._datetime(cls, _first(args, count, names)))
            )
        else:
            kind = ctypes.PYFUNCTYPE(ctypes.py_object, ctypes.py_object, ctypes.py_object, ctypes.c_void_p)
            self._point(function, kind(lambda cls, args, names: self._datetime(cls, _argument(args, names))))

    def _point(self, function: Any, callback: Any) -> None:
        self._kept.append(callback)
        _definition(function).call = ctypes.cast(callback, ctypes.c_void_p).value


def real_monotonic() -> Callable[[], int]:
    """The system's monotonic clock, also after `install`."""
    definition = _definition(time.monotonic_ns)
    kind = ctypes.PYFUNCTYPE(ctypes.py_object, ctypes.c_void_p, ctypes.c_void_p)
    original = kind(definition.call)

    def monotonic() -> int:
        nanoseconds: int = original(None, None)
        return nanoseconds

    return monotonic


def _definition(function: Any) -> _MethodDef:
    # A built-in function is an object's header and then the pointer to its definition.
    address = ctypes.c_void_p.from_address(id(function) + object.__basicsize__).value
    return _MethodDef.from_address(address or 0)


def _argument(args: tuple[Any, ...], names: int | None) -> Any:
    if args:
        return args[0]
    keywords = ctypes.cast(names, ctypes.py_object).value if names else {}
    return keywords.get("tz")


def _first(args: Any, count: int, names: int | None) -> Any:
    has_keyword = names and ctypes.cast(names, ctypes.py_object).value
    return args[0] if count or has_keyword else None


def _with_default(function: Any, now: Callable[[], int]) -> Any:
    def told(seconds: float | None = None, /) -> Any:
        return function(now() if seconds is None else seconds)

    told.__name__ = function.__name__
    return told


def _with_tuple(function: Any, at: int) -> Any:
    def told(*args: Any) -> Any:
        return function(*args) if len(args) > at else function(*args, time.localtime())

    told.__name__ = function.__name__
    return told
