"""A call of a local module -> Module; a value -> the role that it is, through modules and their outputs."""

from collections.abc import Mapping
from typing import TypeAlias

from statelift.locate.deployed import resolve
from statelift.locate.evaluate import Module, Scope, Symbol, Value
from statelift.locate.hcl import Block, Body, Expression
from statelift.locate.hclsites import elsewhere, is_behind, is_one_at_most, principal, several, why_not_patchable

Folders: TypeAlias = Mapping[str, tuple[tuple[str, Body], ...]]

_MOST_CALLS = 10  # outputs that pass on outputs
_AT_MOST_ONE = (0, 1)
_EXCLUSIVE = ("aws_iam_role_policies_exclusive", "aws_iam_role_policy_attachments_exclusive")


def local_source(folder: str, block: Block) -> str | None:
    """The folder that a module block calls; None for a registry's."""
    source = Scope(Module(folder, folder, "", (), {})).text(block.body.get("source")) or ""
    return resolve(folder, source) if source.startswith(("./", "../")) else None


def opened(block: Block, scope: Scope, address: str, folders: Folders) -> Module | None:
    """The module as this call sees it; None where it is not in the project."""
    target = local_source(scope.module.folder, block)
    if target is None or target not in folders:
        return None
    names = [item for item in block.body.items if not isinstance(item, Block)]
    arguments = {item.name: scope.value(item.value) for item in names}
    return Module(target, scope.module.root, f"{address}.", folders[target], arguments)


def rights_of(block: Block, scope: Scope, folders: Folders) -> tuple[str, str, Block | None]:
    """Why nothing can be added to a function ("" where it can), what its role is called, and the role's block."""
    name = ".".join(block.labels)
    named = block.body.get("lambda_role" if block.kind == "module" else "role")
    role = role_behind(scope.value(named), folders) if named is not None else None
    called = principal(block, role)
    reason = why_not_patchable(block, role)
    if not reason and role is None and is_behind(called):
        reason = elsewhere(name)
    if not reason and not _is_one(block.body.get("count"), scope):
        reason = several(name)
    if not reason and any(scope.module.blocks("resource", kind) for kind in _EXCLUSIVE):
        reason = f"The policies of a role beside {name} are listed ({_EXCLUSIVE[0]}): all others are taken away."
    return reason, "" if role is None and is_behind(called) else called, role


def _is_one(count: Expression | None, scope: Scope) -> bool:
    return is_one_at_most(count) or scope.value(count) in _AT_MOST_ONE


def role_behind(value: Value, folders: Folders, depth: int = 0) -> Block | None:
    """The block of an aws_iam_role of this project whose ARN a value is."""
    match value:
        case Symbol(address=("aws_iam_role", name), attribute="arn", home=Module() as home):
            return next((block for _, block in home.blocks("resource", "aws_iam_role", name)), None)
        case Symbol(address=("module", name), attribute=output, key=None, home=Module() as home):
            calls = [block for _, block in home.blocks("module", name)]
            inner = opened(calls[0], Scope(home), "", folders) if calls and depth < _MOST_CALLS else None
            told = [block for _, block in inner.blocks("output", output)] if inner is not None else []
            if inner is None or not told:
                return None
            return role_behind(Scope(inner).value(told[0].body.get("value")), folders, depth + 1)
        case _:
            return None
