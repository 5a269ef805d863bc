"""A call -> the rights that AWS asks for: actions, ARNs, and what conditions can look at."""

import re
from collections.abc import Iterator, Mapping
from dataclasses import dataclass, field
from types import MappingProxyType
from typing import Any

from statelift.infra.names import metrics_in
from statelift.verify.machine.calls import Call, body_of, object_of, parameters, query_of, target_of

ACCOUNT, REGION = "123456789012", "us-east-1"
_NONE: Mapping[str, tuple[str, ...]] = MappingProxyType({})
_S3_ACTIONS = {
    "HeadObject": "s3:GetObject",
    "HeadBucket": "s3:ListBucket",
    "ListObjects": "s3:ListBucket",
    "ListObjectsV2": "s3:ListBucket",
    "ListParts": "s3:ListMultipartUploadParts",
    "CreateMultipartUpload": "s3:PutObject",
    "UploadPart": "s3:PutObject",
    "UploadPartCopy": "s3:PutObject",
    "CompleteMultipartUpload": "s3:PutObject",
    "CopyObject": "s3:PutObject",
    "DeleteObjects": "s3:DeleteObject",
}
_STEPS = {"Get": "GetItem", "Put": "PutItem", "Update": "UpdateItem", "Delete": "DeleteItem"}
_KEY = re.compile(rb"<Key>([^<]*)</Key>")


@dataclass(frozen=True, slots=True)
class Need:
    """One right that a call needs. `context` is what conditions see.

    `name` is the table or bucket, or the reference to a namespace of metrics.
    """

    action: str
    arn: str
    name: str
    context: Mapping[str, tuple[str, ...]] = field(default_factory=lambda: _NONE)


def table_arn(name: str) -> str:
    """The ARN of a table of the simulated AWS."""
    return f"arn:aws:dynamodb:{REGION}:{ACCOUNT}:table/{name}"


def bucket_arn(name: str) -> str:
    """The ARN of a bucket of the simulated AWS."""
    return f"arn:aws:s3:::{name}"


def needs_of(call: Call) -> Iterator[Need]:
    """What a call to DynamoDB or S3, or one that sends metrics, needs; other calls are not looked at."""
    match call.service:
        case "dynamodb":
            yield from _of_tables(call)
        case "s3":
            yield from _of_objects(call)
        case "cloudwatch" if call.operation == "PutMetricData":
            space = target_of(call)
            context = {"cloudwatch:namespace": (space,)}
            yield Need("cloudwatch:PutMetricData", "*", metrics_in(space), MappingProxyType(context))
        case _:
            return


def listing_of(call: Call) -> Need | None:
    """What S3 asks for besides when an object that is read does not exist; None for calls that read none."""
    if call.service != "s3" or call.operation not in ("GetObject", "HeadObject"):
        return None
    bucket, _ = object_of(call)
    return Need("s3:ListBucket", bucket_arn(bucket), bucket)


def _of_tables(call: Call) -> Iterator[Need]:
    asked = parameters(call)
    if call.operation in ("TransactWriteItems", "TransactGetItems"):
        for item in asked.get("TransactItems", ()):
            for kind, request in item.items():
                yield _on_table(_STEPS.get(kind, "ConditionCheckItem"), request)
        return
    if call.operation in ("BatchGetItem", "BatchWriteItem"):
        for name in asked.get("RequestItems", ()):
            yield _on_table(call.operation, {"TableName": name})
        return
    if "TableName" in asked:
        yield _on_table(call.operation, asked)


def _on_table(operation: str, request: Mapping[str, Any]) -> Need:
    name = str(request.get("TableName", "")).rpartition("/")[2]
    index = request.get("IndexName")
    arn = f"{table_arn(name)}/index/{index}" if index else table_arn(name)
    return Need(f"dynamodb:{operation}", arn, name, MappingProxyType(_keys(request)))


def _keys(request: Mapping[str, Any]) -> dict[str, tuple[str, ...]]:
    """The partition key that a request names: new tables have `pk` and no other, a key of one part is it, too."""
    key = request.get("Key") or {}
    value = next(iter(key.values())) if len(key) == 1 else (key or request.get("Item") or {}).get("pk")
    return {"dynamodb:leadingkeys": tuple(map(str, value.values()))} if value else {}


def _of_objects(call: Call) -> Iterator[Need]:
    bucket, key = object_of(call)
    action = _S3_ACTIONS.get(call.operation, f"s3:{call.operation}")
    if action == "s3:ListBucket" or not key:
        keys = (
            [match.decode() for match in _KEY.findall(body_of(call))] if call.operation == "DeleteObjects" else []
        )
        for each in keys:
            yield Need(action, f"{bucket_arn(bucket)}/{each}", bucket)
        if not keys:
            yield Need(action, bucket_arn(bucket), bucket, MappingProxyType(_prefix(call)))
        return
    yield Need(action, f"{bucket_arn(bucket)}/{key}", bucket)
    source = {name.lower(): value for name, value in call.headers}.get("x-amz-copy-source", "").lstrip("/")
    if source:
        name = source.partition("/")[0]
        yield Need("s3:GetObject", bucket_arn(source.partition("?")[0]), name)


def _prefix(call: Call) -> dict[str, tuple[str, ...]]:
    asked = query_of(call)
    return {"s3:prefix": (asked["prefix"],)} if "prefix" in asked else {}
