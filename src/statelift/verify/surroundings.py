"""A file -> the environment variables, tables, buckets and topics that are there before the first event."""

import base64
import json
from collections.abc import Iterator
from dataclasses import replace
from decimal import Decimal
from pathlib import Path
from typing import Any, Literal

from statelift.verify.machine.absent import can_be_named
from statelift.verify.resources import ResourceError
from statelift.verify.values import Bucket, Resource, Table, Thing

_NAMED: tuple[Literal["topic", "queue", "stream", "delivery_stream"], ...] = (
    *("topic", "queue", "stream", "delivery_stream"),
)
_KNOWN = (
    *("env", "region", "tables", "items", "buckets", "objects", "topics", "queues", "streams", "delivery_streams"),
    *("parameters", "secrets"),
)


def read_surroundings(path: Path) -> tuple[dict[str, str], tuple[Resource, ...]]:
    """Read what is there: `env`, `tables` (name, key), `items` (table, item), `buckets`, `objects` (bucket, key,
    text or base64), `topics`, `queues`, `streams`, `delivery_streams`, `parameters`, `secrets` (name to text), the
    `region` of all but buckets.

    ResourceError says what cannot be used.
    """
    try:
        found = json.loads(path.read_text(encoding="utf-8"), parse_float=Decimal)
    except ValueError as error:
        raise ResourceError(f"{path} is not JSON: {error}") from None
    if not isinstance(found, dict) or (found.keys() - set(_KNOWN)):
        raise ResourceError(f"{path} has to be an object with some of {', '.join(_KNOWN)}.")
    try:
        environment = {str(name): str(value) for name, value in found.get("env", {}).items()}
        resources = tuple(_in_region(each, found.get("region", "")) for each in _resources(found))
    except (KeyError, TypeError, AttributeError, ValueError) as error:
        raise ResourceError(
            f"{path} cannot be used: {error!r}. Tables have a name and a key, items a table."
        ) from None
    wrong = [each.name for each in resources if isinstance(each, Bucket) and not can_be_named("bucket", each.name)]
    if wrong:
        raise ResourceError(f"{path}: {wrong[0]} cannot be the name of a bucket.")
    return environment, resources


def _in_region(resource: Resource, region: str) -> Resource:
    return resource if isinstance(resource, Bucket) or not region else replace(resource, region=str(region))


def _resources(found: dict[str, Any]) -> Iterator[Resource]:
    for table in found.get("tables", []):
        items = [each["item"] for each in found.get("items", []) if each["table"] == table["name"]]
        yield Table(table["name"], table.get("key", "pk"), items=tuple(map(_item, items)))
    for name in found.get("buckets", []):
        objects = [each for each in found.get("objects", []) if each["bucket"] == name]
        yield Bucket(name, tuple((each["key"], _bytes(each)) for each in objects))
    for kind in _NAMED:
        yield from (Thing(kind, name) for name in found.get(f"{kind}s", []))
    for name, text in found.get("parameters", {}).items():
        yield Thing("parameter", name, str(text))
    for name, text in found.get("secrets", {}).items():
        yield Thing("secret", name, str(text))


def _item(item: dict[str, Any]) -> str:
    from boto3.dynamodb.types import TypeSerializer

    typed = TypeSerializer()
    return json.dumps({name: typed.serialize(value) for name, value in item.items()})


def _bytes(each: dict[str, Any]) -> bytes:
    return base64.b64decode(each["base64"]) if "base64" in each else str(each["text"]).encode()
