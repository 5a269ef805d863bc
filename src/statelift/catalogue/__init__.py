"""connections.json -> what is known of each connection library: constructors, closing, validation, sharing."""

import json
from collections.abc import Mapping
from dataclasses import dataclass
from functools import cache
from importlib.resources import files
from typing import Any


@dataclass(frozen=True, slots=True)
class Library:
    """How the connections of one library behave when they outlive an invocation.

    By constructor: `checks` are statements that raise one of `errors` where the server has dropped `connection`;
    `instead_of_close` is what has to be called on a kept connection where close() stood ("" for nothing).
    `pools` are the constructors of pools, from which connections are taken. `with_effect` is what a with statement
    does at its end: close, transaction (commit or roll back), transaction-close, or "" where that is not known.
    `reopens`: it works on after close(). `thread_safe` are the constructors whose objects threads may share.
    `owned` are methods whose result lives until the connection is closed. `by_hand` says by constructor how
    a person keeps what no change keeps. `asks` are the arguments that make a kept pool ask its connections before
    it gives them out (`{maker}`: how the constructor is spelled), `takes` are the methods that take one out.
    """

    name: str
    kind: str
    constructors: tuple[str, ...]
    is_self_healing: bool
    is_loop_bound: bool
    tier: str
    probe: str
    reset: str
    hazards: str
    is_context_manager: bool
    checks: Mapping[str, str]
    with_effect: str
    instead_of_close: Mapping[str, str]
    errors: Mapping[str, str]
    pools: frozenset[str]
    reopens: bool
    thread_safe: frozenset[str]
    owned: frozenset[str]
    by_hand: Mapping[str, str]
    asks: tuple[str, ...]
    takes: frozenset[str]

    def is_lasting(self, constructor: str) -> bool:
        """Whether it can be kept at all: it heals, or can be asked whether it is alive."""
        return self.is_self_healing or constructor in self.checks


@cache
def libraries() -> tuple[Library, ...]:
    """Every library of the catalogue."""
    rows = json.loads(files(__name__).joinpath("connections.json").read_text(encoding="utf-8"))
    return tuple(
        Library(
            name=row["lib"],
            kind=row["kind"],
            constructors=tuple(name for name in row["constructors"] if "<" not in name),
            is_self_healing=bool(row["self_healing"]),
            is_loop_bound=bool(row["loop_bound"]),
            tier=row["default_tier"],
            probe=row["validation_probe"] or "",
            reset=row["end_of_invocation_reset"] or "",
            hazards=row["hazards"],
            is_context_manager=bool(row["context_manager"]),
            checks=_by_constructor(row, "check"),
            with_effect=row["with_effect"],
            instead_of_close=row["instead_of_close"],
            errors=_by_constructor(row, "errors"),
            pools=frozenset(row["pools"]),
            reopens=row["reopens"],
            thread_safe=frozenset(row["thread_safe"]),
            owned=frozenset(row.get("owned", ())),
            by_hand=row.get("by_hand", {}),
            asks=tuple(row.get("asks", ())),
            takes=frozenset(row.get("takes", ())),
        )
        for row in rows
    )


def _by_constructor(row: Mapping[str, Any], key: str) -> dict[str, str]:
    """One text for all constructors of a library but its pools, or one for each."""
    told = row[key]
    if isinstance(told, dict):
        return {str(name): str(text) for name, text in told.items()}
    return {name: told for name in row["constructors"] if told and name not in row["pools"]}


@cache
def constructors() -> dict[str, Library]:
    """Dotted constructor -> its library."""
    return {name: library for library in libraries() for name in library.constructors}


CONSTRUCTORS = frozenset(constructors())
TAKING = frozenset(name for library in libraries() for name in library.takes)
