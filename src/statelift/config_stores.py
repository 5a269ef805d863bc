"""The tables `stores."app:SESSIONS"` of a configuration -> what is asked for each cell, and what is wrong."""

import re
from collections.abc import Mapping
from typing import Any, get_args

from statelift.judge.rules import nearest
from statelift.model import CellOptions, Style

_CELL = re.compile(r"\w+(\.\w+)*:\w+(\.\w+)*")
_STYLES: tuple[str, ...] = get_args(Style)


def stores_flaw(value: object) -> str:
    """What is wrong with the tables of all cells; "" if nothing."""
    if not isinstance(value, dict):
        return 'must be a table for each cell: [tool.statelift.stores."app:SESSIONS"]'
    return next((flaw for cell, table in value.items() if (flaw := _flaw(cell, table))), "")


def stores_of(value: Mapping[str, Mapping[str, Any]]) -> tuple[CellOptions, ...]:
    """What is asked for each cell, of tables without a flaw."""
    return tuple(
        CellOptions(cell, **{key.replace("-", "_"): item for key, item in table.items()})
        for cell, table in value.items()
    )


def _flaw(cell: str, table: object) -> str:
    if not _CELL.fullmatch(cell):
        return f'names a cell {cell:.80}; write it as "module:NAME", as in "app:SESSIONS"'
    if not isinstance(table, dict):
        return f'must be a table for each cell: [tool.statelift.stores."{cell}"]'
    for key, value in table.items():
        if key not in _FLAWS:
            close = nearest(key, list(_FLAWS))
            hint = f"Did you mean {close}?" if close else f"The keys are {', '.join(_FLAWS)}."
            return f'of "{cell}": there is no key {key:.80}. {hint}'
        if flaw := _FLAWS[key](value):
            return f'of "{cell}": {key} {flaw}'
    return ""


def _style_flaw(value: object) -> str:
    if value in _STYLES:
        return ""
    close = nearest(value, _STYLES) if isinstance(value, str) else None
    return f"must be one of {', '.join(_STYLES)}.{f' Did you mean {close}?' if close else ''}"


_FLAWS = {"style": _style_flaw}
