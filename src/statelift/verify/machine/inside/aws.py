"""Calls to AWS: taken from botocore just before they would be sent, answered by the simulator.

botocore's own event `before-send` is used, so the SDK signs, retries and parses as always, and explicit
endpoints, regions and old versions make no difference.
"""

from __future__ import annotations

import functools
import importlib
import io
import logging
import sys
import threading
from collections.abc import Callable, Iterator
from typing import Any

from .wire import Wire

SERVICES = ("dynamodb", "s3", "cloudwatch")

_caller: Caller | None = None


class Caller:
    """The way of one container to the simulator; one call at a time."""

    def __init__(self, wire: Wire, now_ns: Callable[[], int]) -> None:
        self._wire = wire
        self._now_ns = now_ns
        self._turn = threading.Lock()

    def call(self, service: str, operation: str, request: Any) -> tuple[dict[str, Any], bytes]:
        """Send one request, wait for its answer."""
        message = {
            "service": service,
            "operation": operation,
            "method": request.method,
            "url": request.url,
            "headers": [[name, _text(value)] for name, value in request.headers.items()],
            "now": self._now_ns(),
        }
        with self._turn:
            return self._wire.ask(message, _body(request.body))


def warm_up() -> str:
    """Import boto3 and make clients once, for all containers. Returns its version, "" without boto3."""
    try:
        boto3 = importlib.import_module("boto3")
        handlers = importlib.import_module("botocore.handlers")
        loaders = importlib.import_module("botocore.loaders")
    except ImportError:
        return ""
    handlers.BUILTIN_HANDLERS.append(("before-send", _before_send))
    # Each session parses the service models again: here all containers and all sessions share them.
    loaders.JSONFileLoader.load_file = _load_once(loaders.JSONFileLoader.load_file)
    _leave_untraced(boto3)
    # It tells the log of every session where it found credentials: that depends on the container only.
    logging.getLogger("botocore.credentials").setLevel(logging.WARNING)
    # The default session keeps what it has read, but no credentials or region: it looks for both when asked.
    boto3.setup_default_session()
    place = {"region_name": "us-east-1", "aws_access_key_id": "x", "aws_secret_access_key": "x"}
    for service in SERVICES:
        boto3.client(service, **place)
    boto3.resource("dynamodb", **place)
    return str(boto3.__version__)


def _leave_untraced(boto3: Any) -> None:
    """Where lines are seen by `sys.settrace`, the SDK's many small functions would run at half their speed."""
    if hasattr(sys, "monitoring"):
        return
    clients = importlib.import_module("botocore.client")
    sessions = importlib.import_module("botocore.session")
    for kind, name in (
        (clients.BaseClient, "_make_api_call"),
        (sessions.Session, "create_client"),
        (boto3.Session, "resource"),
    ):
        setattr(kind, name, _untraced(getattr(kind, name)))


def _untraced(function: Callable[..., Any]) -> Callable[..., Any]:
    @functools.wraps(function)
    def call(*args: Any, **options: Any) -> Any:
        tracer = sys.gettrace()
        sys.settrace(None)
        try:
            return function(*args, **options)
        finally:
            sys.settrace(tracer)

    return call


def connect(wire: Wire, now_ns: Callable[[], int]) -> None:
    """Send the calls of this process to `wire` from now on."""
    global _caller  # noqa: PLW0603 - botocore's handlers are global, too
    _caller = Caller(wire, now_ns)


def _before_send(event_name: str, request: Any, **_ignored: Any) -> Any:
    if _caller is None:
        raise RuntimeError("a call to AWS outside of a container")
    _, service, operation = event_name.split(".", 2)
    answer, body = _caller.call(service, operation, request)
    if answer.get("lost"):
        errors = importlib.import_module("botocore.exceptions")
        raise errors.ReadTimeoutError(endpoint_url=request.url)
    response = importlib.import_module("botocore.awsrequest").AWSResponse
    return response(request.url, answer["status"], _headers(answer["headers"]), RawBody(body))


class RawBody(io.BytesIO):
    """The body of an answer, as the SDK reads it from urllib3."""

    def stream(self, amt: int = 1 << 16, **_options: Any) -> Iterator[bytes]:
        """The rest, in parts."""
        while part := self.read(amt):
            yield part

    def release_conn(self) -> None:
        """There is no connection to give back."""


def _headers(pairs: list[list[str]]) -> Any:
    headers = importlib.import_module("botocore.compat").HTTPHeaders()
    for name, value in pairs:
        headers[name] = value
    return headers


def _body(body: Any) -> bytes:
    if body is None:
        return b""
    if isinstance(body, str):
        return body.encode()
    if hasattr(body, "read"):
        content: Any = body.read()
        return content.encode() if isinstance(content, str) else bytes(content)
    return bytes(body)


def _text(value: object) -> str:
    return value.decode("latin-1") if isinstance(value, bytes) else str(value)


def _load_once(load: Callable[..., Any]) -> Callable[..., Any]:
    known: dict[str, Any] = {}

    @functools.wraps(load)
    def load_file(loader: Any, file_path: str) -> Any:
        if file_path not in known:
            known[file_path] = load(loader, file_path)
        return known[file_path]

    return load_file
