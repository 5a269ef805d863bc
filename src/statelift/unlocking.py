"""A proposal that moves a cell to a table -> the same without the locks that guarded nothing else."""

import ast
from collections.abc import Iterator, Sequence
from dataclasses import replace

from statelift.facts.values import Section
from statelift.judge.locks import Lock, locks_around
from statelift.judge.values import Judgement
from statelift.model import Edit, Span, Tier
from statelift.workspace import Proposal, Workspace, line_of

GOES = (
    "the lock {} goes: it guards nothing else, no thread runs beside a call, and it never stopped another container"
)
COMMENTED = "the lock {} stays: a comment speaks of it"
SPREAD = "the lock {} stays: what is under it changes in more than one line"


def unlocked(proposal: Proposal, judgement: Judgement, workspace: Workspace) -> Proposal:
    """Blocks of `with lock:` move to the left, the lock goes, and its import if nothing else needs it."""
    if proposal.tier is Tier.MANUAL:
        return proposal
    for lock in locks_around(workspace.evidence, judgement):
        stays = lock.stays or (COMMENTED.format(lock.cell.name) if _has_comment(lock, workspace) else "")
        edits = [op for op in proposal.ops if isinstance(op, Edit) and op.path == lock.path]
        moved = None if stays else _moved(lock, edits, workspace)
        if moved is None:
            proposal = proposal.lowered(proposal.tier, stays or SPREAD.format(lock.cell.name))
            continue
        others = [op for op in proposal.ops if op not in edits]
        proposal = replace(proposal, ops=(*moved, *_gone(lock, workspace), *others))
        proposal = proposal.lowered(proposal.tier, GOES.format(lock.cell.name))
    return proposal


# ---------------------------------------------------------------- the blocks


def _moved(lock: Lock, edits: Sequence[Edit], workspace: Workspace) -> list[Edit] | None:
    """The edits of a file with those that move the blocks; None where they do not go together."""
    found = list(edits)
    for section in lock.sections:
        data = workspace.sources[lock.path]
        inside = [
            each
            for each in found
            if section.span.start <= each.start < section.span.end or _is_behind(each, section, data)
        ]
        others = [each for each in found if each not in inside]
        moved = _block(lock.path, section, inside, workspace)
        if moved is None:
            return None
        found = [*others, *moved]
    return found


def _is_behind(edit: Edit, section: Section, data: bytes) -> bool:
    """Whether it adds lines behind the last one of the block: they belong to it."""
    is_added = edit.start == edit.end and edit.text.startswith(("\n", "\r\n"))
    return is_added and section.span.end <= edit.start and b"\n" not in data[section.span.end : edit.start]


def _block(path: str, section: Section, edits: Sequence[Edit], workspace: Workspace) -> list[Edit] | None:
    assert section.block is not None and section.block.head is not None
    data = workspace.sources[path]
    removed = {workspace.text(path, span) for span in section.block.margins}
    over = (each for each in edits if each.end > section.span.end and not _is_behind(each, section, data))
    if len(removed) > 1 or any(over):
        return None
    margin = next(iter(removed), "")
    made: list[Edit] = []
    for edit in edits:
        text = _to_the_left(edit.text, margin, is_line=data[: edit.start].endswith(b"\n"))
        if text is None:
            return None
        made.append(replace(edit, text=text))
    covered = [Span(each.start, each.end) for each in made]
    head = Edit(path, section.block.head.start, section.block.head.end, "")
    left = (
        Edit(path, span.start, span.end, "")
        for span in section.block.margins
        if not any(each.start <= span.start < each.end for each in covered)
    )
    return [head, *made, *left]


def _to_the_left(text: str, margin: str, *, is_line: bool) -> str | None:
    """New text of a block without the margin that its lines lose; None where a line does not begin with it."""
    lines = text.split("\n")
    kept = 0 if is_line and len(lines) > 1 else 1  # what follows in a line that is there has its margin before it
    shifted = _shifted(lines[kept:], margin)
    return None if shifted is None else "\n".join([*lines[:kept], *shifted])


def _shifted(lines: Sequence[str], margin: str) -> list[str] | None:
    if not all(not line or line.startswith(margin) for line in lines):
        return None
    return [line.removeprefix(margin) for line in lines]


# ---------------------------------------------------------------- the lock


def _has_comment(lock: Lock, workspace: Workspace) -> bool:
    """Whether a comment stands beside or above its definition: what it says would stay behind."""
    line = lock.cell.line
    above = b"" if line is None else workspace.sources[lock.path][: line.start].rstrip(b"\r\n").rpartition(b"\n")[2]
    return line is None or above.strip().startswith(b"#")


def _gone(lock: Lock, workspace: Workspace) -> Iterator[Edit]:
    """The definition of the lock, and the import that was there for it alone."""
    data = workspace.sources[lock.path]
    yield Edit(lock.path, *line_of(lock.cell, data), "")
    encoding = workspace.program.modules[lock.path].encoding
    imported = _import_of(data.decode(encoding))
    if imported is not None:
        lines = data.splitlines(keepends=True)
        start = sum(len(each) for each in lines[: imported - 1])
        yield Edit(lock.path, start, start + len(lines[imported - 1]), "")


def _import_of(text: str) -> int | None:
    """The line of `import threading` or `from threading import Lock` that the definition alone needs."""
    tree = ast.parse(text)
    for node in tree.body:
        match node:
            case ast.Import(names=[ast.alias(name="threading", asname=None)], lineno=line, end_lineno=end):
                name = "threading"
            case ast.ImportFrom(module="threading", names=[ast.alias(name=name, asname=None)]):
                line, end = node.lineno, node.end_lineno
            case _:
                continue
        uses = [each for each in ast.walk(tree) if isinstance(each, ast.Name) and each.id == name]
        is_named = any(isinstance(each, ast.Constant) and name in str(each.value) for each in ast.walk(tree))
        is_alone = text.splitlines()[line - 1].strip() == ast.unparse(node)
        if len(uses) == 1 and not is_named and is_alone and line == end:
            return line
    return None
