"""Changes of a library's settings -> whether a later call of the process works under those of an earlier one."""

from collections.abc import Iterator

from statelift.catalogue.objects import SETTINGS
from statelift.facts.values import Access
from statelift.judge.evidence import Evidence, uses_of
from statelift.judge.values import Judgement, Subject
from statelift.model import Tier, Verdict

LASTS = (
    "rule 9b: {} is the whole process's: later calls work under what line {} sets",
    "set it in every call before it is needed, or only for a block: decimal.localcontext()",
)
Uses = list[tuple[str, Access]]


def judge_settings(evidence: Evidence) -> Iterator[Judgement]:
    """A judgement for every setting that a request changes for later ones."""
    for name in sorted(SETTINGS):
        uses = evidence.program.accesses.get(("", name), [])
        writes = [(path, use) for path, use in uses if evidence.is_reachable(path, use.function)]
        reasons = _lasting(evidence, name, writes)
        if reasons:
            path, first = writes[0]
            subject = Subject(path, first.place, name, evidence.handlers(writes), uses_of(writes))
            message = f"{name} is set for later calls, too"
            yield Judgement("SL103", subject, Verdict.STATE, message, reasons, Tier.MANUAL)


def _lasting(evidence: Evidence, name: str, writes: Uses) -> tuple[str, ...]:
    """Why it is state: what it is set to comes with a request, and not every call sets it first; or ()."""
    own = [use for path, use in writes if _is_asked_for(evidence, path, use)]
    if not own or _is_set_back(writes) or _is_always_set(evidence, writes):
        return ()
    first, advice = LASTS
    return first.format(name, own[0].place.line), advice


def _is_asked_for(evidence: Evidence, path: str, use: Access) -> bool:
    sources = evidence.sources.of(path, use.value) if use.value is not None else ()
    return any(each.kind in ("event", "context") for each in sources)


def _is_set_back(writes: Uses) -> bool:
    """Whether a `finally` sets it to something."""
    return any(guard.kind == "finally" for _, use in writes for guard in use.guards)


def _is_always_set(evidence: Evidence, writes: Uses) -> bool:
    """Whether every entry point sets it, under no condition."""
    mine = {id(use) for _, use in writes}
    return bool(evidence.traces) and all(
        any(id(step.item) in mine and not step.conditions for step in trace.steps) for trace in evidence.traces
    )
