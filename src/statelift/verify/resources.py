"""A plan's infrastructure, files on disk -> the program, tables, buckets and answers that a world starts with."""

import json
from collections.abc import Iterable, Mapping
from pathlib import Path
from types import MappingProxyType
from typing import Any

from statelift.infra.names import given_name
from statelift.model import CellOptions, EnsureEnv, EnsureResource, Operation, Options
from statelift.verify.machine.needs import bucket_arn, table_arn
from statelift.verify.values import Bucket, Canned, CodeTree, Resource, Table

LEFT_OUT = frozenset({".git", ".hg", ".svn", "node_modules", ".venv", "venv", "__pycache__", ".aws-sam", ".tox"})
_MOST_BYTES = 64 << 20
_NOTHING: Mapping[str, bytes | None] = MappingProxyType({})


class ResourceError(ValueError):
    """Something that a world should start with cannot be used; the text says what and where."""


def read_tree(root: Path, changed: Mapping[str, bytes | None] = _NOTHING) -> CodeTree:
    """Read a program's files; `changed` holds other bytes of some, None for one that is gone.

    Raises ResourceError where the folder holds more than 64 MB, OSError where a file cannot be read.
    """
    found: dict[str, bytes] = {}
    size = 0
    for path in _files(root):
        name = path.relative_to(root).as_posix()
        found[name] = path.read_bytes()
        size += len(found[name])
        if size > _MOST_BYTES:
            raise ResourceError(f"{root} holds more than 64 MB: verify a narrower folder.")
    for name, data in changed.items():
        if data is None:
            found.pop(name, None)
        else:
            found[name] = data
    return CodeTree(tuple(sorted(found.items())))


def _files(folder: Path) -> Iterable[Path]:
    for path in sorted(folder.iterdir()):
        if path.is_symlink() or path.name in LEFT_OUT:
            continue
        if path.is_dir():
            yield from _files(path)
        elif path.is_file():
            yield path


def existing_of(
    operations: Iterable[Operation], options: Options, environment: Mapping[str, str]
) -> tuple[Resource, ...]:
    """The tables and buckets that a plan takes for granted, each once: empty ones stand for them."""
    keys = {
        each.table or environment[each.table_env]: each.key or "pk" for each in options.stores if _is_there(each)
    }
    references = {op.resource for op in operations if isinstance(op, EnsureEnv) and given_name(op.resource)}
    references |= {f"table/{environment[each.table_env]}" for each in options.stores if each.table_env}
    references |= {f"bucket/{environment[options.bucket_env]}"} if options.bucket_env else set()
    return tuple(_empty(reference, keys) for reference in sorted(references))


def _is_there(asked: CellOptions) -> bool:
    return bool(asked.table or asked.table_env)


def _empty(reference: str, keys: Mapping[str, str]) -> Resource:
    kind, _, name = reference.partition("/")
    return Table(name, keys.get(name, "pk")) if kind == "table" else Bucket(name)


def stand_ins(options: Options) -> dict[str, str]:
    """Variables that name what exists, with the names of what stands for it."""
    variables = [each.table_env for each in options.stores if each.table_env]
    variables += [options.bucket_env] if options.bucket_env else []
    return {name: f"existing-{name.lower().replace('_', '-')}" for name in variables}


def resources_of(operations: Iterable[Operation]) -> tuple[Resource, ...]:
    """The tables and buckets that a plan's operations make, each once."""
    wanted = {op.id: op for op in operations if isinstance(op, EnsureResource)}
    found: list[Resource] = []
    for name, operation in sorted(wanted.items()):
        if operation.kind == "table":
            found.append(Table(name))
        elif operation.kind == "bucket":
            found.append(Bucket(physical_name(operation)))
    return tuple(found)


def environment_of(operations: Iterable[Operation]) -> dict[str, str]:
    """The environment variables that a plan's operations set, with the names of these tables and buckets."""
    listed = list(operations)
    known = {op.id: op for op in listed if isinstance(op, EnsureResource)}
    found: dict[str, str] = {}
    for operation in listed:
        if isinstance(operation, EnsureEnv) and given_name(operation.resource):
            found[operation.name] = given_name(operation.resource)
        elif isinstance(operation, EnsureEnv) and operation.resource in known:
            name = physical_name(known[operation.resource])
            found[operation.name] = name if operation.attribute == "name" else arn_of(known[operation.resource])
    return found


def physical_name(resource: EnsureResource) -> str:
    """The name of a resource in the simulated AWS: bucket names have no capitals."""
    return resource.id.lower() if resource.kind == "bucket" else resource.id


def arn_of(resource: EnsureResource) -> str:
    """The ARN of a resource in the simulated AWS."""
    name = physical_name(resource)
    return bucket_arn(name) if resource.kind == "bucket" else table_arn(name)


def read_canned(path: Path) -> tuple[Canned, ...]:
    """Read the user's answers to HTTP requests: a JSON list of {url, method, status, headers, body, echo}.

    `body` is text, or any other JSON value that is sent as JSON; with `echo`, it is the request. Raises
    ResourceError naming the entry.
    """
    try:
        entries = json.loads(path.read_text(encoding="utf-8"))
    except ValueError as error:
        raise ResourceError(f"{path} is not JSON: {error}") from None
    if not isinstance(entries, list) or not all(isinstance(entry, dict) for entry in entries):
        raise ResourceError(f"{path} has to hold a list of answers, each a JSON object.")
    return tuple(_canned(f"{path}, answer {number}", entry) for number, entry in enumerate(entries, 1))


def _canned(place: str, entry: dict[str, Any]) -> Canned:
    unknown = sorted(entry.keys() - {"url", "method", "status", "headers", "body", "echo"})
    if unknown:
        raise ResourceError(f"{place}: {unknown[0]} is not known; url, method, status, headers, body and echo are.")
    url = str(entry.get("url", ""))
    if url != "*" and not url.startswith(("http://", "https://")):
        raise ResourceError(f"{place}: it needs a url that begins with http:// or https://, or * for all.")
    body, headers, status = entry.get("body", ""), entry.get("headers", {}), entry.get("status", 200)
    if not isinstance(headers, dict) or not isinstance(status, int):
        raise ResourceError(f"{place}: headers is an object, status a number.")
    data = body.encode() if isinstance(body, str) else json.dumps(body).encode()
    pairs = tuple((str(name), str(value)) for name, value in headers.items())
    return Canned(url, data, str(entry.get("method", "GET")).upper(), status, pairs, entry.get("echo") is True)
