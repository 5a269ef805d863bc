"""Functions whose results a decorator keeps -> whether a kept result can be wrong for a later call (rule 7)."""

from collections.abc import Iterator

from statelift.facts.values import Access, Function
from statelift.judge.evidence import Evidence
from statelift.judge.values import Judgement, Subject
from statelift.link.dangers import CHANGED
from statelift.link.lifetime import CACHES
from statelift.link.names import CellKey, FunctionKey
from statelift.link.writes import is_write
from statelift.model import Tier, Use, Verdict

PROPERTY = "functools.cached_property"
KEEPERS = CACHES | {"cachetools.cached", "cachetools.func.ttl_cache", "cachetools.func.lru_cache"}


def judge_memos(evidence: Evidence) -> Iterator[Judgement]:
    """A judgement for every memoised function that a handler reaches."""
    for key in memoised(evidence):
        yield _judge(evidence, key, evidence.program.functions[key])


def memoised(evidence: Evidence) -> Iterator[FunctionKey]:
    """The functions that a handler reaches, and whose results outlive the call."""
    for key, function in sorted(evidence.program.functions.items()):
        is_kept = bool({each.name for each in function.decorators} & KEEPERS) and _lasts(evidence, key, function)
        if is_kept and evidence.reach.has(key):
            yield key


def _lasts(evidence: Evidence, key: FunctionKey, function: Function) -> bool:
    """Whether what is kept outlives a call: a cached property lives as long as its object."""
    is_property = any(each.name == PROPERTY for each in function.decorators)
    return not is_property or evidence.lifetimes.is_lasting_class((key[0], function.class_name))


def _judge(evidence: Evidence, key: FunctionKey, function: Function) -> Judgement:
    subject = Subject(
        key[0], function.place, key[1], evidence.reach.entries_of(key), (Use(key[0], function.place.line, "keep"),)
    )
    reasons = tuple(_faults(evidence, key, function))
    if not reasons:
        kept = "rule 7: a lost result is computed again from the same arguments"
        return Judgement("SL106", subject, Verdict.CACHE, f"{key[1]} is memoised", (kept,))
    return Judgement(
        "SL106", subject, Verdict.STATE, f"{key[1]} keeps results that may not hold for later calls", reasons,
        Tier.REVIEW,
    )  # fmt: skip


def _is_written(evidence: Evidence, key: CellKey) -> bool:
    cell = evidence.program.cells[key]
    return any(evidence.sources.is_changed_by(cell, path, use) for path, use in evidence.reached(key))


def uses_below(evidence: Evidence, key: FunctionKey) -> Iterator[tuple[str, Access]]:
    """The uses of cells in a function and in all that it calls."""
    seen = {key}
    waiting = [key]
    while waiting:
        function = waiting.pop()
        yield from ((function[0], use) for use in evidence.program.accesses_in.get(function, ()))
        found = {callee for _, callee in evidence.program.calls.get(function, ())} - seen
        seen |= found
        waiting += sorted(found)


def _faults(evidence: Evidence, key: FunctionKey, function: Function) -> Iterator[str]:
    atoms = {atom for each in function.returns for atom in each.value.atoms if atom.kind != "param"}
    for source in sorted(evidence.sources.of_atoms(key[0], frozenset(atoms))):
        if source.kind == "nondet":
            yield f"rule 7: its result depends on {source.detail}(), which the first call freezes"
    for path, use in sorted(uses_below(evidence, key), key=lambda found: (found[0], found[1].order)):
        target = evidence.program.resolve(path, use.subject)
        cell = None if target is None else (target.path, target.name)
        if cell in evidence.program.cells and not is_write(None, use.op) and _is_written(evidence, cell):
            where = f"line {use.place.line}" if path == key[0] else f"{path}:{use.place.line}"
            yield f"rule 7: {where} reads {use.subject}, which other calls change"
    for site, call in evidence.program.call_sites.get(key, ()):
        if CHANGED in evidence.sources.dangers.of_returned(site, call.function, call.fates):
            yield f"rule 7: {site}:{call.place.line} changes the result in place, and later calls get it"
    yield from evidence.rewritten_source(key)
