"""A counter that raises for want of a `global` -> the change that adds what is missing and then moves the counter.

The repaired program is analysed as it would be; what it asks for is then said in places of the program as it is.
"""

import ast
from bisect import bisect_left
from collections.abc import Iterator, Sequence
from dataclasses import dataclass, replace

from statelift.analysis import Analysis, analyse_project
from statelift.judge.values import Judgement
from statelift.link.program import Program
from statelift.model import Edit, Operation, Options, Tier
from statelift.registry import codemod_for
from statelift.workspace import Proposal

BEHAVIOUR = (
    "the original raises UnboundLocalError in each of these calls, and the new program counts: another behaviour"
)
Def = ast.FunctionDef | ast.AsyncFunctionDef


@dataclass(frozen=True, slots=True)
class _Repair:
    """Insertions into one file, in the order of their offsets."""

    path: str
    data: bytes
    insertions: tuple[tuple[int, bytes], ...]

    @property
    def repaired(self) -> bytes:
        """The file with all of them."""
        parts, done = [], 0
        for at, text in self.insertions:
            parts += [self.data[done:at], text]
            done = at
        return b"".join([*parts, self.data[done:]])

    @property
    def lines(self) -> list[tuple[int, int]]:
        """Where the inserted lines stand in the repaired file."""
        starts = [
            at + sum(len(text) for _, text in self.insertions[:n]) for n, (at, _) in enumerate(self.insertions)
        ]
        return [(start, start + len(text)) for start, (_, text) in zip(starts, self.insertions, strict=True)]

    def original(self, offset: int) -> int:
        """The place of the file as it is that an offset of the repaired one stands for."""
        before = self.lines[: bisect_left([end for _, end in self.lines], offset + 1)]
        return offset - sum(end - start for start, end in before)


def repaired_proposals(
    analysis: Analysis, options: Options, judgement: Judgement, program: Program
) -> Iterator[Proposal]:
    """What repairs the judged counter in all functions of its module, and moves it."""
    assert judgement.cell is not None
    repair = _repair_of(analysis, judgement, program)
    if repair is None:
        return
    repaired = {**analysis.sources, repair.path: repair.repaired}
    after = analyse_project(analysis.project, options, repaired, gatherer=analysis.gatherer)
    key = judgement.cell[0]
    for workspace, found, _ in after.judgements:
        codemod = None if found.is_left_alone else codemod_for(found.rule)
        if codemod is None or found.cell is None or found.cell[0] != key:
            continue
        for proposal in codemod.propose(found, workspace):
            tier = max(Tier.REVIEW, found.tier, proposal.tier)
            reasons = (BEHAVIOUR, *found.reasons, *proposal.reasons)
            ops = tuple(_translated(proposal.ops, repair))
            yield replace(proposal, style="fixed", ops=ops, tier=tier, reasons=reasons)
            return


def _repair_of(analysis: Analysis, judgement: Judgement, program: Program) -> _Repair | None:
    """The missing statements of all functions; None where one has no line of its own, or the file is not UTF-8."""
    path, first = judgement.accesses[0]
    data = analysis.sources[path]
    try:
        tree = ast.parse(data.decode())
    except (UnicodeDecodeError, SyntaxError):
        return None
    uses = [use for use in program.modules[path].unbound if use.subject == first.subject]
    places = [_place(tree, data, use.place.line) for use in uses]
    found = {(at, margin + f"global {first.spelled}\n".encode()) for at, margin in filter(None, places)}
    return _Repair(path, data, tuple(sorted(found))) if all(places) else None


def _place(tree: ast.Module, data: bytes, line: int) -> tuple[int, bytes] | None:
    """Where the body of the innermost function around a line begins, and its margin."""
    around = [
        node for node in ast.walk(tree) if isinstance(node, Def) and node.lineno <= line <= (node.end_lineno or 0)
    ]
    if not around:
        return None
    function = max(around, key=lambda node: node.lineno)
    has_docstring = ast.get_docstring(function, clean=False) is not None and len(function.body) > 1
    first = function.body[1 if has_docstring else 0]
    number = min([first.lineno, *(each.lineno for each in getattr(first, "decorator_list", []))])
    lines = data.splitlines(keepends=True)
    margin = lines[number - 1][: len(lines[number - 1]) - len(lines[number - 1].lstrip(b" \t"))]
    is_alone = number > function.lineno and len(margin) == first.col_offset and b"\r" not in data
    return (sum(map(len, lines[: number - 1])), margin) if is_alone else None


def _translated(ops: Sequence[Operation], repair: _Repair) -> Iterator[Operation]:
    """The operations in places of the file as it is; a line that is inserted and taken out again is not written."""
    removed = {(op.start, op.end) for op in ops if isinstance(op, Edit) and op.path == repair.path and not op.text}
    for line, (at, text) in zip(repair.lines, repair.insertions, strict=True):
        if line not in removed:
            yield Edit(repair.path, at, at, text.decode())
    for op in ops:
        match op:
            case Edit(path=path, start=start, end=end) if path == repair.path:
                if (start, end) not in repair.lines:
                    yield replace(op, start=repair.original(start), end=repair.original(end))
            case _:
                yield op
