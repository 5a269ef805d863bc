"""project files -> deployed functions of Terraform, through local modules and terraform-aws-modules/lambda."""

import posixpath
import re
from collections import Counter, defaultdict
from collections.abc import Iterator, Sequence
from dataclasses import replace

from statelift.locate.archives import code_of, code_of_module
from statelift.locate.declared import DECIDED_LATER
from statelift.locate.deployed import Deployed, Files
from statelift.locate.evaluate import UNKNOWN, Module, Scope, Symbol, Value
from statelift.locate.hcl import Block, Body, MissingParserError, read_hcl
from statelift.locate.hclmodules import Folders, local_source, opened, rights_of
from statelift.locate.hclsites import resources_file
from statelift.locate.paths import text_only
from statelift.locate.tree import TemplateError
from statelift.model import Problem, Settings

LAMBDA = "aws_lambda_function"
_ENDINGS = (".tf", ".tofu")
_COMMUNITY = re.compile(r"(?:^|/)terraform-aws-modules/(?:lambda/aws|terraform-aws-lambda(?:\.git)?)(?:[/?]|$)")
_MOST_CALLS = 10  # modules inside of modules
_MOST_ELEMENTS = 100


def find_in_terraform(files: Files) -> Iterator[Deployed | Problem]:
    """Every function, by root module."""
    yield from _json(files)
    names = files.own(*_ENDINGS)
    try:
        folders, problems = _read(names, files) if _has_functions(names, files) else ({}, [])
    except MissingParserError as error:
        yield Problem(names[0], 1, "not-located", str(error))
        return
    yield from problems
    called = {folder for parent in folders for folder in _called(parent, folders)}
    found: dict[object, Deployed | Problem] = {}
    for folder in sorted(folders.keys() - called):
        root = Module(folder, folder, "", folders[folder], _given(folder, files))
        for item in _told(list(_functions(root, folders, files, 0))):
            key = item if isinstance(item, Problem) else (item.template, item.line, item.handler, item.code)
            known = found.setdefault(key, item)
            if isinstance(item, Deployed) and item.patchable and isinstance(known, Deployed):
                found[key] = replace(known, patchable=item.patchable)
    yield from found.values()


def _told(found: Sequence[Deployed | Problem]) -> Iterator[Deployed | Problem]:
    """The functions of one root module, with what each means for the others."""
    functions = [item for item in found if isinstance(item, Deployed)]
    makers = Counter((item.template, item.line) for item in functions)
    roles = Counter((posixpath.dirname(item.template), item.principal) for item in functions)
    for item in found:
        if isinstance(item, Problem):
            yield item
            continue
        made = makers[item.template, item.line]
        users = roles[posixpath.dirname(item.template), item.principal]
        reason = f"One block makes {made} functions: an addition would change all of them." if made > 1 else ""
        told = f"{users} functions use the role {item.principal}: all of them get these rights"
        yield replace(
            item, patchable=reason or item.patchable, sharing=told if item.principal and users > 1 else ""
        )


def _has_functions(names: list[str], files: Files) -> bool:
    """Whether any file names a function; a file that cannot be read is reported later."""
    for name in names:
        try:
            data = files.read(name)
        except OSError:
            continue
        if b"lambda" in data or b"python" in data:
            return True
    return False


def _json(files: Files) -> Iterator[Problem]:
    for path in files.own(".tf.json"):
        try:
            has_function = LAMBDA.encode() in files.read(path)
        except OSError:
            has_function = False
        if has_function:
            yield Problem(path, 1, "not-located", f"{path} is Terraform in JSON, and its functions are not read.")


def _read(names: list[str], files: Files) -> tuple[Folders, list[Problem]]:
    found: dict[str, list[tuple[str, Body]]] = defaultdict(list)
    problems: list[Problem] = []
    for path in names:
        try:
            found[posixpath.dirname(path)].append((path, read_hcl(files.read(path))))
        except OSError as error:
            message = f"This file cannot be read: {error.strerror or error}."
            problems.append(Problem(path, 1, "template-error", message))
        except TemplateError as error:
            message = f"{error} No function was taken from it."
            problems.append(Problem(path, error.line, "template-error", message))
    return {folder: tuple(bodies) for folder, bodies in found.items()}, problems


def _called(folder: str, folders: Folders) -> Iterator[str]:
    """The folders whose modules a folder calls."""
    for _, body in folders[folder]:
        for block in body.blocks("module"):
            target = local_source(folder, block)
            if target is not None and target != folder:
                yield target


def _given(folder: str, files: Files) -> dict[str, Value]:
    """What terraform.tfvars and *.auto.tfvars of a root module say."""
    found: dict[str, Value] = {}
    for path in sorted(files.names):
        name = posixpath.basename(path)
        if posixpath.dirname(path) != folder or not (name == "terraform.tfvars" or name.endswith(".auto.tfvars")):
            continue
        try:
            body = read_hcl(files.read(path))
        except (OSError, TemplateError):
            continue
        scope = Scope(Module(folder, folder, "", (), {}))
        found |= {item.name: scope.value(item.value) for item in body.items if not isinstance(item, Block)}
    return found


# ---------------------------------------------------------------- functions


def _functions(module: Module, folders: Folders, files: Files, depth: int) -> Iterator[Deployed | Problem]:
    for path, block in module.blocks("resource", LAMBDA):
        for scope in scopes(module, block):
            yield _resource(path, block, scope, folders, files)
    for path, block in module.blocks("module"):
        for scope in scopes(module, block):
            yield from _call(path, block, scope, folders, files, depth)


def scopes(module: Module, block: Block) -> Iterator[Scope]:
    """One for each element of `for_each` that is known; one for all copies of `count`, none for `count = 0`."""
    over = block.body.get("for_each")
    count = block.body.get("count")
    elements = Scope(module).value(over) if over is not None else UNKNOWN
    match elements:
        case dict() if 0 < len(elements) <= _MOST_ELEMENTS:
            yield from (Scope(module, key, element) for key, element in elements.items())
        case list() if 0 < len(elements) <= _MOST_ELEMENTS:
            yield from (Scope(module, element, element) for element in elements)
        case _ if count is None or Scope(module).value(count) != 0:
            yield Scope(module)
        case _:
            pass


def _resource(path: str, block: Block, scope: Scope, folders: Folders, files: Files) -> Deployed:
    body = block.body
    reason, called, role = rights_of(block, scope, folders)
    return Deployed(
        tool="terraform",
        template=path,
        logical_id=_address(scope, f"{LAMBDA}.{block.labels[-1]}"),
        line=block.line,
        runtime=scope.text(body.get("runtime")),
        handler=scope.text(body.get("handler")),
        code=code_of(block, scope, files),
        patchable=reason,
        settings=replace(_settings(body, scope), is_bounded=_is_bounded(role)),
        resources=resources_file(path),
        principal=called,
    )


def _is_bounded(role: Block | None) -> bool:
    return role is not None and role.body.get("permissions_boundary") is not None


def _address(scope: Scope, name: str) -> str:
    key = f'["{scope.key}"]' if isinstance(scope.key, str) else ""
    return f"{scope.module.address}{name}{key}"


def _settings(body: Body, scope: Scope) -> Settings:
    variables = [block.body.get("variables") for block in body.blocks("environment")]
    snap_start = [scope.text(block.body.get("apply_on")) for block in body.blocks("snap_start")]
    return Settings(
        role=_named(scope.value(body.get("role"))),
        environment=_texts(scope.value(variables[0])) if variables else (),
        memory=_whole(scope.value(body.get("memory_size"))),
        timeout=_whole(scope.value(body.get("timeout"))),
        has_vpc=any(True for _ in body.blocks("vpc_config")),
        has_snap_start="PublishedVersions" in snap_start,
        is_managed=any(True for _ in body.blocks("capacity_provider_config")),
    )


def _named(role: Value) -> str:
    """The address of a role, or its ARN."""
    match role:
        case Symbol(address=address):
            return ".".join(address)
        case str():
            return role
        case _:
            return DECIDED_LATER


def _texts(variables: Value) -> tuple[tuple[str, str | None], ...]:
    pairs = variables.items() if isinstance(variables, dict) else ()
    return tuple((name, text_only(value)) for name, value in pairs)


def _whole(value: Value) -> int | None:
    return value if isinstance(value, int) and not isinstance(value, bool) else None


# ---------------------------------------------------------------- modules


def _call(
    path: str, block: Block, scope: Scope, folders: Folders, files: Files, depth: int
) -> Iterator[Deployed | Problem]:
    address = _address(scope, f"module.{'.'.join(block.labels)}")
    target = local_source(scope.module.folder, block)
    source = scope.text(block.body.get("source")) or ""
    inner = opened(block, scope, address, folders)
    if inner is not None and depth < _MOST_CALLS:
        yield from _functions(inner, folders, files, depth + 1)
    elif _COMMUNITY.search(source) and "//modules/" not in source:
        yield from _community(path, block, scope, folders, files)
    elif target is None and (scope.text(block.body.get("runtime")) or "").startswith("python"):
        yield replace(
            _resource(path, block, scope, folders, files), logical_id=address, patchable=_stranger(source)
        )


def _stranger(source: str) -> str:
    return f"The module {source} is not known, so nothing is added to its call."


def _community(path: str, block: Block, scope: Scope, folders: Folders, files: Files) -> Iterator[Deployed]:
    """A function of terraform-aws-modules/lambda; the module makes layers as well."""
    body = block.body
    if scope.value(body.get("create_layer")) is True or scope.value(body.get("create_function")) is False:
        return
    reason, called, role = rights_of(block, scope, folders)
    yield Deployed(
        tool="terraform",
        template=path,
        logical_id=_address(scope, f"module.{'.'.join(block.labels)}"),
        line=block.line,
        runtime=scope.text(body.get("runtime")),
        handler=scope.text(body.get("handler")),
        code=code_of_module(block, scope, files),
        patchable=reason,
        resources=resources_file(path),
        principal=called,
        settings=Settings(
            role=_named(scope.value(body.get("lambda_role"))) if body.get("lambda_role") is not None else "",
            environment=_texts(scope.value(body.get("environment_variables"))),
            memory=_whole(scope.value(body.get("memory_size"))),
            timeout=_whole(scope.value(body.get("timeout"))),
            has_vpc=body.get("vpc_subnet_ids") is not None,
            has_snap_start=body.get("snap_start") is not None,
            is_bounded=body.get("role_permissions_boundary") is not None or _is_bounded(role),
        ),
    )
