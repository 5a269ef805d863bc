"""A judgement, what is asked of its cell -> the judgement in the style asked for, or with the reason why not."""

from dataclasses import replace

from statelift.judge.evidence import Evidence
from statelift.judge.steps import RULES, as_step
from statelift.judge.values import Judgement
from statelift.link.names import CellKey
from statelift.link.program import Program
from statelift.model import CellOptions, Metrics, Options, Tier, Verdict


class NotInlineError(ValueError):
    """A use, a type or a place that boto3's calls cannot stand for; the message says which."""


def asked_of(options: Options, program: Program, key: CellKey) -> CellOptions:
    """What is asked for a cell: by its own entry, else for all of them."""
    own = own_of(options, program, key)
    if own is None:
        return CellOptions("", options.style)
    return own if own.style else replace(own, style=options.style)


def own_of(options: Options, program: Program, key: CellKey) -> CellOptions | None:
    """What the entry of a cell says; None without one."""
    return next((each for each in options.stores if is_called(program, key, each.cell)), None)


def metrics_of(options: Options, program: Program, key: CellKey) -> Metrics:
    """How a counter is sent that becomes a metric: by its own entry, else as all of them."""
    own = own_of(options, program, key)
    return own.metrics if own is not None and own.metrics else options.metrics


def counts_beside(options: Options, program: Program, key: CellKey) -> bool:
    """Whether a counter that code reads is sent as a metric, too: by its own entry, else as all of them."""
    own = own_of(options, program, key)
    return options.counter_metric if own is None or own.counter_metric is None else own.counter_metric


def is_called(program: Program, key: CellKey, name: str) -> bool:
    """Whether `module:qualified.name` means a cell; the module may begin at the code root or above it."""
    return f".{name_of(key)}".endswith(f".{name}") or f"{program.dotted(key[0])}:{key[1]}" == name


def name_of(key: CellKey) -> str:
    """`src/app.py`, `SESSIONS` -> `src.app:SESSIONS`."""
    return f"{key[0].removesuffix('.py').removesuffix('/__init__').replace('/', '.')}:{key[1]}"


def restyled(evidence: Evidence, judgement: Judgement, options: Options) -> Judgement:
    """The judgement as a step where that is asked for and possible; elsewhere a reason says what is not done.

    The inline form needs the source text: whether it is possible is decided where it is written.
    """
    if judgement.cell is None or judgement.tier is Tier.MANUAL or judgement.is_left_alone:
        return judgement
    asked = asked_of(options, evidence.program, judgement.cell[0])
    if judgement.rule not in RULES or judgement.verdict is Verdict.BROKEN:
        return (
            _told(judgement, asked, "it is no state that calls read")
            if asked.cell and not asked.metrics and asked.counter_metric is None
            else judgement
        )
    if judgement.is_step:
        is_asked_otherwise = asked.style == "inline" or (bool(asked.cell) and asked.style == "store")
        return _told(judgement, asked, next(iter(judgement.unfit), "")) if is_asked_otherwise else judgement
    if asked.style != "transaction":
        return judgement
    stepped = as_step(evidence, judgement.lowered(Tier.MANUAL, ""))
    if stepped.is_step:
        return replace(stepped, reasons=judgement.reasons[:1])
    refusals = [reason for reason in stepped.reasons if reason and reason not in judgement.reasons]
    return _told(judgement, asked, next(iter(refusals), ""))


def _told(judgement: Judgement, asked: CellOptions, why: str) -> Judgement:
    return judgement.lowered(judgement.tier, not_possible(asked, why))


def not_possible(asked: CellOptions, why: str) -> str:
    """The sentence for a reviewer."""
    return f"style {asked.style} is not possible here{f': {why}' if why else ''}"
