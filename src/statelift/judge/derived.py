"""Judgements -> Judgements: what a container computes from state and then keeps must not see that state move out.

A memo, a cache or a value that is built once stays in its container. If what it was computed from is shared by all
containers, each of them keeps the answer of another moment: what was wrong in one way would be wrong in many.
"""

import re
from collections import defaultdict
from collections.abc import Iterator, Sequence
from dataclasses import replace

from statelift.facts.values import Access, Cell, Guard, Test
from statelift.judge.evidence import MISSES, Evidence
from statelift.judge.memos import memoised, uses_below
from statelift.judge.values import Judgement
from statelift.link.names import CellKey, FunctionKey
from statelift.link.program import GENERATED
from statelift.link.writes import is_write
from statelift.model import Tier, Verdict

KEEPERS = frozenset({Verdict.CACHE, Verdict.LAZY_CLIENT, Verdict.LATCH, Verdict.POOL})
MEMO = re.compile(r"\b(lru_cache|cache|cached|ttl_cache|memoi[sz]ed?)\b")
MOVED = frozenset({Verdict.STATE, Verdict.LEAK, Verdict.WRITE_ONLY})
Kept = dict[CellKey, dict[str, None]]  # the reasons of each cell, in order


def hold_derived(evidence: Evidence, judgements: Sequence[Judgement]) -> Iterator[Judgement]:
    """The same judgements; a cell from which the container keeps what it computed is MANUAL, with the reason."""
    kept = _kept(evidence, judgements)
    for judgement in judgements:
        reasons = kept.get(judgement.cell[0]) if judgement.cell is not None else None
        if reasons and judgement.verdict in MOVED:
            held = replace(judgement, is_step=False, assumed=())
            for reason in reasons:
                held = held.lowered(Tier.MANUAL, reason)
            yield held
        else:
            yield judgement


def _kept(evidence: Evidence, judgements: Sequence[Judgement]) -> Kept:
    found: Kept = defaultdict(dict)
    for key in sorted({*memoised(evidence), *_wrapped(evidence), *_decorated(evidence, judgements)}):
        for path, use in uses_below(evidence, key):
            _note(evidence, found, path, use, f"{key[1]}() is memoised")
    for judgement in judgements:
        if judgement.cell is None:
            continue
        home, name = judgement.cell[0]
        for path, use in judgement.accesses if judgement.verdict in KEEPERS else ():
            for key in _asked_with(evidence, path, use) if _is_stamp(judgement) else ():
                found[key][f"line {use.place.line} asks it together with {name}, which stays in the container"] = (
                    None
                )
            for where, read in _read_for(evidence, path, use, name):
                if _key_of(evidence, where, read) != (home, name):
                    _note(evidence, found, where, read, f"{name} keeps it")
        if any(use.op == "advance" for _, use in judgement.accesses):
            for key in _named(evidence, home, judgement.cell[1]):
                found[key][f"{name} goes through it, and every container is at a place of its own"] = None
    return found


def _is_stamp(judgement: Judgement) -> bool:
    """Whether what a cell is set to is only ever the time: when something happened in this container."""
    given = [use.value for _, use in judgement.accesses if use.op == "rebind" and use.value is not None]
    kinds = [{atom.kind for atom in each.atoms} for each in given]
    return bool(kinds) and all(each <= {"nondet", "const"} for each in kinds) and any("nondet" in e for e in kinds)


def _asked_with(evidence: Evidence, path: str, use: Access) -> Iterator[CellKey]:
    """The changing cells that decide whether a read happens."""
    if is_write(None, use.op):
        return
    for test in (test for guard in use.guards for test in guard.tests):
        target = evidence.program.resolve(path, test.subject)
        if target is not None and target.kind == "cell" and evidence.sources.is_written((target.path, target.name)):
            yield target.path, target.name


def _wrapped(evidence: Evidence) -> Iterator[FunctionKey]:
    """`find = lru_cache(find_user)`: a function that a memo is made of without a decorator."""
    for (path, _), cell in evidence.program.cells.items():
        if cell.value is not None and MEMO.search(cell.value.text):
            targets = (evidence.program.resolve(path, each.detail) for each in cell.value.atoms if each.detail)
            yield from ((each.path, each.name) for each in targets if each is not None and each.kind == "function")


def _decorated(evidence: Evidence, judgements: Sequence[Judgement]) -> Iterator[FunctionKey]:
    """The functions below a decorator of the program that keeps results in a variable of its own."""
    makers = {
        (judgement.cell[0][0], judgement.cell[0][1].partition(".")[0])
        for judgement in judgements
        if judgement.cell is not None and judgement.cell[1].home == "closure"
    }
    for key, function in evidence.program.functions.items():
        own = [each.name for each in function.decorators if not each.name.endswith(GENERATED)]
        names = (evidence.program.callee(key[0], name) for name in own)
        if makers & {each for each in names if each is not None}:
            yield key


def _named(evidence: Evidence, path: str, cell: Cell) -> Iterator[CellKey]:
    """The cells that the first value of a cell is made of."""
    for atom in () if cell.value is None else cell.value.atoms:
        target = evidence.program.resolve(path, atom.detail) if atom.kind in ("name", "import") else None
        if target is not None and target.kind == "cell":
            yield target.path, target.name


def _note(evidence: Evidence, found: Kept, path: str, use: Access, keeper: str) -> None:
    key = _key_of(evidence, path, use)
    if key in evidence.program.cells and not is_write(None, use.op) and evidence.sources.is_written(key):
        where = f"line {use.place.line}" if path == key[0] else f"{path}:{use.place.line}"
        found[key][
            f"{where} computes something from it, and {keeper}: each container would keep the answer of another"
            " moment; change that first"
        ] = None


def _key_of(evidence: Evidence, path: str, use: Access) -> CellKey:
    target = evidence.program.resolve(path, use.subject)
    return (path, use.subject) if target is None else (target.path, target.name)


def _read_for(evidence: Evidence, path: str, fill: Access, name: str) -> Iterator[tuple[str, Access]]:
    """What is read to fill a cell: by what it is given, in the same statement, and in the same block of a miss."""
    if not is_write(None, fill.op) or (fill.value is None and fill.default is None):
        return
    program = evidence.program
    misses = {(guard.at, guard.holds) for guard in fill.guards if _is_about(guard.tests, name)}
    for use in program.accesses_in.get((path, fill.function), ()):
        if use is not fill and (use.statement == fill.statement or _is_under(use.guards, misses)):
            yield path, use
    called = {
        atom.detail for each in (fill.value, fill.default) if each for atom in each.atoms if atom.kind == "call"
    }
    for call, callee in program.calls.get((path, fill.function), ()):
        if call.callee in called or _is_under(call.guards, misses):
            yield from uses_below(evidence, callee)


def _is_about(tests: Sequence[Test], name: str) -> bool:
    return any(
        test.subject.rpartition(".")[2] == name.rpartition(".")[2] and (test.relation, test.holds) in MISSES
        for test in tests
    )


def _is_under(guards: Sequence[Guard], misses: set[tuple[int, bool]]) -> bool:
    return any((guard.at, guard.holds) in misses for guard in guards)
