"""Patterns of paths: what they say of a path, and how they are put together.

A pattern is a path with `{text@where}` for each piece that is not known: the text of the expression, and the
function (or place) in which it always stands for the same. Its end says how long the piece lasts: `!` is new in
every invocation, `?Class` in every object of the class, `~` was new once and is remembered by the container.
A pattern that starts with one of MARKERS is for the linked program.
"""

import re
from collections.abc import Collection, Sequence

TEMPORARY = "/tmp"  # noqa: S108 - the very folder that this tool looks for
# What a path starts with that only the linked program knows. `<env NAME|default>` is a variable of the environment,
# `<maybe>` stands before a path that is another one where the code does not run in a container.
MARKERS = ("<import ", "<param ", "<call ", "<env ", "<maybe>", "<cwd>")
_MARKS = str.maketrans("{}<>@", "()()~")
_PIECE = re.compile(r"\{[^{}]*\}")


def piece(text: str, where: str, mark: str = "") -> str:
    """What stands in a pattern for an expression that is not known."""
    return f"{{{text.translate(_MARKS)}@{where.translate(_MARKS)}{mark}}}"


def pieces_of(pattern: str) -> list[str]:
    """The pieces of a pattern that are not known."""
    return _PIECE.findall(pattern)


def generic(pattern: str) -> str:
    """The pattern with `{}` for every unknown piece: what two functions have in common."""
    return _PIECE.sub("{}", pattern)


def is_fresh(pattern: str) -> bool:
    """Whether a piece makes the path new in every invocation: a clock, a random or a request id."""
    return "!}" in pattern


def is_remembered(pattern: str) -> bool:
    """Whether a piece is new in every container, which then keeps it."""
    return "~}" in pattern


def remembered(pattern: str) -> str:
    """The pattern where something remembers the path: the next invocation gets the same one."""
    return pattern.replace("!}", "~}")


def fresh_per_object(pattern: str, owner: str) -> str:
    """The pattern of a path that an object of the class remembers."""
    return pattern.replace("!}", f"?{owner}}}")


def is_temporary(pattern: str) -> bool:
    """Whether a path lies below /tmp."""
    return pattern == TEMPORARY or pattern.startswith(f"{TEMPORARY}/")


def may_be_temporary(pattern: str) -> bool:
    """Whether a path lies below /tmp, or starts with something that only the linked program knows."""
    return is_temporary(pattern) or pattern.startswith(MARKERS)


def one_of(paths: Collection[str | None]) -> str | None:
    """The path that a value is where it is one of these: the one that lies (or may lie) below /tmp."""
    if len(paths) == 1:
        return next(iter(paths))
    for is_likely in (is_temporary, may_be_temporary):
        found = [path for path in paths if path is not None and is_likely(path)]
        if found:
            return f"<maybe>{found[0]}" if len(found) == 1 and not found[0].startswith("<maybe>") else None
    return None


def joined(parts: Sequence[str]) -> str:
    """The parts as `os.path.join` puts them together."""
    pattern = parts[0]
    for part in parts[1:]:
        pattern = part if part.startswith("/") else f"{pattern.rstrip('/')}/{part}"
    return pattern


def parent(path: str | None) -> str | None:
    """The folder of a path; of one that only the linked program knows, `path/..`."""
    if path is None:
        return None
    marker, close, tail = path.rpartition(">") if path.startswith("<") else ("", "", path)
    folder, slash, _ = tail.rpartition("/")
    return f"{marker}{close}{folder}" if slash and (folder or marker) else f"{path}/.."


def without_suffix(path: str | None) -> str | None:
    """The path up to the dot of its suffix; None where the suffix cannot be seen."""
    if path is None or path.endswith((">", "}")):
        return None
    folder, slash, name = path.rpartition("/")
    return f"{folder}{slash}{name.rpartition('.')[0] or name}"
