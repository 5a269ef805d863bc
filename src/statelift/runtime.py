"""Part names -> `statelift_state.py`: writes the helper file that lives in a user's code root.

A part is one method or function that rewritten code calls. The file holds only the parts in use and the
sections that they need, and names its parts in one line, so that a later run can read them back.
"""

import ast
import functools
import re
import textwrap
from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from types import MappingProxyType
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    import jinja2

HELPER_FILE = "statelift_state.py"

# The sections of the file in their order; each is a template of that name.
_SECTIONS = (
    *("setting", "dynamodb", "s3", "outcome", "conflict", "encode", "unpack", "decode", "key"),
    *("store", "step", "counter", "counters", "stateless", "metric", "sending", "files", "connection"),
)


@dataclass(frozen=True, slots=True)
class Part:
    """One callable of the helper file: the sections and other parts it needs, the IAM actions it calls."""

    needs: tuple[str, ...]
    actions: tuple[str, ...] = ()


_TABLE = ("setting", "dynamodb")
_KEYED = (*_TABLE, "encode", "key", "store")
_COUNTS = (*_TABLE, "encode", "key", "counters")
_STEP = (*_TABLE, "encode", "unpack", "outcome")
_READ = ("unpack", "decode")
_BUCKET = ("setting", "s3", "files")
_GET, _UPDATE, _DELETE = "dynamodb:GetItem", "dynamodb:UpdateItem", "dynamodb:DeleteItem"
# Without the right to list, a missing object is answered with 403 instead of 404.
_LOOK = ("s3:GetObject", "s3:ListBucket")

PARTS: Mapping[str, Part] = MappingProxyType(
    {
        "store.get": Part((*_KEYED, *_READ), (_GET,)),
        "store.require": Part((*_KEYED, *_READ), (_GET,)),
        "store.contains": Part(_KEYED, (_GET,)),
        "store.put": Part(_KEYED, (_UPDATE,)),
        "store.delete": Part((*_KEYED, "outcome"), (_GET, _UPDATE, _DELETE)),
        "store.pop": Part((*_KEYED, *_READ, "outcome"), (_GET, _UPDATE, _DELETE)),
        "store.setdefault": Part((*_KEYED, *_READ, "outcome"), (_GET, _UPDATE)),
        "store.claim": Part((*_KEYED, "outcome"), (_GET, _UPDATE)),
        "store.put_if": Part((*_KEYED, *_READ, "outcome", "conflict"), (_GET, _UPDATE)),
        "store.put_unless": Part(("store.put_if", *_KEYED, *_READ, "outcome", "conflict"), (_GET, _UPDATE)),
        "store.edit": Part((*_KEYED, *_READ, "outcome", "conflict"), (_GET, _UPDATE)),
        "store.mutate": Part((*_KEYED, *_READ, "outcome", "conflict"), (_GET, _UPDATE)),
        "store.step": Part((*_KEYED, *_READ, "outcome", "conflict", "step"), (_GET, _UPDATE)),
        "store.steps": Part(("store.step",), (_GET, _UPDATE, "dynamodb:ConditionCheckItem")),
        "store.items": Part((*_TABLE, *_READ, "store"), ("dynamodb:Scan",)),
        "store.keys": Part(("store.items",), ("dynamodb:Scan",)),
        "store.values": Part(("store.items",), ("dynamodb:Scan",)),
        "store.count": Part((*_TABLE, "store"), ("dynamodb:Scan",)),
        "store.key": Part((*_TABLE, "store")),
        "store.missing": Part((*_TABLE, "store")),
        "store.expiry": Part((*_TABLE, "store")),
        "counter.add": Part((*_TABLE, "outcome", "counter"), (_GET, _UPDATE)),
        "counter.reset": Part((*_TABLE, "outcome", "counter"), (_GET, _UPDATE)),
        "counter.value": Part((*_TABLE, "counter"), (_GET,)),
        "counters.add": Part(("encode", "key", "counters", "counter.add"), (_GET, _UPDATE)),
        **{f"counters.{name}": Part(_COUNTS, (_GET,)) for name in ("get", "require", "contains")},
        "stateless.handler": Part((*_STEP, "conflict", "stateless"), (_GET, _UPDATE)),
        **{
            f"stateless.{name}": Part(("stateless.handler",), (_GET, _UPDATE))
            for name in ("environment", "context", "closure", "made")
        },
        "metric.count": Part(("metric",)),
        "metric.unit": Part(("metric",)),
        "metric.dimensions": Part(("metric",)),
        "metric.put": Part(("sending",), ("cloudwatch:PutMetricData",)),
        "files.open_read": Part(_BUCKET, _LOOK),
        "files.open_write": Part(_BUCKET, ("s3:PutObject",)),
        "files.open_append": Part((*_BUCKET, "conflict"), (*_LOOK, "s3:PutObject")),
        "files.open_new": Part((*_BUCKET, "conflict"), (*_LOOK, "s3:PutObject")),
        "files.step": Part((*_BUCKET, "conflict"), (*_LOOK, "s3:PutObject")),
        "files.touch": Part((*_BUCKET, "conflict"), (*_LOOK, "s3:PutObject")),
        "files.write_text": Part((*_BUCKET, "files.open_write"), ("s3:PutObject",)),
        "files.write_bytes": Part((*_BUCKET, "files.open_write"), ("s3:PutObject",)),
        "files.exists": Part(_BUCKET, _LOOK),
        "files.getsize": Part(_BUCKET, _LOOK),
        "files.entries_read": Part(_BUCKET, _LOOK),
        "files.entries_write": Part(_BUCKET, ("s3:PutObject",)),
        "files.entries_remove": Part((*_BUCKET, "files.entries_read"), (*_LOOK, "s3:DeleteObject")),
        "files.entries_list": Part(_BUCKET, ("s3:ListBucket",)),
        **{f"files.{name}": Part(_BUCKET, ("s3:ListBucket",)) for name in ("listdir", "iterdir", "scandir")},
        **{f"files.{name}": Part(_BUCKET, ("s3:ListBucket",)) for name in ("glob", "match")},
        "files.isdir": Part(_BUCKET, ("s3:ListBucket",)),
        "files.fetch": Part(_BUCKET, _LOOK),
        "files.store": Part(_BUCKET, ("s3:PutObject",)),
        "files.move": Part(_BUCKET, ("s3:PutObject",)),
        "files.copy": Part(_BUCKET, ("s3:PutObject",)),
        "files.remove": Part((*_BUCKET, "files.exists"), (*_LOOK, "s3:DeleteObject")),
        "connection.slot": Part(("connection",)),
        "connection.current": Part(("connection", "connection.slot")),
        "connection.lent": Part(("connection",)),
        "connection.quietly": Part(("connection",)),
        "connection.transaction": Part(("connection",)),
    }
)

# Calls that stand in the program itself and need no helper.
_INLINE = {
    "inline.get": (_GET,),
    "inline.put": ("dynamodb:PutItem",),
    "inline.delete": (_DELETE,),
    "inline.get_object": _LOOK,
    "inline.head_object": _LOOK,
    "inline.put_object": ("s3:PutObject",),
    "inline.delete_object": ("s3:DeleteObject",),
}
ACTIONS: Mapping[str, tuple[str, ...]] = MappingProxyType(
    {name: part.actions for name, part in PARTS.items()} | _INLINE
)

_MODULES = (
    *("base64", "collections", "contextlib", "contextvars", "datetime", "decimal", "errno", "fnmatch", "functools"),
    *("hashlib", "importlib", "inspect", "io", "itertools", "json", "math", "os", "pathlib", "posixpath", "re"),
    *("sys", "time", "uuid"),
)
_STANDARD_NAMES = (
    ("collections.abc", ("Callable", "Hashable", "Iterator", "MutableMapping")),
    ("typing", ("IO", "Any", "Generic", "NamedTuple", "TypeVar", "cast")),
)
_AWS_NAMES = (
    ("botocore.config", ("Config",)),
    ("botocore.exceptions", ("BotoCoreError", "ClientError", "HTTPClientError")),
)
_PARTS_LINE = re.compile(r"^# statelift parts:(.*)$", re.MULTILINE)


def render_helper(parts: Iterable[str]) -> str:
    """Write the helper file with exactly these parts. KeyError names an unknown part."""
    return _rendered(frozenset(parts))


@functools.lru_cache(maxsize=32)  # a plan of many changes asks for the same few sets again and again
def _rendered(parts: frozenset[str]) -> str:
    asked = sorted(parts)
    if unknown := sorted(parts - PARTS.keys()):
        raise KeyError(f"no helper part is called {', '.join(unknown)}; the parts are {', '.join(PARTS)}")
    needed = _resolve(asked)
    sections = [_render(f"{name}.py.j2", parts=needed).strip("\n") for name in _SECTIONS if name in needed]
    body = "\n\n\n".join(sections)
    header = _render("header.py.j2", parts_lines=_parts_lines(asked), imports=_imports(body))
    if not body:
        return header
    gap = "\n\n" if body.startswith(("def ", "class ", "@")) else "\n"
    return f"{header}{gap}{body}\n"


def parts_of(text: str) -> frozenset[str] | None:
    """Read the parts that a helper file names; None if the text is not a helper of statelift."""
    lines = _PARTS_LINE.findall(text)
    return frozenset(" ".join(lines).split()) if lines else None


def is_pristine(text: str) -> bool:
    """Answer whether the text is a helper as this version writes it, not edited since."""
    parts = parts_of(text)
    return parts is not None and parts <= PARTS.keys() and text == render_helper(parts)


def render_inline_metric(parts: Iterable[str] = ()) -> tuple[str, str]:
    """Write the metric function, name and text, for a module that no helper file can be packaged with.

    The text is one top-level definition that imports what it needs by itself.
    """
    name = "count_metric"
    return name, _render("metric.py.j2", name=name, inline=True, parts=frozenset(parts))


def _resolve(asked: Iterable[str]) -> frozenset[str]:
    """Add to the parts all sections and parts that they need."""
    needed: set[str] = set()
    waiting = list(asked)
    while waiting:
        name = waiting.pop()
        needed.add(name)
        if name not in _SECTIONS:
            waiting.extend(PARTS[name].needs)
    return frozenset(needed)


def _parts_lines(asked: list[str]) -> list[str]:
    """Name the parts, on more than one line where they do not fit."""
    prefix = "# statelift parts: "
    names = " ".join(asked)
    return textwrap.wrap(names, 88, initial_indent=prefix, subsequent_indent=prefix) or [prefix.rstrip()]


def _imports(body: str) -> list[list[str]]:
    """Write the imports of the names that the body uses: the standard library's, then the AWS SDK's."""
    used = {node.id for node in ast.walk(ast.parse(body)) if isinstance(node, ast.Name)}
    standard = [f"import {module}" for module in _MODULES if module in used]
    sdk = ["import boto3"] if "boto3" in used else []
    groups = [standard + _from_imports(_STANDARD_NAMES, used), sdk + _from_imports(_AWS_NAMES, used)]
    return [group for group in groups if group]


def _from_imports(known: Iterable[tuple[str, tuple[str, ...]]], used: set[str]) -> list[str]:
    wanted = ((module, [name for name in names if name in used]) for module, names in known)
    return [f"from {module} import {', '.join(names)}" for module, names in wanted if names]


def _render(template: str, **values: object) -> str:
    return _environment().get_template(f"runtime/{template}").render(values)


@functools.cache
def _environment() -> "jinja2.Environment":
    import jinja2

    return jinja2.Environment(
        loader=jinja2.PackageLoader("statelift_templates", ""),
        undefined=jinja2.StrictUndefined,
        autoescape=False,  # noqa: S701
        trim_blocks=True,
        lstrip_blocks=True,
        keep_trailing_newline=True,
    )
