"""Terraform block of a function -> why its environment and rights cannot be added, and what its role is called."""

import json
import posixpath
import re

from statelift.locate.hcl import Block, Body, Choice, Expression, Items, Literal, Reference, Text

RESOURCES_FILE = "statelift.tf"
ENVIRONMENT = "environment_variables"  # of terraform-aws-modules/lambda
_NAME = r"[A-Za-z_][\w-]*"
ROLE = re.compile(
    rf"aws_iam_role\.{_NAME}(?:\[\d+\]|\[\"[\w.-]+\"\])?\.(?:id|name)"
    rf"|module\.{_NAME}\.lambda_role_name|basename\((?:var|local|module)(?:\.{_NAME})+\)"
)
_AT_MOST_ONE = (0, 1)


def resources_file(template: str) -> str:
    """The file beside a template that takes new resources: Terraform reads a folder as one."""
    return posixpath.join(posixpath.dirname(template), RESOURCES_FILE)


def function_block(body: Body, function: str) -> Block | None:
    """The block of `aws_lambda_function.name` or `module.name`, whatever modules it is called through."""
    *_, kind, name = ("", *function.split("."))
    found = body.blocks("module", name) if kind == "module" else body.blocks("resource", kind, name)
    return next(found, None)


def why_not_patchable(block: Block, role: Block | None = None) -> str:
    """ "" where environment and rights can be added, otherwise the sentence that says why not.

    `role` is the block of the function's role where it is known. That a count is not more than one, and that a
    role behind a variable is one of this project, only the whole project can say: see `Scope`.
    """
    name = ".".join(block.labels)
    if block.body.get("for_each") is not None:
        return f"{name} makes a function for each of several, and what is added holds for all of them."
    if reason := _count_reason(block, name):
        return reason
    if any(True for _ in block.body.blocks("dynamic", "environment")):
        return f"{name} makes its environment with a dynamic block."
    if role is not None and has_own_policies(role) and role.body.get("managed_policy_arns") is not None:
        return (
            f"{'.'.join(role.labels)} lists its policies (inline_policy, managed_policy_arns):"
            " Terraform takes away all others from the role."
        )
    if ignored_changes(block) & {"environment", "all"}:
        return f"{name} ignores changes of its environment (lifecycle), so what is added would not be deployed."
    if not principal(block, role):
        return elsewhere(name)
    return ""


def elsewhere(name: str) -> str:
    """The sentence about a role that is not of this project."""
    return f"The role of {name} is not an aws_iam_role of the same module, so its rights are decided elsewhere."


def _count_reason(block: Block, name: str) -> str:
    count = block.body.get("count")
    if count is not None and block.kind == "module":
        return f"{name} has a count, so its role may not be there."
    if isinstance(count, Literal) and count.value not in _AT_MOST_ONE:
        return several(name)
    return ""


def several(name: str) -> str:
    """The sentence about a count that may be two."""
    return f"{name} has a count that may be more than one: its copies would share what is added."


def is_one_at_most(count: Expression | None) -> bool:
    """Whether a count is written as 0 or 1, or as a choice of them."""
    match count:
        case None | Literal(value=0 | 1):
            return True
        case Choice(yes=yes, no=no):
            return is_one_at_most(yes) and is_one_at_most(no)
        case Text(parts=(Choice() as only,)):
            return is_one_at_most(only)
        case _:
            return False


def has_own_policies(role: Block) -> bool:
    """Whether a role has inline_policy blocks: then inline policies of others are taken away from it."""
    return any(True for _ in role.body.blocks("inline_policy")) or any(
        True for _ in role.body.blocks("dynamic", "inline_policy")
    )


def ignored_changes(block: Block) -> set[str]:
    """The attributes that Terraform leaves as they are: `ignore_changes = [environment[0].variables]`."""
    listed = [inner.body.get("ignore_changes") for inner in block.body.blocks("lifecycle")]
    items = [item for value in listed for item in (value.items if isinstance(value, Items) else (value,))]
    roots = [item.root if isinstance(item, Reference) else item for item in items]
    return {str(each.value) if isinstance(each, Literal) else str(each) for each in roots}


def principal(block: Block, role: Block | None = None) -> str:
    """The role as a new policy names it; "" where that cannot be said.

    `.name` at the end asks for a managed policy, since `role` takes no inline ones of others. A role that stands
    behind a variable, a local or an output is named by the last part of its ARN.
    """
    if block.kind == "module" and block.body.get("lambda_role") is None:
        is_own = block.body.get("create_role") is None
        return f"module.{block.labels[0]}.lambda_role_name" if is_own else ""
    named = _role(block.body.get("lambda_role" if block.kind == "module" else "role"))
    if role is None or not has_own_policies(role):
        return named
    return f"{named.removesuffix('.id')}.name" if named.endswith(".id") else ""


def _role(value: Expression | None) -> str:
    match value:
        case Text(parts=(Reference() as only,)):
            return _role(only)
        case Reference(root="aws_iam_role", steps=(str(name), "arn")):
            return f"aws_iam_role.{name}.id"
        case Reference(root="aws_iam_role", steps=(str(name), Literal(value=int() | str() as key), "arn")):
            return _known(f"aws_iam_role.{name}[{json.dumps(key)}].id")
        case Reference(root="var" | "local" | "module" as root, steps=steps):
            names = [step for step in steps if isinstance(step, str)]
            return _known(f"basename({'.'.join((root, *names))})") if len(names) == len(steps) else ""
        case _:
            return ""


def _known(name: str) -> str:
    return name if ROLE.fullmatch(name) else ""


def is_behind(name: str) -> bool:
    """Whether a principal was found behind a name, so that somebody has to say what it stands for."""
    return name.startswith("basename(")
