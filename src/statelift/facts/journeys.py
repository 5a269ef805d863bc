"""A call that makes a connection -> where that goes in its function: what holds, enters, changes and gets it."""

import ast
import re
from collections import defaultdict
from collections.abc import Iterator
from dataclasses import dataclass
from typing import TypeAlias

from statelift.facts.callees import callee_of
from statelift.facts.syntax import Syntax, pairs_of

CLOSING = frozenset(
    "close dispose shutdown disconnect quit logout unbind aclose closeall terminate close_all_connections".split()
)
REGISTERING = frozenset({"register", "register_first", "register_last"})
OWNERS = frozenset("client _client connection bind engine driver pool transport connection_pool meta".split())
SETTINGS = frozenset(
    """headers cookies auth params hooks proxies events connection_kwargs options response_callbacks adapters
    event_hooks""".split()
)
ADDING = REGISTERING | frozenset("append extend add insert".split())
CHANGING = ADDING | frozenset("update set set_cookie setdefault pop clear".split())
SETTERS = frozenset(
    """autocommit set_session set_isolation_level set_client_encoding set_charset set_autocommit select_db
    change_user select client_setname set_read_only set_credentials connect login open auth_password
    set_tunnel set_debuglevel set_config_variable set_default_client_config register_component""".split()
)  # methods that change the session behind a connection
INNER = "_session"  # botocore's session of a session of boto3
SETTER_NAME = re.compile(
    r"set_|add_|register|auth|use_|configure|mount|init_|enable|disable|subscribe|login|connect$"
)
LOGIN_NAME = re.compile(r"auth|login")
PLAIN_NAMES = frozenset({"register_script"})  # they sound like setters, and only give something
COMMANDS = frozenset({"SELECT", "AUTH", "CLIENT"})  # the same, sent by a method called execute_command
LOOKING = frozenset("str repr bool print isinstance id type len hash hasattr callable".split())
LOOKING_NODES = (
    ast.Compare, ast.UnaryOp, ast.FormattedValue, ast.If, ast.While, ast.Assert, ast.Expr, ast.Raise, ast.Match,
    ast.ExceptHandler, ast.JoinedStr,
)  # fmt: skip
SAME = frozenset({"contextlib.closing", "copy.copy"})  # what they give is it, or shares all that it holds
MADE = "()"
Path: TypeAlias = tuple[str, ...]  # how something was reached: attributes, `name()` for a method's result, `[]`


@dataclass(frozen=True, slots=True)
class Change:
    """Where something is set, and to what. `is_guessed`: only the name of the method says so."""

    node: ast.expr
    given: tuple[ast.expr, ...]
    is_guessed: bool = False


class Journey:
    """Follows what one call makes through variables, attributes and methods.

    `holders` stand for the object itself. `flows` has "returned", "stored", "lost", `passed:CALLEE:ARGUMENT`,
    and the same with "part " for what was reached through it. `touched` is a use that ends it in a way that is
    not followed; `changes` are those that set something on it, `handed` what calls get together with it.
    """

    def __init__(self, syntax: Syntax, node: ast.expr) -> None:
        self.syntax = syntax
        self.holders: list[ast.expr] = []
        self.flows: set[str] = set()
        self.touched: ast.expr | None = None
        self.changes: list[Change] = []
        self.handed: dict[str, list[ast.expr]] = defaultdict(list)
        self._seen: set[tuple[ast.expr, Path]] = set()
        self._waiting: list[tuple[ast.expr, Path]] = [(node, ())]
        while self._waiting:
            following = self._waiting.pop()
            if following not in self._seen and len(following[1]) < 8:
                self._seen.add(following)
                self._follow(*following)

    def _push(self, node: ast.expr, path: Path) -> None:
        self._waiting.append((node, path))

    def _flow(self, what: str, path: Path) -> None:
        self.flows.add(what if not path else f"part {what}")

    def _follow(self, node: ast.expr, path: Path) -> None:
        if not path:
            self.holders.append(node)
        parent = self.syntax.parents[node]
        match parent:
            case ast.Attribute():
                self._attribute(parent, path)
            case ast.Subscript(value=value) if value is node:
                self._subscript(parent, path)
            case ast.Call(func=func) if func is node:
                self._push(parent, (*path, MADE))
            case ast.Call() | ast.keyword():
                self._argument(parent, node, path)
            case ast.Return() | ast.Yield() | ast.YieldFrom() | ast.Lambda():
                self._flow("returned", path)
            case ast.Await() | ast.BoolOp() | ast.Starred():
                self._push(parent, path)
            case ast.IfExp(test=test):
                if test is not node:
                    self._push(parent, path)
            case ast.Tuple() | ast.List():
                self._display(parent, node, path)
            case _:
                self._bound(parent, node, path)

    def _bound(self, parent: ast.AST, node: ast.expr, path: Path) -> None:
        match parent:
            case ast.Assign(targets=targets):
                for target in targets:
                    self._bind(target, path)
            case ast.AnnAssign(target=target):
                self._bind(target, path)
            case ast.NamedExpr(target=target):
                self._bind(target, path)
                self._push(parent, path)
            case ast.withitem(optional_vars=ast.expr() as target):
                self._bind(target, path)
            case ast.withitem():
                pass
            case (
                ast.For(target=target, iter=iterated)
                | ast.AsyncFor(target=target, iter=iterated)
                | ast.comprehension(target=target, iter=iterated)
            ) if iterated is node:
                self._bind(target, (*path, "[]"))
            case _:
                if not isinstance(parent, LOOKING_NODES):
                    self._flow("lost", path)

    def _bind(self, target: ast.expr, path: Path) -> None:
        match target:
            case ast.Name(id=name):
                scope = self.syntax.scope(target).binding(name)
                if scope is None or scope.kind in ("module", "class"):
                    self._flow("stored", path)
                    return
                for load in self.syntax.loads_after(target, scope):
                    self._push(load, path)
            case ast.Tuple(elts=elements) | ast.List(elts=elements):
                for element in elements:
                    self._bind(element, (*path, "[]"))
            case ast.Starred(value=value):
                self._bind(value, path)
            case _:
                self._flow("stored", path)

    def _display(self, display: ast.Tuple | ast.List, node: ast.expr, path: Path) -> None:
        """`client, number = Client(), 1` and `for each in (one, other)` bind; others hide what they hold."""
        statement = self.syntax.parents[display]
        if isinstance(statement, (ast.For, ast.comprehension)) and statement.iter is display:
            self._bind(statement.target, path)
            return
        if isinstance(statement, ast.Assign):
            for target in statement.targets:
                for name, given in pairs_of(target, display):
                    if given is node:
                        self._bind(name, path)
                        return
        self._flow("lost", path)

    # ------------------------------------------------------------ attributes, items, arguments

    def _attribute(self, attribute: ast.Attribute, path: Path) -> None:
        name = attribute.attr
        if not isinstance(attribute.ctx, ast.Load) or (name == "__dict__" and not path):
            self._set(attribute, path)
            return
        call = self.syntax.parents[attribute]
        is_called = isinstance(call, ast.Call) and call.func is attribute
        if name in CLOSING and (path or not is_called) and (not path or OWNERS.intersection(path)):
            self._touch(attribute)
        if isinstance(call, ast.Call) and is_called:
            is_known = _changes(name, path, call)
            if is_known or _sounds_like_setter(name, path):
                self._change(attribute, _given(call), is_guessed=not is_known)
        if isinstance(call, ast.Call) and is_called:
            self._push(call, (*path, name + MADE))
        else:
            self._push(attribute, (*path, name))

    def _subscript(self, subscript: ast.Subscript, path: Path) -> None:
        if isinstance(subscript.ctx, ast.Load):
            self._push(subscript, (*path, "[]"))
        else:
            self._set(subscript, path)

    def _set(self, target: ast.Attribute | ast.Subscript, path: Path) -> None:
        """Something is assigned: it stays with the object, unless a method made what it is assigned to."""
        if _is_own(path):
            statement = self.syntax.statement(target)
            given = getattr(statement, "value", None)
            self._change(target, (given,) if isinstance(given, ast.expr) else ())

    def _argument(self, parent: ast.Call | ast.keyword, node: ast.expr, path: Path) -> None:
        call = parent if isinstance(parent, ast.Call) else self.syntax.parents[parent]
        if not isinstance(call, ast.Call):
            self._flow("lost", path)
            return
        callee = self.syntax.outside(call.func)
        if callee in ("setattr", "delattr") and call.args[:1] == [node]:
            if _is_own(path):
                self._change(node, tuple(call.args[2:]))
        elif callee == "getattr" and call.args[:1] == [node]:
            self._by_name(call, path)
        elif callee in SAME or _method(call) == "enter_context":
            self._push(call, path)
        elif callee not in LOOKING:
            self._pass(call, parent, node, path)

    def _by_name(self, call: ast.Call, path: Path) -> None:
        match call.args[1:2]:
            case [ast.Constant(value=str(name))] if name not in CLOSING:
                self._push(call, (*path, name))
            case _:
                self._touch(call)

    def _pass(self, call: ast.Call, parent: ast.AST, node: ast.expr, path: Path) -> None:
        if isinstance(parent, ast.keyword):
            position = parent.arg or "**"
        else:
            position = str(call.args.index(node)) if node in call.args else "*"
        flow = f"passed:{callee_of(self.syntax, call)}:{position}"
        self._flow(flow, () if _leads_back(path) else path)
        self.handed[flow] += [each for each in _given(call) if each is not node]

    def _touch(self, node: ast.expr) -> None:
        self.touched = self.touched or node

    def _change(self, node: ast.expr, given: tuple[ast.expr, ...], *, is_guessed: bool = False) -> None:
        self.changes.append(Change(node, given, is_guessed))


def _given(call: ast.Call) -> tuple[ast.expr, ...]:
    return (*call.args, *(each.value for each in call.keywords))


def _sounds_like_setter(name: str, path: Path) -> bool:
    """Whether a method of the connection, or a login of a part of it, is called as if it set something."""
    if path:
        return _is_own(path) and bool(LOGIN_NAME.match(name))
    return bool(SETTER_NAME.match(name)) and name not in PLAIN_NAMES


def _leads_back(path: Path) -> bool:
    """Whether what was reached holds the settings of the connection, or the connection: `client.meta.events`."""
    return bool(path) and _is_own(path) and path[-1] in OWNERS | SETTINGS


def _method(call: ast.Call) -> str:
    return call.func.attr if isinstance(call.func, ast.Attribute) else ""


def _changes(name: str, path: Path, call: ast.Call) -> bool:
    """Whether a method sets something that stays with the connection."""
    match call.args[:1]:
        case [ast.Constant(value=str(command))] if name == "execute_command" and not path:
            return command.upper() in COMMANDS
        case _:
            is_setter = name in SETTERS and path in ((), (INNER,)) and bool(call.args or call.keywords)
            return is_setter or (name in CHANGING and _is_setting(path))


def _tail(path: Path) -> Iterator[str]:
    """The attributes behind the last method: they belong to what that gave."""
    for name in reversed(path):
        if name.endswith(MADE):
            return
        yield name


def _is_own(path: Path) -> bool:
    """Whether something is part of the connection itself, or leads back to it: `table.meta.client`."""
    return not any(name.endswith(MADE) for name in path) or any(name in OWNERS for name in _tail(path))


def _is_setting(path: Path) -> bool:
    """Whether something holds settings that stay with the connection: headers, cookies, hooks."""
    return _is_own(path) and any(name in SETTINGS for name in _tail(path))
