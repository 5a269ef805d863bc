"""What a verification ends with. Nothing here ever says "proved": runs can only show what they showed."""

from dataclasses import dataclass
from enum import StrEnum

from statelift.verify.playing.driver import Divergence
from statelift.verify.values import Right


class Verdict(StrEnum):
    """The answer for a code root, a handler or a change."""

    EQUIVALENT = "EQUIVALENT"
    ORDER_ONLY = "ORDER-ONLY"
    DIVERGES = "DIVERGES"
    ORIGINAL_BROKEN = "ORIGINAL-BROKEN"
    VACUOUS = "VACUOUS"
    INCONCLUSIVE = "INCONCLUSIVE"
    STATEFUL = "STATEFUL"
    NO_STATE_SEEN = "NO-STATE-SEEN"

    @property
    def exit_code(self) -> int:
        """What `statelift verify` leaves with for it."""
        match self:
            case Verdict.DIVERGES:
                return 4
            case Verdict.VACUOUS | Verdict.INCONCLUSIVE | Verdict.ORIGINAL_BROKEN:
                return 3
            case _:
                return 0


@dataclass(frozen=True, slots=True)
class Shown:
    """One event of a counterexample, and what both programs made of it."""

    call: str
    payload: str
    at: float
    container: str
    expected: str
    found: str
    is_concurrent: bool = False


@dataclass(frozen=True, slots=True)
class Counterexample:
    """A small run in which the programs part; `script` is a Python program that runs it again."""

    divergence: Divergence
    events: tuple[Shown, ...]
    script: str


@dataclass(frozen=True, slots=True)
class Part:
    """The verdict for one handler (its call) or one change (its id): of its `statements`, `covered` ran."""

    name: str
    verdict: Verdict
    reason: str
    events: int = 0
    covered: int = 0
    statements: int = 0


@dataclass(frozen=True, slots=True)
class Result:
    """The verdict for one code root: of its `statements` that were changed, `covered` ran.

    `unused` are rights on what the changes make that no event used.
    """

    name: str
    verdict: Verdict
    reason: str
    events: int
    covered: int
    statements: int
    handlers: tuple[Part, ...]
    changes: tuple[Part, ...]
    notes: tuple[str, ...] = ()
    counterexample: Counterexample | None = None
    unused: tuple[Right, ...] = ()


def worst(verdicts: "list[Verdict]") -> int:
    """The exit code of several verdicts: a difference outranks what could not be said."""
    return max((verdict.exit_code for verdict in verdicts), default=0)
