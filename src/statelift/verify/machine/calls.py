"""A request to AWS -> what it asks for: the resource, whether it reads weakly, a canonical text."""

import hashlib
import json
import urllib.parse
from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

_WEAK_READS = frozenset({"GetItem", "Query", "Scan", "BatchGetItem", "ExecuteStatement"})
# Unique to each attempt of a call, never to its meaning.
_TOKENS = frozenset({"ClientRequestToken", "SdkToken"})
_NAMES = (
    *("TableName", "TopicArn", "TargetArn", "QueueUrl", "SecretId", "FunctionName", "StreamName", "Namespace"),
    *("DeliveryStreamName", "KeyId", "Name", "EventBusName", "stateMachineArn", "Bucket"),
)
_LONG = 4096


@dataclass(frozen=True, slots=True)
class Call:
    """One request as the SDK was about to send it. `now` is the container's clock in nanoseconds."""

    service: str
    operation: str
    method: str
    url: str
    headers: tuple[tuple[str, str], ...]
    body: bytes
    now: int

    @property
    def is_read(self) -> bool:
        """Whether the operation's name says that it changes nothing."""
        reads = ("Get", "List", "Describe", "Head", "Query", "Scan", "BatchGet", "TransactGet")
        return self.operation.startswith(reads)


def call_from(message: Mapping[str, Any], body: bytes) -> Call:
    """Read the message of a container."""
    headers = tuple((str(name), str(value)) for name, value in message["headers"])
    return Call(
        service=message["service"],
        operation=message["operation"],
        method=message["method"],
        url=message["url"],
        headers=headers,
        body=body,
        now=message["now"],
    )


def is_weak_read(call: Call) -> bool:
    """Whether DynamoDB may answer it from a replica that lags."""
    if call.service != "dynamodb" or call.operation not in _WEAK_READS:
        return False
    asked = parameters(call)
    tables = asked.get("RequestItems", {}).values() if call.operation == "BatchGetItem" else [asked]
    if call.operation == "ExecuteStatement" and not str(asked.get("Statement", "")).lstrip().upper().startswith(
        "SELECT"
    ):
        return False
    return any(not table.get("ConsistentRead") for table in tables)


def target_of(call: Call) -> str:
    """The table, bucket, topic, queue … that a call is about; several are joined by commas."""
    if call.service == "s3":
        return _bucket(call.url)
    asked = parameters(call)
    for name in _NAMES:
        if isinstance(found := asked.get(name), str) and found:
            return found.rpartition("/")[2] if name == "QueueUrl" else found.rpartition(":")[2]
    names = set(asked.get("RequestItems", {}))
    for item in asked.get("TransactItems", ()):
        names |= {str(action["TableName"]) for action in item.values() if "TableName" in action}
    return ",".join(sorted(names))


def object_of(call: Call) -> tuple[str, str]:
    """Bucket and key of a call to S3; the key is "" where it is about the bucket."""
    place = urllib.parse.urlsplit(call.url)
    bucket = _bucket(call.url)
    path = place.path.lstrip("/")
    is_in_host = place.netloc.partition(".s3.")[0] != place.netloc
    key = path if is_in_host else path.partition("/")[2]
    return bucket, urllib.parse.unquote(key)


def query_of(call: Call) -> dict[str, str]:
    """The parameters in the URL."""
    return dict(urllib.parse.parse_qsl(urllib.parse.urlsplit(call.url).query, keep_blank_values=True))


def canonical(call: Call) -> str:
    """The request as one text: equal requests have equal texts. Tokens and signatures are left out."""
    if call.service == "s3":
        place = urllib.parse.urlsplit(call.url)
        query = f"?{place.query}" if place.query else ""
        path = place.path if place.netloc.startswith("s3.") else f"/{_bucket(call.url)}{place.path}"
        return f"{call.method} {path}{query} {_content(body_of(call))}".strip()
    asked = {name: value for name, value in parameters(call).items() if name not in _TOKENS}
    return json.dumps(asked, sort_keys=True) if asked else f"{call.method} {urllib.parse.urlsplit(call.url).path}"


def parameters(call: Call) -> dict[str, Any]:
    """The parameters of a JSON or query request; {} where the body is something else."""
    text = call.body.decode("utf-8", "replace")
    if text.startswith("{"):
        try:
            found = json.loads(text)
        except ValueError:
            return {}
        return found if isinstance(found, dict) else {}
    if "Action=" in text:
        return dict(urllib.parse.parse_qsl(text, keep_blank_values=True))
    return {}


def _bucket(url: str) -> str:
    place = urllib.parse.urlsplit(url)
    host, _, _ = place.netloc.partition(".s3.")
    return host if host != place.netloc else place.path.lstrip("/").partition("/")[0]


def body_of(call: Call) -> bytes:
    """The body without the frames and the checksum that the SDK puts around it."""
    if not any(name.lower() == "content-encoding" and "aws-chunked" in value for name, value in call.headers):
        return call.body
    parts: list[bytes] = []
    rest = call.body
    while rest:
        size, _, rest = rest.partition(b"\r\n")
        length = int(size.partition(b";")[0], 16)
        if not length:
            break
        parts.append(rest[:length])
        rest = rest[length + 2 :]
    return b"".join(parts)


def _content(body: bytes) -> str:
    if len(body) <= _LONG:
        try:
            return body.decode()
        except UnicodeDecodeError:
            pass
    return f"sha256:{hashlib.sha256(body).hexdigest()}" if body else ""
