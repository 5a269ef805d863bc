"""A refused call -> the table, bucket, queue, topic or stream that its program takes for granted."""

import re
from collections.abc import Mapping
from types import MappingProxyType
from typing import Any, Literal

from statelift.verify.machine.calls import Call, parameters, target_of
from statelift.verify.machine.needs import ACCOUNT, REGION
from statelift.verify.machine.simulator import Answer
from statelift.verify.values import Bucket, Resource, Table, Thing

_XML_CODE = re.compile(rb"<Code>([^<]+)</Code>")
_JSON_CODE = re.compile(rb'"__type"\s*:\s*"(?:[^"#]*#)?([^"]+)"')
_REGION = re.compile(r"Credential=[^/]+/[^/]+/([^/]+)/")
_EQUALS = re.compile(r"(?<![\w#])(#?\w++)\s*+=\s*+(:\w++)")
_ABSENT = {
    ("dynamodb", "ResourceNotFoundException"): "table",
    ("s3", "NoSuchBucket"): "bucket",
    ("sqs", "QueueDoesNotExist"): "queue",
    ("sqs", "AWS.SimpleQueueService.NonExistentQueue"): "queue",
    ("sns", "NotFound"): "topic",
    ("kinesis", "ResourceNotFoundException"): "stream",
    ("firehose", "ResourceNotFoundException"): "delivery_stream",
}
# What the services take as a name.
_NAMES: Mapping[str, re.Pattern[str]] = MappingProxyType(
    {
        "table": re.compile(r"[\w.-]{1,255}", re.ASCII),
        "bucket": re.compile(r"[a-z0-9][a-z0-9.-]{1,61}[a-z0-9]"),
        "queue": re.compile(r"[\w-]{1,80}(\.fifo)?", re.ASCII),
        "topic": re.compile(r"[\w-]{1,256}(\.fifo)?", re.ASCII),
        "stream": re.compile(r"[\w.-]{1,128}", re.ASCII),
        "delivery_stream": re.compile(r"[\w.-]{1,64}", re.ASCII),
    }
)
_KeyType = Literal["S", "N", "B"]


def absent_of(call: Call, answer: Answer) -> Resource | None:
    """What was asked for and is not there, as an empty one could stand for it; None where that is something else.

    Of texts, like parameters and secrets, nobody can guess what they hold; of topics, only those of this account.
    """
    kind, name = _ABSENT.get((call.service, _code(call, answer)), ""), target_of(call)
    if not can_be_named(kind, name):
        return None
    match kind:
        case "bucket":
            return Bucket(name)
        case "table":
            return _table(name, call)
        case "topic":
            arn = str(parameters(call).get("TopicArn", ""))
            return Thing("topic", name) if arn.startswith(f"arn:aws:sns:{REGION}:{ACCOUNT}:") else None
        case "stream" | "delivery_stream" as stream:
            return Thing(stream, name, region=_region(call))
        case _:
            return Thing("queue", name, region=_region(call))


def can_be_named(kind: str, name: str) -> bool:
    """Whether a table, bucket, queue, topic or stream can have that name; False for other kinds."""
    return kind in _NAMES and _NAMES[kind].fullmatch(name) is not None


def _code(call: Call, answer: Answer) -> str:
    """AWS's name for the error; a bucket that is only asked whether it is there has no body to say it."""
    if call.operation == "HeadBucket" and answer.status == 404:
        return "NoSuchBucket"
    found = _XML_CODE.search(answer.body) or _JSON_CODE.search(answer.body)
    return found[1].decode() if found and answer.status >= 400 else ""


def _region(call: Call) -> str:
    """Where the call went, "" for where the program runs."""
    found = _REGION.search(dict(call.headers).get("Authorization", ""))
    return found[1] if found and found[1] != REGION else ""


def _table(name: str, call: Call) -> Table:
    """A table with the key that the call names; an item's own key is guessed by its name."""
    keys = _keys(parameters(call))
    (key, key_type), (sort_key, sort_key_type) = (*keys, ("", "S"))[:2] if keys else (("pk", "S"), ("", "S"))
    return Table(name, key, _letter(key_type), sort_key, _letter(sort_key_type), region=_region(call))


def _letter(kind: str) -> _KeyType:
    match kind:
        case "N" | "B":
            return kind
        case _:
            return "S"


def _keys(asked: Mapping[str, Any]) -> list[tuple[str, str]]:
    """The key's names with their types, as far as they can be seen."""
    if asked.get("Key"):
        return [(name, next(iter(value), "S")) for name, value in asked["Key"].items()]
    if asked.get("Item"):
        found = sorted(asked["Item"].items(), key=lambda pair: _rank(pair[0]))
        return [(name, next(iter(value), "S")) for name, value in found if _is_plain(value)][:1]
    names, values = asked.get("ExpressionAttributeNames", {}), asked.get("ExpressionAttributeValues", {})
    return [
        (names.get(name, name), next(iter(values.get(value, {})), "S"))
        for name, value in _EQUALS.findall(asked.get("KeyConditionExpression", ""))
    ]


def _is_plain(value: Mapping[str, Any]) -> bool:
    return not value.keys().isdisjoint({"S", "N", "B"})


def _rank(name: str) -> int:
    """How likely an attribute is the key: the lower the likelier."""
    lowered = name.lower()
    is_likely = (lowered in ("pk", "id"), lowered.endswith(("id", "key")), lowered in ("name", "user", "email"))
    return next((number for number, is_so in enumerate(is_likely) if is_so), len(is_likely))
