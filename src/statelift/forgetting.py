"""Keys that calls add to the lines of a logger -> the line at the start of each call that takes them away."""

import ast
import json

from statelift.beginnings import body_of
from statelift.judge.addresses import function_of
from statelift.judge.registrations import keys_added
from statelift.judge.values import Judgement
from statelift.model import Edit, Tier
from statelift.workspace import Proposal, Workspace

DECORATOR = "inject_lambda_context"


def forget_keys(judgement: Judgement, workspace: Workspace) -> Proposal:
    """`logger.remove_keys(["user"])` at the start of each call; MANUAL where the keys or the place are not seen."""
    assert judgement.cell is not None
    (path, name), cell = judgement.cell
    title = f"start each call without the keys that {name} was given"
    keys = keys_added(workspace.evidence, list(judgement.accesses))
    edits: list[Edit] = []
    refused = "" if keys else "which keys it is given is not written out"
    if keys and cell.value is not None and keys & _named(cell.value.text):
        refused = f"line {cell.place.line} gives it a key of that name, too, which calls would be without"
    for entry in workspace.entry_points(judgement):
        function = function_of(workspace.program, entry)
        body = None if function is None else body_of(workspace, function)
        if function is None or body is None or not body.is_plain or function[0] != path or name in body.names:
            refused = refused or f"{entry.function} has no place for it: call {name}.remove_keys() where it begins"
        elif any(DECORATOR in ast.unparse(each) for each in body.node.decorator_list):
            refused = refused or f"say clear_state=True to {DECORATOR} above {entry.function}"
        else:
            at = body.start_of(body.first)
            listed = ", ".join(json.dumps(each) for each in sorted(keys or ()))
            edits.append(Edit(path, at, at, f"{body.margin}{name}.remove_keys([{listed}])\n"))
    if refused or not edits or cell.home != "module":
        return Proposal("localise", title, (), Tier.MANUAL, (refused or "it is no variable of the module",))
    reason = "what earlier calls gave it is gone: choose it if no key was meant for all calls"
    return Proposal("localise", title, tuple(edits), max(Tier.REVIEW, judgement.tier), (reason,))


def _named(constructor: str) -> set[str]:
    """The names of what a call gives by name."""
    call = ast.parse(constructor, mode="eval").body
    return {each.arg or "" for each in call.keywords} if isinstance(call, ast.Call) else set()
