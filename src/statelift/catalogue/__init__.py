"""connections.json -> what is known of each connection library: constructors, closing, validation, sharing."""

import json
from dataclasses import dataclass
from functools import cache
from importlib.resources import files


@dataclass(frozen=True, slots=True)
class Library:
    """How the connections of one library behave when they outlive an invocation.

    `check` is a statement that raises where the server has dropped `connection`. `with_effect` is what a with
    statement does at its end: close, transaction (commit or roll back), transaction-close, or "" where that is
    not known.
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
    check: str
    with_effect: str


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
            check=row["check"],
            with_effect=row["with_effect"],
        )
        for row in rows
    )


@cache
def constructors() -> dict[str, Library]:
    """Dotted constructor -> its library."""
    return {name: library for library in libraries() for name in library.constructors}


CONSTRUCTORS = frozenset(constructors())
