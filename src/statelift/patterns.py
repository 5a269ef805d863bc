"""Lines of a .gitignore -> compiled patterns that take no longer than a path is long, whoever wrote the lines."""

import re
import warnings
from collections.abc import Sequence
from typing import TYPE_CHECKING, cast

from pathspec import GitIgnoreSpec
from pathspec.pattern import RegexPattern

if TYPE_CHECKING:
    from pathspec.patterns.gitignore.spec import GitIgnoreSpecPattern

_STAR = "[^/]*"
_FIRST_DEEP, _DEEP = "^(?:.+/)?", "(?:/.+)?/"  # `**/` and `/**/`, as pathspec writes them
# What stands for one character of a name, or for a star.
_RUN = re.compile(r"(?:\[\^?\]?[^\]]{0,300}\]\*?|\\.|[^\\/()\[\]|$^?*+{}])+")
_NEGATED = re.compile(r"\[\^(?!/)")


def compiled(lines: Sequence[str]) -> GitIgnoreSpec | None:
    """The patterns of the lines, None where one is not valid."""
    try:
        with warnings.catch_warnings():
            warnings.simplefilter("ignore")  # pathspec's regular expressions for odd brackets
            spec = GitIgnoreSpec.from_lines(lines)
    except (ValueError, re.error):
        return None
    patterns = [_swift(each) if isinstance(each, RegexPattern) else each for each in spec.patterns]
    has_swift = any(one is not other for one, other in zip(patterns, spec.patterns, strict=True))
    return GitIgnoreSpec(cast("list[GitIgnoreSpecPattern]", patterns)) if has_swift else spec


def _swift(pattern: RegexPattern) -> RegexPattern:
    """A star takes the first place where what follows it fits, for good: all but the last need no other."""
    if pattern.regex is None:
        return pattern
    plain = str(pattern.regex.pattern)
    swift = _first_folders(_RUN.sub(lambda run: _first_places(run[0]), plain))
    return pattern if swift == plain else type(pattern)(re.compile(swift), pattern.include)


def _first_folders(text: str) -> str:
    head, *parts = text.split(_DEEP)
    if not parts:
        return text
    *others, last = parts
    if head.startswith(_FIRST_DEEP):
        head = f"^(?>(?:.+?/)??{head.removeprefix(_FIRST_DEEP)}(?=/))"
    return head + "".join(f"(?>(?:/.+?)??/{part}(?=/))" for part in others) + _DEEP + last


def _first_places(run: str) -> str:
    head, *parts = run.split(_STAR)
    if len(parts) < 2:
        return run
    *others, last = parts
    swift = head + "".join(f"(?>[^/]*?{part})" for part in others) + _STAR + last
    return _NEGATED.sub("[^/", swift)  # as in git, brackets stay inside of a name
