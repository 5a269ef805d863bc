"""Needs + what a function is deployed with -> rights that are used, and those that are missing."""

import json
import re
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from functools import lru_cache

from statelift.infra.names import given_name, kind_of
from statelift.verify.machine.calls import Call
from statelift.verify.machine.needs import ACCOUNT, Need, bucket_arn, listing_of, needs_of, table_arn
from statelift.verify.machine.simulator import Answer
from statelift.verify.values import Condition, Deployed, Deployment, Right, Statement

# Every call of the SDK goes over TLS there.
_ALWAYS = {"aws:securetransport": ("true",)}
_QUALIFIER = re.compile(r"^(ForAllValues|ForAnyValue):")
KNOWN_KEYS = frozenset({"s3:prefix", "dynamodb:leadingkeys", "cloudwatch:namespace", *_ALWAYS})
OPERATORS = frozenset({"StringEquals", "StringLike", "StringNotEquals", "StringNotLike", "Bool", "ArnLike"})


@dataclass(frozen=True, slots=True)
class Judged:
    """The rights that a call used, and as sentences what it lacks."""

    used: tuple[Right, ...] = ()
    missing: tuple[str, ...] = ()
    need: Need | None = None  # the first that is missing
    function: str = ""


_FREE = Judged()


def judged(call: Call, handler: str, deployed: Deployed) -> Judged:
    """Whether the functions behind a handler may make a call to what the change makes."""
    return _judged(needs_of(call), deployed.behind(handler), deployed.names)


def judged_missing(call: Call, handler: str, deployed: Deployed) -> Judged:
    """The same for an object that turned out to be missing: S3 tells that only to those who may list."""
    need = listing_of(call)
    return _judged([] if need is None else [need], deployed.behind(handler), deployed.names)


def _judged(needs: Iterable[Need], functions: Sequence[Deployment], names: frozenset[str]) -> Judged:
    used: list[Right] = []
    missing: list[tuple[str, Need, str]] = []
    for need in needs:
        for function in functions if need.name in names else ():
            reason = _why_refused(need, function)
            if reason:
                missing.append((reason, need, function.function))
            elif function.statements is not None:
                used.append(Right(function.function, need.action, need.name))
    if not missing:
        return Judged(tuple(used)) if used else _FREE
    _, need, name = missing[0]
    return Judged(tuple(used), tuple(reason for reason, _, _ in missing), need, name)


def granted_rights(deployed: Deployed) -> frozenset[Right]:
    """What statements that name a new table or bucket allow: not what patterns of the user's happen to cover."""
    return frozenset(
        Right(function.function, action, name)
        for function in deployed.all
        for statement in function.statements or ()
        for name in deployed.names
        if not statement.is_deny and _is_about(statement, name)
        for action in statement.actions
    )


def _is_about(statement: Statement, name: str) -> bool:
    if kind_of(name) == "metrics":
        spaces = [each.values for each in statement.conditions if each.key.lower() == "cloudwatch:namespace"]
        return (given_name(name),) in spaces
    return any(_names(resource, name) for resource in statement.resources)


def _names(resource: str, name: str) -> bool:
    is_table = resource.startswith("arn:aws:dynamodb:") and resource.endswith(f":table/{name}")
    return is_table or resource == bucket_arn(name) or resource.startswith(f"{bucket_arn(name)}/")


def _why_refused(need: Need, function: Deployment) -> str:
    """ "" where the function may do it, otherwise the sentence that says why not."""
    if function.statements is None:
        return ""
    values = {value for _, value in function.variables}
    is_metric = kind_of(need.name) == "metrics"  # its namespace stands in the code
    if not is_metric and values.isdisjoint({need.name, table_arn(need.name), bucket_arn(need.name)}):
        return f"{function.function} has no variable that names {need.name}"
    fitting = [each for each in function.statements if _fits(each, need)]
    if any(each.is_deny for each in fitting):
        return f"{function.function} is forbidden {need.action} on {need.arn}"
    if not fitting:
        more = f" (not read: {', '.join(function.unread)})" if function.unread else ""
        return f"{function.function} may not {need.action} on {need.arn}{more}"
    return ""


def _fits(statement: Statement, need: Need) -> bool:
    return (
        any(_matches(pattern.lower(), need.action.lower()) for pattern in statement.actions)
        and any(_matches(pattern, need.arn) for pattern in statement.resources)
        and all(_holds(condition, need.context) for condition in statement.conditions)
    )


def _holds(condition: Condition, context: Mapping[str, tuple[str, ...]]) -> bool:
    operator = _QUALIFIER.sub("", condition.operator)
    is_optional = operator.endswith("IfExists") or condition.operator.startswith("ForAllValues:")
    operator = operator.removesuffix("IfExists")
    given = (_ALWAYS | dict(context)).get(condition.key.lower())
    is_negated = "Not" in operator
    if given is None:
        return is_optional or is_negated
    is_pattern = operator.removesuffix("IfExists").endswith("Like")
    hits = [any(_equal(value, each, is_pattern=is_pattern) for value in condition.values) for each in given]
    is_met = any(hits) if condition.operator.startswith("ForAnyValue:") else all(hits)
    return not any(hits) if is_negated else is_met


def _equal(pattern: str, text: str, *, is_pattern: bool) -> bool:
    return _matches(pattern, text) if is_pattern else pattern == text


def _matches(pattern: str, text: str) -> bool:
    return _compiled(pattern).fullmatch(text) is not None


@lru_cache(maxsize=1024)
def _compiled(pattern: str) -> re.Pattern[str]:
    """IAM's patterns: `*` is any text, `?` one character. Nothing else is special."""
    words = {"*": ".*", "?": "."}
    return re.compile("".join(words.get(character, re.escape(character)) for character in pattern), re.DOTALL)


def denial(call: Call, found: Judged) -> Answer:
    """What the service answers to those who may not."""
    need = found.need
    action, arn = ("", "") if need is None else (need.action, need.arn)
    user = f"arn:aws:sts::{ACCOUNT}:assumed-role/{found.function}Role/{found.function}"
    text = (
        f"User: {user} is not authorized to perform: {action} on resource: {arn}"
        f" because no identity-based policy allows the {action} action"
    )
    if call.service == "s3":
        body = f"<Error><Code>AccessDenied</Code><Message>{text}</Message></Error>"
        return Answer(403, (("Content-Type", "application/xml"),), b"" if call.method == "HEAD" else body.encode())
    name = "com.amazon.coral.service#AccessDeniedException"
    content = json.dumps({"__type": name, "Message": text}).encode()
    return Answer(400, (("Content-Type", "application/x-amz-json-1.0"),), content)
