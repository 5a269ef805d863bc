"""Tree -> Declared: what SAM and CloudFormation say about each function, before any file is looked for."""

import posixpath
from collections.abc import Collection, Iterator
from dataclasses import dataclass

from yaml.nodes import Node

from statelift.locate.tree import Tree, entries, is_intrinsic, own_pair, string

SERVERLESS = "AWS::Serverless::Function"
LAMBDA = "AWS::Lambda::Function"


@dataclass(frozen=True, slots=True)
class Declared:
    """One function of a template. `properties` are its own over those of Globals."""

    template: str
    logical_id: str
    line: int
    serverless: bool
    properties: dict[str, Node]
    metadata: dict[str, Node]

    def text(self, name: str) -> str | None:
        """A property that is a plain string."""
        return string(self.properties.get(name))


@dataclass(frozen=True, slots=True)
class Folder:
    """The code is the folder `path` of the project; `packaging` says why a new file may not be deployed."""

    path: str
    packaging: str = ""


@dataclass(frozen=True, slots=True)
class Inline:
    """The code stands in the template itself."""


@dataclass(frozen=True, slots=True)
class Image:
    """The code is a container image, built from the folder `context` where the template says so."""

    context: str | None


@dataclass(frozen=True, slots=True)
class Elsewhere:
    """The code cannot be found from the template; `reason` completes "its code ..."."""

    reason: str


def declared_functions(tree: Tree, template: str) -> Iterator[Declared]:
    """Every Lambda function that the template spells out, in its order."""
    shared = entries(entries(entries(tree.root).get("Globals")).get("Function"))
    resources = entries(tree.root).get("Resources")
    for logical_id, node in entries(resources).items():
        resource = entries(node)
        kind = string(resource.get("Type"))
        if kind in (SERVERLESS, LAMBDA):
            serverless = kind == SERVERLESS
            properties = (shared if serverless else {}) | entries(resource.get("Properties"))
            pair = own_pair(resources, logical_id)
            line = (pair[0] if pair else node).start_mark.line + 1
            metadata = entries(resource.get("Metadata"))
            yield Declared(template, logical_id, line, serverless, properties, metadata)


def code_of(function: Declared, files: Collection[str]) -> Folder | Inline | Image | Elsewhere:
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


def _serverless_code(function: Declared, files: Collection[str]) -> Folder | Inline | Elsewhere:
    if "InlineCode" in function.properties:
        return Inline()
    code = function.properties.get("CodeUri")
    if code is None:
        return Folder(posixpath.dirname(function.template), _build(function))
    return _local(function, code, files)


def _image(function: Declared) -> Image:
    context = string(function.metadata.get("DockerContext"))
    return Image(None if context is None else _resolve(function.template, context))


def _local(function: Declared, code: Node, files: Collection[str]) -> Folder | Elsewhere:
    uri = string(code)
    if uri is None:
        what = "a value that only the deployment knows" if is_intrinsic(code) else "an object in S3"
        return Elsewhere(f"is {what}")
    if "://" in uri:
        return Elsewhere(f"is {uri}, not a folder of this project")
    if uri.lower().endswith((".zip", ".jar")):
        return Elsewhere(f"is the ready-made archive {uri}")
    path = _resolve(function.template, uri)
    if path is None:
        return Elsewhere(f"is {uri}, outside of the analysed folder")
    if path in files:
        return Folder(posixpath.dirname(path), f"Only the file {path} is packaged, not its folder.")
    return Folder(path, _build(function))


def _resolve(template: str, uri: str) -> str | None:
    """`uri` as the template means it, relative to the project; None outside of it."""
    path = posixpath.normpath(posixpath.join(posixpath.dirname(template), uri))
    if path.startswith(("/", "../")) or path == "..":
        return None
    return "" if path == "." else path


def _build(function: Declared) -> str:
    method = function.metadata.get("BuildMethod")
    if method is None or (string(method) or "").startswith("python"):
        return ""
    name = string(method) or "that is not a plain name"
    return f"{function.logical_id} is built by its own BuildMethod ({name}), which may leave new files out."
