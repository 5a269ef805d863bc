"""two texts -> the few edits between them, and edits -> the new bytes: the arithmetic of byte spans."""

import re
from collections.abc import Iterator, Sequence
from difflib import SequenceMatcher
from itertools import accumulate, pairwise

from statelift.model import Edit, Span

_LINE = re.compile(r"[^\n]*\n|[^\n]+")
_TOKEN = re.compile(r"\r?\n|\w+|[^\S\r\n]+|.", re.DOTALL)
_MOST_PAIRS = 4_000_000  # above that, comparing token by token takes seconds: the block is one edit

# Bytes that are not valid in the encoding travel through str as lone surrogates, so that any file round-trips.
_ERRORS = "surrogateescape"


class OverlapError(ValueError):
    """Two edits want the same bytes. `first` and `second` are the edits."""

    def __init__(self, first: Edit, second: Edit) -> None:
        super().__init__(
            f"{first.path}: the edit of bytes {first.start}-{first.end} overlaps "
            f"the edit of bytes {second.start}-{second.end}"
        )
        self.first, self.second = first, second


def edits_between(
    path: str, before: bytes, after: bytes, offset: int = 0, encoding: str = "utf-8"
) -> tuple[Edit, ...]:
    """The small edits that turn `before` into `after`; `offset` is where `before` starts in its file, in bytes.

    Each character of the encoding must have bytes of its own (see `source`). Raises UnicodeError otherwise.
    """
    old, new = before.decode(encoding, _ERRORS), after.decode(encoding, _ERRORS)
    edits = []
    position, at = 0, offset
    for start, end, text in _replacements(old, new):
        at += _size(old[position:start], encoding)
        size = _size(old[start:end], encoding)
        edits.append(Edit(path, at, at + size, text))
        position, at = end, at + size
    return tuple(edits)


def splice(data: bytes, edits: Sequence[Edit], encoding: str = "utf-8") -> bytes:
    """`data` with the edits applied. Insertions at one offset keep their order, before a replacement there.

    Raises OverlapError, ValueError for a span outside of `data`, UnicodeEncodeError for what `encoding` lacks.
    """
    ordered = sorted(edits, key=lambda edit: (edit.start, edit.end))
    for first, second in pairwise(ordered):
        if has_overlap(first, second):
            raise OverlapError(first, second)
    pieces, position = [], 0
    for edit in ordered:
        if not position <= edit.start <= edit.end <= len(data):
            raise ValueError(
                f"{edit.path}: bytes {edit.start}-{edit.end} lie outside of the file ({len(data)} bytes)"
            )
        pieces += [data[position : edit.start], edit.text.encode(encoding, _ERRORS)]
        position = edit.end
    return b"".join([*pieces, data[position:]])


def has_overlap(a: Edit | Span, b: Edit | Span) -> bool:
    """Do two spans share a byte, or does one insert inside the other? Spans that only touch do not."""
    if isinstance(a, Edit) and isinstance(b, Edit) and a.path != b.path:
        return False
    return a.start < b.end and b.start < a.end


def _size(text: str, encoding: str) -> int:
    return len(text.encode(encoding, _ERRORS))


def _replacements(old: str, new: str) -> Iterator[tuple[int, int, str]]:
    """(start, end, text) in characters of `old`: lines are compared first, then the tokens of changed lines."""
    for start, end, text in _compared(old, _LINE.findall(old), _LINE.findall(new)):
        block = old[start:end]
        tokens, new_tokens = _TOKEN.findall(block), _TOKEN.findall(text)
        if len(tokens) * len(new_tokens) > _MOST_PAIRS:
            yield start, end, text
            continue
        for inner_start, inner_end, inner in _compared(block, tokens, new_tokens):
            yield start + inner_start, start + inner_end, inner


def _compared(old: str, old_parts: list[str], new_parts: list[str]) -> Iterator[tuple[int, int, str]]:
    """The differing stretches of two lists of parts, as (start, end, text) in characters of `old`."""
    head = _shared(old_parts, new_parts)
    tail = _shared(old_parts[head:][::-1], new_parts[head:][::-1])
    old_middle = old_parts[head : len(old_parts) - tail]
    new_middle = new_parts[head : len(new_parts) - tail]
    ends = list(accumulate(map(len, old_parts), initial=0))
    matcher = SequenceMatcher(None, old_middle, new_middle, autojunk=False)
    for tag, i1, i2, j1, j2 in matcher.get_opcodes():
        if tag != "equal":
            yield ends[head + i1], ends[head + i2], "".join(new_middle[j1:j2])


def _shared(left: Sequence[str], right: Sequence[str]) -> int:
    """How many parts both begin with."""
    pairs = enumerate(zip(left, right, strict=False))
    return next((index for index, (a, b) in pairs if a != b), min(len(left), len(right)))
