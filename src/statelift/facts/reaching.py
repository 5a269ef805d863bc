"""Assignments and reads of one variable, with their path conditions -> which assignment a read can see."""

import ast
from collections.abc import Sequence
from dataclasses import dataclass

Conditions = frozenset[tuple[str, int, bool]]  # kind, place, and whether it holds
Position = tuple[int, int]  # line, column


@dataclass(frozen=True, slots=True, eq=False)
class Binding:
    """One assignment: the name that it binds and the value; the name again where the value is unknown."""

    target: ast.Name
    value: ast.expr


@dataclass(frozen=True, slots=True)
class Moment:
    """When an assignment happens: under which conditions, and behind which place."""

    conditions: Conditions
    at: Position


@dataclass(frozen=True, slots=True)
class Flow:
    """One read."""

    conditions: Conditions
    at: Position

    def reaching(self, bindings: Sequence[tuple[Binding, Moment]]) -> tuple[list[Binding], bool]:
        """The assignments whose value the read can see; whether one of them lies on every way to it."""
        certain = [
            moment for _, moment in bindings if moment.at <= self.at and moment.conditions <= self.conditions
        ]
        last = max(certain, key=lambda moment: moment.at, default=None)
        found = [binding for binding, moment in bindings if self._sees(moment, last)]
        return found, last is not None

    def _sees(self, moment: Moment, last: Moment | None) -> bool:
        if not can_follow(moment, self.conditions, self.at):
            return False
        is_again = _shares_loop(moment.conditions, self.conditions, last)
        return last is None or moment is last or last.at <= moment.at <= self.at or is_again


def can_follow(moment: Moment, conditions: Conditions, at: Position) -> bool:
    """Whether a read under these conditions can come after the assignment: not on the other branch of an `if`."""
    if _shares_loop(moment.conditions, conditions, None):
        return True
    is_other_branch = any(
        kind == "if" and (kind, place, not holds) in conditions for kind, place, holds in moment.conditions
    )
    return moment.at <= at and not is_other_branch


def _shares_loop(one: Conditions, other: Conditions, killer: Moment | None) -> bool:
    """Whether both stand in one loop, so that each can follow the other, and no certain assignment cuts that."""
    loops = {each for each in one & other if each[0] == "loop"}
    return bool(loops if killer is None else loops - killer.conditions)
