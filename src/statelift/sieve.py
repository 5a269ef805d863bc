"""bytes -> whether the file can hold anything that statelift looks for. Cheap: no parsing."""

import re

from statelift.catalogue import constructors

_LIBRARIES = "|".join(sorted({re.escape(name.partition(".")[0]) for name in constructors()}))
_NEEDLE = re.compile(
    rb"\bglobal\s|/tmp\b|\btempfile\b|\b(?:from|import)\b[^\n#]*\b(?:%s)\b"
    rb"|(?<![=!<>])=(?!=)[\s\\(]*"
    rb"(?:\{|\[|-?\d|None\b|True\b|False\b|[\w.]*(?:dict|Dict|list|set|deque|Counter)\()" % _LIBRARIES.encode(),
    re.MULTILINE,
)


def may_hold_state(data: bytes) -> bool:
    """False only where no cell, /tmp path or connection of ours can be in the file."""
    return _NEEDLE.search(data) is not None
