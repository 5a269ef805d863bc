"""Connections out of the container: noted with host and port and refused, or answered from the user's file.

An audit hook sees every connection that Python code opens. Drivers in C do not pass it; the network namespace
stops those, and its counters tell that something was tried.
"""

from __future__ import annotations

import base64
import http.client
import io
import json
import socket
import sys
import threading
from collections.abc import Iterable
from typing import Any

_LOOPBACK = ("127.", "::1", "localhost")


class Network:
    """What left this container during an event, or tried to."""

    def __init__(self) -> None:
        self.tried: list[dict[str, Any]] = []
        self._canned: list[dict[str, Any]] = []
        self._has_server = False
        self._own = threading.local()

    def install(self, canned: Iterable[dict[str, Any]]) -> None:
        """Watch all connections from now on; requests in `canned` get the answer that stands there."""
        self._canned = list(canned)
        if self._canned:
            _answer_connections(self)
        sys.addaudithook(self._audit)

    def take(self) -> list[dict[str, Any]]:
        """What was tried since the last call."""
        tried, self.tried = self.tried, []
        return tried

    def note(self, kind: str, method: str, target: str, status: int = 0) -> None:
        """Remember one connection or request."""
        self.tried.append({"kind": kind, "operation": method, "target": target, "status": status})

    def canned(self, method: str, url: str) -> dict[str, Any] | None:
        """The answer to a request, where the user gave one."""
        for answer in self._canned:
            known = answer["url"]
            fits = url.startswith(known[:-1]) if known.endswith("*") else url == known
            if fits and answer["method"] in (method, "*"):
                return answer
        return None

    def has_host(self, host: str, port: int) -> bool:
        """Whether the user's file has an answer of this server."""
        return any(answer["url"] == "*" or _place(answer["url"]) == (host, port) for answer in self._canned)

    def _audit(self, event: str, args: tuple[Any, ...]) -> None:
        if event == "socket.bind" and isinstance(args[1], tuple):
            self._has_server = True
        elif event in ("socket.connect", "socket.sendto") and isinstance(args[1], tuple):
            self._refuse(str(args[1][0]), args[1][1])
        elif event in ("socket.getaddrinfo", "socket.gethostbyname"):
            self._look_up(args)

    def _refuse(self, host: str, port: object) -> None:
        is_own = host.startswith(_LOOPBACK)
        if is_own and self._has_server:
            return
        self.note("outside", "connect", f"{getattr(self._own, 'names', {}).get(host, host)}:{port}")
        if is_own:
            raise ConnectionRefusedError(111, "Connection refused")
        raise OSError(101, "Network is unreachable")

    def _look_up(self, args: tuple[Any, ...]) -> None:
        host = args[0].decode() if isinstance(args[0], bytes) else args[0]
        port = args[1] if len(args) > 1 else ""
        if host is None or host.startswith(_LOOPBACK) or _is_address(host):
            return
        self.note("outside", "connect", f"{host}:{port}" if port else host)
        raise socket.gaierror(-3, "Temporary failure in name resolution")


def _is_address(host: str) -> bool:
    for family in (socket.AF_INET, socket.AF_INET6):
        try:
            socket.inet_pton(family, host)
        except (OSError, ValueError):
            continue
        return True
    return False


def _place(url: str) -> tuple[str, int]:
    scheme, _, rest = url.partition("://")
    host, _, port = rest.partition("/")[0].partition(":")
    return host, int(port) if port else (443 if scheme == "https" else 80)


class _CannedSocket:
    """Takes a whole HTTP request, gives the answer to it."""

    def __init__(self, network: Network, scheme: str, host: str, port: int) -> None:
        self._network = network
        self._base = f"{scheme}://{host}" + ("" if port == (443 if scheme == "https" else 80) else f":{port}")
        self._sent = bytearray()
        self._near, self._far = socket.socketpair()

    def sendall(self, data: bytes) -> None:
        self._sent += bytes(data)

    def makefile(self, *_args: Any, **_options: Any) -> io.BytesIO:
        head, _, sent = bytes(self._sent).partition(b"\r\n\r\n")
        self._sent.clear()
        method, path, _ = head.split(b"\r\n", 1)[0].decode("latin-1").split(" ", 2)
        url = path if path.startswith(("http://", "https://")) else self._base + path
        answer = self._network.canned(method, url)
        if answer is None:
            self._network.note("outside", method, url)
            raise ConnectionResetError(104, f"no answer is given for {method} {url}")
        self._network.note("canned", method, url, answer["status"])
        body = _echo(method, url, sent) if answer["echoes"] else base64.b64decode(answer["body"])
        return io.BytesIO(_response(answer, b"" if method == "HEAD" else body))

    def fileno(self) -> int:
        return self._near.fileno()

    def settimeout(self, _seconds: float | None) -> None:
        pass

    def setsockopt(self, *_args: Any) -> None:
        pass

    def shutdown(self, _how: int) -> None:
        pass

    def close(self) -> None:
        self._near.close()
        self._far.close()


def _echo(method: str, url: str, sent: bytes) -> bytes:
    """The request as JSON: what was asked for decides what is answered, and nothing else does."""
    return json.dumps({"method": method, "url": url, "body": sent.decode("latin-1")}).encode()


def _response(answer: dict[str, Any], body: bytes) -> bytes:
    status = answer["status"]
    lines = [f"HTTP/1.1 {status} {http.client.responses.get(status, '')}"]
    lines += [f"{name}: {value}" for name, value in answer["headers"]]
    lines += [f"Content-Length: {len(body)}", "Connection: close"]
    return "\r\n".join(lines).encode("latin-1") + b"\r\n\r\n" + body


def _answer_connections(network: Network) -> None:
    """Replace `connect` of the standard library's connections and, where it is installed, of urllib3's."""
    kinds: list[tuple[Any, str]] = [(http.client.HTTPConnection, "http"), (http.client.HTTPSConnection, "https")]
    try:
        import urllib3.connection

        kinds += [(urllib3.connection.HTTPConnection, "http"), (urllib3.connection.HTTPSConnection, "https")]
    except ImportError:
        pass
    for kind, scheme in kinds:
        kind.connect = _connecting(network, scheme, kind.connect)


def _connecting(network: Network, scheme: str, original: Any) -> Any:
    def connect(connection: Any) -> None:
        if not network.has_host(connection.host, connection.port):
            original(connection)
            return
        connection.sock = _CannedSocket(network, scheme, connection.host, connection.port)
        connection.is_verified = True

    return connect
