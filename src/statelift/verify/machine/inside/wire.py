"""Messages and open files between two processes over a Unix socket."""

from __future__ import annotations

import array
import json
import socket
import struct
from collections.abc import Sequence
from typing import Any

_HEADER = struct.Struct("!II")
_MAX_FDS = 4


class Wire:
    """Frames on a stream socket: a JSON object, bytes beside it, file descriptors."""

    def __init__(self, end: socket.socket) -> None:
        self.socket = end

    def fileno(self) -> int:
        """The descriptor, for select."""
        return self.socket.fileno()

    def close(self) -> None:
        """Close this end; the other one then sees EOFError."""
        self.socket.close()

    def send(self, message: dict[str, Any], blob: bytes = b"", fds: Sequence[int] = ()) -> None:
        """Send one frame. OSError where the other end is gone."""
        text = json.dumps(message, separators=(",", ":")).encode()
        head = _HEADER.pack(len(text), len(blob))
        if fds:
            socket.send_fds(self.socket, [head], list(fds))
        else:
            self.socket.sendall(head)
        self.socket.sendall(text + blob)

    def receive(self) -> tuple[dict[str, Any], bytes, list[int]]:
        """Wait for one frame. EOFError where the other end is gone."""
        head, fds = self._head()
        text_size, blob_size = _HEADER.unpack(head)
        body = self._exactly(text_size + blob_size)
        return json.loads(body[:text_size]), body[text_size:], fds

    def ask(
        self, message: dict[str, Any], blob: bytes = b"", fds: Sequence[int] = ()
    ) -> tuple[dict[str, Any], bytes]:
        """Send a frame, wait for the answer to it."""
        self.send(message, blob, fds)
        answer, answer_blob, _ = self.receive()
        return answer, answer_blob

    def _head(self) -> tuple[bytes, list[int]]:
        numbers = array.array("i")
        room = socket.CMSG_SPACE(_MAX_FDS * numbers.itemsize)
        head, extra, _, _ = _reading(self.socket, _HEADER.size, room)
        for level, kind, data in extra:
            if level == socket.SOL_SOCKET and kind == socket.SCM_RIGHTS:
                numbers.frombytes(data[: len(data) - len(data) % numbers.itemsize])
        return head + self._exactly(_HEADER.size - len(head)), list(numbers)

    def _exactly(self, size: int) -> bytes:
        parts: list[bytes] = []
        while size:
            part = self.socket.recv(min(size, 1 << 20))
            if not part:
                raise EOFError
            parts.append(part)
            size -= len(part)
        return b"".join(parts)


def _reading(end: socket.socket, size: int, room: int) -> Any:
    try:
        found = end.recvmsg(size, room)
    except ConnectionResetError:
        raise EOFError from None
    if not found[0]:
        raise EOFError
    return found


def pair() -> tuple[Wire, socket.socket]:
    """A wire, and the other end to give away."""
    near, far = socket.socketpair(socket.AF_UNIX, socket.SOCK_STREAM)
    return Wire(near), far
