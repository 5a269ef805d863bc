"""How a connection is ended -> the edits that leave it open, or why there are none."""

import re
from collections.abc import Sequence
from dataclasses import dataclass, field

from statelift.catalogue import Library
from statelift.facts.values import Block, Close, Connection, Ending, Entry
from statelift.model import Edit, Span

CALL = "()"
SQL = "sql"
QUIETLY = "quietly"
NOTHING = "contextlib.nullcontext"
LIMIT = (
    "every container keeps its own: the server has to allow as many (max_connections) as containers run at once, or"
    " RDS Proxy lets them share (statelift infra --skeleton database-proxy)"
)


@dataclass(slots=True)
class Kept:
    """Edits, the helper functions and modules that they name, and what cannot be written."""

    edits: list[Edit] = field(default_factory=list)
    helpers: set[tuple[str, str]] = field(default_factory=set)  # path, function of the helper file
    modules: set[tuple[str, str]] = field(default_factory=set)  # path, module
    flaws: list[str] = field(default_factory=list)


def keep_open(
    connection: Connection, supply: str, path: str, library: Library, endings: Sequence[tuple[str, Ending]]
) -> Kept:
    """Put `supply` in the constructor's place ("": that stays), and rewrite every ending, its own among them."""
    kept = leave_open(connection, library, [each for each in endings if each[1] is not connection.ending])
    own = connection.ending
    writer = _writer(kept, connection, library, own)
    if writer is None:
        return kept
    if not writer.instead and own.block is not None and supply and _is_unwrappable(own):
        writer.unwrap(path, connection, own.block, supply)
        writer.close(path, own.closes, within=own.block)
    else:
        writer.supply(path, connection, supply)
        writer.close(path, own.closes)
    return kept


def leave_open(connection: Connection, library: Library, endings: Sequence[tuple[str, Ending]]) -> Kept:
    """Rewrite the endings of a connection that is kept, wherever they stand."""
    kept = Kept()
    for path, ending in endings:
        writer = _writer(kept, connection, library, ending)
        if writer is not None:
            writer.enter(path, ending.entries)
            writer.close(path, ending.closes)
    return kept


def leave_open_at(connection: Connection, library: Library, closes: Sequence[tuple[str, Close]]) -> Kept:
    """As `leave_open`, for single calls of close()."""
    kept = Kept()
    for path, close in closes:
        _Writer(kept, library, library.instead_of_close.get(connection.constructor, "")).close(path, [close])
    return kept


def _writer(kept: Kept, connection: Connection, library: Library, ending: Ending) -> "_Writer | None":
    instead = library.instead_of_close.get(connection.constructor)
    if instead is None and (ending.closes or ending.entries):
        kept.flaws.append(f"{library.name}: what has to stand where it is closed is not known")
        return None
    return _Writer(kept, library, instead or "")


def _is_unwrappable(ending: Ending) -> bool:
    return len(ending.entries) == 1 and not ending.is_late


@dataclass(frozen=True, slots=True)
class _Writer:
    kept: Kept
    library: Library
    instead: str

    def supply(self, path: str, connection: Connection, text: str) -> None:
        """The constructor's place, with what has to be around it where a with statement enters it."""
        own = [entry for entry in connection.ending.entries if entry.span == connection.span]
        around = self._around(own[0]) if own else ""
        self._need(path, around)
        text = f"{around}({text})" if around else text
        if text:
            self.kept.edits.append(Edit(path, connection.span.start, connection.span.end, text))
        self.enter(path, [entry for entry in connection.ending.entries if entry.span != connection.span])

    def enter(self, path: str, entries: Sequence[Entry]) -> None:
        """With statements and closing() that end it through a variable or a function."""
        for entry in entries:
            around = self._around(entry)
            self._need(path, around)
            if entry.form == "closing":
                self.kept.edits.append(Edit(path, entry.span.start, entry.span.end, around))
            elif around:
                self.kept.edits.append(Edit(path, entry.span.start, entry.span.start, f"{around}("))
                self.kept.edits.append(Edit(path, entry.span.end, entry.span.end, ")"))

    def _around(self, entry: Entry) -> str:
        """What a with statement has to enter instead; "" where it may stay as it is."""
        effect = "close" if entry.form == "closing" else self.library.with_effect
        if self.instead not in ("", f"rollback{CALL}") or not effect:
            self.kept.flaws.append(f"{self.library.name}: what its with statement ends is not known")
        match effect:
            case "transaction":
                return ""
            case "transaction-close":
                return "transaction"
            case _:
                return NOTHING if not self.instead else "lent"

    def _need(self, path: str, around: str) -> None:
        if around == NOTHING:
            self.kept.modules.add((path, "contextlib"))
        elif around:
            self.kept.helpers.add((path, around))

    # ------------------------------------------------------------ close()

    def close(self, path: str, closes: Sequence[Close], within: Block | None = None) -> None:
        """Every close(): it goes, or becomes what has to be called instead."""
        gone: list[Span] = []
        for close in closes:
            if close.is_alone and self.library.kind == SQL and self.instead:
                self._quieten(path, close)
            elif self.instead.endswith(CALL):
                word = self.instead.removesuffix(CALL)
                self.kept.edits.append(Edit(path, close.word.start, close.word.end, word))
            elif not close.is_alone:
                self.kept.flaws.append("its close() is part of a larger statement")
            elif self.instead:
                self.kept.edits.append(Edit(path, close.word.start, close.statement.end, self.instead))
            else:
                gone += self._removed(path, close)
        self._move(path, within, gone)

    def _quieten(self, path: str, close: Close) -> None:
        """`db.close()` becomes `quietly(db.rollback)`: no driver's close() fails because the server is gone."""
        method, _, given = self.instead.removesuffix(")").partition("(")
        rest = f"{method}, {given})" if given else f"{method})"
        self.kept.edits.append(Edit(path, close.statement.start, close.statement.start, f"{QUIETLY}("))
        self.kept.edits.append(Edit(path, close.word.start, close.statement.end, rest))
        self._need(path, QUIETLY)

    def _removed(self, path: str, close: Close) -> list[Span]:
        """Take a close() out: its line, the `finally` that it is all of, or at least the call."""
        if close.line is not None:
            self.kept.edits.append(Edit(path, close.line.start, close.line.end, ""))
            return [close.line]
        if close.block is not None and close.block.tail is not None:
            self._move(path, close.block, [close.block.tail])
            self._remove(path, close.block.head)
            self._remove(path, close.block.tail)
            return [close.block.tail]
        self.kept.edits.append(Edit(path, close.statement.start, close.statement.end, "pass"))
        return []

    def _remove(self, path: str, span: Span | None) -> None:
        if span is not None:
            self.kept.edits.append(Edit(path, span.start, span.end, ""))

    # ------------------------------------------------------------ blocks

    def unwrap(self, path: str, connection: Connection, block: Block, supply: str) -> None:
        """`with open() as name:` becomes `name = supply`; `close` moves the body."""
        assert block.head is not None
        name = connection.ending.bound_to
        text = f"{name} = {supply}" if name else supply
        self.kept.edits.append(Edit(path, block.head.start, block.head.end, f"{block.margin}{text}{block.newline}"))

    def _move(self, path: str, block: Block | None, gone: Sequence[Span]) -> None:
        """Take a body out of its statement, but for the lines that are gone."""
        for margin in block.margins if block is not None else ():
            if not any(span.start <= margin.start < span.end for span in gone):
                self.kept.edits.append(Edit(path, margin.start, margin.end, ""))


# ---------------------------------------------------------------- clients with cookies


def forgetting(name: str, definition: str, inner: str, parameters: str = "") -> tuple[tuple[str, str], ...]:
    """Names and texts of a getter that gives out what `inner` keeps (`definition`) without the cookies in it."""
    text = _FORGETTING.format(name=name, inner=inner, parameters=parameters)
    return (inner, definition), (name, text)


_FORGETTING = '''def {name}({parameters}):
    """The kept client without the cookies of earlier calls."""
    client = {inner}({parameters})
    client.cookies.clear()
    return client
'''


# ---------------------------------------------------------------- connections that are asked

SLOT = "_ConnectionSlot"


def slot_there() -> str:
    """The class of the helper file as a definition of the module's own, for packages that take no new file."""
    return _SLOT


_SLOT = '''class _ConnectionSlot:
    """One connection per container, checked before each use, replaced when dead."""

    def __init__(self, open_connection, is_usable):
        self._open_connection, self._is_usable = open_connection, is_usable
        self._connection, self._arguments = None, ()

    def get(self, *arguments):
        """A connection that was just accepted, or a new one for these arguments."""
        kept = self._connection
        if kept is not None and not (arguments == self._arguments and self._is_usable(kept)):
            with contextlib.suppress(Exception):
                kept.close()
            self._connection = None
        if self._connection is None:
            self._connection = self._open_connection(*arguments)
            self._arguments = arguments
        return self._connection
'''


def quietly_there() -> str:
    """The function of the helper file as a definition of the module's own."""
    return _QUIETLY


_QUIETLY = '''def quietly(end, *arguments):
    """Stands for close(): that the server has hung up is no error."""
    with contextlib.suppress(Exception):
        end(*arguments)
'''


def probe_of(constructor: str, library: Library) -> tuple[str, str]:
    """Name and text of the function that asks a connection whether it is alive."""
    errors, check = library.errors[constructor], library.checks[constructor]
    module = re.split(r"[ (]", errors)[-1].rpartition(".")[0]
    first = next(iter(library.checks.values()))
    name = f"_{(module if check == first else constructor.rpartition('.')[0]).replace('.', '_')}_is_usable"
    reset = library.instead_of_close.get(constructor, "")
    asking = [f"connection.{reset}", check, f"connection.{reset}"] if reset else check.splitlines()
    lines = "\n".join(f"        {line}" if line else "" for line in asking).lstrip()
    opening = "End what an earlier call left open, and ask the server." if reset else "Ask the server."
    return name, _PROBE.format(name=name, opening=opening, module=module, lines=lines, errors=errors)


# A dead connection is found by asking, never by looking at it; a silent reconnect would lose the transaction.
_PROBE = '''def {name}(connection):
    """{opening}"""
    import {module}

    try:
        {lines}
    except {errors}:
        return False
    return True
'''
