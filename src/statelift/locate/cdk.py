"""project files -> deployed functions of AWS CDK apps in Python."""

import ast
import posixpath
import re
from collections.abc import Iterator
from dataclasses import replace

from statelift.locate.bound import Module, dotted_name
from statelift.locate.cdksites import FUNCTION, callee_of, name_of, why_not_patchable
from statelift.locate.constants import Code, Scope
from statelift.locate.declared import DECIDED_LATER
from statelift.locate.deployed import Code as Place
from statelift.locate.deployed import Deployed, Elsewhere, Files, Folder, Image, Inline
from statelift.locate.evaluate import UNKNOWN
from statelift.locate.globs import is_match
from statelift.locate.paths import located, text_only
from statelift.locate.roots import is_test
from statelift.locate.runs import scopes_of
from statelift.locate.values import Made, Symbol, Table, Value
from statelift.model import Settings

_NEEDLES = (b"aws_lambda", b"DockerImageFunction", b"PythonFunction")
_RUNTIME = re.compile(r".*\.Runtime\.PYTHON_(\d)_(\d+)")
_HELPER = "statelift_state.py"
_UNKNOWN_CODE = Elsewhere("is a value that only the program knows when it runs")


def find_in_cdk(files: Files) -> Iterator[Deployed]:
    """Every function that a construct of a Python program makes, by file."""
    names = [name for name in files.own(".py") if not is_test(name)]
    found = [name for name in names if _has_needle(name, files)]
    code = Code(files)
    for name in names if found else ():
        if name in found or b"aws_cdk" in _data(name, files):
            code.module(name)  # call sites are looked for in what is known
    seen: set[Deployed] = set()
    for name in found:
        module = code.module(name)
        app = code.seen_from(_app_folder(name, files))
        for function in _functions(module, app) if module is not None else ():
            if function not in seen:
                seen.add(function)
                yield function


def _data(name: str, files: Files) -> bytes:
    try:
        return files.read(name)
    except OSError:
        return b""


def _has_needle(name: str, files: Files) -> bool:
    data = _data(name, files)
    return b"cdk" in data and any(needle in data for needle in _NEEDLES)


def _app_folder(path: str, files: Files) -> str:
    """The folder of the cdk.json above: the program runs there."""
    folder = posixpath.dirname(path)
    while folder and posixpath.join(folder, "cdk.json") not in files.names:
        folder = posixpath.dirname(folder)
    return folder


def _functions(module: Module, code: Code) -> Iterator[Deployed]:
    for node in ast.walk(module.tree):
        if isinstance(node, ast.Call) and FUNCTION.fullmatch(callee := callee_of(node, module)):
            scopes = scopes_of(node, module, code)
            several = f"One call makes {len(scopes)} functions: an addition would change all of them."
            reason = why_not_patchable(module, node) or (several if len(scopes) > 1 else "")
            for scope in scopes:
                made = code.value(node, scope)
                if isinstance(made, Made):
                    yield _deployed(node, replace(made, name=callee), scope, code, reason)


def _deployed(node: ast.Call, made: Made, scope: Scope, code: Code, patchable: str) -> Deployed:
    told = made.argument("id", 1)
    name = None if patchable else name_of(scope.module, node)
    name = name or (told if isinstance(told, str) else f"line {node.lineno}")
    place, handler = _python_function(made, code) if made.name.endswith("PythonFunction") else _function(made, code)
    return Deployed(
        tool="cdk",
        template=scope.module.path,
        logical_id=name,
        line=node.lineno,
        runtime=_runtime(_named(made, "runtime")),
        handler=handler,
        code=place,
        patchable=patchable,
        settings=_settings(made, node),
    )


def _runtime(value: Value) -> str | None:
    match = _RUNTIME.fullmatch(value.name) if isinstance(value, Symbol) else None
    if match:
        return f"python{match[1]}.{match[2]}"
    is_other = isinstance(value, Symbol) and ".Runtime." in value.name
    return value.name.rpartition(".")[2].lower() if is_other and isinstance(value, Symbol) else None


def _function(made: Made, code: Code) -> tuple[Place, str | None]:
    handler = _named(made, "handler")
    return _code_of(_named(made, "code"), code), handler if isinstance(handler, str) else None


def _python_function(made: Made, code: Code) -> tuple[Place, str | None]:
    """`PythonFunction(entry=, index="index.py", handler="handler")`: the whole entry folder is packaged."""
    index, handler = _named(made, "index"), _named(made, "handler")
    index = "index.py" if index is UNKNOWN else index
    handler = "handler" if handler is UNKNOWN else handler
    path = _folder(_named(made, "entry"), code)
    if path is None or not isinstance(index, str) or not isinstance(handler, str):
        return _UNKNOWN_CODE, None
    return Folder(path, _excluded(_named(made, "bundling"))), f"{index.removesuffix('.py')}.{handler}"


def _named(made: Made, name: str) -> Value:
    return dict(made.keywords).get(name, UNKNOWN)


def _code_of(value: Value, code: Code) -> Place:
    if not isinstance(value, Made):
        return _UNKNOWN_CODE
    match value.name.rpartition(".")[2]:
        case "from_asset" | "asset" | "AssetCode":
            return _asset(value, code)
        case "from_inline" | "inline" | "InlineCode":
            return Inline()
        case "from_image_asset" | "from_asset_image":
            return _image(value, code)
        case "from_bucket" | "bucket" | "from_bucket_v2" | "S3Code":
            return Elsewhere("is an object in S3")
        case "from_ecr" | "from_ecr_image":
            return Elsewhere("is a container image that is built elsewhere")
        case _:
            return _UNKNOWN_CODE


def _asset(made: Made, code: Code) -> Place:
    path = _folder(made.argument("path", 0), code)
    if path is None:
        return _UNKNOWN_CODE
    if path.endswith((".zip", ".jar")):
        return Elsewhere(f"is the ready-made archive {path}")
    if _named(made, "bundling") is not UNKNOWN or any(name == "bundling" for name, _ in made.keywords):
        return Folder(path, "The commands of its bundling may leave new files out.")
    return Folder(path, _excluded(made))


def _excluded(options: Value) -> str:
    """Why `exclude=[…]` may leave a new file out, "" where it does not."""
    given = dict(options.keywords) if isinstance(options, Made) else {}
    patterns = [given[name] for name in ("exclude", "asset_excludes") if name in given]
    for pattern in patterns[0] if patterns and isinstance(patterns[0], tuple) else patterns:
        if not isinstance(pattern, str) or is_match(pattern, _HELPER) or is_match(f"**/{pattern}", _HELPER):
            return "The exclude patterns of its asset may leave new files out."
    return ""


def _image(made: Made, code: Code) -> Image | Elsewhere:
    path = _folder(made.argument("directory", 0), code)
    if path is None:
        return _UNKNOWN_CODE
    file, command, stage = _named(made, "file"), _named(made, "cmd"), _named(made, "target")
    words = [word for word in command if isinstance(word, str)] if isinstance(command, tuple) else []
    return Image(
        path,
        file if isinstance(file, str) else None,
        words[0] if len(words) == 1 else None,
        stage if isinstance(stage, str) else None,
        _excluded(made),
    )


def _folder(value: Value, code: Code) -> str | None:
    """A path as the program means it, relative to the project; None outside of it or where it is not known."""
    return located(value, code.folder) if isinstance(value, str) else None


def _settings(made: Made, node: ast.Call) -> Settings:
    given = dict(made.keywords)
    role = next((keyword.value for keyword in node.keywords if keyword.arg == "role"), None)
    variables = given.get("environment")
    memory = given.get("memory_size")
    return Settings(
        role=(dotted_name(role) or DECIDED_LATER) if role is not None else "",
        environment=_texts(variables) if isinstance(variables, Table) else (),
        memory=memory if isinstance(memory, int) and not isinstance(memory, bool) else None,
        timeout=_seconds(given.get("timeout")),
        has_vpc="vpc" in given,
        has_snap_start="snap_start" in given,
    )


def _texts(variables: Table) -> tuple[tuple[str, str | None], ...]:
    return tuple((name, text_only(value)) for name, value in variables.entries)


def _seconds(value: Value) -> int | None:
    match value:
        case Made(name=name, arguments=(int(number),)) if name.endswith(".Duration.seconds"):
            return number
        case Made(name=name, arguments=(int(number),)) if name.endswith(".Duration.minutes"):
            return number * 60
        case _:
            return None
