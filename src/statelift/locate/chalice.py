"""project files -> deployed functions of Chalice apps: one for all routes, one for each other decorator."""

import ast
import json
import posixpath
import re
import warnings
from collections.abc import Iterator

from statelift.locate.bound import Module, dotted_name
from statelift.locate.deployed import Deployed, Files, Folder, is_own
from statelift.model import Problem, Settings

_CONFIG = ".chalice/config.json"
_LIBRARY = "chalicelib"
_ROUTES = frozenset({"route"})
_EVENTS = frozenset(
    """lambda_function schedule on_s3_event on_sns_message on_sqs_message on_kinesis_record on_dynamodb_record
    on_cw_event authorizer on_ws_connect on_ws_message on_ws_disconnect""".split()
)
_SOCKETS = {
    "on_ws_connect": "WebsocketConnect",
    "on_ws_message": "WebsocketMessage",
    "on_ws_disconnect": "WebsocketDisconnect",
}
_NOT_YET = "statelift does not write to the configuration of Chalice."


def find_in_chalice(files: Files) -> Iterator[Deployed | Problem]:
    """Every function of every app that has a configuration."""
    configs = sorted(name for name in files.names if f"/{name}".endswith(f"/{_CONFIG}") and is_own(name))
    for config in configs:
        try:
            settings = _settings(files.read(config))
        except OSError as error:
            yield Problem(config, 1, "template-error", f"This file cannot be read: {error.strerror or error}.")
            continue
        except ValueError as error:
            line = error.lineno if isinstance(error, json.JSONDecodeError) else 1
            yield Problem(config, line, "template-error", f"This is no configuration of Chalice: {error}.")
            continue
        yield from _app(config, settings, files)


def _settings(data: bytes) -> Settings:
    """What the configuration says for all stages and the first one. Raises ValueError."""
    config = json.loads(data)
    if not isinstance(config, dict):
        raise ValueError("it holds no object")
    stages = config.get("stages")
    both = config | _table(next(iter(stages.values()), None) if isinstance(stages, dict) else None)
    variables = _table(config.get("environment_variables")) | _table(both.get("environment_variables"))
    return Settings(
        role=str(both.get("iam_role_arn", "")) if both.get("manage_iam_role") is False else "",
        environment=tuple((str(name), str(value)) for name, value in variables.items()),
        memory=_whole(both.get("lambda_memory_size")),
        timeout=_whole(both.get("lambda_timeout")),
        has_vpc=bool(both.get("subnet_ids")),
    )


def _table(value: object) -> dict[object, object]:
    return value if isinstance(value, dict) else {}


def _whole(value: object) -> int | None:
    return value if isinstance(value, int) and not isinstance(value, bool) else None


def _app(config: str, settings: Settings, files: Files) -> Iterator[Deployed | Problem]:
    folder = posixpath.dirname(posixpath.dirname(config))
    main = posixpath.join(folder, "app.py")
    if main not in files.names:
        yield Problem(config, 1, "not-located", f"{main}, the program of this Chalice app, is not in this project.")
        return
    library = posixpath.join(folder, _LIBRARY)
    inner = sorted(name for name in files.below(library) if name.endswith(".py"))
    has_route = False
    for path in (main, *inner):
        module = _parsed(path, files)
        for kind, name, node in _decorated(module) if module is not None else ():
            has_route |= kind in _ROUTES
            if kind in _EVENTS:
                dotted = path.removeprefix(f"{folder}/" if folder else "").removesuffix(".py").replace("/", ".")
                yield _function(config, folder, settings, _SOCKETS.get(kind) or name, f"{dotted}.{node.name}")
    if has_route:
        yield _function(config, folder, settings, "APIHandler", "app.app")


def _parsed(path: str, files: Files) -> Module | None:
    """A file that has to do with Chalice; one that cannot be parsed is reported with all others."""
    try:
        data = files.read(path)
        with warnings.catch_warnings(action="ignore"):
            return Module(path, ast.parse(data)) if b"chalice" in data else None
    except (OSError, SyntaxError, ValueError, RecursionError, MemoryError):
        return None


def _decorated(module: Module) -> Iterator[tuple[str, str, ast.FunctionDef]]:
    """Kind, resource name and definition of each function that an app or blueprint is told of."""
    owners = {name for name, value in module.bindings.get(module.tree, {}).items() if _is_app(value)}
    for node in module.tree.body:
        for decorator in node.decorator_list if isinstance(node, ast.FunctionDef) else ():
            call = decorator if isinstance(decorator, ast.Call) else None
            owner, _, kind = (dotted_name(call.func if call else decorator) or "").rpartition(".")
            if owner in owners and kind in _ROUTES | _EVENTS and isinstance(node, ast.FunctionDef):
                yield kind, _resource_name(_given_name(call) or node.name), node


def _is_app(values: list[ast.expr | None]) -> bool:
    calls = [value for value in values if isinstance(value, ast.Call)]
    return any((dotted_name(call.func) or "").rpartition(".")[2] in ("Chalice", "Blueprint") for call in calls)


def _given_name(call: ast.Call | None) -> str | None:
    """`name="…"` of a decorator."""
    for keyword in call.keywords if call else ():
        if (
            keyword.arg == "name"
            and isinstance(keyword.value, ast.Constant)
            and isinstance(keyword.value.value, str)
        ):
            return keyword.value.value
    return None


def _resource_name(name: str) -> str:
    """The logical id that Chalice makes of a name: `on_upload` -> `OnUpload`."""
    parts = [part for part in re.split(r"[-_]", name) if part]
    return re.sub(r"[^A-Za-z0-9]+", "", "".join(part[0].upper() + part[1:] for part in parts))


def _function(config: str, folder: str, settings: Settings, name: str, handler: str) -> Deployed:
    return Deployed(
        tool="chalice",
        template=config,
        logical_id=name,
        line=1,
        runtime=None,
        handler=handler,
        code=Folder(folder, helper=_LIBRARY),
        patchable=_NOT_YET,
        settings=settings,
    )
