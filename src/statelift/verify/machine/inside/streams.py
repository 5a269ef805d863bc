"""Random numbers that an event decides: one stream for the program, one for the libraries that talk to AWS."""

from __future__ import annotations

import os
import random
import sys
import sysconfig
import tempfile
import types
import uuid
import weakref
from collections.abc import Callable
from typing import Any

# What these draw (backoff, tokens, multipart boundaries) must not shift what the program draws.
_INFRASTRUCTURE = frozenset(
    {"botocore", "boto3", "s3transfer", "urllib3", "statelift_state", __package__.split(".")[0]}
)
_STANDARD = os.path.join(sysconfig.get_path("stdlib"), "")
_SITE = (os.path.join(_STANDARD, "site-packages"), os.path.join(_STANDARD, "dist-packages"))
_NODE = 0x020000000001
_NAMES = (
    *(
        "random",
        "randint",
        "randrange",
        "choice",
        "choices",
        "sample",
        "shuffle",
        "uniform",
        "gauss",
        "getrandbits",
    ),
    *("randbytes", "betavariate", "expovariate", "triangular", "normalvariate", "lognormvariate", "gammavariate"),
    *("paretovariate", "vonmisesvariate", "weibullvariate", "binomialvariate", "seed", "getstate", "setstate"),
)

_plain_seed: Callable[..., None] = random.Random.seed


class Streams:
    """The two streams of one container, begun anew with every event."""

    def __init__(self) -> None:
        self._program = random.Random(0)  # noqa: S311 - it has to repeat itself
        self._infrastructure = random.Random(1)  # noqa: S311
        self._seed = "start"
        self._unseeded: weakref.WeakKeyDictionary[random.Random, str] = weakref.WeakKeyDictionary()

    def begin(self, seed: str) -> None:
        """Start both streams, and every generator that the program never seeded itself."""
        self._seed = seed
        _plain_seed(self._program, f"{seed}:program")
        _plain_seed(self._infrastructure, f"{seed}:infrastructure")
        for generator, origin in list(self._unseeded.items()):
            _plain_seed(generator, f"{seed}:{origin}")
        tempfile._name_sequence = None  # type: ignore[attr-defined]
        for name in ("_last_timestamp", "_last_timestamp_v6", "_last_timestamp_v7"):
            if hasattr(uuid, name):
                setattr(uuid, name, None)
        if numbers := getattr(sys.modules.get("numpy"), "random", None):
            numbers.seed(self._program.getrandbits(32))

    def install(self) -> None:
        """Take over os.urandom, random, secrets and uuid."""
        for name in _NAMES:
            if hasattr(random, name):
                setattr(random, name, self._drawing(name))
        os.urandom = self._bytes
        random._urandom = self._bytes  # type: ignore[attr-defined]
        if hasattr(os, "getrandom"):
            os.getrandom = lambda size, flags=0: self._bytes(size)
        random.Random.seed = self._seeding()  # type: ignore[method-assign]
        uuid._generate_time_safe = None  # type: ignore[attr-defined]
        uuid.getnode = lambda: _NODE

    def _bytes(self, size: int) -> bytes:
        return self._stream().randbytes(size)

    def _drawing(self, name: str) -> Callable[..., Any]:
        def draw(*args: Any, **options: Any) -> Any:
            return getattr(self._stream(), name)(*args, **options)

        draw.__name__ = draw.__qualname__ = name
        draw.__module__ = "random"
        return draw

    def _seeding(self) -> Callable[..., None]:
        def seed(generator: random.Random, a: Any = None, version: int = 2) -> None:
            if a is not None:
                self._unseeded.pop(generator, None)
                _plain_seed(generator, a, version)
                return
            origin = _origin(sys._getframe(1))
            twins = sum(known.rpartition("#")[0] == origin for known in self._unseeded.values())
            self._unseeded[generator] = f"{origin}#{twins}"
            _plain_seed(generator, f"{self._seed}:{origin}#{twins}")

        return seed

    def _stream(self) -> random.Random:
        return self._infrastructure if is_infrastructure(sys._getframe(2)) else self._program


def is_infrastructure(frame: types.FrameType | None) -> bool:
    """Whether the nearest caller outside of the standard library talks to AWS on the program's behalf."""
    while frame is not None:
        if not is_standard(frame.f_code.co_filename):
            return str(frame.f_globals.get("__name__", "")).partition(".")[0] in _INFRASTRUCTURE
        frame = frame.f_back
    return False


def is_standard(path: str) -> bool:
    """Whether a file belongs to the standard library (frozen modules included), or is this one."""
    if path.startswith(("<frozen", __file__)):
        return True
    return path.startswith(_STANDARD) and not path.startswith(_SITE)


def _origin(frame: types.FrameType | None) -> str:
    """The file and line that made a generator: the same in every container."""
    while frame is not None and is_standard(frame.f_code.co_filename):
        frame = frame.f_back
    return f"{frame.f_code.co_filename}:{frame.f_lineno}" if frame else ""
