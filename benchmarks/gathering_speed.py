"""How long the facts of many files take, beside `ast.parse` of the same files: cold, warm, and in two processes.

Usage: gathering_speed.py [DIR...]    (default: parts of the standard library)

Cold: nothing is kept, one process; what is found is written into an empty cache. Warm: all is read from that cache.
Everything is done in turn in each of three rounds of one run, so that all share what the machine does beside; the
best round of each counts. Wall time, since processes are compared. No file is left out but those that do not parse.
"""

import ast
import gc
import sys
import sysconfig
import tempfile
import time
import warnings
from collections.abc import Callable, Iterable, Sequence
from functools import partial
from pathlib import Path

from statelift.cache import Cache, open_cache
from statelift.gathering import Gatherer
from statelift.model import SourceFile

ROUNDS = 3
DEFAULT = ("email", "asyncio", "json", "logging", "unittest", "http", "importlib", "concurrent")


def sources(folders: Iterable[Path]) -> list[SourceFile]:
    """Every Python file that this Python can parse."""
    found = sorted(path for folder in folders for path in folder.rglob("*.py") if path.is_file())
    files = [SourceFile(str(path), path.read_bytes()) for path in found if "site-packages" not in path.parts]
    return [file for file in files if _parses(file.data)]


def _parses(data: bytes) -> bool:
    try:
        ast.parse(data)
    except (SyntaxError, ValueError, RecursionError):
        return False
    return True


def seconds(task: Callable[[], object]) -> float:
    """Of one time, without what collecting takes afterwards."""
    gc.collect()
    start = time.perf_counter()
    kept = task()
    taken = time.perf_counter() - start
    del kept
    return taken


def rounds(files: Sequence[SourceFile], folder: Path) -> dict[str, float]:
    """The best seconds of each way."""
    best: dict[str, float] = {}
    for number in range(ROUNDS):
        cache = open_cache(folder / str(number))
        assert isinstance(cache, Cache)
        ways: dict[str, Callable[[], object]] = {
            "ast.parse": partial(_trees, files),
            "cold, nothing kept": partial(_facts, files),
            "cold": partial(_facts, files, cache),
            "warm": partial(_facts, files, cache),
            "two processes": partial(_facts, files, jobs=2),
        }
        for name, task in ways.items():
            best[name] = min(best.get(name, float("inf")), seconds(task))
    return best


def _trees(files: Sequence[SourceFile]) -> object:
    return [ast.parse(file.data) for file in files]


def _facts(files: Sequence[SourceFile], cache: Cache | None = None, jobs: int = 1) -> object:
    return Gatherer(cache, jobs).facts(files)


def main(arguments: Sequence[str]) -> None:
    """Print each way as a multiple of `ast.parse`."""
    warnings.simplefilter("ignore")
    library = Path(sysconfig.get_paths()["stdlib"])
    files = sources([Path(each) for each in arguments] or [library / name for name in DEFAULT])
    with tempfile.TemporaryDirectory() as folder:
        best = rounds(files, Path(folder))
        kept = sum(path.stat().st_size for path in Path(folder, "0").rglob("*.entry"))
    size = sum(len(file.data) for file in files)
    print(f"{len(files)} files, {size:,} bytes; the cache holds {kept / size:.1f} times as many")
    for name, taken in best.items():
        print(f"  {name:20} {taken:7.2f} s  {taken / best['ast.parse']:5.1f} x ast.parse")
    print(f"warm is {best['cold'] / best['warm']:.1f} times faster than cold,", end=" ")
    print(f"two processes {best['cold, nothing kept'] / best['two processes']:.2f} times faster than one")


if __name__ == "__main__":
    main(sys.argv[1:])
