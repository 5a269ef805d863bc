"""Effects on one /tmp path -> whether a later invocation can read what an earlier one wrote."""

import glob
from collections import defaultdict
from collections.abc import Iterator
from fnmatch import fnmatchcase

from statelift.facts.paths import generic, is_unique
from statelift.facts.values import FileEffect, Guard
from statelift.judge.evidence import FILE_ERRORS, Evidence
from statelift.judge.values import Judgement, Subject
from statelift.link.trace import Step, dominates
from statelift.model import Tier, Use, Verdict

READS = frozenset({"read", "exists"})
WRITES = frozenset({"write", "append", "create"})
DATABASES = frozenset({"sqlite3.connect", "shelve.open", "dbm.open"})
Effects = list[tuple[str, FileEffect]]


def judge_files(evidence: Evidence) -> Iterator[Judgement]:
    """A judgement for every /tmp path that handlers write, and for databases kept there."""
    by_path: dict[str, Effects] = defaultdict(list)
    for path, effect in ((path, each) for path, found in evidence.program.files.items() for each in found):
        if effect.effect != "list" and effect.path.rstrip("/") != "/tmp":  # noqa: S108 - the path judged
            by_path[generic(effect.path)].append((path, effect))
    _join_readers(by_path)
    for pattern, effects in sorted(by_path.items()):
        reachable = [(path, e) for path, e in effects if evidence.is_reachable(path, e.function)]
        judgement = _judge(evidence, pattern, effects, reachable) if reachable else None
        if judgement is not None:
            yield judgement


def _join_readers(by_path: dict[str, Effects]) -> None:
    """A fixed path that is only read may be one of those that are written: `/tmp/{}.json`, `/tmp/last.json`."""
    open_ones = [pattern for pattern in by_path if "{}" in pattern and _has_writes(by_path[pattern])]
    for path in [path for path in by_path if "{}" not in path and not _has_writes(by_path[path])]:
        for pattern in open_ones:
            if _can_name(pattern, path):
                by_path[pattern] += by_path[path]


def _can_name(pattern: str, path: str) -> bool:
    """Whether a pattern can stand for the path, where an unknown piece `{}` is no folder more."""
    wanted, given = pattern.split("/"), path.split("/")
    wildcards = [glob.escape(part).replace("{}", "*") for part in wanted]
    return len(wanted) == len(given) and all(map(fnmatchcase, given, wildcards))


def _has_writes(effects: Effects) -> bool:
    return any(effect.effect in WRITES for _, effect in effects)


def _judge(evidence: Evidence, pattern: str, effects: Effects, reachable: Effects) -> Judgement | None:
    writes = [(path, e) for path, e in reachable if e.effect in WRITES]
    database = next((e for _, e in reachable if e.api in DATABASES), None)
    make = _Maker(evidence, pattern, effects, reachable)
    if database is not None:
        reason = f"line {database.place.line}: a database file in /tmp lives and dies with one container"
        return make(Verdict.STATE, "keeps a database", (reason, "use DynamoDB, RDS or EFS"), Tier.MANUAL)
    if not writes:
        return None
    exposed = _exposed(evidence, reachable)
    if not exposed:
        return make(Verdict.SCRATCH, "is scratch", ("every read follows a write of the same invocation",))
    if _is_cache(evidence, reachable, writes):
        return make(Verdict.CACHE, "is a cache", ("it is written only where it is missing, from another source",))
    return _state(make, writes, exposed)


class _Maker:
    def __init__(self, evidence: Evidence, pattern: str, effects: Effects, reachable: Effects) -> None:
        path, first = min(reachable, key=lambda each: (each[1].effect not in WRITES, each[0], each[1].order))
        found = {entry for p, e in reachable for entry in evidence.reach.entries_of((p, e.function))}
        uses = tuple(sorted({Use(p, e.place.line, e.effect) for p, e in effects}))
        self.subject = Subject(path, first.place, pattern, tuple(sorted(found)), uses)
        self.effects = effects

    def __call__(self, verdict: Verdict, what: str, reasons: tuple[str, ...], tier: Tier = Tier.SAFE) -> Judgement:
        return Judgement(
            rule="SL301",
            subject=self.subject,
            verdict=verdict,
            message=f"{self.subject.symbol} {what}",
            reasons=reasons,
            tier=tier,
            effects=tuple(self.effects),
        )


def _exposed(evidence: Evidence, reachable: Effects) -> list[FileEffect]:
    """Reads (content or existence) that no write of the same invocation precedes on every path."""
    mine = {id(effect) for _, effect in reachable}
    found: dict[int, FileEffect] = {}
    for trace in evidence.traces:
        steps = [step for step in trace.steps if id(step.item) in mine]
        for step in steps:
            effect = step.item
            assert isinstance(effect, FileEffect)
            is_shared = effect.effect in READS and not is_unique(effect.path)
            is_exposed = is_shared and not any(_fills(write, step) for write in steps)
            if is_exposed and not _guards_only_removal(effect, steps):
                found[id(effect)] = effect
    return list(found.values())


def _fills(write: Step, read: Step) -> bool:
    one, other = write.item, read.item
    assert isinstance(one, FileEffect) and isinstance(other, FileEffect)
    is_same = one.path == other.path and one.is_certain
    return one.effect == "write" and is_same and dominates(write, read)


def _guards_only_removal(test: FileEffect, steps: list[Step]) -> bool:
    """`if os.path.exists(p): os.remove(p)` looks at existence, and leaves nothing that depends on it."""
    if test.effect != "exists":
        return False
    guarded = [step.item for step in steps if isinstance(step.item, FileEffect) and _depends(step.item, test)]
    return bool(guarded) and all(effect.effect == "remove" for effect in guarded)


def _depends(effect: FileEffect, test: FileEffect) -> bool:
    return effect is not test and effect.function == test.function and any(
        each.subject == test.path and each.holds for guard in effect.guards for each in guard.tests
    )  # fmt: skip


def _is_cache(evidence: Evidence, effects: Effects, writes: Effects) -> bool:
    """Written only where missing, with nothing that only the request knows; and read, not only looked for."""
    is_marker = not any(effect.effect == "read" for _, effect in effects) and all(
        {atom.kind for atom in effect.written} <= {"const", "opaque"} for _, effect in writes
    )
    return not is_marker and all(
        _is_guarded(effect) and _is_refetchable(evidence, path, effect) for path, effect in writes
    )


def _is_guarded(effect: FileEffect) -> bool:
    return any(_is_missing(guard, effect.path) for guard in effect.guards)


def _is_missing(guard: Guard, path: str) -> bool:
    is_absent = any(test.subject == path and not test.holds for test in guard.tests)
    return is_absent or (guard.kind == "except" and bool(set(guard.catches) & FILE_ERRORS))


def _is_refetchable(evidence: Evidence, path: str, effect: FileEffect) -> bool:
    sources = evidence.sources.of_atoms(path, effect.written)
    asked = {source.detail for source in sources if source.kind == "event"}
    return all(detail in effect.path for detail in asked)


def _state(make: _Maker, writes: Effects, exposed: list[FileEffect]) -> Judgement:
    written = ", ".join(str(line) for line in sorted({e.place.line for _, e in writes}))
    read = ", ".join(str(line) for line in sorted({e.place.line for e in exposed}))
    judgement = make(
        Verdict.STATE,
        "is written in one invocation and read in another",
        (
            f"line {read} can read what line {written} wrote in an earlier invocation",
            "concurrent invocations now share the file: the last writer wins, as it would have in one container",
        ),
        Tier.REVIEW,
    )
    for _, effect in make.effects:
        if not effect.is_certain:
            reason = f"line {effect.place.line}: {effect.api} is called for other files, too"
            judgement = judgement.lowered(Tier.MANUAL, reason)
        elif not effect.is_rewritable:
            reason = f"line {effect.place.line}: {effect.api} ({effect.effect}) has no counterpart on S3 yet"
            judgement = judgement.lowered(Tier.MANUAL, reason)
        elif not effect.function:
            judgement = judgement.lowered(Tier.MANUAL, f"line {effect.place.line} uses the file at import time")
    return judgement
