"""Findings -> baseline file -> what is known already: today's findings are accepted, new ones are told.

An entry is rule, qualified name and a hash of the statement's meaning, never a line: it survives moved lines
and another formatter, and ends when the statement itself is changed. Paths start from the folder of the file; an
entry whose file is gone stands for the same statement in another one, as after a renaming.
"""

import ast
import json
import os
import secrets
from collections import Counter, defaultdict
from collections.abc import Iterable, Iterator, Sequence
from dataclasses import dataclass, replace
from functools import lru_cache
from hashlib import blake2b
from pathlib import Path, PurePosixPath

from statelift.model import Place

SCHEMA = 1
_KEYS = ("rule", "path", "symbol", "statement")
_CURE = "Make a new one: statelift baseline create FILE"


class BaselineError(ValueError):
    """A baseline that cannot be used. The message names the file, what is wrong, what to do."""


@dataclass(frozen=True, slots=True, order=True)
class Entry:
    """One known finding. `statement` is a hash, `path` is POSIX and relative to the baseline's folder."""

    rule: str
    path: str
    symbol: str
    statement: str


@dataclass(frozen=True, slots=True)
class Baseline:
    """The entries of a file. Equal entries stand for as many equal findings."""

    file: Path
    entries: tuple[Entry, ...]

    def entry(self, root: Path, rule: str, symbol: str, place: Place, data: bytes) -> Entry:
        """The entry that a finding below `root` has here; `data` is its file."""
        path = os.path.relpath(root / place.path, self.file.parent).replace(os.sep, "/")
        return Entry(rule, path, symbol, statement_hash(data, place.line))

    def matched(self, present: Sequence[Entry]) -> list[bool]:
        """For each present finding whether it is known."""
        return self._settled(present)[0]

    def gone(self, present: Sequence[Entry]) -> list[Entry]:
        """Entries that no present finding has."""
        return self._settled(present)[1]

    def _settled(self, present: Sequence[Entry]) -> tuple[list[bool], list[Entry]]:
        """Each entry stands for one finding: first for one of its own file, then, if that is gone, of another."""
        left = Counter(self.entries)
        found = []
        for entry in present:
            found.append(left[entry] > 0)
            left[entry] -= found[-1]
        homeless: dict[Entry, list[Entry]] = defaultdict(list)
        for entry in left.elements():
            if not (self.file.parent / entry.path).exists():
                homeless[replace(entry, path="")].append(entry)
        for position, entry in enumerate(present):
            known = homeless.get(replace(entry, path="")) if not found[position] else None
            if known:
                left[known.pop()] -= 1
                found[position] = True
        return found, sorted(left.elements())


# ---------------------------------------------------------------- the meaning of a statement


def statement_hash(data: bytes, line: int) -> str:
    """A hash of the innermost statement on a line: of its syntax tree, for compound statements without the body."""
    found = None
    for statement in _statements(data):
        if statement.lineno <= line <= (statement.end_lineno or statement.lineno):
            found = statement
    text = "\n".join(_meaning(found)) if found is not None else ""
    return blake2b(text.encode("utf-8", "surrogatepass"), digest_size=8).hexdigest()


@lru_cache(maxsize=8)
def _statements(data: bytes) -> tuple[ast.stmt, ...]:
    """All statements of a file, outer before inner. The trees stay in this module."""
    try:
        tree = ast.parse(data)
    except (SyntaxError, ValueError, RecursionError, MemoryError):
        return ()
    return tuple(node for node in ast.walk(tree) if isinstance(node, ast.stmt))


def _meaning(statement: ast.stmt) -> Iterator[str]:
    """Node names and values in order, without places, blocks, and what Python versions name differently."""
    waiting: list[object] = [statement]
    while waiting:
        match waiting.pop():
            case ast.AST() as node:
                yield f"({type(node).__name__}"
                waiting.append(")")
                names = [name for name in node._fields if name not in _LEFT_OUT]
                waiting.extend(reversed([getattr(node, name, None) for name in names]))
            case list() as items:
                waiting.append("]")
                waiting.extend(
                    item for item in reversed(items) if not isinstance(item, ast.stmt | ast.ExceptHandler)
                )
            case None:
                pass
            case value:
                yield repr(value)


_LEFT_OUT = frozenset({"ctx", "kind", "type_comment", "type_params", "type_ignores"})


# ---------------------------------------------------------------- the file


def load_baseline(file: Path) -> Baseline:
    """Read a baseline strictly. Raises BaselineError."""
    try:
        data = json.loads(file.read_bytes())
    except FileNotFoundError as error:
        raise BaselineError(f"There is no baseline {file}. {_CURE}") from error
    except (OSError, ValueError, RecursionError) as error:
        raise BaselineError(f"{file} cannot be read as a baseline ({error}). {_CURE}") from error
    if not isinstance(data, dict) or data.get("schema") != SCHEMA or set(data) != {"schema", "findings"}:
        raise BaselineError(f"{file} is no baseline of schema {SCHEMA}. {_CURE}")
    rows = data["findings"]
    if not isinstance(rows, list) or not all(map(_is_row, rows)):
        raise BaselineError(f"{file}: each of the findings must have the texts {', '.join(_KEYS)}. {_CURE}")
    return Baseline(_placed(file), tuple(Entry(*(row[key] for key in _KEYS)) for row in rows))


def _is_row(row: object) -> bool:
    return isinstance(row, dict) and set(row) == set(_KEYS) and all(isinstance(item, str) for item in row.values())


def empty_baseline(file: Path) -> Baseline:
    """A baseline that is not written yet. BaselineError where something is there already."""
    if os.path.lexists(file):
        raise BaselineError(f"{file} exists. Renew it with: statelift baseline update {file}")
    return Baseline(_placed(file), ())


def _placed(file: Path) -> Path:
    return file.parent.resolve() / file.name


def save_baseline(file: Path, entries: Iterable[Entry]) -> None:
    """Write a baseline, whole or not at all, sorted so that it merges well. Raises OSError."""
    rows = [{key: getattr(entry, key) for key in _KEYS} for entry in sorted(entries)]
    lines = ",\n".join(f"    {json.dumps(row)}" for row in rows)
    text = f'{{\n  "schema": {SCHEMA},\n  "findings": [\n{lines}\n  ]\n}}\n'
    temporary = file.with_name(f".{file.name}.{secrets.token_hex(4)}.tmp")
    try:
        temporary.write_text(text, encoding="ascii")
        temporary.replace(file)
    finally:
        temporary.unlink(missing_ok=True)


def is_looked_at(entry: Entry, folder: Path, root: Path, wanted: Iterable[str]) -> bool:
    """Whether a run has an opinion on an entry: its file is `wanted`, or gone from below the root."""
    path = (folder / PurePosixPath(entry.path)).resolve()
    if not path.is_relative_to(root):
        return False
    return path.relative_to(root).as_posix() in set(wanted) or not path.exists()
