"""SourceFiles -> the facts of each: kept from an earlier run, taken here, or in several processes.

Which of these it is makes no difference to the facts: they depend on the path and the bytes of a file, and on
nothing else that a run could change.
"""

import ast
import gc
import multiprocessing
import os
import signal
import sys
import threading
import warnings
from collections.abc import Callable, Iterable, Iterator, Sequence
from concurrent.futures import Executor, ProcessPoolExecutor
from concurrent.futures.process import BrokenProcessPool
from contextlib import contextmanager
from functools import cache
from itertools import islice
from pathlib import Path
from typing import TYPE_CHECKING, TypeAlias

from statelift import __version__
from statelift.cache import Cache, key_of
from statelift.facts.collect import collect_facts
from statelift.facts.flow import TooBranchedError
from statelift.facts.values import ModuleFacts
from statelift.model import Problem, SourceFile
from statelift.source import parse_source

if TYPE_CHECKING:
    import msgspec

NODES_AT_MOST = 1_000_000  # of the syntax tree of one file: half a minute, and a gigabyte of memory
NODES_PER_BYTE = 2  # no Python has more: `a+` has four
FILES_PER_COLLECTION = 100  # the trees of so many files are in memory at once
FRAMES = 1000  # of recursion for each file, wherever it is analysed: the same files are too deep everywhere
BYTES_PER_TASK = 100_000  # about a second: so long an interrupted run still works
PAYS_FROM = 400_000  # bytes to analyse: starting processes takes less time than they save
_TOO_LARGE = (
    f"The file has more than {NODES_AT_MOST:,} syntax nodes, and is not analysed. If it was generated,"
    " leave it out with --exclude, or keep its data in a file that is not code."
)
_NO_MEMORY = "The memory of this machine is not enough to analyse this file."
_INTERNAL = "This is an error in statelift, not in your code: please report it with the file, if you can."
_TOO_BRANCHED = "A function has too many branches to be analysed: what holds in each place is not known. Split it."

Progress = Callable[[str, int, int], None]  # what is done, how many of how many
Found: TypeAlias = ModuleFacts | Problem
Sent: TypeAlias = ModuleFacts | Problem | bytes  # as it comes from another process


def no_progress(what: str, done: int, total: int) -> None:
    """Progress for those who show none."""
    del what, done, total


class Gatherer:
    """Takes the facts of each file once; for a second analysis of the same bytes they are there already.

    `cache` keeps them for later runs. With `jobs` above one, many files are analysed in so many processes of this
    machine, or by an `executor` that is given (a cluster's): then always there.
    """

    def __init__(self, cache: Cache | None = None, jobs: int = 1, executor: Executor | None = None) -> None:
        self.cache = cache
        self.jobs = jobs
        self.executor = executor
        self._known: dict[SourceFile, Found] = {}

    def facts(self, files: Sequence[SourceFile], progress: Progress = no_progress) -> list[Found]:
        """The facts of each file in the order of the files, or why there are none."""
        with _no_collection():
            wanted = [file for file in dict.fromkeys(files) if file not in self._known]
            missing = [file for file in wanted if not self._has_kept(file)]
            for number, (file, found) in enumerate(self._taken(missing), start=1):
                self._known[file] = found
                progress("analysing", number, len(missing))
        if missing and self.cache is not None:
            self.cache.clean()
        return [self._known[file] for file in files]

    def forget(self) -> None:
        """Let all facts go; those in the cache stay."""
        self._known.clear()

    def _has_kept(self, file: SourceFile) -> bool:
        data = None if self.cache is None else self.cache.read(_key(file))
        found = None if data is None else _decoded(data)
        if found is None:
            return False
        self._known[file] = found
        return True

    def _taken(self, files: Sequence[SourceFile]) -> Iterator[tuple[SourceFile, Found]]:
        for file, sent in self._sent(files):
            found = _decoded(sent) if isinstance(sent, bytes) else sent
            assert found is not None  # it was encoded by this very program
            if self.cache is not None and isinstance(found, ModuleFacts):
                data = sent if isinstance(sent, bytes) else _encoded(found)
                if isinstance(data, bytes):
                    self.cache.write(_key(file), data)
            yield file, found

    def _sent(self, files: Sequence[SourceFile]) -> Iterator[tuple[SourceFile, Sent]]:
        if self.executor is not None:
            yield from _elsewhere(files, self.executor)
        elif self.jobs > 1 and sum(len(file.data) for file in files) >= PAYS_FROM:
            yield from _in_processes(files, self.jobs)
        else:
            yield from _here(files)


IN_THIS_PROCESS = Gatherer()


# ---------------------------------------------------------------- one file


def facts_of(file: SourceFile) -> Found:
    """Facts of one file, or why there are none."""
    try:
        with _same_depth():
            return _facts_of(file)
    except RecursionError:
        return Problem(file.path, 1, "too-deep", "The code is nested too deeply to be analysed.")
    except TooBranchedError:
        return Problem(file.path, 1, "too-branched", _TOO_BRANCHED)
    except MemoryError:
        return Problem(file.path, 1, "too-large", _NO_MEMORY)
    except Exception as error:  # noqa: BLE001 - the boundary of one file: the others are analysed, and this is told
        what = f"{type(error).__name__}: {error}"
        return Problem(file.path, 1, "internal-error", f"{_INTERNAL} {what:.300}")


def _facts_of(file: SourceFile) -> Found:
    parsed = parse_source(file)
    if isinstance(parsed, Problem):
        return parsed
    if len(file.data) > NODES_AT_MOST // NODES_PER_BYTE and _has_too_many_nodes(parsed.tree):
        return Problem(file.path, 1, "too-large", _TOO_LARGE)
    return collect_facts(parsed)


def _has_too_many_nodes(tree: ast.Module) -> bool:
    return next(islice(ast.walk(tree), NODES_AT_MOST, None), None) is not None


@contextmanager
def _same_depth() -> Iterator[None]:
    """As much recursion as anywhere else: how many frames called us must not decide what can be analysed."""
    before, depth, frame = sys.getrecursionlimit(), 0, sys._getframe()
    while frame.f_back is not None:
        depth, frame = depth + 1, frame.f_back
    sys.setrecursionlimit(depth + FRAMES)
    try:
        yield
    finally:
        sys.setrecursionlimit(before)


@contextmanager
def _no_collection() -> Iterator[None]:
    """Syntax trees are many and free of cycles that matter: collecting meanwhile costs a quarter of the time."""
    was_on = gc.isenabled()
    gc.disable()
    try:
        yield
    finally:
        if was_on:
            gc.enable()


# ---------------------------------------------------------------- many files


def _here(files: Sequence[SourceFile]) -> Iterator[tuple[SourceFile, Found]]:
    with _no_collection():
        for number, file in enumerate(files, start=1):
            if number % FILES_PER_COLLECTION == 0:
                gc.collect()
            yield file, facts_of(file)


def usable_cores() -> int:
    """How many processes can run at once for us."""
    return len(os.sched_getaffinity(0)) if hasattr(os, "sched_getaffinity") else os.cpu_count() or 1


def _in_processes(files: Sequence[SourceFile], jobs: int) -> Iterator[tuple[SourceFile, Sent]]:
    """Where a process dies (the system ran out of memory), the files that are left are analysed here."""
    left = list(files)
    executor = ProcessPoolExecutor(min(jobs, len(files)), _context(), _begin)
    try:
        for pair in _elsewhere(files, executor):
            left.pop(0)
            yield pair
    except BrokenProcessPool:
        yield from _here(left)
    finally:
        executor.shutdown(cancel_futures=True)


def _context() -> multiprocessing.context.BaseContext:
    """Fork is a hundred times faster, and safe only where no other thread can hold a lock meanwhile."""
    can_fork = sys.platform == "linux" and threading.active_count() == 1
    return multiprocessing.get_context("fork" if can_fork else "spawn")


def _begin() -> None:
    """A worker leaves the interruption to its parent, and ends with it."""
    signal.signal(signal.SIGINT, signal.SIG_IGN)
    warnings.simplefilter("ignore")
    threading.Thread(target=_end_with_parent, daemon=True).start()


def _end_with_parent() -> None:
    parent = multiprocessing.parent_process()
    if parent is not None:
        parent.join()
        os._exit(1)


def _elsewhere(files: Sequence[SourceFile], executor: Executor) -> Iterator[tuple[SourceFile, Sent]]:
    tasks = [(task, executor.submit(analyse_files, task)) for task in _tasks(files)]
    try:
        for task, future in tasks:
            yield from zip(task, future.result(), strict=True)
    finally:
        for _, future in tasks:
            future.cancel()


def _tasks(files: Iterable[SourceFile]) -> Iterator[list[SourceFile]]:
    """Files in their order, in portions that take about the same time."""
    task: list[SourceFile] = []
    size = 0
    for file in files:
        task.append(file)
        size += len(file.data)
        if size >= BYTES_PER_TASK:
            yield task
            task, size = [], 0
    if task:
        yield task


def analyse_files(files: Sequence[SourceFile]) -> list[Sent]:
    """What another process or machine does: the facts of each file, encoded, or why there are none."""
    sent = [found if isinstance(found, Problem) else _encoded(found) for _, found in _here(files)]
    gc.collect()
    return sent


# ---------------------------------------------------------------- facts as bytes


def _encoded(facts: ModuleFacts) -> ModuleFacts | bytes:
    """Facts as bytes; as they are where a text of theirs is no Unicode (`"\\ud800"`)."""
    import msgspec

    try:
        return msgspec.msgpack.encode(facts)
    except UnicodeEncodeError:
        return facts


def _decoded(data: bytes) -> ModuleFacts | None:
    """None where these are no facts: nothing but our own frozen values is ever made of bytes."""
    import msgspec

    try:
        return _decoder().decode(data)
    except msgspec.DecodeError:
        return None


@cache
def _decoder() -> "msgspec.msgpack.Decoder[ModuleFacts]":
    import msgspec

    return msgspec.msgpack.Decoder(ModuleFacts)


def _key(file: SourceFile) -> str:
    return key_of(_program(), file.path.encode("utf-8", "surrogatepass"), file.data)


@cache
def _program() -> bytes:
    """What facts depend on besides the file: the code that takes them, and the Python that it runs on."""
    here = Path(__file__).parent
    single = [Path(__file__), *(here / name for name in ("model.py", "source.py", "dialects.py", "cache.py"))]
    code = sorted([*single, *(here / "facts").rglob("*.py"), *(here / "catalogue").glob("*.*")])
    try:
        parts = [path.read_bytes() for path in code]
    except OSError:  # packed into one file, which nobody edits
        parts = [__version__.encode()]
    return key_of(sys.version.encode(), sys.implementation.name.encode(), *parts).encode()
