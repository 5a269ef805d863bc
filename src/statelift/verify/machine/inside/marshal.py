"""A handler's reply -> the JSON text that Lambda's runtime sends.

The runtime encodes with simplejson: a named tuple is an object, bytes are text, NaN is allowed, a Decimal is
its own digits. A type it does not know is Runtime.MarshalError.
"""

from __future__ import annotations

import decimal
import json
import math
from typing import Any


class MarshalError(Exception):
    """The reply has no JSON form. The message is the runtime's."""


def marshal_reply(reply: object) -> str:
    """Encode a reply. Bytes go out as they are: here as a JSON string, one character per byte."""
    if isinstance(reply, bytes):
        return json.dumps(reply.decode("latin-1"))
    try:
        return _encoded(reply, set())
    except (TypeError, ValueError, RecursionError) as error:
        raise MarshalError(f"Unable to marshal response: {error}") from None


def _encoded(value: Any, open_values: set[int]) -> str:
    if isinstance(value, (str, bytes)):
        return json.dumps(_text(value))
    if value is None or value is True or value is False:
        return {None: "null", True: "true", False: "false"}[value]
    if isinstance(value, int):
        return int.__repr__(int(value))
    if isinstance(value, float):
        return _float(value)
    if isinstance(value, decimal.Decimal):
        return "NaN" if value.is_nan() else str(value)
    return _nested(value, open_values)


def _nested(value: Any, open_values: set[int]) -> str:
    if id(value) in open_values:
        raise ValueError("Circular reference detected")
    open_values.add(id(value))
    try:
        if isinstance(value, list):
            return _array(value, open_values)
        as_dict = getattr(value, "_asdict", None)
        if isinstance(value, tuple) and callable(as_dict):
            return _object(as_dict(), open_values)
        if isinstance(value, tuple):
            return _array(value, open_values)
        if isinstance(value, dict):
            return _object(value, open_values)
    finally:
        open_values.discard(id(value))
    raise TypeError(f"Object of type {type(value).__name__} is not JSON serializable")


def _array(values: Any, open_values: set[int]) -> str:
    return "[" + ", ".join(_encoded(value, open_values) for value in values) + "]"


def _object(values: dict[Any, Any], open_values: set[int]) -> str:
    entries = (f"{json.dumps(_key(key))}: {_encoded(value, open_values)}" for key, value in values.items())
    return "{" + ", ".join(entries) + "}"


def _key(key: Any) -> str:
    if isinstance(key, (str, bytes)):
        return _text(key)
    if isinstance(key, float):
        return _float(key)
    if key is None or key is True or key is False:
        return {None: "null", True: "true", False: "false"}[key]
    if isinstance(key, int):
        return int.__repr__(int(key))
    raise TypeError(f"keys must be str, int, float, bool or None, not {type(key).__name__}")


def _text(value: str | bytes) -> str:
    return value.decode("utf-8") if isinstance(value, bytes) else value


def _float(value: float) -> str:
    if math.isnan(value):
        return "NaN"
    if math.isinf(value):
        return "Infinity" if value > 0 else "-Infinity"
    return float.__repr__(float(value))
