"""What the judge hands to the codemods."""

from dataclasses import dataclass, field, replace

from statelift.facts.values import Access, Cell, Connection, Ending, FileEffect, Hook, Leftover
from statelift.judge.rules import BY_CODE
from statelift.link.names import CellKey
from statelift.model import Finding, Place, Tier, Use, Verdict

LEFT_ALONE = frozenset(
    {
        Verdict.CONSTANT, Verdict.CACHE, Verdict.LATCH, Verdict.LAZY_CLIENT, Verdict.REQUEST_SCOPED,
        Verdict.SCRATCH, Verdict.EVENT_DEPENDENT, Verdict.POOL, Verdict.NOT_REACHABLE,
    }
)  # fmt: skip


@dataclass(frozen=True, slots=True)
class Subject:
    """What is judged: where it is and what it is called."""

    path: str
    place: Place
    symbol: str
    handlers: tuple[str, ...]
    uses: tuple[Use, ...]


@dataclass(frozen=True, slots=True)
class Judgement:
    """A verdict on one subject, with the facts that a codemod needs to act on it.

    `reasons` explain verdict and tier; `tier` is the best that the facts allow: a codemod may lower it.
    `is_step`: no operation of a table fits (`unfit` says why not), or that style was asked for, so every call
    reads the cell first and writes it back; `assumed` says what has to hold then.
    `is_racing`: a call reads the store and writes it afterwards, so that another one may come in between.
    """

    rule: str
    subject: Subject
    verdict: Verdict
    message: str
    reasons: tuple[str, ...]
    tier: Tier = Tier.SAFE
    cell: tuple[CellKey, Cell] | None = None
    accesses: tuple[tuple[str, Access], ...] = ()
    effects: tuple[tuple[str, FileEffect], ...] = ()
    connection: tuple[str, Connection] | None = None
    endings: tuple[tuple[str, Ending], ...] = ()
    hook: tuple[str, Hook] | None = None
    leftover: tuple[str, Leftover] | None = None
    ordinal: int = field(default=0)
    is_step: bool = False
    assumed: tuple[str, ...] = ()
    unfit: tuple[str, ...] = ()
    is_racing: bool = False

    @property
    def is_left_alone(self) -> bool:
        """Whether the subject is not to be changed."""
        return self.verdict in LEFT_ALONE

    def lowered(self, tier: Tier, reason: str) -> "Judgement":
        """The same judgement at this tier or lower, with one more reason."""
        return replace(self, tier=max(self.tier, tier), reasons=(*self.reasons, reason))


def finding_of(judgement: Judgement, identifier: str) -> Finding:
    """The judgement as it is reported."""
    rule = BY_CODE[judgement.rule]
    subject = judgement.subject
    return Finding(
        id=identifier,
        rule=rule.code,
        name=rule.name,
        family=rule.family,
        place=subject.place,
        symbol=subject.symbol,
        verdict=judgement.verdict,
        message=judgement.message,
        reasons=judgement.reasons,
        handlers=subject.handlers,
        uses=subject.uses,
        tier=None if judgement.is_left_alone else judgement.tier,
    )
