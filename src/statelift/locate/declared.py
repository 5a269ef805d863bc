"""Tree -> Deployed: what SAM and CloudFormation say about each function."""

import posixpath
from collections.abc import Iterator
from dataclasses import dataclass

from yaml.nodes import MappingNode, Node

from statelift.locate.deployed import Code, Deployed, Elsewhere, Files, Folder, Image, Inline, resolve
from statelift.locate.tree import Tree, attribute_of, entries, is_intrinsic, number, own_pair, string
from statelift.model import Settings

SERVERLESS = "AWS::Serverless::Function"
LAMBDA = "AWS::Lambda::Function"
DECIDED_LATER = "(decided by the deployment)"


@dataclass(frozen=True, slots=True)
class _Declared:
    """One resource. `properties` are its own over those of Globals, `variables` those of both."""

    template: str
    logical_id: str
    line: int
    serverless: bool
    properties: dict[str, Node]
    metadata: dict[str, Node]
    variables: dict[str, Node]

    def text(self, name: str) -> str | None:
        """A property that is a plain string."""
        return string(self.properties.get(name))


def declared_functions(tree: Tree, template: str, files: Files) -> Iterator[Deployed]:
    """Every Lambda function that the template spells out, in its order."""
    shared = entries(entries(entries(tree.root).get("Globals")).get("Function"))
    resources = entries(tree.root).get("Resources")
    for logical_id, node in entries(resources).items():
        resource = entries(node)
        kind = string(resource.get("Type"))
        if kind in (SERVERLESS, LAMBDA):
            serverless = kind == SERVERLESS
            own = entries(resource.get("Properties"))
            properties = (shared if serverless else {}) | own
            pair = own_pair(resources, logical_id)
            line = (pair[0] if pair else node).start_mark.line + 1
            metadata = entries(resource.get("Metadata"))
            variables = (_variables(shared) if serverless else {}) | _variables(own)
            declared = _Declared(template, logical_id, line, serverless, properties, metadata, variables)
            yield _deployed(declared, files, entries(resources))


def _variables(properties: dict[str, Node]) -> dict[str, Node]:
    return entries(entries(properties.get("Environment")).get("Variables"))


def _deployed(function: _Declared, files: Files, resources: dict[str, Node]) -> Deployed:
    return Deployed(
        tool="sam" if function.serverless else "cloudformation",
        template=function.template,
        logical_id=function.logical_id,
        line=function.line,
        runtime=function.text("Runtime"),
        handler=function.text("Handler"),
        code=_code_of(function, files),
        settings=_settings(function, resources),
    )


def _settings(function: _Declared, resources: dict[str, Node]) -> Settings:
    properties = function.properties
    role = properties.get("Role")
    target = attribute_of(role)
    snap_start = string(entries(properties.get("SnapStart")).get("ApplyOn"))
    return Settings(
        role=target[0] if target else string(role) or (DECIDED_LATER if role is not None else ""),
        environment=tuple((name, string(value)) for name, value in function.variables.items()),
        memory=number(properties.get("MemorySize")),
        timeout=number(properties.get("Timeout")),
        has_vpc=bool(entries(properties.get("VpcConfig"))),
        has_snap_start=snap_start == "PublishedVersions",
        is_managed="CapacityProviderConfig" in properties,
        is_bounded="PermissionsBoundary" in properties
        or (target is not None and _is_bounded(target[0], resources)),
    )


def _is_bounded(role: str, resources: dict[str, Node]) -> bool:
    return "PermissionsBoundary" in entries(entries(resources.get(role)).get("Properties"))


def _code_of(function: _Declared, files: Files) -> Code:
    """Where the code of a function is, from CodeUri or Code."""
    if function.text("PackageType") == "Image" or "ImageUri" in function.properties:
        return _image(function)
    if function.serverless:
        return _serverless_code(function, files)
    code = function.properties.get("Code")
    if code is None:
        return Elsewhere("is not given (no Code property)")
    parts = entries(code)
    if "ZipFile" in parts:
        return Inline()
    if "ImageUri" in parts:
        return _image(function)
    return _local(function, code, files)


def _serverless_code(function: _Declared, files: Files) -> Code:
    if "InlineCode" in function.properties:
        return Inline()
    code = function.properties.get("CodeUri")
    if code is None:
        return Folder(posixpath.dirname(function.template), _build(function))
    return _local(function, code, files)


def _image(function: _Declared) -> Image:
    context = string(function.metadata.get("DockerContext"))
    command = entries(function.properties.get("ImageConfig")).get("Command")
    words = [string(item) for item in command.value] if command is not None and _is_list(command) else []
    return Image(
        None if context is None else resolve(posixpath.dirname(function.template), context),
        string(function.metadata.get("Dockerfile")),
        words[0] if len(words) == 1 else None,
        string(function.metadata.get("DockerBuildTarget")),
    )


def _is_list(node: Node) -> bool:
    return isinstance(node.value, list) and not isinstance(node, MappingNode)


def _local(function: _Declared, code: Node, files: Files) -> Folder | Elsewhere:
    uri = string(code)
    if uri is None:
        what = "a value that only the deployment knows" if is_intrinsic(code) else "an object in S3"
        return Elsewhere(f"is {what}")
    if "://" in uri:
        return Elsewhere(f"is {uri}, not a folder of this project")
    if uri.lower().endswith((".zip", ".jar")):
        return Elsewhere(f"is the ready-made archive {uri}")
    path = resolve(posixpath.dirname(function.template), uri)
    if path is None:
        return Elsewhere(f"is {uri}, outside of the analysed folder")
    if path in files.names:
        reason = f"Only the file {path} is packaged, not its folder. Package the folder to have it changed."
        return Folder(posixpath.dirname(path), reason, is_left_out=True)
    return Folder(path, _build(function))


def _build(function: _Declared) -> str:
    method = function.metadata.get("BuildMethod")
    if method is None or (string(method) or "").startswith("python"):
        return ""
    name = string(method) or "that is not a plain name"
    return f"{function.logical_id} is built by its own BuildMethod ({name}), which may leave new files out."
