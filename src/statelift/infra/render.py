"""operations -> template text: one stack that deploys by itself, for projects without a template to patch."""

from collections import defaultdict
from collections.abc import Sequence
from dataclasses import dataclass
from typing import Literal

from statelift.infra.fragments import environment, resource_fragment, statements_fragment, variable_value
from statelift.infra.names import camel, given_name, kind_of
from statelift.infra.values import scalar
from statelift.infra.wanted import Wanted, check_actions, merged
from statelift.infra.yamlpatch import Refusal
from statelift.model import EnsureEnv, EnsureGrant, InfraOperation

Target = Literal["cloudformation", "sam"]


@dataclass(frozen=True, slots=True)
class ManagedPolicy:
    """All rights of one function. `statements` is a YAML list."""

    id: str
    function: str
    statements: str


@dataclass(frozen=True, slots=True)
class Output:
    """One environment variable's value, and the functions that read it."""

    id: str
    name: str
    functions: tuple[str, ...]
    value: str


def render_infrastructure(operations: Sequence[InfraOperation], target: Target) -> str:
    """The resources, one managed policy per function, and an output per environment variable, as YAML.

    Raises Refusal where an operation needs a resource that is not among them.
    """
    wanted = merged(operations)
    kinds = _kinds(wanted)
    users: tuple[EnsureEnv | EnsureGrant, ...] = (*wanted.variables, *wanted.grants)
    if not kinds:
        raise Refusal("There is nothing to deploy: no change needs a table, a bucket or an alarm.")
    for user in users:
        if user.resource not in kinds:
            raise Refusal(f"{user.function} needs {user.resource}, which no change creates.")
    return (
        environment()
        .get_template("stack.yaml.j2")
        .render(
            serverless=target == "sam",
            fragments=[resource_fragment(resource) for resource in wanted.resources if resource.id in kinds],
            policies=policies_of(operations),
            outputs=outputs_of(operations),
        )
    )


def _kinds(wanted: Wanted) -> dict[str, str]:
    """What each id, or reference to what exists already, stands for."""
    kinds: dict[str, str] = {each.id: each.kind for each in wanted.resources if each.kind != "metric"}
    users: tuple[EnsureEnv | EnsureGrant, ...] = (*wanted.variables, *wanted.grants)
    return kinds | {each.resource: str(kind_of(each.resource)) for each in users if given_name(each.resource)}


def policies_of(operations: Sequence[InfraOperation]) -> list[ManagedPolicy]:
    """The policies of the stack, one for each function. Raises Refusal."""
    wanted = merged(operations)
    kinds = _kinds(wanted)
    taken = {logical_id for name in kinds for logical_id in (name, f"{name}Policy")}
    by_function: dict[str, list[str]] = defaultdict(list)
    for grant in wanted.grants:
        check_actions(grant, kinds[grant.resource])
        by_function[grant.function].append(statements_fragment(grant, kinds[grant.resource]))
    return [
        ManagedPolicy(_unused(f"{camel(function)}State", taken), function, "".join(texts).rstrip("\n"))
        for function, texts in sorted(by_function.items())
    ]


def outputs_of(operations: Sequence[InfraOperation]) -> list[Output]:
    """The outputs of the stack that say what variables hold. Raises Refusal."""
    by_value: dict[tuple[str, str], list[str]] = defaultdict(list)
    for variable in merged(operations).variables:
        by_value[variable.name, scalar(variable_value(variable))].append(variable.function)
    taken: set[str] = set()
    return [
        Output(_unused(camel(name), taken), name, tuple(functions), value)
        for (name, value), functions in sorted(by_value.items())
    ]


def _unused(name: str, taken: set[str]) -> str:
    """`name`, numbered where it is taken: two functions may differ only in punctuation."""
    candidate, number = name, 1
    while candidate in taken:
        number += 1
        candidate = f"{name}{number}"
    taken.add(candidate)
    return candidate
