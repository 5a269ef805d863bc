"""A module -> the same with a handler at its end that calls its functions and changes what it holds.

Library code has no handler, so that most of it would be left alone. The handler makes state of the module's own
containers and numbers, and brings a dict, a counter, a file in /tmp and a client of its own.
"""

import ast
from collections.abc import Iterator

from statelift.model import Problem, SourceFile
from statelift.source import Parsed, parse_source

TEMPLATE = b"""AWSTemplateFormatVersion: "2010-09-09"
Transform: AWS::Serverless-2016-10-31
Resources:
  Tortured:
    Type: AWS::Serverless::Function
    Properties:
      Handler: app.lambda_handler
      Runtime: python3.12
      CodeUri: .
"""
NAMES_AT_MOST = 40  # of each sort: some modules have thousands
OWN = """
TORTURE_SEEN = {}
TORTURE_COUNT = 0


def torture_client():
    import boto3
    return boto3.client("s3")


def torture_file(event):
    import os
    if not os.path.exists("/tmp/torture.txt"):
        with open("/tmp/torture.txt", "w") as file:
            file.write(event["text"])
    with open("/tmp/torture.txt") as file:
        return file.read()


def lambda_handler(event, context):
"""
OWN_BODY = """
TORTURE_COUNT += 1
before = TORTURE_SEEN.get(event["id"])
TORTURE_SEEN[event["id"]] = event["name"]
torture_client().put_object(Bucket=event["bucket"], Key=event["key"], Body=torture_file(event))
return {"before": before, "count": TORTURE_COUNT}
"""
DICT_USES = (
    '{0}[event["{1}"]] = event["value"]; found.append({0}.get(event["{1}"]))',
    'found.append({0}.setdefault(event["{1}"], event["value"]))',
    'if event["{1}"] not in {0}: {0}[event["{1}"]] = str(event["value"])',
    '{0}[event["{1}"]] = {0}.get(event["{1}"], 0) + 1',
    'found.append({0}.pop(event["{1}"], None)); {0}.update({{event["{1}"]: event["value"]}})',
    "for key, value in {0}.items(): found.append((key, value))",
    '{0}["{1}"] = event["value"]; found.append(len({0}))',
)
LIST_USES = ('{0}.append(event["{1}"]); found.append(len({0}))', '{0}.extend(event["{1}"])', "found += {0}")
SET_USES = ('{0}.add(event["{1}"]); found.append(event["other"] in {0})', '{0}.discard(event["{1}"])')


def forced(data: bytes) -> bytes | None:
    """The module with the handler, in its own encoding and line ends; None where it cannot be parsed."""
    parsed = parse_source(SourceFile("app.py", data))
    if isinstance(parsed, Problem):
        return None
    lines = ["found = []", *_uses(parsed.tree), *_calls(parsed.tree), *OWN_BODY.strip().splitlines()]
    numbers = ["TORTURE_COUNT", *_numbers(parsed.tree)]
    body = [f"global {', '.join(dict.fromkeys(numbers))}", *lines]
    text = f"\n{OWN}" + "".join(f"    {line}\n" for line in body)
    return data + text.replace("\n", parsed.newline).encode(_plain(parsed))


def _plain(parsed: Parsed) -> str:
    return parsed.encoding.removesuffix("-sig")


def _uses(tree: ast.Module) -> Iterator[str]:
    """Lines that change what the module and its classes hold."""
    pairs = list(_values(tree.body, ""))
    for owner in tree.body:
        if isinstance(owner, ast.ClassDef) and not owner.name.startswith("__"):
            pairs += _values(owner.body, f"{owner.name}.")
    for number, (name, value) in enumerate(pairs[:NAMES_AT_MOST]):
        if uses := _uses_of(value):
            yield uses[number % len(uses)].format(name, f"key{number}")
    for name in _numbers(tree):
        yield f"{name} += 1; found.append({name})"


def _uses_of(value: ast.expr) -> tuple[str, ...]:
    match value:
        case ast.Dict() | ast.Call(func=ast.Name(id="dict")):
            return DICT_USES
        case ast.List() | ast.Call(func=ast.Name(id="list")):
            return LIST_USES
        case ast.Set() | ast.Call(func=ast.Name(id="set")):
            return SET_USES
        case _:
            return ()


def _values(body: list[ast.stmt], prefix: str) -> Iterator[tuple[str, ast.expr]]:
    """Names with what is assigned to them, where both are plain."""
    for statement in body:
        match statement:
            case (
                ast.Assign(targets=[ast.Name(id=name)], value=value)
                | ast.AnnAssign(target=ast.Name(id=name), value=ast.expr() as value)
            ) if not _is_private(name, prefix):
                yield f"{prefix}{name}", value
            case _:
                pass


def _is_private(name: str, prefix: str) -> bool:
    """Names that a class mangles, that say what a module exports, or that the handler has itself."""
    return name in ("event", "context", "found", "key", "value", "before", "__debug__") or (
        name.startswith("__") and bool(prefix or name.endswith("__"))
    )


def _numbers(tree: ast.Module) -> list[str]:
    """Names of integers that the module holds."""
    found = [
        name
        for name, value in _values(tree.body, "")
        if isinstance(value, ast.Constant) and type(value.value) is int
    ]
    return list(dict.fromkeys(found))[:NAMES_AT_MOST]


def _calls(tree: ast.Module) -> Iterator[str]:
    """Calls of the module's functions, with parts of the event for what they need."""
    functions = [each for each in tree.body if isinstance(each, ast.FunctionDef)]
    for function in functions[:NAMES_AT_MOST]:
        if not _is_private(function.name, ""):
            yield f"found.append({function.name}({', '.join(_arguments(function.args))}))"


def _arguments(arguments: ast.arguments) -> Iterator[str]:
    positional = [*arguments.posonlyargs, *arguments.args]
    for each in positional[: len(positional) - len(arguments.defaults)]:
        yield f'event["{each.arg}"]'
    for each, default in zip(arguments.kwonlyargs, arguments.kw_defaults, strict=True):
        if default is None:
            yield f'{each.arg}=event["{each.arg}"]'
