"""A write and the check that decides about it -> edits that make one conditional write of both."""

from collections.abc import Iterator

from statelift.facts.values import Access, Check
from statelift.fetching import MISSING, PART
from statelift.judge.checks import MEMBERSHIP, Checked
from statelift.model import Edit, Operation, Span
from statelift.workspace import Workspace

PARTS = {
    "claim": "store.claim",
    "setdefault": "store.setdefault",
    "add": "store.put",
    "put_if": "store.put_if",
    "put_unless": "store.put_unless",
    "drop": "store.pop",
    "take": "store.pop",
}


def claimed(
    path: str, use: Access, found: Checked, given: tuple[str, ...], name: str, workspace: Workspace
) -> Iterator[Edit]:
    """`if k in seen: return …` and `seen.add(k)` become `if not seen.claim(k): return …`.

    `given` are key and value as arguments; `name` is what the entry is called inside of a test.
    """
    call = f"{use.spelled}.{_call(path, found, given, name, workspace)}"
    if found.form == "take":
        relation = "is not" if found.check.leads else "is"
        yield from decided(path, use, found.check, f"{call} {relation} {_missing(path, workspace)}", workspace)
    else:
        is_negated = found.check.whole is None and not found.check.leads
        yield from decided(path, use, found.check, f"not {call}" if is_negated else call, workspace)


def decided(path: str, use: Access, check: Check, text: str, workspace: Workspace) -> Iterator[Edit]:
    """The text stands for the test, where something is left that it decides about; else for all of the `if`."""
    yield from _above(path, check, workspace)
    yield from (Edit(path, each.start, each.end, "") for each in check.gone)
    if check.whole is None:
        yield Edit(path, check.test.start, check.test.end, text)
    elif check.joint is None:
        yield Edit(path, check.whole.start, check.whole.end, text)
    else:
        yield Edit(path, check.joint.start, check.test.end, "")
        yield Edit(path, use.statement.start, use.statement.end, text)


def missing(path: str, found: Checked, workspace: Workspace) -> tuple[Operation, ...]:
    """What the edits need besides the store: the object that stands for no entry."""
    return workspace.helper(path, MISSING, [PART]) if found.form == "take" else ()


def _missing(path: str, workspace: Workspace) -> str:
    return workspace.helper_name(path, MISSING)


def _call(path: str, found: Checked, given: tuple[str, ...], name: str, workspace: Workspace) -> str:
    match found.form:
        case "add":
            return f"put({given[0]}, True)"
        case "drop":
            return f"pop({given[0]}, None)"
        case "take":
            return f"pop({given[0]}, {_missing(path, workspace)})"
        case "put_if" | "put_unless":
            tail = "" if found.default is None else f", {found.default}"
            test = _test(path, found, name, workspace)
            return f"{found.form}({', '.join(given)}, lambda {name}: {test}{tail})"
        case _:
            return f"{found.form}({', '.join(given)})"


def _test(path: str, found: Checked, name: str, workspace: Workspace) -> str:
    """The condition with a name for what was read."""
    check = found.check
    text, at = "", check.condition.start
    inside = [read for read in found.reads if check.source is None or read.span.start > check.source.end]
    for read in sorted(inside, key=lambda each: each.span.start):
        text += workspace.between(path, at, read.span.start) + _read(read, name)
        at = read.span.end
    return text + workspace.between(path, at, check.condition.end)


def _read(read: Access, name: str) -> str:
    if read.op in MEMBERSHIP:
        return f"{name} is not None" if read.op == "contains" else f"{name} is None"
    return name


def _above(path: str, check: Check, workspace: Workspace) -> Iterator[Edit]:
    """The comments of lines that go, above the `if`."""
    line = workspace.sources[path][check.line :]
    margin = workspace.text(path, Span(check.line, check.line + len(line) - len(line.lstrip(b" \t"))))
    if check.comments:
        yield Edit(path, check.line, check.line, "".join(f"{margin}{each}\n" for each in check.comments))
