"""Calls that open files -> what the mode lets them do with what is there."""

import ast
from collections.abc import Iterator

from statelift.catalogue.files import BECOMES, Effect, Role
from statelift.facts.effects import OPEN_OPTIONS, Arguments, Found, argument
from statelift.facts.handles import Handles
from statelift.model import Span

_FLAGS: tuple[tuple[str, Effect], ...] = (
    ("O_EXCL", "claim"), ("O_APPEND", "append"), ("O_TRUNC", "write"), ("O_CREAT", "create"),
)  # fmt: skip
_LETTERS = {
    frozenset(("os.O_CREAT", "os.O_WRONLY", flag)): letter
    for flag, letter in (("os.O_EXCL", "x"), ("os.O_APPEND", "a"), ("os.O_TRUNC", "w"))
}


class Opening:
    """Effects of `open`, its relatives, `os.open` and archives."""

    def __init__(self, arguments: Arguments, handles: Handles) -> None:
        self.arguments = arguments
        self.handles = handles

    def opened(self, node: ast.Call, name: str) -> Iterator[Found]:
        """`open(path, mode)` and those of other modules that take the same arguments."""
        given, path = self.arguments.path(node, Role("read", 0, "file"))
        if path is not None and given is not None:
            is_plain = name in BECOMES and len(node.args) <= 2
            yield from self._with_mode(node, name, path, given, mode_of(node, 1), is_plain, None)

    def opened_path(self, node: ast.Call, path: str, base: ast.expr, joint: Span) -> Iterator[Found]:
        """`path.open(mode)`."""
        yield from self._with_mode(node, "Path.open", path, base, mode_of(node, 0), is_plain=True, joint=joint)

    def _with_mode(
        self,
        node: ast.Call,
        api: str,
        path: str,
        named: ast.expr,
        mode: str,
        is_plain: bool,
        joint: Span | None,
    ) -> Iterator[Found]:
        if _reads_and_writes(mode) or (_is_appending(mode) and "+" in mode and self.handles.is_read(node)):
            yield Found("read", api, path, named, mode)
        effect, is_known = effect_of_mode(mode)
        is_known = is_known and not (effect == "append" and self.handles.asks_where(node))
        through, content = self.handles.only_call(node)
        has_plain_options = {key.arg for key in node.keywords} <= OPEN_OPTIONS
        yield Found(
            effect, api, path, named, mode, self.handles.written(node), joint=joint,
            is_rewritable=is_plain and is_known and has_plain_options and self.handles.is_plain(node),
            keeper=self.handles.keeper(node), is_closed=self.handles.is_closed(node),
            through=through, content=content,
        )  # fmt: skip

    def low_level(self, node: ast.Call) -> Iterator[Found]:
        """`os.open(path, flags)`."""
        given, path = self.arguments.path(node, Role("read", 0, "path"))
        flags = argument(node, 1, "flags")
        text = "" if flags is None else ast.unparse(flags)
        effect: Effect = next((effect for flag, effect in _FLAGS if flag in text), "read")
        if path is not None:
            kind, letter = self.handles.descriptor_kind(node), _LETTERS.get(frozenset(text.split(" | ")), "")
            is_plain = len(node.args) in (2, 3) and not node.keywords and isinstance(node.func, ast.Attribute)
            yield Found(
                effect, "os.open", path, given, f"{letter}{kind}" if kind is not None else "",
                is_rewritable=bool(letter) and is_plain and kind is not None, keeper=self.handles.keeper(node),
            )  # fmt: skip

    def archive(self, node: ast.Call, name: str) -> Iterator[Found]:
        """`zipfile.ZipFile(path, mode)`, `tarfile.open(path, "w:gz")`."""
        given, path = self.arguments.path(node, Role("read", 0, "name" if name.startswith("tar") else "file"))
        if path is not None:
            mode = mode_of(node, 1).partition(":")[0].partition("|")[0]
            effect, _ = effect_of_mode(mode)
            yield Found(effect, name, path, given, written=self.handles.written(node))


def mode_of(node: ast.Call, position: int) -> str:
    """The mode of an opening call; "?" where it is not written out."""
    match argument(node, position, "mode"):
        case None:
            return "r"
        case ast.Constant(value=str(mode)):
            return mode
        case _:
            return "?"


def effect_of_mode(mode: str) -> tuple[Effect, bool]:
    """Effect of an open mode, and whether the generated helper can open that way."""
    match mode.replace("b", "").replace("t", ""):
        case "r":
            return "read", True
        case "w":
            return "write", True
        case "x":
            return "claim", True
        case "x+":
            return "claim", False
        case "w+":
            return "write", False
        case other:
            return "append", other == "a"


def _is_appending(mode: str) -> bool:
    return mode.startswith("a")


def _reads_and_writes(mode: str) -> bool:
    """Whether what is there may be read and changed: `r+`, or a mode that is not known."""
    return mode == "?" or (mode.startswith("r") and "+" in mode)
