"""Terraform bytes + operations -> bytes: variables where the function is, resources and rights in statelift.tf."""

import json
import posixpath
import re
from collections.abc import Iterator, Sequence
from dataclasses import replace
from typing import TypeAlias

from statelift.infra.alarms import alarm_of, notes_of
from statelift.infra.fragments import environment, hcl_text
from statelift.infra.hclpatch import Source, proved, with_block, with_item, with_variable
from statelift.infra.limits import check_environment, short
from statelift.infra.names import given_name, kind_of
from statelift.infra.wanted import check_actions, merged
from statelift.infra.yamlpatch import Refusal
from statelift.locate.hcl import Block, Call, Expression, Items, Literal, Mapping
from statelift.locate.hclsites import RESOURCES_FILE, ROLE, function_block, why_not_patchable
from statelift.model import EnsureEnv, EnsureGrant, EnsureResource, InfraOperation

HEADER = "# State that statelift moved out of the functions' containers. Yours to keep and to change."
_TYPES = {"table": "aws_dynamodb_table", "bucket": "aws_s3_bucket", "alarm": "aws_cloudwatch_metric_alarm"}
_ATTRIBUTES = {("table", "name"): "name", ("bucket", "name"): "bucket"}
_WORD = re.compile(r"[A-Z]+(?![a-z])|[A-Z]?[a-z]+|[0-9]+")
_LISTING = "s3:ListBucket"
_KINDS = {"variable": 0, "data": 1}
_INLINE, _MANAGED = "aws_iam_role_policy", "aws_iam_policy"
_POLICIES = (_INLINE, _MANAGED, "aws_iam_role_policy_attachment")
_COPY = re.compile(r"(aws_iam_role\.[\w-]+)\[(\d+)\]\.\w+")  # of a role with a count, which may be 0
_PREFIX = re.compile(r"[^*?${}%\"\\\x00-\x1f]*\*?")


def patch_terraform(path: str, before: bytes | None, operations: Sequence[InfraOperation]) -> bytes:
    """The file with all that the operations ask of it; statelift.tf is made where it is not there.

    Raises Refusal; then nothing may be written.
    """
    wanted = merged(operations)
    if posixpath.basename(path) == RESOURCES_FILE:
        if wanted.variables:
            raise Refusal(f"{path} holds no function.")
        return _resources(before, wanted.resources, wanted.grants)
    if before is None or wanted.resources or wanted.grants:
        raise Refusal(f"{path} is not where resources and rights go.")
    source = Source.parse(before)
    for variable in wanted.variables:
        source = _with_variable(source, variable)
    return source.whole


# Of what exists: the account and the region are those of the provider.
_SERVICE, _ACCOUNT = "data.aws_service.statelift", "data.aws_caller_identity.statelift.account_id"
_PARTITION = f"arn:${{{_SERVICE}.partition}}"
_ARNS = {
    "table": f"{_PARTITION}:dynamodb:${{{_SERVICE}.region}}:${{{_ACCOUNT}}}:table/",
    "bucket": f"{_PARTITION}:s3:::",
}


_Condition: TypeAlias = tuple[str, str, str]  # operator, key, value
_FREE: _Condition = ("", "", "")


def local_name(resource: str) -> str:
    """`OrdersTable` -> `statelift_orders_table`."""
    return "_".join(["statelift", *(word.lower() for word in _WORD.findall(resource))])


def _with_variable(source: Source, variable: EnsureEnv) -> Source:
    block = function_block(source.body, variable.function)
    if block is None:
        raise Refusal(f"{variable.function} is not in this file.")
    if reason := why_not_patchable(block):
        raise Refusal(reason)
    wanted = address_of(variable.resource, variable.attribute)
    for name, value in variables_of(block):
        if name == variable.name:
            if source.text(value) == wanted:
                return source
            raise Refusal(f"{variable.function} already has an environment variable {name} with another value.")
    plain = {name: str(value.value) if isinstance(value, Literal) else None for name, value in variables_of(block)}
    check_environment(variable.function, plain, variable.name)
    return with_variable(source, block, variable.name, wanted)


def address_of(resource: str, attribute: str) -> str:
    """`OrdersTable`, "arn" -> `aws_dynamodb_table.statelift_orders_table.arn`. Raises Refusal."""
    kind = kind_of(resource)
    if name := given_name(resource):
        return f'"{name if attribute == "name" else _ARNS[kind or "table"] + name}"'
    if kind is None:
        raise Refusal(f"{resource} is neither a table nor a bucket.")
    return f"{_TYPES[kind]}.{local_name(resource)}.{_ATTRIBUTES.get((kind, attribute), attribute)}"


def variables_of(block: Block) -> Iterator[tuple[str, Expression]]:
    """What is written out of a function's environment."""
    inner = next(block.body.blocks("environment"), None)
    value = block.body.get("environment_variables") if block.kind == "module" else None
    if inner is not None and block.kind != "module":
        value = inner.body.get("variables")
    arguments = value.arguments if isinstance(value, Call) and value.name == "merge" else (value,)
    for argument in arguments:
        for key, item in argument.entries if isinstance(argument, Mapping) else ():
            if isinstance(key, Literal):
                yield str(key.value), item


# ---------------------------------------------------------------- statelift.tf


def _resources(before: bytes | None, resources: Sequence[EnsureResource], grants: Sequence[EnsureGrant]) -> bytes:
    if before is not None and HEADER.encode() not in before:
        raise Refusal(f"{RESOURCES_FILE} exists, and statelift did not make it: rename it.")
    source = Source.parse(before if before is not None else f"{HEADER}\n".encode())
    for resource in resources:
        source = _with_blocks(source, _blocks(resource))
    for grant in grants:
        source = _with_grant(source, grant)
    return source.whole


def _blocks(resource: EnsureResource) -> str:
    """The blocks of a resource and what goes with it."""
    if resource.kind == "metric":
        return ""
    properties = dict(resource.properties)
    settings: dict[str, object] = {
        "name": local_name(resource.id),
        "label": "-".join(word.lower() for word in _WORD.findall(resource.id)),
        "notes": [f"{key}: {_comment(text)}" for key, text in sorted(notes_of(resource).items()) if key != "ttl"],
        "ttl": json.dumps(properties.get("ttl", "")),
        "retention": properties.get("retention", ""),
    }
    if resource.kind == "alarm":
        alarm = alarm_of(resource)
        keys = [hcl_text(key) for key, _ in alarm.dimensions]
        width = max(map(len, keys), default=0)
        values = (text for _, text in alarm.dimensions)
        pairs = [(key.ljust(width), text) for key, text in zip(keys, values, strict=True)]
        settings |= {"alarm": alarm, "pairs": pairs}
    return environment().get_template(f"{resource.kind}.tf.j2").render(settings)


def _comment(text: str) -> str:
    return "".join(character if character.isprintable() else "?" for character in text)


def _with_blocks(source: Source, text: str) -> Source:
    """The blocks of a template that are not there yet; a line of dashes stands between them."""
    for part in filter(None, (part.strip("\n") for part in text.split("\n# ----\n"))):
        source = _with_block(source, part)
    return source


def _with_block(source: Source, text: str) -> Source:
    """A block that is not there yet, sorted among the others by its kind and labels."""
    (made,) = [item for item in Source.parse(text.encode()).body.items if isinstance(item, Block)]
    known = [item for item in source.body.items if isinstance(item, Block)]
    if any(_rank(item) == _rank(made) for item in known):
        return source
    larger = [item for item in known if _rank(item) > _rank(made)]
    after = with_block(source, text, _first_comment(source, larger[0]) if larger else None)
    return proved(source, after)


def _first_comment(source: Source, block: Block) -> Block:
    """The block as it begins with the comment lines above it."""
    start = source.line_start(block.start)
    while start and source.data[source.line_start(start - 1) : start].lstrip().startswith(b"#"):
        start = source.line_start(start - 1)
    return replace(block, start=start)


def _rank(block: Block) -> tuple[int, bool, str, str]:
    """Variables, what is asked of AWS, resources by their name with what belongs to them, then rights."""
    name = block.labels[-1]
    kind = block.labels[0] if len(block.labels) > 1 else ""
    return _KINDS.get(block.kind, 2), kind in _POLICIES, name, "" if kind in _TYPES.values() else kind


# ---------------------------------------------------------------- rights


def _with_grant(source: Source, grant: EnsureGrant) -> Source:
    kind = kind_of(grant.resource) or ""
    check_actions(grant, kind)
    if not ROLE.fullmatch(grant.role):
        raise Refusal(f"The role of {grant.function} is not known by a name of its module.")
    head = _head(grant)
    if given_name(grant.resource) and kind != "metrics":
        source = _with_blocks(source, environment().get_template("existing.tf.j2").render(kind=kind))
    for actions, target, condition in _statements(grant, kind):
        labels = (head["kind"], head["label"])
        block = next(source.body.blocks("resource", *labels), None)
        if block is None:
            statement = _statement(actions, target, condition)
            text = environment().get_template("policy.tf.j2").render(head, statement=statement)
            source = _with_blocks(source, text)
        else:
            source = _with_statement(source, block, actions, target, condition)
    return source


def _head(grant: EnsureGrant) -> dict[str, str]:
    """What a policy is and whom it is for: a managed one where the role's other inline ones would be taken away."""
    label = f"{_snake(grant.function)}_{local_name(grant.resource)}"
    name = short(f"statelift-{label.replace('_statelift_', '-').replace('_', '-')}")
    copy = _COPY.fullmatch(grant.role)
    return {
        "kind": _MANAGED if grant.role.endswith(".name") else _INLINE,
        "label": label,
        "name": name,
        "role": grant.role,
        "count": f"length({copy[1]}) > {copy[2]} ? 1 : 0" if copy else "",
    }


def _snake(function: str) -> str:
    return re.sub(r"\W", "_", function.removeprefix("aws_lambda_function.").removeprefix("module."))


def _statements(grant: EnsureGrant, kind: str) -> Iterator[tuple[list[str], str, _Condition]]:
    """Actions, resource and condition of each statement that a right needs."""
    if kind == "metrics":
        yield list(grant.actions), '"*"', ("StringEquals", "cloudwatch:namespace", given_name(grant.resource))
        return
    arn = address_of(grant.resource, "arn")
    prefix = grant.key_prefix
    if kind == "table":
        yield list(grant.actions), arn, _FREE
        return
    if prefix is not None and not _PREFIX.fullmatch(prefix):
        raise Refusal(f"The key prefix {prefix!r} has characters that a policy would read as a pattern.")
    objects = "*" if prefix is None else prefix + "*" if prefix.endswith("/") else prefix
    direct = [action for action in grant.actions if action != _LISTING]
    if direct:
        whole = f'{arn[:-1]}/{objects}"' if given_name(grant.resource) else f'"${{{arn}}}/{objects}"'
        yield direct, whole, _FREE
    if _LISTING in grant.actions:
        yield [_LISTING], arn, _FREE if objects == "*" else ("StringLikeIfExists", "s3:prefix", objects)


def _statement(actions: Sequence[str], target: str, condition: _Condition) -> str:
    return (
        environment()
        .get_template("statement.tf.j2")
        .render(actions=actions, target=target, condition=condition)
        .strip("\n")
    )


def _with_statement(
    source: Source, block: Block, actions: Sequence[str], target: str, condition: _Condition
) -> Source:
    """The statement about the same resource gets the actions that it lacks; else there is one more."""
    listed = _list_of(block)
    for statement in listed.items:
        entries = {_key(key): value for key, value in statement.entries} if isinstance(statement, Mapping) else {}
        is_same = "Resource" in entries and source.text(entries["Resource"]) == target
        if is_same and ("Condition" in entries) == any(condition):
            return _with_actions(source, block, entries.get("Action"), actions)
    after = with_item(source, listed, _statement(actions, target, condition))
    return proved(source, after)


def _with_actions(source: Source, block: Block, listed: Expression | None, actions: Sequence[str]) -> Source:
    position = 0 if listed is None else listed.start
    for action in actions:
        items = _items_at(source, position)
        known = [item.value for item in items.items if isinstance(item, Literal)]
        if action not in known:
            larger = [n for n, name in enumerate(known) if str(name) > action]
            after = with_item(source, items, json.dumps(action), min(larger) if larger else None)
            source = proved(source, after)
    return source


def _list_of(block: Block) -> Items:
    """The statements of a policy that statelift wrote. Raises Refusal."""
    match block.body.get("policy"):
        case Call(name="jsonencode", arguments=(Mapping(entries=entries),)):
            found = {_key(key): value for key, value in entries}.get("Statement")
        case _:
            found = None
    if not isinstance(found, Items):
        raise Refusal(f"The policy {block.labels[-1]} was changed, so nothing is added to it.")
    return found


def _items_at(source: Source, start: int) -> Items:
    blocks = [*source.body.blocks("resource", _INLINE), *source.body.blocks("resource", _MANAGED)]
    for block in blocks:
        for statement in _list_of(block).items:
            for _, value in statement.entries if isinstance(statement, Mapping) else ():
                if value.start == start and isinstance(value, Items):
                    return value
    raise Refusal("The actions of a policy are not a list.")


def _key(key: Expression) -> str:
    return str(key.value) if isinstance(key, Literal) else ""
