"""Terraform block of a function -> why its environment and rights cannot be added, and what its role is called."""

import posixpath
import re

from statelift.locate.hcl import Block, Body, Expression, Items, Literal, Reference

RESOURCES_FILE = "statelift.tf"
ENVIRONMENT = "environment_variables"  # of terraform-aws-modules/lambda
ROLE = re.compile(r"aws_iam_role\.[A-Za-z_][\w-]*(?:\[\d+\])?\.id|module\.[A-Za-z_][\w-]*\.lambda_role_name")


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

    `role` is the block of the function's role where it is known.
    """
    name = ".".join(block.labels)
    if block.body.get("for_each") is not None:
        return f"{name} makes a function for each of several, and what is added holds for all of them."
    if block.body.get("count") is not None:
        return f"{name} has a count, so its role may not be there."
    if any(True for _ in block.body.blocks("dynamic", "environment")):
        return f"{name} makes its environment with a dynamic block."
    if role is not None and any(True for _ in role.body.blocks("inline_policy")):
        return f"{'.'.join(role.labels)} has inline_policy blocks: Terraform takes away all others from the role."
    if ignored_changes(block) & {"environment", "all"}:
        return f"{name} ignores changes of its environment (lifecycle), so what is added would not be deployed."
    if not principal(block):
        return f"The role of {name} is not an aws_iam_role of the same module, so its rights are decided elsewhere."
    return ""


def ignored_changes(block: Block) -> set[str]:
    """The attributes that Terraform leaves as they are: `ignore_changes = [environment[0].variables]`."""
    listed = [inner.body.get("ignore_changes") for inner in block.body.blocks("lifecycle")]
    items = [item for value in listed for item in (value.items if isinstance(value, Items) else (value,))]
    roots = [item.root if isinstance(item, Reference) else item for item in items]
    return {str(each.value) if isinstance(each, Literal) else str(each) for each in roots}


def principal(block: Block) -> str:
    """The role as a new policy names it; "" where it is not in the same module."""
    if block.kind == "module":
        is_own = block.body.get("lambda_role") is None and block.body.get("create_role") is None
        return f"module.{block.labels[0]}.lambda_role_name" if is_own else _role(block.body.get("lambda_role"))
    return _role(block.body.get("role"))


def _role(value: Expression | None) -> str:
    match value:
        case Reference(root="aws_iam_role", steps=(str(name), "arn")):
            return f"aws_iam_role.{name}.id"
        case Reference(root="aws_iam_role", steps=(str(name), Literal(value=int(number)), "arn")):
            return f"aws_iam_role.{name}[{number}].id"
        case _:
            return ""
