"""The tables `stores."app:SESSIONS"` of a configuration -> what is asked for each cell, and what is wrong."""

import re
from collections.abc import Callable, Iterator, Mapping
from typing import Any, get_args

from statelift.judge.rules import nearest
from statelift.model import CellOptions, Metrics, Style

_CELL = re.compile(r"\w+(\.\w+)*:\w+(\.\w+)*")
_FILE = re.compile(r"\w+(\.\w+)*:/tmp/[^\x00-\x1f]+")
_NAME = re.compile(r"[A-Za-z0-9_.-]{3,255}")
_VARIABLE = re.compile(r"[A-Za-z_][A-Za-z0-9_]*")
_ATTRIBUTE = re.compile(r"[A-Za-z0-9_.-]{1,255}")
OWN = ("v", "k", "c", "r", "p")  # what the helper writes into an item
_STYLES: tuple[str, ...] = get_args(Style)
_METRICS: tuple[str, ...] = get_args(Metrics)


def stores_flaw(value: object) -> str:
    """What is wrong with the tables of all cells; "" if nothing."""
    if not isinstance(value, dict):
        return 'must be a table for each cell: [tool.statelift.stores."app:SESSIONS"]'
    flaw = next((flaw for cell, table in value.items() if (flaw := _flaw(cell, table))), "")
    return flaw or next(_shared(value), "")


def _shared(value: dict[str, dict[str, object]]) -> Iterator[str]:
    """Two cells in one table would see each other's entries."""
    seen: dict[tuple[str, object], str] = {}
    for cell, table in value.items():
        for key in ("table", "table-env"):
            other = seen.setdefault((key, table[key]), cell) if key in table else cell
            if other != cell:
                yield f'of "{cell}": {key} is that of "{other}", and one would find the entries of the other'


def name_flaw(value: object) -> str:
    """What is wrong with the name of a table or bucket; "" if nothing."""
    if isinstance(value, str) and _NAME.fullmatch(value):
        return ""
    return "must be the name of what exists: 3 to 255 letters, digits, dots, dashes and underscores"


def variable_flaw(value: object) -> str:
    """What is wrong with the name of an environment variable; "" if nothing."""
    is_name = isinstance(value, str) and _VARIABLE.fullmatch(value) is not None
    return "" if is_name else "must be the name of an environment variable"


def _attribute_flaw(value: object) -> str:
    if not isinstance(value, str) or not _ATTRIBUTE.fullmatch(value):
        return "must be the name of an attribute: letters, digits, dots, dashes and underscores"
    return f"must be none of {', '.join(OWN)}: entries have these themselves" if value in OWN else ""


def _seconds_flaw(value: object) -> str:
    is_number = isinstance(value, int) and not isinstance(value, bool) and value > 0
    return "" if is_number else "must be a whole number of seconds above 0"


def stores_of(value: Mapping[str, Mapping[str, Any]]) -> tuple[CellOptions, ...]:
    """What is asked for each cell, of tables without a flaw."""
    return tuple(
        CellOptions(cell, **{key.replace("-", "_"): item for key, item in table.items()})
        for cell, table in value.items()
    )


def _flaw(cell: str, table: object) -> str:
    is_file = _FILE.fullmatch(cell) is not None
    if not is_file and not _CELL.fullmatch(cell):
        return f'names a cell {cell:.80}; write it as "module:NAME", as in "app:SESSIONS"'
    if not isinstance(table, dict):
        return f'must be a table for each cell: [tool.statelift.stores."{cell}"]'
    if is_file and set(table) - {"style"}:
        return f'of "{cell}": a file has only a style, not {min(set(table) - {"style"}):.80}'
    for key, value in table.items():
        if key not in _FLAWS:
            close = nearest(key, list(_FLAWS))
            hint = f"Did you mean {close}?" if close else f"The keys are {', '.join(_FLAWS)}."
            return f'of "{cell}": there is no key {key:.80}. {hint}'
        if flaw := _FLAWS[key](value):
            return f'of "{cell}": {key} {flaw}'
    return next((f'of "{cell}": {flaw}' for flaw in _contradictions(table)), "")


def _contradictions(table: dict[str, object]) -> Iterator[str]:
    is_there = "table" in table or "table-env" in table
    if "table" in table and "table-env" in table:
        yield "table and table-env name the same thing: keep one of them"
    if "key" in table and not is_there:
        yield "key is the attribute of a table that exists: say which with table or table-env"
    if "ttl-seconds" in table and "ttl" not in table:
        yield "ttl-seconds needs ttl, the attribute that holds the time"
    if "ttl" in table and table["ttl"] == table.get("key", "pk"):
        yield "ttl and key cannot be the same attribute"


def _truth_flaw(value: object) -> str:
    return "" if isinstance(value, bool) else "must be true or false"


def _one_of(words: tuple[str, ...]) -> Callable[[object], str]:
    def flaw(value: object) -> str:
        if value in words:
            return ""
        close = nearest(value, words) if isinstance(value, str) else None
        return f"must be one of {', '.join(words)}.{f' Did you mean {close}?' if close else ''}"

    return flaw


_FLAWS: Mapping[str, Callable[[object], str]] = {
    "style": _one_of(_STYLES),
    "table": name_flaw,
    "table-env": variable_flaw,
    "key": _attribute_flaw,
    "ttl": _attribute_flaw,
    "ttl-seconds": _seconds_flaw,
    "metrics": _one_of(_METRICS),
    "counter-metric": _truth_flaw,
}
