"""Requests -> answers: the process in which moto plays AWS. Run as a program; it runs no code of the user's.

It serves one request at a time, so each is atomic. A copy of it, made by forking, is another AWS that stands
as this one stood at that moment.
"""

import contextlib
import gc
import hashlib
import importlib
import json
import os
import re
import signal
import socket
import sys
from collections.abc import Callable
from typing import Any

from statelift.verify.machine.calls import Call, call_from, parameters
from statelift.verify.machine.inside.clock import Clock
from statelift.verify.machine.inside.streams import Streams
from statelift.verify.machine.inside.wire import Wire
from statelift.verify.machine.needs import ACCOUNT, REGION

_CLIENTS = ("dynamodb", "s3", "sns", "sqs", "ssm", "secretsmanager")
# A delivery stream to a database: what is delivered is a call that counts, and goes nowhere else.
_NOWHERE = {
    "RedshiftDestinationConfiguration": {
        "RoleARN": f"arn:aws:iam::{ACCOUNT}:role/delivery",
        "ClusterJDBCURL": "jdbc:redshift://nowhere.us-east-1.redshift.amazonaws.com:5439/nowhere",
        "CopyCommand": {"DataTableName": "nowhere"},
        "Username": "nobody",
        "S3Configuration": {
            "RoleARN": f"arn:aws:iam::{ACCOUNT}:role/delivery",
            "BucketARN": "arn:aws:s3:::nowhere",
        },
    }
}
_TRANSACTIONS = frozenset({"TransactWriteItems", "ExecuteTransaction"})

Handler = Callable[[Any, str, Any], Any]
Connect = Callable[..., Any]  # a service and a region, to its client
Answer = tuple[int, list[list[str]], bytes]


class Cloud:
    """moto with its clock and its random numbers in hand."""

    def __init__(self) -> None:
        os.environ["AWS_DEFAULT_REGION"] = REGION  # moto sets the credentials
        boto3 = importlib.import_module("boto3")
        importlib.import_module("moto").mock_aws().start()
        self._index = importlib.import_module("moto.backend_index").backend_url_patterns
        self._backends = importlib.import_module("moto.backends")
        self._normal = importlib.import_module("moto.core.request").normalize_request
        self._prepared = importlib.import_module("botocore.awsrequest").AWSPreparedRequest
        self._headers = importlib.import_module("botocore.compat").HTTPHeaders
        self._refused = importlib.import_module("moto.core.exceptions").HTTPException
        self._connect = boto3.client
        self.clients = {name: boto3.client(name) for name in _CLIENTS}
        self._routes: dict[str, list[tuple[re.Pattern[str], Handler]]] = {}
        self._transactions: dict[str, tuple[bytes, Answer]] = {}
        self.clock, self.streams = Clock(), Streams()
        self.streams.install()
        self.clock.install()
        for client in ("dynamodb", "s3"):
            self._warm(client)

    def _warm(self, name: str) -> None:
        """The first call of a service imports a lot: do that before any copy is made."""
        if name == "dynamodb":
            self.clients[name].list_tables()
        else:
            self.clients[name].list_buckets()

    def client(self, name: str, region: str = "") -> Any:  # noqa: ANN401 - boto3 makes its clients at run time
        """The client of a service, in the region that programs run in or in another one."""
        is_made = name in self.clients and not region
        return self.clients[name] if is_made else self._connect(name, region_name=region or REGION)

    def answer(self, call: Call, number: int) -> Answer:
        """Let moto serve a request. NotImplementedError or LookupError where it cannot."""
        self.clock.move_to(call.now / 1e9)
        self.streams.begin(f"aws:{number}")
        token = parameters(call).get("ClientRequestToken") if call.operation in _TRANSACTIONS else None
        if token is None:
            return self._served(call)
        known, answer = self._transactions.get(token, (b"", None))
        if answer is None:
            answer = self._served(call)
            if answer[0] < 300:
                self._transactions[token] = (call.body, answer)
            return answer
        return answer if known == call.body else _mismatch()

    def _served(self, call: Call) -> Answer:
        url, clean = self._place(call)
        headers = self._headers()
        for name, value in call.headers:
            headers[name] = value
        request = self._normal(self._prepared(call.method, url, headers, call.body, False))
        for pattern, handler in self._handlers(clean):
            if pattern.match(clean):
                try:
                    status, found, body = handler(request, request.raw_url, request.headers)
                except self._refused as error:
                    status, found, body = error.code, error.get_headers(), error.get_body()
                data = body.encode() if isinstance(body, str) else bytes(body)
                return int(status), [[str(name), str(value)] for name, value in dict(found).items()], data
        raise LookupError(f"the simulator has no {call.service}")

    def _place(self, call: Call) -> tuple[str, str]:
        """The URL, and it without the query; an endpoint of the program's own becomes AWS's."""
        clean = call.url.partition("?")[0]
        if any(pattern.match(clean) for _, pattern in self._index):
            return call.url, clean
        scope = re.search(r"Credential=[^/]+/[^/]+/([^/]+)/([^/]+)/", dict(call.headers).get("Authorization", ""))
        region, service = scope.groups() if scope else (REGION, call.service)
        path = re.sub(r"^https?://[^/]+", "", call.url)
        url = f"https://{service}.{region}.amazonaws.com{path or '/'}"
        return url, url.partition("?")[0]

    def _handlers(self, clean: str) -> list[tuple[re.Pattern[str], Handler]]:
        for service, pattern in self._index:
            if pattern.match(clean):
                if service not in self._routes:
                    self._routes[service] = self._compiled(service)
                return self._routes[service]
        return []

    def _compiled(self, service: str) -> list[tuple[re.Pattern[str], Handler]]:
        accounts = self._backends.get_backend(service)[ACCOUNT]
        backend = accounts[REGION if REGION in accounts.regions else "aws"]
        return [(re.compile(url), handler) for url, handler in backend.urls.items()]


def _mismatch() -> Answer:
    name = "com.amazonaws.dynamodb.v20120810#IdempotentParameterMismatchException"
    text = "The request has the token of another transaction, but other parameters."
    body = json.dumps({"__type": name, "message": text}).encode()
    return 400, [["Content-Type", "application/x-amz-json-1.0"]], body


def create(cloud: Cloud, resource: dict[str, Any]) -> None:
    """Make one table, bucket, topic … with what is in it."""
    makers = {"table": _create_table, "bucket": _create_bucket}
    makers.get(resource["kind"], _create_thing)(cloud.client, resource)


def _create_table(connect: Connect, table: dict[str, Any]) -> None:
    keys = [(table["key"], table["key_type"], "HASH"), (table["sort_key"], table["sort_key_type"], "RANGE")]
    used = [key for key in keys if key[0]]
    client = connect("dynamodb", table["region"])
    client.create_table(
        TableName=table["name"],
        BillingMode="PAY_PER_REQUEST",
        AttributeDefinitions=[{"AttributeName": name, "AttributeType": kind} for name, kind, _ in used],
        KeySchema=[{"AttributeName": name, "KeyType": role} for name, _, role in used],
    )
    for item in table["items"]:
        client.put_item(TableName=table["name"], Item=json.loads(item))


def _create_bucket(connect: Connect, bucket: dict[str, Any]) -> None:
    connect("s3").create_bucket(Bucket=bucket["name"])
    for key, text in bucket["objects"]:
        connect("s3").put_object(Bucket=bucket["name"], Key=key, Body=text.encode("latin-1"))


def _create_thing(connect: Connect, thing: dict[str, Any]) -> None:
    name, text, region = thing["name"], thing["text"], thing["region"]
    match thing["kind"]:
        case "topic":
            connect("sns", region).create_topic(Name=name)
        case "queue":
            connect("sqs", region).create_queue(QueueName=name)
        case "stream":
            connect("kinesis", region).create_stream(StreamName=name, ShardCount=1)
        case "delivery_stream":
            connect("firehose", region).create_delivery_stream(DeliveryStreamName=name, **_NOWHERE)
        case "parameter":
            connect("ssm", region).put_parameter(Name=name, Value=text, Type="String")
        case _:
            connect("secretsmanager", region).create_secret(Name=name, SecretString=text)


def state(cloud: Cloud) -> dict[str, dict[str, str]]:
    """What tables and buckets hold: name -> key -> the item as JSON, or the object's SHA-256."""
    found: dict[str, dict[str, str]] = {}
    dynamodb, s3 = cloud.clients["dynamodb"], cloud.clients["s3"]
    for page in dynamodb.get_paginator("list_tables").paginate():
        for name in page["TableNames"]:
            found[name] = _items(dynamodb, name)
    for bucket in s3.list_buckets()["Buckets"]:
        found[bucket["Name"]] = _objects(s3, bucket["Name"])
    return found


def _items(dynamodb: Any, name: str) -> dict[str, str]:  # noqa: ANN401 - boto3 makes its clients at run time
    schema = dynamodb.describe_table(TableName=name)["Table"]["KeySchema"]
    items: dict[str, str] = {}
    for page in dynamodb.get_paginator("scan").paginate(TableName=name, ConsistentRead=True):
        for item in page["Items"]:
            key = {part["AttributeName"]: item[part["AttributeName"]] for part in schema}
            items[json.dumps(key, sort_keys=True, default=_text)] = json.dumps(item, sort_keys=True, default=_text)
    return items


def _objects(s3: Any, name: str) -> dict[str, str]:  # noqa: ANN401
    objects: dict[str, str] = {}
    for page in s3.get_paginator("list_objects_v2").paginate(Bucket=name):
        for entry in page.get("Contents", ()):
            body = s3.get_object(Bucket=name, Key=entry["Key"])["Body"].read()
            objects[entry["Key"]] = hashlib.sha256(body).hexdigest()
    return objects


def _text(value: bytes) -> str:
    return value.decode("latin-1")


def serve(cloud: Cloud, wire: Wire) -> None:
    """Answer until the driver hangs up."""
    while True:
        message, body, fds = wire.receive()
        match message["op"]:
            case "call":
                _answer(cloud, wire, message, body)
            case "fork":
                wire = _copy(wire, fds[0])
            case "create":
                for resource in message["resources"]:
                    create(cloud, resource)
                wire.send({})
            case _:
                wire.send({"state": state(cloud)})


def _answer(cloud: Cloud, wire: Wire, message: dict[str, Any], body: bytes) -> None:
    try:
        status, headers, data = cloud.answer(call_from(message, body), message["number"])
    except Exception as error:  # noqa: BLE001 - moto's own faults are no answer of AWS
        wire.send({"unsupported": f"{type(error).__name__}: {error}"})
        return
    if status in (404, 501) and data == b"Not yet implemented":
        wire.send({"unsupported": "the simulator does not have this operation"})
        return
    wire.send({"status": status, "headers": headers}, data)


def _copy(wire: Wire, end: int) -> Wire:
    """Fork: the parent goes on with its wire, the child with the other one."""
    if os.fork():
        os.close(end)
        return wire
    wire.close()
    return Wire(socket.socket(fileno=end))


def main(number: int) -> None:
    """Serve the driver at the other end of descriptor `number`."""
    signal.signal(signal.SIGINT, signal.SIG_IGN)
    signal.signal(signal.SIGCHLD, signal.SIG_IGN)
    wire = Wire(socket.socket(fileno=number))
    cloud = Cloud()
    gc.collect()
    gc.freeze()
    wire.send({"ready": True})
    with contextlib.suppress(EOFError, BrokenPipeError, ConnectionResetError):
        serve(cloud, wire)
    os._exit(0)  # an orderly end of this much of Python takes as long as fifty calls


if __name__ == "__main__":
    main(int(sys.argv[1]))
