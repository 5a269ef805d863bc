"""A check for an entry and the reads behind it -> edits that make one read of them."""

from collections.abc import Iterator

from statelift.facts.values import Access
from statelift.judge.lookups import Lookup
from statelift.model import Edit, Operation
from statelift.workspace import Workspace

MISSING = "MISSING"
PART = "store.missing"


def fetched_once(
    path: str, use: Access, found: Lookup, key: str, name: str, workspace: Workspace
) -> Iterator[Edit]:
    """`if k in d: return d[k]` becomes `if (entry := d.get(k)) is not None: return entry`.

    `key` is the key as an argument; `name` is what the entry is called where no variable gets it.
    """
    if found.choice is not None:
        default = "" if found.other == "None" else f", {found.other}"
        yield Edit(path, found.choice.start, found.choice.end, f"{use.spelled}.get({key}{default})")
        return
    variable = found.variable or name
    missing = workspace.helper_name(path, MISSING)
    given, nothing = (f"{key}, {missing}", missing) if found.may_be_none else (key, "None")
    relation = "is not" if use.op == "contains" else "is"
    text = f"({variable} := {use.spelled}.get({given})) {relation} {nothing}"
    yield Edit(path, use.span.start, use.span.end, text)
    if found.line is not None:
        yield Edit(path, found.line.start, found.line.end, "")
        return
    yield from (Edit(path, read.span.start, read.span.end, variable) for read in found.reads)


def imported(path: str, found: Lookup, workspace: Workspace) -> tuple[Operation, ...]:
    """What the edits need besides the store: the object that stands for no entry."""
    return workspace.helper(path, MISSING, [PART]) if found.may_be_none and found.choice is None else ()
