"""Source bytes -> suppressions: comments that say that a finding is known and wanted, and why.

`# statelift: ignore[SL101] reason` stands for the logical statement that it is part of, or, alone on its line,
for the one that follows; decorators and the line of their `def` are one. `# statelift: ignore-file[SL101] reason`
stands for the file.
"""

import io
import re
import tokenize
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Literal

from statelift.baseline import Baseline, is_looked_at
from statelift.judge.rules import covers, rule_flaw
from statelift.model import Place, Problem

_COMMENT = re.compile(r"#\s*statelift\s*:(.*)", re.DOTALL)
_DIRECTIVE = re.compile(r"\s*([\w-]+)\s*(?:\[([^\[\]]*)\])?\s*(.*)", re.DOTALL)
_SIGN = b"statelift"
_CURE = "Write `# statelift: ignore[SL101] reason`."
_BLANK = {tokenize.NL, tokenize.COMMENT, tokenize.INDENT, tokenize.DEDENT, tokenize.ENCODING}


@dataclass(frozen=True, slots=True)
class Suppression:
    """One comment: the rules that it names, why, and the lines (both inclusive) that it stands for."""

    path: str
    line: int
    words: tuple[str, ...]
    reason: str
    first: int
    last: int

    @property
    def is_for_file(self) -> bool:
        """Whether it stands for every line."""
        return self.first == 0

    def covers(self, word: str, rule: str, line: int) -> bool:
        """Whether it stands for a finding of a rule on a line by this one of its words."""
        return covers(word, rule) and (self.is_for_file or self.first <= line <= self.last)


def suppressions_in(path: str, data: bytes) -> tuple[list[Suppression], list[Problem]]:
    """The suppressions of one file, and a warning for each comment that looks like one and is none.

    A file that cannot be tokenized has none: it is reported as a file that cannot be analysed.
    """
    found: list[Suppression] = []
    warnings: list[Problem] = []
    if _SIGN not in data:
        return found, warnings
    try:
        comments = list(_comments(data))
    except (tokenize.TokenError, SyntaxError, UnicodeDecodeError):
        return found, warnings
    for text, line, first, last in comments:
        read = _read(path, text, line, first, last)
        if isinstance(read, Problem):
            warnings.append(read)
        else:
            found.append(read)
    return found, warnings


def _comments(data: bytes) -> Iterator[tuple[str, int, int, int]]:
    """Text, line, and the lines of the statement, of each comment that speaks to statelift."""
    waiting: list[tuple[str, int]] = []
    first, is_begun, is_decorator = 0, False, False
    for token in tokenize.tokenize(io.BytesIO(data).readline):
        if token.type == tokenize.COMMENT and (match := _COMMENT.search(token.string)):
            waiting.append((match[1], token.start[0]))
        if token.type == tokenize.NEWLINE and is_decorator:
            is_begun = False
        elif token.type == tokenize.NEWLINE:
            yield from ((text, line, first, token.end[0]) for text, line in waiting)
            waiting, first, is_begun = [], 0, False
        elif token.type not in _BLANK:
            is_decorator = is_decorator if is_begun else token.string == "@"
            first, is_begun = first or token.start[0], True
    yield from ((text, line, line, line) for text, line in waiting)


def _read(path: str, text: str, line: int, first: int, last: int) -> Suppression | Problem:
    directive = _DIRECTIVE.match(text)
    word, rules, reason = directive.groups() if directive else ("", None, "")
    if word not in ("ignore", "ignore-file"):
        return _malformed(path, line, f"{word or 'this'} is nothing that statelift knows. {_CURE}")
    words = tuple(each.strip() for each in (rules or "").split(",") if each.strip())
    if not words:
        return _malformed(path, line, f"no rule is named. {_CURE}")
    if flaw := next((flaw for each in words if (flaw := rule_flaw(each))), ""):
        return _malformed(path, line, flaw)
    if not re.search(r"\w", reason):
        return _malformed(path, line, f"the reason is missing. {_CURE}")
    if word == "ignore-file":
        first = last = 0
    return Suppression(path, line, words, reason.strip(), first, last)


def _malformed(path: str, line: int, flaw: str) -> Problem:
    return Problem(path, line, "malformed-suppression", f"This comment suppresses nothing: {flaw}")


# ---------------------------------------------------------------- what is hidden


@dataclass(frozen=True, slots=True)
class Candidate:
    """A finding as far as it matters here."""

    id: str
    rule: str
    symbol: str
    place: Place


@dataclass(frozen=True, slots=True)
class Hidden:
    """By what a finding is hidden, and the reason that was given."""

    by: Literal["comment", "baseline"]
    reason: str


def hide(
    candidates: Sequence[Candidate], sources: Mapping[str, bytes], root: Path, known: Baseline | None
) -> tuple[dict[str, Hidden], list[Problem]]:
    """Ids of the findings that a comment or the baseline hides; warnings of what is malformed or hides nothing.

    `candidates` are all findings of the files in `sources`, whatever rules are selected.
    """
    hidden, warnings = _by_comments(candidates, sources)
    if known is not None:
        present = [
            known.entry(root, each.rule, each.symbol, each.place, sources[each.place.path]) for each in candidates
        ]
        for each, is_known in zip(candidates, known.matched(present), strict=True):
            if is_known:
                hidden.setdefault(each.id, Hidden("baseline", known.file.name))
        folder = known.file.parent
        gone = [entry for entry in known.gone(present) if is_looked_at(entry, folder, root, sources)]
        warnings += _stale(known.file.name, len(gone)) if gone else []
    return hidden, warnings


def _stale(name: str, count: int) -> list[Problem]:
    entries = "1 entry stands" if count == 1 else f"{count} entries stand"
    message = f"{entries} for nothing any more in {name}. Remove with: statelift baseline prune {name}"
    return [Problem(name, 1, "stale-baseline", message)]


def _by_comments(
    candidates: Sequence[Candidate], sources: Mapping[str, bytes]
) -> tuple[dict[str, Hidden], list[Problem]]:
    hidden: dict[str, Hidden] = {}
    warnings: list[Problem] = []
    for path, data in sorted(sources.items()):
        comments, malformed = suppressions_in(path, data)
        used: set[tuple[Suppression, str]] = set()
        for candidate in (each for each in candidates if each.place.path == path and comments):
            for comment, word in _covering(comments, candidate):
                used.add((comment, word))
                hidden.setdefault(candidate.id, Hidden("comment", comment.reason))
        mine = [each for each in candidates if each.place.path == path]
        warnings += [*malformed, *_unused(comments, used, mine)]
    return hidden, warnings


def _covering(comments: Sequence[Suppression], candidate: Candidate) -> Iterator[tuple[Suppression, str]]:
    for comment in comments:
        for word in comment.words:
            if comment.covers(word, candidate.rule, candidate.place.line):
                yield comment, word


def _unused(
    suppressions: Sequence[Suppression], used: set[tuple[Suppression, str]], candidates: Sequence[Candidate]
) -> Iterator[Problem]:
    """A warning for each word of a comment that no finding was suppressed by; which other rules there are."""
    for each in suppressions:
        there = sorted(
            {found.rule for found in candidates if each.covers(found.rule, found.rule, found.place.line)}
        )
        others = [rule for rule in there if not any(covers(word, rule) for word in each.words)]
        cure = f"There is one of {', '.join(others)}: name that, or remove" if others else "Remove"
        for word in each.words:
            if (each, word) not in used:
                where = "in this file" if each.is_for_file else "in this statement"
                message = f"Nothing {where} is a finding of {word}. {cure} it from the comment."
                yield Problem(each.path, each.line, "unused-suppression", message)
