"""Which lines of the program's own files ran, as cheaply as this Python can tell."""

from __future__ import annotations

import sys
import threading
import types
from typing import Any

_TOOL = 1  # sys.monitoring.COVERAGE_ID


class Lines:
    """A set of (path relative to the root, line) that is emptied when it is taken."""

    def __init__(self, root: str) -> None:
        self._root = root.rstrip("/") + "/"
        self._seen: set[tuple[str, int]] = set()
        self._tracers: dict[types.CodeType, Any] = {}

    def start(self) -> None:
        """Watch every thread from now on."""
        monitoring = getattr(sys, "monitoring", None)
        if monitoring is not None:
            self._monitor(monitoring)
        else:
            threading.settrace(self._trace)
            sys.settrace(self._trace)

    def take(self) -> list[list[Any]]:
        """The lines since the last call, sorted."""
        seen, self._seen = self._seen, set()
        size = len(self._root)
        return [[path[size:], line] for path, line in sorted(seen)]

    def _trace(self, frame: types.FrameType, _event: str, _arg: Any) -> Any:
        code = frame.f_code
        try:
            return self._tracers[code]
        except KeyError:
            tracer = self._tracer(code) if code.co_filename.startswith(self._root) else None
            self._tracers[code] = tracer
            return tracer

    def _tracer(self, code: types.CodeType) -> Any:
        path = code.co_filename

        def trace(frame: types.FrameType, event: str, _arg: Any) -> Any:
            if event == "line":
                self._seen.add((path, frame.f_lineno))
            return trace

        return trace

    def _monitor(self, monitoring: Any) -> None:
        monitoring.use_tool_id(_TOOL, "statelift")
        events = monitoring.events

        def started(code: types.CodeType, _offset: int) -> Any:
            if code.co_filename.startswith(self._root):
                monitoring.set_local_events(_TOOL, code, events.LINE)
            return monitoring.DISABLE

        def line(code: types.CodeType, number: int) -> None:
            self._seen.add((code.co_filename, number))

        monitoring.register_callback(_TOOL, events.PY_START, started)
        monitoring.register_callback(_TOOL, events.LINE, line)
        monitoring.set_events(_TOOL, events.PY_START)
