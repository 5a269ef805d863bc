"""project files -> deployed functions of the Serverless Framework."""

import re
from collections.abc import Iterator
from dataclasses import dataclass

from yaml.nodes import MappingNode, Node, ScalarNode, SequenceNode

from statelift.locate.declared import DECIDED_LATER
from statelift.locate.deployed import Code, Deployed, Elsewhere, Files, Folder, Image, resolve
from statelift.locate.globs import is_kept
from statelift.locate.services import patterns_path, sharing, why_not_patchable
from statelift.locate.templates import duplicates, read_tree
from statelift.locate.tree import entries, number, own_pair, string
from statelift.locate.variables import Found, Service
from statelift.model import Problem, Settings

_NAME = re.compile(r"(?:.*/)?serverless[\w.-]*\.(?:ya?ml|json)")
_PROGRAM = re.compile(r"(?:.*/)?serverless\.(?:ts|js|cjs|mjs)")
_WSGI = ("wsgi_handler.handler", "wsgi.handler")
_HELPER = "statelift_state.py"
_BOUNDARIES = (
    ("rolePermissionsBoundary",),
    ("iam", "role", "permissionsBoundary"),
    ("iam", "role", "permissionBoundary"),
)
# plugins that make the package, or run programs that may
_PACKER = re.compile(r"pack|bundl|individual|artifact|include-dep|script|hook|webpack|monorepo|zip")


def find_in_services(files: Files) -> Iterator[Deployed | Problem]:
    """Every function of every service, in the order of its file."""
    for path in sorted(name for name in files.own(".yml", ".yaml", ".json") if _NAME.fullmatch(name)):
        tree = read_tree(path, files, (b"aws",), b"functions")
        if isinstance(tree, Problem):
            yield tree
        elif tree is not None:
            yield from duplicates(path, tree)
            yield from _functions(Service(path, tree, files))
    for path in sorted(name for name in files.own(".ts", ".js", ".cjs", ".mjs") if _PROGRAM.fullmatch(name)):
        yield from _program(path, files)


def _program(path: str, files: Files) -> Iterator[Problem]:
    try:
        is_python = b"python3" in files.read(path)
    except OSError:
        is_python = False
    if is_python:
        message = f"{path} is a program, and no program is run: its functions are not known."
        yield Problem(path, 1, "not-located", message)


@dataclass(frozen=True, slots=True)
class _Function:
    """One function of a service. `line` is in `found.path`."""

    service: Service
    name: str
    line: int
    found: Found

    def part(self, key: str) -> Found | None:
        return self.service.below(self.found, key)

    def either(self, key: str) -> Found | None:
        """The function's own, else the provider's for all functions."""
        return self.part(key) or self.service.section("provider", key)


def _functions(service: Service) -> Iterator[Deployed | Problem]:
    provider = service.section("provider")
    name = service.text(provider) or service.text(service.below(provider, "name"))
    if name != "aws":
        return
    section = service.section("functions")
    if "functions" in entries(service.tree.root) and (section is None or isinstance(section.node, ScalarNode)):
        yield _unknown(service, "The functions")
    for key, node, found in service.items(section):
        if isinstance(found.node, MappingNode):
            yield _deployed(_Function(service, key, _line(service, key, node, found), found))
        elif string(found.node) is not None:
            yield _unknown(service, f"The function {key}")


def _unknown(service: Service, what: str) -> Problem:
    message = f"{what} of {service.path} cannot be read: a variable stands for what only a run of serverless knows."
    return Problem(service.path, 1, "not-located", message)


def _line(service: Service, key: str, node: Node, found: Found) -> int:
    pair = own_pair(entries(service.tree.root).get("functions"), key)
    return (pair[0] if pair and found.path == service.path else node).start_mark.line + 1


def _deployed(function: _Function) -> Deployed:
    service = function.service
    code = _code_of(function)
    return Deployed(
        tool="serverless",
        template=service.path,
        logical_id=function.name,
        line=function.line,
        runtime=service.text(function.either("runtime")),
        handler=_handler(function),
        code=code,
        patchable=why_not_patchable(service.tree, function.name),
        sharing=sharing(service.tree, function.name),
        settings=_settings(function),
    )


def _handler(function: _Function) -> str | None:
    """The handler that counts: serverless-wsgi puts its own in front of the application that it is given."""
    handler = function.service.text(function.part("handler"))
    if handler in _WSGI:
        return function.service.text(function.service.section("custom", "wsgi", "app")) or handler
    return handler


def _code_of(function: _Function) -> Code:
    service = function.service
    image = function.part("image")
    if image is not None:
        return _image(function, image)
    archive = service.text(service.below(function.part("package"), "artifact"))
    archive = archive or service.text(service.section("package", "artifact"))
    if archive is not None:
        return Elsewhere(f"is the ready-made archive {archive}")
    module = service.text(function.part("module"))
    folder = resolve(service.folder, module) if module and _is_apart(function) else service.folder
    if folder is None:
        return Elsewhere(f"is {module}, outside of the analysed folder")
    reason, is_left_out = _packaging(function, folder)
    packager = service.path if is_left_out and patterns_path(service.tree, function.name) is not None else ""
    return Folder(folder, reason, "", is_left_out, packager, service.folder)


def _is_apart(function: _Function) -> bool:
    """Whether each function is packaged by itself."""
    service = function.service
    places = (service.below(function.part("package"), "individually"), service.section("package", "individually"))
    return any(place is not None and str(place.node.value).lower() == "true" for place in places)


def _packaging(function: _Function, folder: str) -> tuple[str, bool]:
    """Why a new file may not be packaged, and whether it provably is not."""
    service = function.service
    found = list(_patterns(function))
    patterns = [text for text in found if text is not None]
    below = folder.removeprefix(service.folder).strip("/")
    if not is_kept(f"{below}/{_HELPER}" if below else _HELPER, patterns) and None not in found:
        return f"The package patterns of {service.path} leave new files of {folder or 'its folder'} out.", True
    if None in found:
        return f"Some package patterns of {service.path} are not known, and may leave new files out.", False
    packer = next((name for name in _plugins(service) if _PACKER.search(name)), "")
    return (
        (f"The plugin {packer} makes the package, and may leave new files out.", False) if packer else ("", False)
    )


def _patterns(function: _Function) -> Iterator[str | None]:
    """The patterns in the order in which the framework applies them; None for one that is not known.

    What a function says of its package counts only where it is packaged by itself.
    """
    service = function.service
    apart = function.part("package") if _is_apart(function) else None
    together = service.section("package")
    for _, _, layer in service.items(service.section("layers")):
        path = service.text(service.below(layer, "path"))
        yield None if path is None else f"!{path}/**"
    for home in (together, apart):
        for text in _listed(service, home, "exclude"):
            yield None if text is None else text[1:] if text.startswith("!") else f"!{text}"
    for home in (together, apart):
        for kind in ("include", "patterns"):
            yield from _listed(service, home, kind)


def _listed(service: Service, home: Found | None, key: str) -> Iterator[str | None]:
    """The texts of a list, or the one text there is; None for each that is not known."""
    written = entries(home.node).get(key) if home is not None else None
    found = service.below(home, key)
    if written is None or written.tag.endswith(":null"):
        return
    if found is None or not isinstance(found.node, SequenceNode):
        yield service.text(found)
        return
    for item in found.node.value:
        yield service.text(Found(item, found.path))


def _plugins(service: Service) -> list[str]:
    section = service.section("plugins")
    listed = service.below(section, "modules") if section and isinstance(section.node, MappingNode) else section
    return service.texts(listed)


def _image(function: _Function, image: Found) -> Image | Elsewhere:
    """`image: name`, `image: {name:, command:}`: built from a folder that the provider's ecr section names."""
    service = function.service
    name = service.text(image) or service.text(service.below(image, "name"))
    known = service.section("provider", "ecr", "images", name) if name else None
    if known is None:
        return Elsewhere("is a container image that is built elsewhere")
    path = service.text(known) or service.text(service.below(known, "path"))
    command = service.texts(service.below(image, "command"))
    return Image(
        resolve(service.folder, path) if path is not None else None,
        service.text(service.below(known, "file")),
        command[0] if len(command) == 1 else None,
    )


def _settings(function: _Function) -> Settings:
    service = function.service
    variables = {
        key: service.text(found)
        for section in (service.section("provider", "environment"), function.part("environment"))
        for key, _, found in service.items(section)
    }
    return Settings(
        role=_role(function),
        environment=tuple(variables.items()),
        memory=_number(function.either("memorySize")),
        timeout=_number(function.either("timeout")),
        has_vpc=function.either("vpc") is not None,
        has_snap_start=_is_true(function.part("snapStart")),
        is_bounded=any(service.section("provider", *keys) for keys in _BOUNDARIES),
    )


def _role(function: _Function) -> str:
    """The function's role, else the provider's; "" where serverless makes one."""
    service = function.service
    own = function.part("role") or service.section("provider", "role") or service.section("provider", "iam", "role")
    if own is None or isinstance(own.node, MappingNode):
        return "" if own is None or own.node.tag.endswith(":map") else DECIDED_LATER
    return service.text(own) or DECIDED_LATER


def _number(found: Found | None) -> int | None:
    return number(found.node) if found else None


def _is_true(found: Found | None) -> bool:
    return found is not None and str(found.node.value).lower() == "true"
