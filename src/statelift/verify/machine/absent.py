"""A refused call -> the table, bucket, queue or topic that its program takes for granted."""

import re
from collections.abc import Mapping
from typing import Any, Literal

from statelift.verify.machine.calls import Call, parameters, target_of
from statelift.verify.machine.needs import ACCOUNT, REGION
from statelift.verify.machine.simulator import Answer
from statelift.verify.values import Bucket, Resource, Table, Thing

_XML_CODE = re.compile(rb"<Code>([^<]+)</Code>")
_JSON_CODE = re.compile(rb'"__type"\s*:\s*"(?:[^"#]*#)?([^"]+)"')
_REGION = re.compile(r"Credential=[^/]+/[^/]+/([^/]+)/")
_EQUALS = re.compile(r"(#?\w+)\s*=\s*(:\w+)")
_ABSENT = {
    ("dynamodb", "ResourceNotFoundException"): "table",
    ("s3", "NoSuchBucket"): "bucket",
    ("sqs", "QueueDoesNotExist"): "queue",
    ("sqs", "AWS.SimpleQueueService.NonExistentQueue"): "queue",
    ("sns", "NotFound"): "topic",
}
_KeyType = Literal["S", "N", "B"]


def absent_of(call: Call, answer: Answer) -> Resource | None:
    """What was asked for and is not there, as an empty one could stand for it; None where that is something else.

    Of texts, like parameters and secrets, nobody can guess what they hold; of topics, only those of this account.
    """
    match _ABSENT.get((call.service, _code(call, answer))), target_of(call):
        case None, _:
            return None
        case "bucket", name:
            return Bucket(name) if name else None
        case "table", name:
            return _table(name, call) if name else None
        case "topic", name:
            arn = str(parameters(call).get("TopicArn", ""))
            return Thing("topic", name) if arn.startswith(f"arn:aws:sns:{REGION}:{ACCOUNT}:") else None
        case _, name:
            return Thing("queue", name, region=_region(call)) if name else None


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
