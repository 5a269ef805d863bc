"""A cell that moves to a table -> the locks that guard nothing else and can go, or why they stay.

In a container one call runs at a time, and no lock of it stops another container: where no thread is started, a
lock around what moves to a table does nothing.
"""

from collections.abc import Iterator
from dataclasses import dataclass

from statelift.facts.values import Access, Cell, Section
from statelift.judge.evidence import Evidence
from statelift.judge.steps import STARTING
from statelift.judge.values import Judgement
from statelift.link.names import CellKey

LOCKS = frozenset({"threading.Lock", "threading.RLock"})


@dataclass(frozen=True, slots=True)
class Lock:
    """A lock around uses of a cell, the blocks that hold it, and why it has to stay: "" where it can go."""

    path: str
    cell: Cell
    sections: tuple[Section, ...]
    stays: str = ""


def locks_around(evidence: Evidence, judgement: Judgement) -> Iterator[Lock]:
    """Every lock of the module that some block with a use of the cell holds."""
    found: dict[CellKey, None] = {}
    for path, use in judgement.accesses:
        for section in evidence.program.modules[path].sections:
            key = _key(evidence, path, section)
            if section.span.start < use.span.start < section.span.end and key is not None:
                found[key] = None
    for key in found:
        path, cell = key[0], evidence.program.cells[key]
        held = tuple(each for each in evidence.program.modules[path].sections if _key(evidence, path, each) == key)
        if evidence.program.constructor_of(key) in LOCKS and cell.home == "module":
            yield Lock(path, cell, held, next(_reasons(evidence, judgement, key, held), ""))


def _key(evidence: Evidence, path: str, section: Section) -> CellKey | None:
    target = evidence.program.resolve(path, section.subject)
    return (target.path, target.name) if target is not None and target.kind == "cell" else None


def _reasons(evidence: Evidence, judgement: Judgement, key: CellKey, held: tuple[Section, ...]) -> Iterator[str]:
    """Why a lock stays."""
    path, name = key
    cell = evidence.program.cells[key]
    known = {section.name for section in held}
    if not cell.is_top_level or not cell.is_alone or cell.definition_count > 1:
        yield f"the lock {name} stays: line {cell.place.line} makes it not alone, or under a condition"
    for at, use in evidence.program.accesses.get(key, ()):
        if at != path or use.name not in known:
            yield f"the lock {name} stays: {at}:{use.place.line} uses it in another way"
    modules = evidence.program.modules.items()
    imported = [(at, each.module) for at, module in modules for each in module.imports if each.name == name]
    if any(_is_of(evidence, at, module, path) for at, module in imported):
        yield f"the lock {name} stays: another file imports it"
    for other, module in sorted(evidence.program.modules.items()):
        if STARTING & (module.identifiers | {word for word, _ in module.attributes}):
            yield f"the lock {name} stays: {other} starts threads or tasks"
    for section in held:
        line = section.place.line
        if section.block is None:
            yield f"the lock {name} stays: the block of line {line} cannot be moved to the left"
        for each in (*section.foreign, *_others(evidence, judgement, path, section)):
            yield f"the lock {name} stays: under it, line {line} and what follows also use {each}"


def _is_of(evidence: Evidence, at: str, module: str, path: str) -> bool:
    """Whether an import in one file may mean another one."""
    return at != path and module.rpartition(".")[2] == evidence.program.dotted(path).rpartition(".")[2]


def _others(evidence: Evidence, judgement: Judgement, path: str, section: Section) -> Iterator[str]:
    """Cells that calls change, and that stay in the container."""
    names = {use.name for _, use in judgement.accesses}
    for use in evidence.program.accesses_in.get((path, section.function), ()):
        is_inside = section.span.start <= use.span.start < section.span.end and use.name != section.name
        if is_inside and use.name not in names and _is_changed(evidence, path, use):
            yield use.spelled


def _is_changed(evidence: Evidence, path: str, use: Access) -> bool:
    target = evidence.program.resolve(path, use.subject)
    return target is not None and evidence.sources.is_written((target.path, target.name))
