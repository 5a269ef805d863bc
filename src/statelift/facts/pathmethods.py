"""A method of a `pathlib.Path` -> what it does to the file."""

import ast
from collections.abc import Iterator

from statelift.catalogue.files import BECOMES, PATH_METHODS
from statelift.facts.effects import OPEN_OPTIONS, Arguments, Found, is_false
from statelift.facts.folders import Folders
from statelift.facts.opening import Opening
from statelift.facts.values import Atom
from statelift.model import Span


class PathMethods:
    """Effects of calls such as `path.write_text(text)`."""

    def __init__(self, arguments: Arguments, opening: Opening, folders: Folders) -> None:
        self.arguments = arguments
        self.opening = opening
        self.folders = folders

    def called(self, node: ast.Call, function: ast.Attribute) -> Iterator[Found]:
        """What the call does, where its object is a path that may lie below /tmp."""
        method, base = function.attr, function.value
        path = self.arguments.base(base) if method in PATH_METHODS or method == "open" else ""
        if not path:
            return
        api = f"Path.{method}"
        match method:
            case "open":
                yield from self.opening.opened_path(node, path, base, self._joint(node, function))
            case "rename" | "replace":
                yield from self._renamed(node, api, path, self._joint(node, function))
            case "mkdir":
                yield self.folders.new(node, api, path, base)
            case "iterdir" | "glob" | "rglob":
                yield self.folders.listed(node, api, path, self._joint(node, function))
            case "touch" if is_false(node, "exist_ok", 1, default=True):
                yield Found(
                    "claim", api, path, base, is_rewritable=_has_plain_arguments(node, method),
                    joint=self._joint(node, function),
                )  # fmt: skip
            case _:
                written = frozenset[Atom]()
                if PATH_METHODS[method] == "write":
                    written = self.arguments.atoms(node.args)
                is_rewritable = api in BECOMES and _has_plain_arguments(node, method)
                yield Found(
                    PATH_METHODS[method], api, path, base, written=written, is_rewritable=is_rewritable,
                    joint=self._joint(node, function), content=next(iter(node.args), None),
                )  # fmt: skip

    def _renamed(self, node: ast.Call, api: str, path: str, joint: Span) -> Iterator[Found]:
        if len(node.args) != 1:
            return
        yield Found("read", api, path)
        target = self.arguments.paths.pattern(node.args[0])
        if target:
            is_alone = isinstance(self.arguments.syntax.parents[node], ast.Expr)
            yield Found(
                "write", api, target, node.args[0], source=path, is_rewritable=is_alone and not node.keywords,
                joint=joint,
            )  # fmt: skip
        yield Found("remove", api, path)

    def _joint(self, node: ast.Call, function: ast.Attribute) -> Span:
        """From the dot of `.exists(` to where its arguments begin; to the end of the call if it has none."""
        syntax = self.arguments.syntax
        data, callee = syntax.parsed.data, syntax.span(function)
        dot = data.rfind(b".", 0, callee.end - len(function.attr.encode()))
        if not node.args and not node.keywords:
            return Span(dot, syntax.span(node).end)
        return Span(dot, data.find(b"(", callee.end) + 1)


def _has_plain_arguments(node: ast.Call, method: str) -> bool:
    """Whether the arguments of a path's method mean the same to the helper's."""
    is_one = len(node.args) == 1 and not isinstance(node.args[0], ast.Starred)
    keywords = {key.arg for key in node.keywords}
    match method:
        case "write_text" | "write_bytes":
            return is_one and keywords <= OPEN_OPTIONS
        case "touch":
            return not node.args and keywords <= {"exist_ok"}
        case "unlink":
            return not node.args and keywords <= {"missing_ok"}
        case "read_text":
            return not node.args and keywords <= {"encoding", "errors"}
        case _:
            return not node.args and not keywords
