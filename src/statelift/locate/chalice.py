"""project files -> deployed functions of Chalice apps: one for all routes, one for each other decorator."""

import ast
import json
import posixpath
import re
import warnings
from collections import Counter
from collections.abc import Iterator
from dataclasses import dataclass, replace

from statelift.locate import chalicesites
from statelift.locate.bound import Module, dotted_name
from statelift.locate.deployed import Deployed, Files, Folder, is_own
from statelift.locate.sites import UnpatchableError
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


def find_in_chalice(files: Files) -> Iterator[Deployed | Problem]:
    """Every function of every app that has a configuration."""
    configs = sorted(name for name in files.names if f"/{name}".endswith(f"/{_CONFIG}") and is_own(name))
    for config in configs:
        try:
            app = _read(config, files)
        except OSError as error:
            yield Problem(config, 1, "template-error", f"This file cannot be read: {error.strerror or error}.")
            continue
        except ValueError as error:
            line = error.lineno if isinstance(error, json.JSONDecodeError) else 1
            yield Problem(config, line, "template-error", f"This is no configuration of Chalice: {error}.")
            continue
        yield from _shared(list(_functions(app, files)))


@dataclass(frozen=True, slots=True)
class _App:
    """The configuration of an app and its file; `folder` holds app.py."""

    path: str
    folder: str
    config: dict[object, object]
    settings: Settings


def _read(path: str, files: Files) -> _App:
    """Raises ValueError, OSError."""
    config = json.loads(files.read(path))
    if not isinstance(config, dict):
        raise ValueError("it holds no object")
    return _App(path, posixpath.dirname(posixpath.dirname(path)), config, _settings(config))


def _settings(config: dict[object, object]) -> Settings:
    """What the configuration says for all stages and the first one."""
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


def _functions(app: _App, files: Files) -> Iterator[Deployed | Problem]:
    folder = app.folder
    main = posixpath.join(folder, "app.py")
    if main not in files.names:
        message = f"{main}, the program of this Chalice app, is not in this project."
        yield Problem(app.path, 1, "not-located", message)
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
                logical_id = _SOCKETS.get(kind) or _resource_name(name)
                called = f"websocket_{kind.rpartition('_')[2]}" if kind in _SOCKETS else name
                yield _function(app, files, logical_id, called, f"{dotted}.{node.name}")
    if has_route:
        yield _function(app, files, "APIHandler", "api_handler", "app.app")


def _shared(found: list[Deployed | Problem]) -> Iterator[Deployed | Problem]:
    """The functions with what their rights mean for others: a policy is that of all functions which name it."""
    users = Counter(item.rights for item in found if isinstance(item, Deployed) and item.rights)
    for item in found:
        if isinstance(item, Deployed) and users[item.rights] > 1:
            told = (
                f"{users[item.rights]} functions have the policy {item.rights[0][0]}: all of them get these rights"
            )
            yield replace(item, sharing=told)
        else:
            yield item


def _parsed(path: str, files: Files) -> Module | None:
    """A file that has to do with Chalice; one that cannot be parsed is reported with all others."""
    try:
        data = files.read(path)
        with warnings.catch_warnings(action="ignore"):
            return Module(path, ast.parse(data)) if b"chalice" in data else None
    except (OSError, SyntaxError, ValueError, RecursionError, MemoryError):
        return None


def _decorated(module: Module) -> Iterator[tuple[str, str, ast.FunctionDef]]:
    """Kind, name and definition of each function that an app or blueprint is told of."""
    owners = {name for name, value in module.bindings.get(module.tree, {}).items() if _is_app(value)}
    for node in module.tree.body:
        for decorator in node.decorator_list if isinstance(node, ast.FunctionDef) else ():
            call = decorator if isinstance(decorator, ast.Call) else None
            owner, _, kind = (dotted_name(call.func if call else decorator) or "").rpartition(".")
            if owner in owners and kind in _ROUTES | _EVENTS and isinstance(node, ast.FunctionDef):
                yield kind, _given_name(call) or node.name, node


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


def _function(app: _App, files: Files, logical_id: str, called: str, handler: str) -> Deployed:
    """`called` is the function's name in the configuration."""
    rights: chalicesites.Rights = ()
    reason = ""
    try:
        rights = chalicesites.rights_of(app.config, called, app.folder, files.names)
    except UnpatchableError as error:
        reason = str(error)
    return Deployed(
        tool="chalice",
        template=app.path,
        logical_id=logical_id,
        line=1,
        runtime=None,
        handler=handler,
        code=Folder(app.folder, helper=_LIBRARY),
        patchable=reason,
        resources=posixpath.join(app.folder, chalicesites.FOLDER, chalicesites.RESOURCES_FILE),
        rights=rights,
        settings=app.settings,
    )
