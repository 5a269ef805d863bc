"""Fills of a lazily built cell or a cache -> what their values are made of, what speaks against keeping them."""

from statelift.facts.values import Access, Value
from statelift.judge.evidence import Evidence, is_hit, is_miss
from statelift.link.names import CellKey
from statelift.link.sources import Source
from statelift.link.ways import Frame

FILLS = frozenset({"put", "setdefault", "unpacked"})
Uses = list[tuple[str, Access]]


def is_stale(evidence: Evidence, path: str, fill: Access) -> bool:
    """Whether the program writes to the table, or to the very object, from which a use gets what it keeps."""
    if fill.value is None or fill.op not in FILLS | {"rebind"}:
        return False
    key = (path, fill.function)
    is_external = any(each.kind in ("external", "cell") for each in evidence.sources.of(path, fill.value))
    is_written = any(evidence.rewritten_source(key, only_tables=True)) or evidence.is_source_written(key)
    return is_external and is_written


def tells_apart(evidence: Evidence, key: CellKey, fills: Uses) -> bool:
    """Whether a function that decides about a fill tells by its reply whether it was a hit."""
    frames = {frame for path, use in fills for way in evidence.ways.of(key, path, use) for frame in way}
    return any(_tells_hit_from_miss(evidence, frame) for frame in frames)


def _tells_hit_from_miss(evidence: Evidence, frame: Frame) -> bool:
    """Whether replies of the hit path hold other literals than those of the miss path (a `fromCache` flag)."""
    hits: set[tuple[str, ...]] = set()
    misses: set[tuple[str, ...]] = set()
    fixed: set[tuple[str, ...]] = set()
    for each in evidence.program.functions[frame.path, frame.function].returns:
        if any(is_hit(guard, frame.subject, frame.key) for guard in each.guards):
            hits.add(each.literals)
            fixed |= {each.literals} if {atom.kind for atom in each.value.atoms} == {"const"} else set()
        elif any(is_miss(guard, frame.subject, frame.key) for guard in each.guards):
            misses.add(each.literals)
    flags = {"True", "False"}
    is_told = any(set(one) & flags != set(other) & flags for one in hits for other in misses)
    return is_told or bool(fixed - misses)


def holds_state(evidence: Evidence, path: str, given: Value, function: str = "") -> bool:
    """Whether what a function stores is an object of the program whose own attributes calls change."""
    owners = set(evidence.classes_made(path, given, function))
    fields = [
        (key, cell)
        for key, cell in evidence.program.cells.items()
        if cell.home == "instance" and key[1].rpartition(".")[0] in owners
    ]
    return any(
        evidence.sources.is_changed_by(cell, at, use) for key, cell in fields for at, use in evidence.reached(key)
    )


def sources_of(evidence: Evidence, fills: Uses) -> set[Source]:
    """Every origin of what is filled in."""
    return {s for path, use in fills if use.value is not None for s in evidence.sources.of(path, use.value)}


def is_asked_for(evidence: Evidence, fills: Uses) -> bool:
    """Whether the request is part of what is kept, or of a test that decides what that is."""
    values = [(path, use.value) for path, use in fills if use.value is not None]
    return any(
        each.kind in ("event", "context") for path, value in values for each in evidence.deciding.of(path, value)
    )
