"""Calls that make, list and clear folders -> whether what was there before plays a part."""

import ast
import re
from collections.abc import Iterator
from dataclasses import replace

from statelift.catalogue.files import BECOMES, PROGRAMS, Role
from statelift.facts.effects import Arguments, Found, is_false, method_name
from statelift.facts.listings import Listings
from statelift.facts.syntax import Syntax
from statelift.model import Span

TOLERANT = frozenset({"FileExistsError", "OSError", "IOError", "EnvironmentError", "Exception", "BaseException"})
CLEANING = frozenset(
    """remove unlink rmtree rmdir join isfile isdir islink exists is_file is_dir print info debug warning error
    exception str glob iglob iterdir listdir rglob scandir lstat stat""".split()
)
REMOVAL = re.compile(r"['\"](rm|shred|unlink)\b")
REMOVING = frozenset({"remove", "unlink", "rmtree", "rmdir"})
EXIST_OK = {"os.makedirs": 2, "Path.mkdir": 2}
NOWHERE = 99  # no call has so many arguments


class Folders:
    """Effects of calls on folders."""

    def __init__(self, arguments: Arguments, listings: Listings) -> None:
        self.arguments = arguments
        self.listings = listings
        self.syntax: Syntax = arguments.syntax

    def made(self, node: ast.Call, name: str) -> Iterator[Found]:
        """`os.mkdir(path)`, `os.makedirs(path)`."""
        given, path = self.arguments.path(node, Role("claim", 0, "path" if name == "os.mkdir" else "name"))
        if path is not None and given is not None:
            yield self.new(node, name, path, given)

    def new(self, node: ast.Call, api: str, path: str, named: ast.expr) -> Found:
        """A new folder: `claim` where it may not be there already, otherwise `create`."""
        is_strict = is_false(node, "exist_ok", EXIST_OK.get(api, NOWHERE), default=False)
        return Found("claim" if is_strict and not self._is_tolerated(node) else "create", api, path, named)

    def listed(self, node: ast.Call, api: str, path: str, joint: Span) -> Found:
        """`path.iterdir()`, `path.glob("*.txt")`, `path.rglob("*")`."""
        text = node.args[0].value if node.args and isinstance(node.args[0], ast.Constant) else "*"
        names = "**" if api == "Path.rglob" else str(text)
        pattern = path if names == "*" else f"{path}/{names}"
        found = Found("remove" if self.is_cleaned(node) else "list", api, pattern, joint=joint)
        return self.asked(node, found)

    def asked(self, node: ast.Call, found: Found) -> Found:
        """The names in a folder, or the removal of what they name: whether S3 can give them."""
        api = found.api
        followed = self.listings.followed(node, api) if api in BECOMES else "open"
        mode = "returned" if followed == "returned" else ""
        return replace(found, mode=mode, is_rewritable=followed != "open")

    def is_cleaned(self, node: ast.Call) -> bool:
        """Whether a listing is only used to remove all that it finds."""
        loop = self.syntax.statement(node)
        if not isinstance(loop, ast.For) or node not in set(ast.walk(loop.iter)):
            return False
        called = [each for part in loop.body for each in ast.walk(part) if isinstance(each, ast.Call)]
        names = {self._name(each) for each in called}
        return bool(names & REMOVING) and names <= CLEANING and not _chooses(loop)

    def _name(self, node: ast.Call) -> str:
        """The last name of what is called; that of a program that removes files is `remove`."""
        if self.syntax.outside(node.func) in PROGRAMS and REMOVAL.search(ast.unparse(node)):
            return "remove"
        return self.syntax.dotted(node.func).rpartition(".")[2] or method_name(node)

    def _is_tolerated(self, node: ast.Call) -> bool:
        """Whether the function catches that the folder is there, and goes on."""
        child: ast.AST = node
        for parent in self.syntax.ancestors(node):
            match parent:
                case ast.Try(body=body, handlers=handlers) if child in body:
                    return any(_catches(each) and not _leaves(each) for each in handlers)
                case ast.With(items=items) if any("suppress" in ast.unparse(each.context_expr) for each in items):
                    return True
                case _:
                    child = parent
        return False


def _chooses(loop: ast.For) -> bool:
    """Whether a loop leaves some of what it finds: by its name or age, or because it ends early."""
    for node in (each for part in loop.body for each in ast.walk(part)):
        match node:
            case ast.Break() | ast.Continue() | ast.Return():
                return True
            case ast.If(test=test):
                asked = {method_name(each) for each in ast.walk(test) if isinstance(each, ast.Call)}
                if not asked or not asked <= CLEANING:
                    return True
            case _:
                pass
    return False


def _catches(handler: ast.ExceptHandler) -> bool:
    kinds = handler.type.elts if isinstance(handler.type, ast.Tuple) else [handler.type]
    return any(each is None or ast.unparse(each) in TOLERANT for each in kinds)


def _leaves(handler: ast.ExceptHandler) -> bool:
    """Whether a handler always ends the function: `raise` behind a test of the error's number does not."""
    return any(isinstance(each, (ast.Return, ast.Raise)) for each in handler.body)
