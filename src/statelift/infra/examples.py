"""operations + tool -> the text of a small program with all of them, to copy from where nothing is patched.

Functions stand in it with nothing but a name. What they need is added as it is to the files of users, so that an
example and a patch cannot differ.
"""

import re
from collections.abc import Callable, Sequence
from dataclasses import replace
from typing import Literal

from statelift.infra.names import camel, given_name
from statelift.infra.patching import patch_file
from statelift.infra.yamlpatch import Refusal
from statelift.model import EnsureEnv, EnsureGrant, EnsureResource, InfraOperation

Example = Literal["serverless", "terraform", "cdk"]

_SERVICE = (
    "# Copy into your serverless.yml what is missing there.\nservice: state\nprovider:\n  name: aws\nfunctions:\n"
)
_FUNCTION = "  {name}:\n    handler: {handler}\n    runtime: python3.13\n"
_PROGRAM = '''"""Copy into your program what is missing there."""

from aws_cdk import Stack
from aws_cdk import aws_lambda
from constructs import Construct


class State(Stack):
    def __init__(self, scope: Construct, id: str, **kwargs) -> None:
        super().__init__(scope, id, **kwargs)
'''
_CONSTRUCT = """
        {name} = aws_lambda.Function(
            self,
            "{id}",
            handler="{handler}",
            runtime=aws_lambda.Runtime.PYTHON_3_13,
            code=aws_lambda.Code.from_asset("src"),
        )
"""
_BLOCKS = """
resource "aws_lambda_function" "{name}" {{
  function_name = "{name}"
  handler       = "{handler}"
  runtime       = "python3.13"
  filename      = "{name}.zip"
  role          = aws_iam_role.{name}.arn
}}

resource "aws_iam_role" "{name}" {{
  assume_role_policy = jsonencode({{
    Version = "2012-10-17"
    Statement = [
      {{
        Effect    = "Allow"
        Principal = {{ Service = "lambda.amazonaws.com" }}
        Action    = "sts:AssumeRole"
      }},
    ]
  }})
}}
"""


def render_example(operations: Sequence[InfraOperation], tool: Example) -> str:
    """The program as text. Raises Refusal where an operation needs a resource that is not among them."""
    wanted = [op for op in operations if isinstance(op, EnsureResource | EnsureEnv | EnsureGrant)]
    wanted = [op for op in wanted if not (isinstance(op, EnsureResource) and op.kind == "metric")]
    resources = {op.id for op in wanted if isinstance(op, EnsureResource)}
    resources |= {op.resource for op in wanted if not isinstance(op, EnsureResource) and given_name(op.resource)}
    if not resources:
        raise Refusal("There is nothing to deploy: no change needs a table, a bucket or an alarm.")
    for op in wanted:
        if not isinstance(op, EnsureResource) and op.resource not in resources:
            raise Refusal(f"{op.function} needs {op.resource}, which no change creates.")
    functions = sorted({name for op in wanted if (name := _function_of(op))})
    match tool:
        case "serverless":
            return _service(wanted, functions)
        case "cdk":
            return _program(wanted, functions)
        case "terraform":
            return _module(wanted, functions)


def _service(operations: Sequence[InfraOperation], functions: Sequence[str]) -> str:
    names = _names(functions, camel)
    text = _SERVICE + "".join(_FUNCTION.format(name=names[each], handler=_handler(each)) for each in functions)
    return patch_file("serverless.yml", text.encode(), _renamed(operations, names)).decode()


def _program(operations: Sequence[InfraOperation], functions: Sequence[str]) -> str:
    ids, names = _names(functions, camel), _names(functions, _snake)
    made = (_CONSTRUCT.format(name=names[each], id=ids[each], handler=_handler(each)) for each in functions)
    return patch_file("state.py", (_PROGRAM + "".join(made)).encode(), _renamed(operations, ids)).decode()


def _module(operations: Sequence[InfraOperation], functions: Sequence[str]) -> str:
    names = _names(functions, _snake)
    text = "# Copy into your module what is missing there.\n"
    text += "".join(_BLOCKS.format(name=names[each], handler=_handler(each)) for each in functions)
    addresses = {each: f"aws_lambda_function.{name}" for each, name in names.items()}
    variables = [op for op in operations if isinstance(op, EnsureEnv)]
    others = [
        replace(op, role=f"aws_iam_role.{names[op.function]}.id") if isinstance(op, EnsureGrant) else op
        for op in operations
        if not isinstance(op, EnsureEnv)
    ]
    main = patch_file("main.tf", text.encode(), _renamed(variables, addresses))
    state = patch_file("statelift.tf", None, _renamed(others, addresses))
    return f"{main.decode()}\n{state.decode()}"


def _function_of(operation: EnsureResource | EnsureEnv | EnsureGrant) -> str:
    """The function that it is for; "" for a resource that is no function's own."""
    if isinstance(operation, EnsureResource):
        return dict(operation.properties).get("function", "") if operation.kind == "alarm" else ""
    return operation.function


def _renamed(operations: Sequence[InfraOperation], names: dict[str, str]) -> list[InfraOperation]:
    return [_as(op, names) for op in operations]


def _as(operation: InfraOperation, names: dict[str, str]) -> InfraOperation:
    """The operation with the name that its function has in the program."""
    match operation:
        case EnsureEnv() | EnsureGrant():
            return replace(operation, function=names[operation.function])
        case EnsureResource(kind="alarm", properties=properties):
            return replace(
                operation, properties=tuple((k, names[v] if k == "function" else v) for k, v in properties)
            )
        case _:
            return operation


def _names(functions: Sequence[str], spell: Callable[[str], str]) -> dict[str, str]:
    """A name for each function, numbered where two would be equal."""
    found: dict[str, str] = {}
    for function in functions:
        name, number = spell(function), 1
        while name in found.values():
            number += 1
            name = f"{spell(function)}{number}"
        found[function] = name
    return found


def _snake(function: str) -> str:
    word = re.sub(r"(?<=[a-z0-9])(?=[A-Z])", "_", camel(function)).lower()
    return f"f_{word}" if word[0].isdigit() else f"{word}_function"


def _handler(function: str) -> str:
    """`src.app.handler` is a handler itself; a logical id says nothing of it."""
    return function if re.fullmatch(r"\w+(\.\w+)+", function) else "app.handler"
