"""glob and path -> whether they match, as packagers write globs: `**`, `*`, `?`, `[a-z]`, `{a,b}`.

Not by a regular expression: one that backtracks takes forever on patterns made for that.
"""

import re
from collections.abc import Iterable, Iterator
from functools import cache

_BRACES = re.compile(r"\{([^{}]*)\}")
_TOKEN = re.compile(r"\*\*/|\*\*|\*|\?|\[[^\[\]]+\]|.", re.DOTALL)
_MOST_CHOICES = 1000
_LOOPS = frozenset({"**/", "**", "*"})


def is_match(pattern: str, path: str) -> bool:
    """Whether a pattern is about a whole POSIX path. `*` stays inside one folder, `**/` may be no folder at all."""
    return any(_matches(tokens, path) for tokens in _read(pattern))


def is_kept(path: str, patterns: Iterable[str]) -> bool:
    """What ordered patterns say of a path: all is kept at first, `!x` drops, `x` keeps, the last one counts."""
    kept = True
    for pattern in patterns:
        if is_match(pattern.removeprefix("!").removeprefix("./"), path):
            kept = not pattern.startswith("!")
    return kept


@cache
def _read(pattern: str) -> tuple[tuple[str, ...], ...]:
    return tuple(tuple(_TOKEN.findall(each)) for each in _expanded(pattern))


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


def _matches(tokens: tuple[str, ...], path: str) -> bool:
    """Walks all ways through the tokens at once."""
    states = set(_arrived(tokens, 0))
    for character in path:
        reached: set[int] = set()
        for state in states:
            piece = tokens[state] if state < len(tokens) else ""
            if _is_taken(piece, character):
                reached.add(state)
            if _is_passed(piece, character):
                reached.update(_arrived(tokens, state + 1))
        states = reached
    return len(tokens) in states


def _arrived(tokens: tuple[str, ...], state: int) -> Iterator[int]:
    """A place, and those behind the tokens that may match nothing."""
    yield state
    while state < len(tokens) and tokens[state] in _LOOPS:
        state += 1
        yield state


def _is_taken(piece: str, character: str) -> bool:
    """Whether a piece takes the character and stays."""
    return piece in ("**/", "**") or (piece == "*" and character != "/")


def _is_passed(piece: str, character: str) -> bool:
    """Whether a piece ends with the character."""
    match piece:
        case "" | "**":
            return piece == "**"
        case "**/":
            return character == "/"
        case "*" | "?":
            return character != "/"
        case _ if len(piece) > 1:
            return _is_in_class(piece[1:-1], character)
        case _:
            return piece == character


def _is_in_class(inside: str, character: str) -> bool:
    is_negated = inside.startswith(("!", "^"))
    rest, found = inside[is_negated:], False
    while rest:
        if len(rest) > 2 and rest[1] == "-":
            found, rest = found or rest[0] <= character <= rest[2], rest[3:]
        else:
            found, rest = found or rest[0] == character, rest[1:]
    return found != is_negated
