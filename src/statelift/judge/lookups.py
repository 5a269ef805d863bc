"""Uses of a store -> the checks for an entry that can fetch it at once, each with the reads that it serves.

`if k in d: return d[k]` asks twice, and in between another invocation may remove the entry. One read that may find
nothing says the same, where nothing of the program writes to the store between check and read.
"""

from collections import defaultdict
from collections.abc import Mapping, Sequence
from dataclasses import dataclass

from statelift.facts.values import Access
from statelift.judge.blocks import is_edited
from statelift.judge.checks import MEMBERSHIP, are_never_none, asks_others, is_repeatable
from statelift.judge.evidence import Evidence
from statelift.judge.renewals import Uses
from statelift.link.names import FunctionKey
from statelift.model import Span

NAMING = MEMBERSHIP | {"nested", "put", "setdefault", "augment_key"}  # what may be rewritten with a name of its own
LOOKING = MEMBERSHIP | {"get", "require", "items", "len"}


@dataclass(frozen=True, slots=True)
class Lookup:
    """A check that fetches the entry, and the reads behind it. `variable` is what one of them gives it, `line` the
    lines of that statement. `may_be_none`: an entry may hold None, so None does not tell that there is none.
    `choice` and `other`: both stand in one expression, with a constant for no entry."""

    reads: tuple[Access, ...]
    may_be_none: bool
    variable: str = ""
    line: Span | None = None
    choice: Span | None = None
    other: str = ""


def lookups(evidence: Evidence, uses: Uses, taken: frozenset[int]) -> Mapping[int, Lookup]:
    """Id of each such check -> what it serves. `taken` are ids of uses that are part of another step."""
    served: dict[tuple[str, Span], list[Access]] = defaultdict(list)
    for path, use in uses:
        if use.found is not None and id(use) not in taken and not is_edited(use):
            served[path, use.found.check].append(use)
    may_be_none = not are_never_none(evidence, uses)
    made: dict[int, Lookup] = {}
    ends: dict[FunctionKey, int] = {}
    for path, check in sorted(uses, key=lambda each: (each[0], each[1].span.start)):
        reads = served.get((path, check.span), []) if check.op in MEMBERSHIP and id(check) not in taken else []
        function = (path, check.function)
        if reads and check.span.start >= ends.get(function, 0) and _is_fit(evidence, path, check, reads, uses):
            ends[function] = max(read.span.end for read in reads)
            made[id(check)] = _lookup(reads, may_be_none=may_be_none)
    return made


def fetched(found: Mapping[int, Lookup]) -> frozenset[int]:
    """Ids of the reads that such checks serve."""
    return frozenset(id(read) for each in found.values() for read in each.reads)


def _lookup(reads: Sequence[Access], *, may_be_none: bool) -> Lookup:
    found = reads[0].found
    if found is None or len(reads) > 1:
        return Lookup(tuple(reads), may_be_none)
    variable = found.variable if found.line is not None else ""
    return Lookup(tuple(reads), may_be_none, variable, found.line, found.choice, found.other)


def _is_fit(evidence: Evidence, path: str, check: Access, reads: Sequence[Access], uses: Uses) -> bool:
    """Whether the entry is the same at the check and at each read behind it."""
    key, function = check.key, evidence.program.functions.get((path, check.function))
    if key is None or function is None or function.is_async or function.has_generator:
        return False
    between = Span(check.span.end, max(read.span.end for read in reads))
    is_named = len(reads) == 1 and reads[0].found is not None and bool(reads[0].found.line or reads[0].found.choice)
    if not is_named and _names_others(evidence, path, check, Span(check.span.start, between.end)):
        return False
    spans = [each.key.span for each in (check, *reads) if each.key is not None]
    is_alone = not asks_others(evidence, path, check.function, spans, ())
    is_known = is_alone and is_repeatable(key.text) and not any(guard.kind == "function" for guard in check.guards)
    is_kept = not _writes(path, check, between, uses) and not _is_reached(evidence, path, check, between, uses)
    return is_known and is_kept and not _is_shared(evidence, path, check)


def _names_others(evidence: Evidence, path: str, check: Access, region: Span) -> bool:
    """Whether entries of other cells get names there, too: those of two stores may be called alike."""
    for use in evidence.program.accesses_in.get((path, check.function), ()):
        target = evidence.program.resolve(path, use.subject)
        is_inside = region.start <= use.span.start < region.end and use.subject != check.subject
        is_naming = is_inside and (use.op in NAMING or is_edited(use))
        if is_naming and target is not None and evidence.sources.is_written((target.path, target.name)):
            return True
    return False


def _writes(path: str, check: Access, between: Span, uses: Uses) -> bool:
    """Whether the function itself changes the store in between."""
    near = [use for at, use in uses if at == path and use.function == check.function]
    inside = [use for use in near if between.start <= use.span.start < between.end]
    return any(use.op not in LOOKING or is_edited(use) for use in inside)


def _is_reached(evidence: Evidence, path: str, check: Access, between: Span, uses: Uses) -> bool:
    """Whether something that is called in between comes to the store, by whatever way."""
    home = {(at, use.function) for at, use in uses}
    calls = evidence.program.calls.get((path, check.function), ())
    called = [callee for call, callee in calls if between.start <= call.span.start < between.end]
    return bool(called) and not evidence.reach.below(called).isdisjoint(home)


def _is_shared(evidence: Evidence, path: str, check: Access) -> bool:
    """Whether the key is made of a cell that calls change."""
    assert check.key is not None
    named = [atom.detail for atom in check.key.atoms if atom.kind in ("name", "import")]
    targets = [target for name in named if (target := evidence.program.resolve(path, name)) is not None]
    return any(evidence.sources.is_written((each.path, each.name)) for each in targets)
