"""Judgements -> Judgements: what is kept in the objects of a store is told with the store, and not once more."""

from collections.abc import Iterator, Sequence
from dataclasses import replace

from statelift.judge.evidence import Evidence
from statelift.judge.values import Judgement
from statelift.link.names import CellKey


def tell_once(evidence: Evidence, judgements: Sequence[Judgement]) -> Iterator[Judgement]:
    """The same judgements without those on attributes of objects that live, one per key, in reported stores."""
    reported = {key for each in judgements if not each.is_left_alone for key in _named(each)}
    dropped: dict[CellKey, list[str]] = {}
    left: list[Judgement] = []
    for judgement in judgements:
        stores = _stores(evidence, judgement, reported)
        for store in stores:
            dropped.setdefault(store, []).append(judgement.subject.symbol)
        left += [] if stores else [judgement]
    for judgement in left:
        names = [name for key in _named(judgement) for name in dropped.get(key, ())]
        reason = f"its objects are changed, too: {', '.join(sorted(names))}"
        yield replace(judgement, reasons=(*judgement.reasons, reason)) if names else judgement


def _named(judgement: Judgement) -> Iterator[CellKey]:
    """The cell or memoised function that a judgement is about."""
    yield (judgement.subject.path, judgement.subject.symbol) if judgement.cell is None else judgement.cell[0]


def _stores(evidence: Evidence, judgement: Judgement, reported: set[CellKey]) -> list[CellKey]:
    """The reported stores that hold every object which has the attribute; () where one is held elsewhere."""
    if judgement.cell is None or judgement.is_left_alone or judgement.cell[1].home != "instance":
        return []
    (path, name), _ = judgement.cell
    holdings = [*evidence.lifetimes.holdings((path, name.rpartition(".")[0]))]
    is_told = all(each.is_keyed and each.holder in reported for each in holdings)
    return [each.holder for each in holdings] if is_told else []
