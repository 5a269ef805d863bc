"""What every call adds to a part of the process -> the same, once: behind a test, or in place of what was there."""

import ast
import re
from collections.abc import Iterator
from dataclasses import dataclass
from functools import cached_property

from statelift.facts.values import Access
from statelift.judge.registrations import ADDING, CHOICES, is_same_each_call
from statelift.judge.values import Judgement
from statelift.link.writes import is_write
from statelift.model import Edit, Tier, Verdict
from statelift.workspace import Proposal, Workspace

LOGGER = "logging.getLogger"
NAMED = re.compile(r"(logging\.)?getLogger\(.+\)")  # Lambda gives the one without a name a handler
STREAM_HANDLERS = frozenset({"StreamHandler", "logging.StreamHandler"})
STANDARD = frozenset({"sys.stdout", "sys.stderr"})
CONFIGURED = frozenset({"dictConfig", "fileConfig"})
FORMATTERS = frozenset({"Formatter", "logging.Formatter"})
ENDING = frozenset({"close", "flush", "__del__"})
ONE_LINE = "each line of the log appears once; a handler that something else gave the same logger counts, too"
REPLACED = (
    "each call takes the handlers of earlier ones away before it adds its own; nothing else may have given that"
    " logger one"
)
ONE_ENTRY = (
    "later calls of a container find one entry, as its first one does, and no more with each call; where it is"
    " there before the first one, none is added"
)
Function = ast.FunctionDef | ast.AsyncFunctionDef


def is_registration(judgement: Judgement) -> bool:
    """Whether calls add to a logger or a list of the process what later calls are not meant to find."""
    if judgement.cell is None or judgement.verdict is not Verdict.LEAK:
        return False
    cell = judgement.cell[1]
    return cell.callee == LOGGER or (cell.home == "process" and cell.kind == "list")


class NotOnceError(ValueError):
    """Why something is not shown to be added once, with the line."""


def register_once(judgement: Judgement, workspace: Workspace) -> Proposal:
    """A change under which no call finds what an earlier one added; MANUAL where that cannot be shown."""
    assert judgement.cell is not None
    cell = judgement.cell[1]
    is_logger = cell.callee == LOGGER
    title = "add the log handler once per container" if is_logger else f"add to {judgement.subject.symbol} once"
    change = _logged if is_logger else _listed
    try:
        if is_logger:
            _check_loggers(workspace)
        made = [change(path, use, workspace) for path, use in judgement.accesses if is_write(cell, use.op)]
    except NotOnceError as error:
        return Proposal("once", title, (), Tier.MANUAL, (str(error),))
    reasons = tuple(dict.fromkeys(reason for _, reason in made))
    return Proposal("once", title, tuple(edit for edit, _ in made), Tier.REVIEW, reasons)


def _listed(path: str, use: Access, workspace: Workspace) -> tuple[Edit, str]:
    """`sys.path.append("/opt")` under `if "/opt" not in sys.path:`."""
    line = _Line(path, use, workspace)
    if not is_same_each_call(workspace.evidence, path, use.value) or use.value is None:
        raise NotOnceError(f"line {use.place.line}: what it adds is not seen to be the same in every call")
    value, owner = workspace.text(path, use.value.span), workspace.text(path, use.name)
    return line.under(f"if {value} not in {owner}:"), ONE_ENTRY


def _logged(path: str, use: Access, workspace: Workspace) -> tuple[Edit, str]:
    """`logger.addHandler(h)` under `if not logger.handlers:`; what is the call's, behind `….handlers.clear()`."""
    line, spelled = _Line(path, use, workspace), workspace.text(path, use.name)
    added = _Added.at(workspace.sources[path], use.place.line)
    if added is None or not NAMED.fullmatch(added.owner):
        raise NotOnceError(
            f"line {use.place.line}: the logger has no name that is seen; Lambda gives the root a handler"
        )
    if added.is_of_no_call(path, workspace):
        return line.under(f"if not {spelled}.handlers:"), ONE_LINE
    if added.may_be_dropped:
        return line.behind(f"{spelled}.handlers.clear()"), REPLACED
    raise NotOnceError(f"line {use.place.line}: what the handler holds may belong to the call, or has to be closed")


def _check_loggers(workspace: Workspace) -> None:
    """NotOnceError where the program may give one logger several handlers: names tell loggers apart."""
    owners: list[str] = []
    for path, module in sorted(workspace.program.modules.items()):
        if CONFIGURED & (module.identifiers | {name for name, _ in module.attributes}):
            raise NotOnceError(f"{path} configures loggers as a whole: give them their handlers there")
    for key, uses in workspace.program.accesses.items():
        cell = workspace.program.cells.get(key)
        if cell is not None and cell.callee == LOGGER:
            owners += [_owner(path, use, workspace) for path, use in uses if use.op in ADDING]
    if "" in owners or len(set(owners)) < len(owners):
        raise NotOnceError("a logger gets several handlers, or one whose name is not seen: add them at import")


def _owner(path: str, use: Access, workspace: Workspace) -> str:
    """How the logger was asked for; "" where that is not seen."""
    added = _Added.at(workspace.sources[path], use.place.line)
    owner = "" if added is None else added.owner.removeprefix("logging.")
    return f"{path} {owner}" if "__name__" in owner else owner


class _Line:
    """The line of a statement that every call runs once. NotOnceError where that is not so."""

    def __init__(self, path: str, use: Access, workspace: Workspace) -> None:
        data = workspace.sources[path]
        start = data.rfind(b"\n", 0, use.span.start) + 1
        self.path, self.at = path, use.span.start
        self.margin = workspace.between(path, start, use.span.start)
        self.newline = "\r\n" if data[use.span.end :].partition(b"\n")[0].endswith(b"\r") else "\n"
        is_one_line = workspace.text(path, use.span).count("\n") == 0
        if use.op not in ADDING or not use.is_statement or self.margin.strip() or not is_one_line:
            raise NotOnceError(f"line {use.place.line}: it is no statement of one line that adds one thing")
        _check_calls(use, workspace)

    def under(self, head: str) -> Edit:
        """The statement in a block of its own."""
        return Edit(self.path, self.at, self.at, f"{head}{self.newline}{self.margin}    ")

    def behind(self, statement: str) -> Edit:
        """The statement behind another one."""
        return Edit(self.path, self.at, self.at, f"{statement}{self.newline}{self.margin}")


def _check_calls(use: Access, workspace: Workspace) -> None:
    """NotOnceError where some calls come to a use and others do not, or come there twice."""
    for trace in workspace.evidence.traces:
        steps = [step for step in trace.steps if step.item is use]
        kinds = {condition[1] for step in steps for condition in step.conditions}
        if kinds & CHOICES:
            raise NotOnceError(
                f"line {use.place.line}: not every call comes there, and later ones find what it adds"
            )
        if len(steps) > 1 or "loop" in kinds or trace.is_cut:
            raise NotOnceError(f"line {use.place.line}: a call may come there more than once")


# ---------------------------------------------------------------- what a logger is given


@dataclass(frozen=True)
class _Added:
    """`logger.addHandler(given)` with the syntax around it."""

    tree: ast.Module
    function: Function | ast.Module
    logger: ast.expr
    given: ast.expr

    @staticmethod
    def at(source: bytes, line: int) -> "_Added | None":
        """The call on a line, in the innermost function around it, if any."""
        tree = ast.parse(source)
        around = [
            each
            for each in ast.walk(tree)
            if isinstance(each, Function) and each.lineno <= line <= (each.end_lineno or 0)
        ]
        for node in ast.walk(tree):
            match node:
                case ast.Call(func=ast.Attribute(value=logger, attr="addHandler"), args=[given], lineno=found) if (
                    found == line
                ):
                    return _Added(tree, max(around, key=lambda each: each.lineno, default=tree), logger, given)
                case _:
                    pass
        return None

    @property
    def owner(self) -> str:
        """How the logger was asked for."""
        return ast.unparse(self._made(self.logger))

    def is_of_no_call(self, path: str, workspace: Workspace) -> bool:
        """Whether it is made of constants, standard streams and objects of the module, in every call alike."""
        match self._made(self.given):
            case ast.Call(func=func, args=args, keywords=keywords):
                given = [*args, *(each.value for each in keywords)]
            case _:
                return False
        known = self._class(func)
        is_plain = ast.unparse(func) in STREAM_HANDLERS or (known is not None and _keeps_what_it_gets(known))
        parts = [*given, *self._settings()]
        return (
            is_plain
            and None not in parts
            and all(self._is_lasting(each, path, workspace) for each in parts if each)
        )

    @property
    def may_be_dropped(self) -> bool:
        """Whether nothing has to be done to a handler that is used no more."""
        match self._made(self.given):
            case ast.Call(func=func):
                known = self._class(func)
                methods = set() if known is None else {each.name for each in _methods(known)}
                return ast.unparse(func) in STREAM_HANDLERS or (known is not None and not methods & ENDING)
            case _:
                return False

    def _settings(self) -> Iterator[ast.expr | None]:
        """What the handler is given besides: `handler.setFormatter(…)`; None where it is used in another way."""
        if not isinstance(self.given, ast.Name):
            return
        parents = {child: node for node in ast.walk(self.function) for child in ast.iter_child_nodes(node)}
        for node in ast.walk(self.function):
            if not isinstance(node, ast.Name) or node.id != self.given.id or isinstance(node.ctx, ast.Store):
                continue
            outer = parents[node]
            call = parents.get(outer)
            match outer, call:
                case ast.Attribute(attr=name), ast.Call(args=args) if name.startswith("set"):
                    yield from args
                case ast.Call(func=ast.Attribute(attr="addHandler")), _:
                    pass
                case _:
                    yield None

    def _is_lasting(self, node: ast.expr, path: str, workspace: Workspace) -> bool:
        """Whether an expression gives the same object, or an equal one, in every call."""
        match node:
            case ast.Constant():
                return True
            case ast.Call(func=func, args=args, keywords=keywords) if ast.unparse(func) in FORMATTERS:
                given = [*args, *(each.value for each in keywords)]
                return all(self._is_lasting(each, path, workspace) for each in given)
            case ast.Name(id=name) if name not in self._local:
                target = workspace.program.resolve(path, name)
                key = ("", "") if target is None else (target.path, target.name)
                uses = workspace.program.accesses.get(key, ())
                is_cell = target is not None and target.kind == "cell"
                return is_cell and not any(use.op in ("rebind", "unbind", "augment") for _, use in uses)
            case ast.Attribute():
                text = ast.unparse(node)
                return text in STANDARD or re.fullmatch(r"logging\.[A-Z]+", text) is not None
            case _:
                return False

    @cached_property
    def _local(self) -> set[str]:
        """Names that the function binds."""
        if isinstance(self.function, ast.Module):
            return set()
        arguments = [each.arg for each in ast.walk(self.function.args) if isinstance(each, ast.arg)]
        nodes = (each for each in ast.walk(self.function) if isinstance(each, ast.Name))
        return {*arguments, *(each.id for each in nodes if isinstance(each.ctx, ast.Store))}

    def _made(self, node: ast.expr) -> ast.expr:
        """What a name is given by the one assignment that there is, in the function or at the top of the module."""
        if not isinstance(node, ast.Name):
            return node
        body = ast.walk(self.function) if node.id in self._local else iter(self.tree.body)
        found = [
            each.value
            for each in body
            if isinstance(each, ast.Assign)
            if any(isinstance(target, ast.Name) and target.id == node.id for target in each.targets)
        ]
        return found[0] if len(found) == 1 else node

    def _class(self, node: ast.expr) -> ast.ClassDef | None:
        """The class of the module that a name means, where it is a handler of the logging module."""
        named = [
            each for each in self.tree.body if isinstance(each, ast.ClassDef) and each.name == ast.unparse(node)
        ]
        bases = [ast.unparse(base) for each in named for base in each.bases]
        is_handler = len(named) == 1 and bases in (["logging.Handler"], ["Handler"], ["logging.StreamHandler"])
        return named[0] if is_handler and not named[0].decorator_list else None


def _methods(known: ast.ClassDef) -> list[Function]:
    return [each for each in known.body if isinstance(each, Function)]


def _keeps_what_it_gets(known: ast.ClassDef) -> bool:
    """Whether its objects only hold what they are made of, and never anything new."""
    for method in _methods(known):
        stored = [
            each
            for each in ast.walk(method)
            if isinstance(each, ast.Attribute | ast.Subscript) and not isinstance(each.ctx, ast.Load)
        ]
        if stored and method.name != "__init__":
            return False
        if method.name == "__init__" and not all(map(_only_keeps, method.body)):
            return False
    return all(isinstance(each, Function) or _is_text(each) for each in known.body)


def _only_keeps(statement: ast.stmt) -> bool:
    """`super().__init__()`, `self.lines = lines`, a docstring."""
    match statement:
        case ast.Assign(targets=[ast.Attribute(value=ast.Name())], value=ast.Name() | ast.Constant()):
            return True
        case ast.Expr(value=ast.Call(func=ast.Attribute(value=base, attr="__init__"), args=args)):
            is_super = ast.unparse(base) in ("super()", "logging.Handler", "logging.StreamHandler")
            is_plain = all(
                isinstance(each, ast.Name | ast.Constant) or ast.unparse(each) in STANDARD for each in args
            )
            return is_super and is_plain
        case _:
            return _is_text(statement)


def _is_text(statement: ast.stmt) -> bool:
    return isinstance(statement, ast.Expr) and isinstance(statement.value, ast.Constant)
