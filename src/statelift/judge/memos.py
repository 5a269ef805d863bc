"""Functions whose results a decorator keeps -> whether a kept result can be wrong for a later call (rule 7)."""

from collections.abc import Iterator

from statelift.facts.values import Access, Function, Value
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


def _is_versioned(evidence: Evidence, memo: FunctionKey, cell: CellKey) -> bool:
    """Whether every call gives the memo a count that goes up wherever the cell is changed."""
    sites = evidence.program.call_sites.get(memo, ())
    named = [{_variable(evidence, site, each.value) for each in call.arguments} for site, call in sites]
    counts = set.intersection(*named) if named else set()
    return any(_counts(evidence, count, cell) for count in counts if count is not None)


def _variable(evidence: Evidence, path: str, value: Value) -> CellKey | None:
    """The cell whose value an argument is, and nothing else."""
    names = [atom.detail for atom in value.atoms if atom.kind in ("name", "import")]
    target = evidence.program.resolve(path, names[0]) if len(value.atoms) == len(names) == 1 else None
    is_cell = target is not None and target.kind == "cell" and value.text.rpartition(".")[2] == target.name
    return (target.path, target.name) if target is not None and is_cell else None


def _counts(evidence: Evidence, count: CellKey, cell: CellKey) -> bool:
    """Whether a cell is only ever added one to, and so in every block that changes the other one."""
    steps = [
        (path, use) for path, use in evidence.reached(count) if is_write(evidence.program.cells[count], use.op)
    ]
    is_going_up = all(
        (use.op, use.operator) == ("augment", "Add") and use.value is not None and use.value.text == "1"
        for _, use in steps
    )
    blocks = {(path, use.function, use.guards) for path, use in steps}
    changes = [
        (path, use.function, use.guards)
        for path, use in evidence.reached(cell)
        if evidence.sources.is_changed_by(evidence.program.cells[cell], path, use)
    ]
    return bool(steps) and is_going_up and all(each in blocks for each in changes)


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
        if cell not in evidence.program.cells or is_write(None, use.op) or not _is_written(evidence, cell):
            continue
        if not _is_versioned(evidence, key, cell):
            where = f"line {use.place.line}" if path == key[0] else f"{path}:{use.place.line}"
            yield f"rule 7: {where} reads {use.subject}, which other calls change"
    for site, call in evidence.program.call_sites.get(key, ()):
        if CHANGED in evidence.sources.dangers.of_returned(site, call.function, call.fates):
            yield f"rule 7: {site}:{call.place.line} changes the result in place, and later calls get it"
    yield from evidence.rewritten_source(key)
