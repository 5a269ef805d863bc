"""glob -> regular expression, as packagers write them: `**`, `*`, `?`, `[a-z]`, `{a,b}`."""

import re
from collections.abc import Iterable
from functools import cache

_BRACES = re.compile(r"\{([^{}]*)\}")
_TOKEN = re.compile(r"\*\*/|\*\*|\*|\?|\[!?[^\]]+\]|.", re.DOTALL)
_MOST_CHOICES = 1000


@cache
def translated(pattern: str) -> re.Pattern[str]:
    """A pattern over whole POSIX paths. `*` stays inside one folder, `**/` may be no folder at all."""
    return re.compile("|".join(f"(?:{_simple(each)})" for each in _expanded(pattern)), re.DOTALL)


def is_kept(path: str, patterns: Iterable[str]) -> bool:
    """What ordered patterns say of a path: all is kept at first, `!x` drops, `x` keeps, the last one counts."""
    kept = True
    for pattern in patterns:
        glob = pattern.removeprefix("!").removeprefix("./")
        if translated(glob).fullmatch(path):
            kept = not pattern.startswith("!")
    return kept


def _expanded(pattern: str) -> list[str]:
    """The patterns without braces; a pattern with too many of them is taken as it stands."""
    found = [pattern]
    while any(_BRACES.search(each) for each in found):
        found = [variant for each in found for variant in _choices(each)]
        if len(found) > _MOST_CHOICES:
            return [pattern]
    return found


def _choices(pattern: str) -> list[str]:
    match = _BRACES.search(pattern)
    if match is None:
        return [pattern]
    return [pattern[: match.start()] + choice + pattern[match.end() :] for choice in match[1].split(",")]


def _simple(pattern: str) -> str:
    return "".join(_piece(token) for token in _TOKEN.findall(pattern))


def _piece(token: str) -> str:
    match token:
        case "**/":
            return "(?:[^/]+/)*"
        case "**":
            return ".*"
        case "*":
            return "[^/]*"
        case "?":
            return "[^/]"
        case _ if token.startswith("[") and len(token) > 1:
            inside = token[1:-1].replace("\\", "\\\\").replace("[", "\\[")
            return f"[^{inside[1:]}]" if inside.startswith("!") else f"[{inside}]"
        case _:
            return re.escape(token)
