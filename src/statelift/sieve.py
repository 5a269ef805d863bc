"""bytes -> whether the file can hold anything that statelift looks for. Cheap: no parsing."""

import re

# Without a function nothing runs but at import; without one of the others nothing can be kept or opened.
_FUNCTION = re.compile(rb"\b(?:def|lambda)\b")
_PLACE = re.compile(rb"=(?!=)|\b(?:import|class|nonlocal)\b|/tmp\b|[\[{(]")


def may_hold_state(data: bytes) -> bool:
    """False only where no cell, /tmp path or connection of ours can be in the file."""
    return _FUNCTION.search(data) is not None and _PLACE.search(data) is not None
