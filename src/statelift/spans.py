"""two texts -> the few edits between them, and edits -> the new bytes: the arithmetic of byte spans."""

import re
from collections.abc import Iterator, Sequence
from difflib import SequenceMatcher
from itertools import accumulate, pairwise

from statelift.model import Edit, Span

_LINE = re.compile(r"[^\n]*\n|[^\n]+")
_TOKEN = re.compile(r"\r?\n|\w+|[^\S\r\n]+|.", re.DOTALL)
# A search begins at the first end of line of a run only: else long runs would take the square of their length.
_BLANK_TAIL = re.compile(rb"(?<=\n)(?<!\n\n)(?<!\n\r\n)(?:\r?\n)++\Z")
_BLANK_BELOW = re.compile(rb"(?:\r?\n)*")
_BLANK_ABOVE = re.compile(rb"(?:\A|(?<!\n)(?<!\n\r)\n)((?:\r?\n)++)\Z")
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


def without_gaps(data: bytes, edits: Sequence[Edit]) -> list[Edit]:
    """The edits, and with whole lines that they remove also blank lines: of the gaps around them the largest stays.

    Where something is inserted between these gaps, they stay as they are.
    """
    removals = sorted((_lines_only(data, edit) for edit in edits if _removes_lines(data, edit)), key=_start)
    others = [edit for edit in edits if not _removes_lines(data, edit)]
    made: list[Edit] = []
    for chain in _chains(data, removals):
        gaps = _gaps(data, chain)
        is_apart = not any(gaps[0].start < edit.start < gaps[-1].end for edit in others)
        made += [Edit(chain[0].path, gap.start, gap.end, "") for gap in _superfluous(data, gaps) if is_apart]
    return [*others, *removals, *made]


def _start(edit: Edit) -> int:
    return edit.start


def _removes_lines(data: bytes, edit: Edit) -> bool:
    is_at_starts = all(at == 0 or data[at - 1 : at] == b"\n" for at in (edit.start, edit.end))
    return not edit.text and edit.start < edit.end and is_at_starts


def _lines_only(data: bytes, edit: Edit) -> Edit:
    """The removal without the blank lines behind: they are for `without_gaps` to judge."""
    tail = _BLANK_TAIL.search(data, edit.start, edit.end)
    if tail is None or tail.start() == edit.start:
        return edit
    return Edit(edit.path, edit.start, tail.start(), "")


def _chains(data: bytes, removals: Sequence[Edit]) -> Iterator[list[Edit]]:
    """Removals with nothing but blank lines between them."""
    chain: list[Edit] = []
    for removal in removals:
        if chain and data[chain[-1].end : removal.start].strip(b"\r\n"):
            yield chain
            chain = []
        chain.append(removal)
    if chain:
        yield chain


def _gaps(data: bytes, chain: Sequence[Edit]) -> list[Span]:
    """The blank lines above, between and below the removals of a chain; empty spans included."""
    above = _BLANK_ABOVE.search(data, 0, chain[0].start)
    below = _BLANK_BELOW.match(data, chain[-1].end)
    first = Span(above.start(1) if above else chain[0].start, chain[0].start)
    last = Span(chain[-1].end, below.end() if below else chain[-1].end)
    return [first, *(Span(one.end, other.start) for one, other in pairwise(chain)), last]


def _superfluous(data: bytes, gaps: Sequence[Span]) -> list[Span]:
    """All gaps but the largest; below the head of a block that one, too."""
    largest = max(gaps, key=lambda gap: data.count(b"\n", gap.start, gap.end))
    is_below_head = data[: gaps[0].start].rstrip().endswith(b":")
    return [gap for gap in gaps if gap.start < gap.end and (gap is not largest or is_below_head)]


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
