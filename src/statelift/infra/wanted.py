"""operations -> Wanted: what several changes ask of one template, merged and in one order."""

import re
from collections import defaultdict
from collections.abc import Iterable, Sequence
from dataclasses import dataclass

from statelift.infra.alarms import AlarmError, alarm_of
from statelift.infra.names import given_name
from statelift.infra.yamlpatch import Refusal
from statelift.model import EnsureEnv, EnsureGrant, EnsureResource, InfraOperation

_ACTION = re.compile("[a-z0-9]+:[A-Za-z]+")  # one named call: no pattern
_SERVICES = {"table": "dynamodb:", "bucket": "s3:", "metrics": "cloudwatch:"}


@dataclass(frozen=True, slots=True)
class Wanted:
    """Each resource, variable and right once: equal sets of operations give equal values."""

    resources: tuple[EnsureResource, ...]
    variables: tuple[EnsureEnv, ...]
    grants: tuple[EnsureGrant, ...]


def merged(operations: Sequence[InfraOperation]) -> Wanted:
    """Join what belongs together. Raises Refusal where two operations contradict each other."""
    resources = [op for op in operations if isinstance(op, EnsureResource)]
    variables = [op for op in operations if isinstance(op, EnsureEnv)]
    grants = [op for op in operations if isinstance(op, EnsureGrant)]
    for reference in (*(op.resource for op in variables), *(op.resource for op in grants)):
        if "/" in reference and not given_name(reference):
            raise Refusal(f"{reference!r} is no table or bucket that exists: table/NAME or bucket/NAME.")
    return Wanted(_resources(resources), _variables(variables), _grants(grants))


def _resources(operations: Iterable[EnsureResource]) -> tuple[EnsureResource, ...]:
    by_id: dict[str, list[EnsureResource]] = defaultdict(list)
    for operation in operations:
        if not (operation.id.isascii() and operation.id.isalnum()):
            raise Refusal(f"{operation.id!r} is not a logical id: use letters and digits only.")
        by_id[operation.id].append(operation)
    return tuple(_joined(by_id[name]) for name in sorted(by_id))


def _joined(same: list[EnsureResource]) -> EnsureResource:
    first = same[0]
    properties: dict[str, set[str]] = defaultdict(set)
    for operation in same:
        for name, text in operation.properties:
            properties[name].add(text)
    torn = [name for name, texts in properties.items() if len(texts) > 1 and name != "origin"]
    if torn or any(operation.kind != first.kind for operation in same):
        what = torn[0] if torn else "kind"
        raise Refusal(f"Two changes want {first.id} with different values of {what}: rename one of them.")
    joined = tuple((name, ", ".join(sorted(properties[name]))) for name in sorted(properties))
    made = EnsureResource(first.id, first.kind, joined, first.template)
    try:
        if made.kind == "alarm":
            alarm_of(made)
    except AlarmError as error:
        raise Refusal(str(error)) from error
    return made


def _variables(operations: Iterable[EnsureEnv]) -> tuple[EnsureEnv, ...]:
    by_name: dict[tuple[str, str], EnsureEnv] = {}
    for operation in operations:
        known = by_name.setdefault((operation.function, operation.name), operation)
        if (known.resource, known.attribute) != (operation.resource, operation.attribute):
            raise Refusal(f"Two changes give {operation.name} of {operation.function} different values.")
        if operation.attribute not in ("name", "arn"):
            raise Refusal(f"{operation.name} wants the attribute {operation.attribute}; only name and arn exist.")
    return tuple(by_name[key] for key in sorted(by_name))


def _grants(operations: Iterable[EnsureGrant]) -> tuple[EnsureGrant, ...]:
    actions: dict[tuple[str, str, str, str], set[str]] = defaultdict(set)
    templates: dict[tuple[str, str, str, str], str | None] = {}
    for operation in operations:
        if operation.condition is not None:
            raise Refusal(f"A right on {operation.resource} with a condition cannot be written to a template.")
        key = (operation.function, operation.resource, operation.key_prefix or "", operation.role)
        actions[key] |= set(operation.actions)
        templates.setdefault(key, operation.template)
    return tuple(
        EnsureGrant(
            function=function,
            resource=resource,
            actions=tuple(sorted(actions[function, resource, prefix, role])),
            key_prefix=prefix or None,
            template=templates[function, resource, prefix, role],
            role=role,
        )
        for function, resource, prefix, role in sorted(actions)
        if actions[function, resource, prefix, role]
    )


def check_actions(grant: EnsureGrant, kind: str) -> None:
    """Raise Refusal where the actions do not fit the kind of the resource."""
    service = _SERVICES.get(kind)
    for action in grant.actions:
        if service is None or not (action.startswith(service) and _ACTION.fullmatch(action)):
            raise Refusal(f"{action} is not an action on {grant.resource}, which is a {kind}.")
    if kind != "bucket" and grant.key_prefix:
        raise Refusal(f"{grant.resource} is a {kind}, so a right on it has no key prefix.")
