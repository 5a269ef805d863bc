"""A collection that nobody reads -> the changes without it: what its statements do stays, or goes to the log."""

import ast
import json
import re
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from functools import cached_property

from statelift.facts.values import Access
from statelift.judge.values import Judgement
from statelift.link.names import CellKey
from statelift.link.valuetypes import STORABLE
from statelift.model import Edit, Tier
from statelift.workspace import Proposal, Workspace, line_of

ADDING = frozenset({"append", "add", "appendleft"})
GROUPS = frozenset({"extend", "update"})
FORGETTING = frozenset({"discard", "clear"})
PLAIN_CALLS = frozenset({"str", "repr", "bool", "type", "id"})
LIVING = frozenset("create_task ensure_future run_in_executor submit Thread Timer CFUNCTYPE finalize ref".split())
CLOCKS = frozenset(
    """time.time time.monotonic time.perf_counter datetime.now datetime.utcnow datetime.datetime.now
    datetime.datetime.utcnow uuid.uuid4""".split()
)
OF_CLOCKS = frozenset({"isoformat", "timestamp"})
RECORDS = frozenset({"dataclasses.dataclass", "dataclass"})
DELETED = "nothing reads what it holds; the memory that it takes is free again"
LOGGED = (
    "each entry is a line of the log, which is kept and paid for; names, tokens and what else is personal stand"
    " there, too"
)


_Parts = tuple[tuple[ast.expr, ...], tuple[ast.expr, ...] | None]


class NotDroppedError(ValueError):
    """Why a collection cannot be taken out, with the line."""


def drop(judgement: Judgement, workspace: Workspace) -> Iterator[Proposal]:
    """Two answers, to delete it or to log what it gets; MANUAL where a statement cannot be taken out."""
    assert judgement.cell is not None
    (path, name), cell = judgement.cell
    titles = {"delete": f"delete {name}, which nobody reads", "log": f"log what {name} gets, which nobody reads"}
    try:
        _check(judgement, workspace)
        files = {where: _File(where, workspace) for where, _ in judgement.accesses}
        writes = [files[where].write_of(use) for where, use in judgement.accesses]
    except NotDroppedError as error:
        yield Proposal("delete", titles["delete"], (), Tier.MANUAL, (str(error),))
        return
    gone = [Edit(path, *line_of(cell, workspace.sources[path]), ""), *_declarations(path, name, workspace)]
    tier = max(judgement.tier, Tier.REVIEW)
    named = [reason for _, reason in strangers((path, name), workspace)]
    for style, reason in (("delete", DELETED), ("log", LOGGED)):
        for each in writes:
            each.file.gone = {id(other.node) for other in writes if other.vanishes(style)}
        made = [each.deleted() if style == "delete" else each.logged(name) for each in writes]
        told = dict.fromkeys(told for each in writes for told in each.told(workspace, style))
        reasons = (reason, *told, *named)
        yield Proposal(style, titles[style], (*gone, *made), tier, reasons)


def _declarations(path: str, name: str, workspace: Workspace) -> Iterator[Edit]:
    """`global name` goes where it says nothing else."""
    for each in workspace.program.modules[path].globals:
        if each.names == (name,) and each.is_removable:
            yield Edit(path, each.line.start, each.line.end, "")


def _check(judgement: Judgement, workspace: Workspace) -> None:
    assert judgement.cell is not None
    key, cell = judgement.cell
    if cell.home != "module" or cell.definition_count != 1 or not (cell.is_top_level and cell.is_alone):
        raise NotDroppedError(f"line {cell.place.line}: it has no definition of its own at the top of a module")
    for tier, reason in strangers(key, workspace):
        if tier is Tier.MANUAL:
            raise NotDroppedError(reason)
    for path, module in sorted(workspace.program.modules.items()):
        targets = [workspace.program.resolve(path, each.local) for each in module.imports if each.name == key[1]]
        if path != key[0] and any(each is not None and (each.path, each.name) == key for each in targets):
            raise NotDroppedError(f"{path} imports it by its name: name the module there instead, {key[1]} goes")
    if any(path != key[0] for path, _ in judgement.accesses):
        raise NotDroppedError("another file uses it: give it a function beside its definition that does so")


def strangers(key: CellKey, workspace: Workspace) -> Iterator[tuple[Tier, str]]:
    """Uses of the variable that name it in another way: it will be gone."""
    path, name = key
    if workspace.program.stray_attributes(key):
        yield Tier.MANUAL, f".{name} is also used on objects that cannot be followed"
    if workspace.program.has_star_import_of(path):
        yield Tier.MANUAL, f"a star import of {path} hides who else uses {name}"
    quoted = re.compile(rb"""(["'])%s\1""" % name.encode(workspace.program.modules[path].encoding))
    if b"__all__" in workspace.sources[path] and quoted.search(workspace.sources[path]):
        yield Tier.MANUAL, f"__all__ of {path} names {name}"
    if who := workspace.evidence.mentions(path, name.rpartition(".")[2]):
        yield Tier.REVIEW, f"{who} {name}, which is no variable any more: change that, too"


# ---------------------------------------------------------------- one statement


@dataclass(frozen=True)
class _Write:
    """A statement that changes the collection, with what it computes, in the order of evaluation.

    `shown` is what the log gets, in the order of reading; None where nothing comes to the collection.
    """

    file: "_File"
    use: Access
    node: ast.stmt
    operands: tuple[ast.expr, ...]
    shown: tuple[ast.expr, ...] | None

    @property
    def _kept(self) -> list[ast.expr]:
        """What it does besides."""
        return [part for operand in self.operands for part in self.file.doing(operand)]

    def vanishes(self, style: str) -> bool:
        """Whether nothing is left of the statement."""
        return (style == "delete" or self.shown is None) and not self._kept

    def deleted(self) -> Edit:
        """The statement without the collection: what its operands do, or nothing."""
        if self._kept:
            texts = [self.file.text(part) for part in self._kept]
            lines = [f"({text})" if "\n" in text else text for text in texts]
            return self._replaced(f"\n{self.file.margin(self.node)}".join(lines))
        block = self.file.block_of(self.node)
        is_needed = block[0] is self.node and all(id(each) in self.file.gone for each in block)
        return self._replaced("pass") if is_needed else self._removed()

    def logged(self, name: str) -> Edit:
        """The statement as a line of the log."""
        if self.shown is None:
            return self.deleted()
        return self._replaced(f"print({', '.join([json.dumps(name), *map(self.file.text, self.shown)])})")

    def told(self, workspace: Workspace, style: str) -> Iterator[str]:
        """What a reviewer should know of it."""
        line = self.use.place.line
        if style == "delete" and self._kept:
            texts = " and ".join(self.file.text(part) for part in self._kept)
            yield f"line {line} still computes {texts}, which may do something or raise: delete it if it does not"
        value, types = self.use.value, workspace.evidence.sources.types
        if self.use.key is not None and types.of(self.file.path, self.use.key.type) not in STORABLE - {
            "codec",
            "json",
        }:
            yield f"line {line}: a key that cannot be hashed raised TypeError there, and does no more"
        if value is None or types.of(self.file.path, value.type) not in STORABLE:
            yield f"line {line}: what it gets lives no longer than the call: nothing may rely on that it is kept"

    def _replaced(self, text: str) -> Edit:
        return Edit(self.file.path, self.use.statement.start, self.use.statement.end, text)

    def _removed(self) -> Edit:
        data, (start, end) = self.file.data, (self.use.statement.start, self.use.statement.end)
        first = data.rfind(b"\n", 0, start) + 1
        stop = data.find(b"\n", end)
        stop = len(data) if stop < 0 else stop + 1
        rest = data[end:stop].strip()
        if data[first:start].strip() or (rest and not rest.startswith(b"#")):
            return self._replaced("pass")
        if rest:  # a comment stays, on a line of its own
            return Edit(self.file.path, start, data.index(b"#", end), "")
        return Edit(self.file.path, first, stop, "")


class _File:
    """The syntax of a file in which the collection is changed."""

    def __init__(self, path: str, workspace: Workspace) -> None:
        self.path, self.workspace, self.data = path, workspace, workspace.sources[path]
        if workspace.program.modules[path].encoding != "utf-8" or self.data.startswith(b"\xef\xbb\xbf"):
            raise NotDroppedError(f"{path} is not plain UTF-8")
        self.gone: set[int] = set()  # the statements of which nothing is left
        self.tree = ast.parse(self.data)
        self.parents = {child: node for node in ast.walk(self.tree) for child in ast.iter_child_nodes(node)}

    @cached_property
    def _starts(self) -> list[int]:
        """Where each line begins."""
        starts = [0]
        for line in self.data.splitlines(keepends=True):
            starts.append(starts[-1] + len(line))
        return starts

    def _at(self, line: int, column: int) -> int:
        return self._starts[line - 1] + column

    def text(self, node: ast.expr) -> str:
        """The source of an expression."""
        start = self._at(node.lineno, node.col_offset)
        return self.data[start : self._at(node.end_lineno or 0, node.end_col_offset or 0)].decode()

    def margin(self, node: ast.stmt) -> str:
        """The white space in front of a statement."""
        start = self._starts[node.lineno - 1]
        return self.data[start : start + node.col_offset].decode()

    def block_of(self, node: ast.stmt) -> Sequence[ast.stmt]:
        """The statements of the block that a statement stands in."""
        fields = [getattr(self.parents[node], name, []) for name in ("body", "orelse", "finalbody")]
        return next((each for each in fields if isinstance(each, list) and node in each), [])

    def write_of(self, use: Access) -> _Write:
        """The statement of a use. NotDroppedError where it does more, or tells something."""
        found = [
            node
            for node in ast.walk(self.tree)
            if isinstance(node, ast.stmt) and self._at(node.lineno, node.col_offset) == use.statement.start
        ]
        reason = NotDroppedError(f"line {use.place.line} does more than add to it, or tells what it holds")
        if not found:
            raise reason
        node = found[-1]
        parts = _parts(node, use.spelled)
        if parts is None or self.margin(node).strip():
            raise reason
        operands, shown = parts
        made = {
            ast.unparse(each.func) for part in operands for each in ast.walk(part) if isinstance(each, ast.Call)
        }
        made |= {atom.detail for atom in use.value.atoms if atom.kind == "call"} if use.value is not None else set()
        if any(each.rpartition(".")[2] in LIVING for each in made):
            raise NotDroppedError(f"line {use.place.line}: what it gets may only live because it is kept there")
        return _Write(self, use, node, operands, shown)

    def doing(self, node: ast.expr) -> list[ast.expr]:
        """The parts of an expression that may have an effect or raise, in the order of evaluation."""
        match node:
            case ast.Constant() | ast.Name() | ast.Lambda():
                return []
            case ast.Tuple(elts=parts) | ast.List(elts=parts) | ast.Set(elts=parts):
                return [each for part in parts for each in self.doing(part)]
            case ast.Dict(keys=keys, values=values) if None not in keys:
                pairs = [part for pair in zip(keys, values, strict=True) for part in pair if part is not None]
                return [each for part in pairs for each in self.doing(part)]
            case ast.JoinedStr(values=parts):
                formatted = [each for each in parts if isinstance(each, ast.FormattedValue)]
                is_plain = all(each.format_spec is None for each in formatted)
                return [each for part in formatted for each in self.doing(part.value)] if is_plain else [node]
            case ast.Call(func=ast.Attribute(value=ast.Call() as made, attr=name), args=[]) if name in OF_CLOCKS:
                return [] if not self.doing(made) else [node]
            case ast.Call(func=func, args=args, keywords=keywords) if self._is_harmless(func):
                return [each for part in (*args, *(k.value for k in keywords)) for each in self.doing(part)]
            case _:
                return [] if self._is_asked_anyway(node) else [node]

    def _is_harmless(self, func: ast.expr) -> bool:
        """Whether a call only makes an object, or asks a clock."""
        name = ast.unparse(func)
        program = self.workspace.program
        target = program.resolve(self.path, name)
        if target is None or target.kind != "class":
            return name in PLAIN_CALLS | CLOCKS
        known = program.classes[target.path, target.name]
        is_plain = (
            not known.bases and not known.metaclass and all(each.name in RECORDS for each in known.decorators)
        )
        own = [program.method_of(target, each) for each in ("__init__", "__new__", "__post_init__", "__del__")]
        return is_plain and own == [None] * len(own)

    def _is_asked_anyway(self, node: ast.expr) -> bool:
        """Whether the next statement begins with the same question, so that it raises what this one would."""
        statement = self._statement(node)
        block = self.block_of(statement)
        index = block.index(statement) + 1
        is_question = not any(isinstance(each, ast.Call | ast.Await | ast.NamedExpr) for each in ast.walk(node))
        if not is_question or index >= len(block):
            return False
        for each in _evaluated(block[index]):
            if ast.dump(each) == ast.dump(node):
                return True
            if not isinstance(each, ast.Constant | ast.Name | ast.Dict | ast.Tuple | ast.List | ast.expr_context):
                return False
        return False

    def _statement(self, node: ast.AST) -> ast.stmt:
        while not isinstance(node, ast.stmt):
            node = self.parents[node]
        return node


def _evaluated(statement: ast.stmt) -> Iterator[ast.AST]:
    """What a statement that returns or assigns evaluates, roughly in that order."""
    match statement:
        case ast.Return(value=ast.expr() as value) | ast.Assign(targets=[ast.Name()], value=value):
            waiting: list[ast.AST] = [value]
            while waiting:
                node = waiting.pop()
                yield node
                waiting += reversed(list(ast.iter_child_nodes(node)))
        case _:
            return


def _parts(node: ast.stmt, spelled: str) -> _Parts | None:
    """What a statement computes for the collection, and what of it the log gets; None where it does more."""
    match node:
        case ast.Assign(targets=[ast.Subscript(value=owner, slice=key)], value=value) if _is(owner, spelled):
            return (value, key), (key, value)
        case ast.Assign(targets=[target], value=value) if _is(target, spelled) and _is_empty(value):
            return (), None
        case ast.Expr(value=ast.Call(func=ast.Attribute(value=owner, attr=method), args=args, keywords=[])):
            if any(isinstance(each, ast.Starred) for each in args):
                return None
            return _called(method, args) if _is(owner, spelled) else _nested(owner, method, args, spelled)
        case _:
            return None


def _called(method: str, args: Sequence[ast.expr]) -> _Parts | None:
    match method, args:
        case _, [value] if method in ADDING:
            return (value,), (value,)
        case _, [ast.List(elts=parts) | ast.Tuple(elts=parts) | ast.Set(elts=parts)] if method in GROUPS:
            return (*parts,), (*parts,)
        case _, [ast.Dict(keys=keys) as value] if method in GROUPS and None not in keys:
            return (value,), (value,)
        case "insert", [ast.Constant(value=int()), value]:
            return (value,), (value,)
        case "pop", [key, ast.Constant()]:
            return (key,), None
        case _ if method in FORGETTING:
            return (*args,), None
        case _:
            return None


def _nested(owner: ast.expr, method: str, args: Sequence[ast.expr], spelled: str) -> _Parts | None:
    """`seen.setdefault(k, []).append(v)`, which never fails for want of an entry."""
    match owner, args:
        case ast.Call(func=ast.Attribute(value=inner, attr="setdefault"), args=[key, first]), [value] if (
            _is(inner, spelled) and _is_empty(first) and method in ADDING
        ):
            return (key, value), (key, value)
        case _:
            return None


def _is(node: ast.expr, spelled: str) -> bool:
    return ast.unparse(node) == spelled


def _is_empty(node: ast.expr) -> bool:
    return ast.unparse(node) in ("[]", "{}", "set()", "dict()", "list()")
