"""How long the facts of a file take, beside `ast.parse` of the same file.

Usage: facts_speed.py [DIR...]    (default: the fixtures of statelift and the standard library without its tests)

Every file is parsed and analysed in turn, in one process, so that both share what the machine does beside; the best
of three rounds counts. No file is left out but those that do not parse.
"""

import ast
import sys
import sysconfig
import time
import warnings
from collections.abc import Callable, Iterable, Sequence
from functools import partial
from pathlib import Path

from statelift.facts.collect import collect_facts
from statelift.model import SourceFile
from statelift.source import Parsed, parse_source

ROUNDS = 3
ROOT = Path(__file__).parents[1]


def sources(folders: Iterable[Path]) -> list[tuple[str, bytes]]:
    """Path and bytes of every Python file that this Python can parse."""
    found = sorted(path for folder in folders for path in folder.rglob("*.py") if "site-packages" not in path.parts)
    return [(str(path), path.read_bytes()) for path in found if path.is_file() and _parses(path.read_bytes())]


def _parses(data: bytes) -> bool:
    try:
        ast.parse(data)
    except (SyntaxError, ValueError, RecursionError):
        return False
    return True


def seconds(task: Callable[[], object]) -> float:
    """The best of some rounds."""
    best = float("inf")
    for _ in range(ROUNDS):
        start = time.perf_counter()
        task()
        best = min(best, time.perf_counter() - start)
    return best


def facts(path: str, data: bytes) -> object:
    """Everything that the stage does with one file, parsing included."""
    parsed = parse_source(SourceFile(path, data))
    return collect_facts(parsed) if isinstance(parsed, Parsed) else None


def main(arguments: Sequence[str]) -> None:
    """Print the ratio, and the files where it is worst."""
    warnings.simplefilter("ignore")
    library = Path(sysconfig.get_paths()["stdlib"])
    default = [ROOT / "fixtures", library / "email", library / "asyncio", library / "json", library / "logging"]
    files = sources([Path(each) for each in arguments] or default)
    rows = [(seconds(partial(ast.parse, data)), seconds(partial(facts, path, data)), path) for path, data in files]
    parsing, analysing = sum(row[0] for row in rows), sum(row[1] for row in rows)
    lines = sum(data.count(b"\n") for _, data in files)
    print(f"{len(files)} files, {lines} lines: ast.parse {parsing:.2f} s, facts {analysing:.2f} s")
    print(f"ratio {analysing / parsing:.1f}; the slowest files:")
    for parse, analyse, path in sorted(rows, key=lambda row: row[0] - row[1])[:5]:
        print(f"  {analyse / parse:5.1f}  {analyse:.3f} s  {path}")


if __name__ == "__main__":
    main(sys.argv[1:])
