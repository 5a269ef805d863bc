"""Uses of a set -> the same as uses of a store that has its elements as keys, where nothing else is asked of it."""

from collections.abc import Sequence
from dataclasses import replace

from statelift.facts.values import Access
from statelift.judge.stores import ELEMENTS

ASKED = ELEMENTS | {"contains", "lacks"}


def as_entry(use: Access) -> Access:
    """`seen.add(x)` is a write under the key x."""
    return replace(use, key=use.value, value=None) if use.op in ELEMENTS else use


def is_asked_by_element(uses: Sequence[tuple[str, Access]]) -> bool:
    """Whether every use names one element, and none needs what a method of a set returns."""
    return all(use.op in ASKED and (use.op not in ELEMENTS or use.is_statement) for _, use in uses)
