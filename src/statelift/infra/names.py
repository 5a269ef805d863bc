"""a Python name -> logical ids and environment variables. Pure text; two cells with equal words get equal names."""

import hashlib
import re
import unicodedata
from typing import Literal, TypeAlias

_WORD = re.compile(r"[A-Z]+(?![a-z])|[A-Z]?[a-z]+|[0-9]+")
_RESERVED = ("AWS", "LAMBDA")
_MAX_ID = 200


def table_id(name: str) -> str:
    """`ACTIVE_SESSIONS` -> `ActiveSessionsTable`. Any text gives a valid logical id."""
    return _logical_id(name, "Table")


def bucket_id(name: str) -> str:
    """`/tmp/results.json` -> `TmpResultsJsonBucket`."""
    return _logical_id(name, "Bucket")


def alarm_id(name: str) -> str:
    """`REQUESTS` -> `RequestsAlarm`."""
    return _logical_id(name, "Alarm")


Kind: TypeAlias = Literal["table", "bucket", "metrics"]
_GIVEN = re.compile(r"(table|bucket)/([A-Za-z0-9_.-]{3,255})|metrics/([A-Za-z0-9._\-/#]{1,255})")


def given_name(resource: str) -> str:
    """`table/user-sessions`, which stands for a resource that exists already -> `user-sessions`; "" for an id.

    `metrics/shop` stands for the namespace that metrics are sent to.
    """
    found = _GIVEN.fullmatch(resource)
    return (found[2] or found[3]) if found else ""


def metrics_in(namespace: str) -> str:
    """The reference to a namespace: `shop` -> `metrics/shop`."""
    return f"metrics/{namespace}"


def kind_of(resource: str) -> Kind | None:
    """What a logical id of ours stands for, or the reference to a resource that exists."""
    if given_name(resource):
        word = resource.partition("/")[0]
        return "metrics" if word == "metrics" else "table" if word == "table" else "bucket"
    if resource.endswith("Table"):
        return "table"
    return "bucket" if resource.endswith("Bucket") else None


def env_name(resource: str, attribute: str = "name") -> str:
    """`ActiveSessionsTable` -> `ACTIVE_SESSIONS_TABLE_NAME`; never a name that Lambda reserves."""
    words = [word.upper() for word in _words(resource)]
    if words[0] in _RESERVED or words[0][0].isdigit():
        words.insert(0, "STATE")
    return "_".join([*words, attribute.upper()])


def getter_name(cell: str) -> str:
    """`ACTIVE_SESSIONS` -> `_active_sessions_table`, the function that gives code the table itself."""
    return f"_{cell.strip('_').lower()}_table"


def camel(name: str) -> str:
    """Any text as one alphanumeric word, each part capitalised: usable in a logical id."""
    return "".join(word.capitalize() for word in _words(name))


def _logical_id(name: str, suffix: str) -> str:
    base = camel(name).removesuffix(suffix)
    if len(base) > _MAX_ID:
        base = base[:_MAX_ID] + _digest(name)
    return base + suffix


def _words(name: str) -> list[str]:
    plain = unicodedata.normalize("NFKD", name).encode("ascii", "ignore").decode()
    # a name in another script has no ASCII words: its digest is stable and keeps two such names apart
    return _WORD.findall(plain) or [_digest(name)]


def _digest(name: str) -> str:
    return "x" + hashlib.sha256(name.encode("utf-8", "surrogatepass")).hexdigest()[:8]
