"""What the facts stage says of one file: plain frozen values, no syntax trees."""

from dataclasses import dataclass
from typing import Literal

from statelift.catalogue.files import Effect
from statelift.model import Place, Span

CellKind = Literal["dict", "list", "set", "int", "number", "text", "none", "bool", "call", "other"]

Home = Literal["module", "class", "instance", "default", "function", "closure", "object", "process"]


@dataclass(frozen=True, slots=True, order=True)
class Atom:
    """One source of a value.

    Kinds: const, env (detail: variable), param (detail: name of the function's parameter, `path` the
    subscripts applied to it), call (detail: dotted callee, or "" where unknown), name (detail: a module-level
    name of this file), import (detail: dotted imported name), nondet (clock, random, uuid), opaque.
    `into`: it came there as an argument of this call; what a function of the program makes of that, its own
    returns tell.
    """

    kind: Literal["const", "env", "param", "call", "name", "import", "nondet", "opaque"]
    detail: str = ""
    path: str = ""
    into: str = ""


@dataclass(frozen=True, slots=True)
class Value:
    """What is known of an expression without running it.

    `type` is one of str int float bool none bytes json (part of the event) codec (several exactly storable
    types) or "unknown"; `param:NAME` and `call:DOTTED` are resolved when the program is linked. `threats` are
    the fates through which the object could still change: `unknown`, `mutated`, `stored`, `passed:CALLEE:ARG`,
    `result:CALLEE` (made by a function of the program that may keep it). `deciding` are the sources of the tests
    that decide which of several values it is.
    """

    span: Span
    text: str
    atoms: frozenset[Atom]
    type: str
    threats: frozenset[str]
    is_pure: bool
    deciding: frozenset[Atom] = frozenset()


@dataclass(frozen=True, slots=True, order=True)
class Test:
    """An atomic condition on a cell or path: `relation` holds (or not) for subject and key.

    `present`: there is a value; `holds`: something is in it.
    """

    subject: str
    key: str
    relation: Literal["present", "none", "truthy", "holds", "other"]
    holds: bool


@dataclass(frozen=True, slots=True)
class Guard:
    """A condition on the way to a statement. `tests` hold all together, or at least one of them (mode any).

    `files` are its tests of files, or of what was read from them: `present` (and whether that holds), `other` for
    their age or size.
    """

    kind: Literal["if", "loop", "try", "except", "finally", "case", "function"]
    at: int
    holds: bool
    mode: Literal["all", "any"] = "all"
    tests: tuple[Test, ...] = ()
    catches: tuple[str, ...] = ()
    files: tuple[Test, ...] = ()


@dataclass(frozen=True, slots=True)
class Cell:
    """What can outlive a call, and what it holds at first. `home` says what it lives in, `name` how it is called:

    module `SESSIONS`, class and instance `Api.sessions`, default `collect(found)`, function `handler.count`,
    closure `make.seen`, object `local.user`, process `os.environ['USER']`. `file` is the path pattern that it
    stands for, if it is a path below /tmp; `files` those of what it holds: `{"queue": "/tmp/queue.json"}`.
    `is_tried`: a `try:` of the module defines it, and nothing else is around that.
    `is_alone`: the statement that defines it defines nothing else (`hits, misses = 0, 0` does). `is_direct`: no
    `if`, loop or `try` stands around it in the function or class that runs it. `runs` are the
    dotted names of what a call of it runs: `App.handle` behind `handler = App().handle`. `holds_constants`: it is
    defined as a collection of texts, numbers and tuples of those, which nobody can change in place;
    `holds_records`: or of dicts of those, dicts of such dicts …, which `+=` cannot change.
    """

    name: str
    kind: CellKind
    place: Place
    value: Value | None
    definition_count: int
    statement: Span
    line: Span | None
    callee: str = ""
    is_top_level: bool = True
    is_tried: bool = False
    is_alone: bool = True
    is_direct: bool = True
    file: str = ""
    files: tuple[tuple[str, str], ...] = ()
    home: Home = "module"
    runs: tuple[str, ...] = ()
    holds_constants: bool = False
    holds_records: bool = False


@dataclass(frozen=True, slots=True)
class Alias:
    """`name = d[k]` whose object the following statements change: they end with the one at `last`."""

    name: str
    last: Span
    top: Span


@dataclass(frozen=True, slots=True)
class Check:
    """The `if` on a cell that decides about a write at its edge, with nothing in between: both can be one step.

    `test`: the last part of its condition, which alone reads the cell; where that is as `leads` says, the write
    follows. `condition` and `text`: the same without a `not`, and `holds` what is wanted of that. `joint` is what
    stands between `test` and the rest in front of it. `source`: a statement in front of the `if`
    that gives `variable` what is read, for this test alone. `whole`: the `if`, where it is for the write alone.
    `gone` are the lines that go with the write, `comments` those in them, which belong above `line`, the start of
    the line of the `if`. `at` is the number of its guard.
    """

    at: int
    test: Span
    condition: Span
    text: str
    leads: bool
    holds: bool
    joint: Span | None
    whole: Span | None
    gone: tuple[Span, ...]
    comments: tuple[str, ...]
    line: int
    variable: str = ""
    source: Span | None = None


@dataclass(frozen=True, slots=True)
class Found:
    """A check that found the entry which is read: the span of `k in d`.

    `line`: the whole lines of the statement that gives `variable`, and no other one does, what is read. `choice`:
    the expression `d[k] if k in d else …` around both, and `other` its constant.
    """

    check: Span
    variable: str = ""
    line: Span | None = None
    choice: Span | None = None
    other: str = ""


@dataclass(frozen=True, slots=True)
class Access:
    """One use of a cell inside a function, with everything that a decision or a rewrite needs.

    `subject` is the cell's name in this file, or the dotted imported name. `op` names the operation:
    put require get contains lacks delete pop setdefault update items keys values iterate len truth clear
    method attribute rebind unbind augment augment_key nested read escape append add discard remove extend.
    `span` covers the whole operation, `name` the cell's own text, `parts` the joints: spans of key, value,
    default … in source order. `spelled` is how the cell is written there. `fates` say what happens to the value
    that the operation gives. `is_editable`: a value that is changed in place by one simple statement, with a key
    that can be evaluated first.
    """

    subject: str
    op: str
    function: str
    place: Place
    span: Span
    name: Span
    statement: Span
    order: int
    guards: tuple[Guard, ...]
    key: Value | None = None
    value: Value | None = None
    default: Value | None = None
    operator: str = ""
    spelled: str = ""
    fates: frozenset[str] = frozenset()
    is_statement: bool = False
    is_attribute: bool = False
    is_editable: bool = False
    alias: Alias | None = None
    check: Check | None = None
    found: Found | None = None

    @property
    def changes_result(self) -> bool:
        """Whether the function changes the object that the operation gives, or what that holds."""
        return any(fate.startswith(("mutated", "inside:", "augmented:")) for fate in self.fates)


@dataclass(frozen=True, slots=True)
class Argument:
    """One argument of a call: position ("0", "1" …) or keyword, `*` or `**` where unpacked.

    `has_locals` says that its text means something only inside the calling function; `file` is the path
    pattern that it stands for, if it is a path below /tmp, `piece` its text where it is part of a path.
    `is_inherited`: it is one of the session's that a client is made of.
    """

    name: str
    value: Value
    has_locals: bool = False
    file: str = ""
    piece: str = ""
    is_inherited: bool = False


@dataclass(frozen=True, slots=True)
class Block:
    """A compound statement that can go while its body stays.

    `head` is the line that opens it (None: it stays), `margins` what the lines of its body lose, `tail` its
    `finally`. `margin` is the text in front of the statement, `newline` what ends its head.
    """

    head: Span | None
    margins: tuple[Span, ...]
    tail: Span | None = None
    margin: str = ""
    newline: str = "\n"


@dataclass(frozen=True, slots=True)
class Section:
    """A block that holds the lock `subject`, named at `name`. `foreign`: what it does besides using cells."""

    subject: str
    function: str
    place: Place
    span: Span
    name: Span
    block: Block | None
    foreign: tuple[str, ...] = ()


@dataclass(frozen=True, slots=True)
class Close:
    """A statement `connection.close()`: its line where it can be removed whole, otherwise its own span.

    `block` is the try statement of whose `finally` it is all. `is_certain`: on every way without an exception.
    `is_alone`: it is a statement of its own.
    """

    word: Span
    statement: Span
    line: Span | None
    block: Block | None = None
    is_certain: bool = True
    is_alone: bool = True


@dataclass(frozen=True, slots=True)
class Entry:
    """A with statement (or ExitStack) that ends a connection.

    `span` is what it enters, or for `closing(connection)` the word `closing`.
    """

    form: Literal["with", "closing"]
    span: Span


@dataclass(frozen=True, slots=True)
class Changed:
    """Something that is set on a connection after it was opened: where, and what it is set to.

    `is_added`: it comes to what is there already, each time again (a hook). `is_certain`: every call that has the
    connection does it. `is_guessed`: `name`, the method, only sounds as if it set something. `makes`: what it gives
    is used.
    """

    text: str
    given: tuple[Value, ...]
    is_added: bool = False
    name: str = ""
    is_certain: bool = True
    is_guessed: bool = False
    makes: bool = False


@dataclass(frozen=True, slots=True)
class Ending:
    """How what a call opens is ended, as far as the calling function tells.

    `form`: a with statement or an ExitStack enters it as it is, or `closing(…)` of it: `whole`. `block` is the with
    statement where it can be unwrapped; `is_late`: the variable is used behind it. `entries` are all that ends it
    in that way, also through a variable: `with connection:`. `flows` are the ways on which it leaves the
    function: "returned", "stored", `passed:CALLEE:ARGUMENT`, "lost" where it cannot be followed; with "part "
    before it, what was reached through it. `handed` are the sources of what calls get together with it, by flow.
    `touched` is a use that may end it unseen, `changes` what sets something on it. `taken` are calls that take a
    connection out of it, a pool, without a with statement that gives it back.
    """

    form: Literal["plain", "with", "closing"]
    whole: Span
    bound_to: str = ""
    closes: tuple[Close, ...] = ()
    block: Block | None = None
    is_late: bool = False
    entries: tuple[Entry, ...] = ()
    flows: frozenset[str] = frozenset()
    touched: str = ""
    changes: tuple[Changed, ...] = ()
    handed: tuple[tuple[str, frozenset[Atom]], ...] = ()
    taken: tuple[str, ...] = ()


@dataclass(frozen=True, slots=True)
class Call:
    """A call of something that may be a function of the program; `ending` where what it gives has one here.

    `has_context`: what it runs has context variables of its own, as a coroutine that `asyncio.run` is given.
    """

    callee: str
    function: str
    place: Place
    span: Span
    order: int
    guards: tuple[Guard, ...]
    arguments: tuple[Argument, ...]
    fates: frozenset[str]
    is_decorator: bool = False
    ending: Ending | None = None
    has_context: bool = False


@dataclass(frozen=True, slots=True)
class FileEffect:
    """What a call does to a path, with `{text}` for each unknown piece. `spelled`: before it was followed.

    `is_certain` is False where the path depends on the caller: the call may as well mean another file.
    `written` are the sources of the content, `source` the path that it is copied or moved from, `named` the
    sources of the path itself. `joint` is the text between a path and the arguments of its method: `.exists()`.
    `keeper` is what keeps the handle open: the class of the object that holds it, or "*" for a cell.
    `decides`: about nothing but removals, new folders and log lines; about files that are written, too; or more.
    `leaves`: where the block ends that leaves the function with what is read; 0 where it goes on.
    `variables` of the environment could make it another path. `argument` is the text of the path. `is_bracketed`:
    the call needs a real file, which can be fetched before it, and stored `behind` the statement that ends it.
    `is_closed`: the function closes what it opens. `deeds`: what it does with the entries of a shelf.
    `through`: the only call that is made with the opened file, `json.load` or `.read`; `content`: what it writes.
    """

    effect: Effect
    api: str
    path: str
    function: str
    place: Place
    span: Span
    callee: Span
    order: int
    guards: tuple[Guard, ...]
    mode: str = ""
    written: frozenset[Atom] = frozenset()
    spelled: str = ""
    source: str = ""
    named: frozenset[Atom] = frozenset()
    joint: Span | None = None
    keeper: str = ""
    is_rewritable: bool = False
    is_certain: bool = True
    decides: Literal["nothing", "setup", "more"] = "more"
    leaves: int = 0
    variables: tuple[str, ...] = ()
    argument: Span | None = None
    is_bracketed: bool = False
    behind: Span | None = None
    is_closed: bool = True
    deeds: tuple[Literal["read", "write", "remove", "list"], ...] = ()
    through: str = ""
    content: Value | None = None


@dataclass(frozen=True, slots=True)
class Owner:
    """The variable that a client is made of, and the call that made what the variable holds."""

    name: Span
    call: Span


@dataclass(frozen=True, slots=True)
class Reading:
    """A statement that reads what only the arguments of a constructor use: `text`, `first` where they use it."""

    text: str
    span: Span
    first: Span


@dataclass(frozen=True, slots=True)
class Connection:
    """A client or connection that is built inside a function.

    `factory` is the offset of the `def` of a plain function without parameters that does nothing but return it.
    `maker` is the text of what is called. `is_dynamic`: which constructor that is, is only known when it runs.
    """

    constructor: str
    text: str
    function: str
    place: Place
    span: Span
    order: int
    guards: tuple[Guard, ...]
    arguments: tuple[Argument, ...]
    ending: Ending
    maker: Span
    local_imports: tuple[str, ...] = ()
    cell: str = ""
    factory: int | None = None
    owner: Owner | None = None
    is_dynamic: bool = False
    reading: Reading | None = None


@dataclass(frozen=True, slots=True)
class Signer:
    """A call of AWS4Auth with the keys of one moment. `text` is what stands there instead, "" where nothing can.

    It is bound to `variable`, which has no other value. The variable `keys` holds the credentials, `frozen` is the
    call that freezes them, `session` the call that makes the session which is asked; None for one of the module.
    `parameters` are local variables in the text.
    """

    function: str
    place: Place
    span: Span
    text: str = ""
    variable: str = ""
    keys: str = ""
    parameters: tuple[str, ...] = ()
    frozen: Span | None = None
    session: Span | None = None


@dataclass(frozen=True, slots=True)
class Hook:
    """A function that a call registers with a client: `text` is what is called, `subject` the client's cell.

    `event` is its literal name, or "". `is_plain`: a function of the module, which remembers nothing; `end` is the
    offset behind the last argument.
    """

    subject: str
    text: str
    function: str
    place: Place
    guards: tuple[Guard, ...]
    event: str
    registered: str
    is_plain: bool
    end: int


@dataclass(frozen=True, slots=True)
class Leftover:
    """A statement that makes a new folder or file that nothing removes: `last` is the last statement that uses it.

    `kind` is how it is made: folder (mkdtemp), file (mkstemp) or path (a path in /tmp that is new in every call).
    `callee` spans the function that is called and `call` the whole value, `target` what it is assigned to.
    `top` spans the whole lines of the top-level statement around it.
    """

    kind: str
    target: Span

    name: str
    function: str
    place: Place
    span: Span
    callee: Span
    call: Span
    last: Span
    top: Span


@dataclass(frozen=True, slots=True)
class EnvironmentWrite:
    """A function changes an environment variable.

    `name` is `*` where any may be meant; `parameter` is the one of the function that tells which. `passed` is the
    fate of `os.environ` that is given to a call, `given` what decides about what is written.
    """

    function: str
    name: str
    parameter: str = ""
    passed: str = ""
    given: tuple[Value, ...] = ()


@dataclass(frozen=True, slots=True)
class Import:
    """A name that an import binds: `target` is the dotted module, or module and attribute."""

    local: str
    module: str
    name: str | None
    level: int
    function: str = ""


@dataclass(frozen=True, slots=True)
class Class:
    """A class: what it is made of and decorated with. `is_single`: each call of it gives the same object."""

    qualname: str
    bases: tuple[str, ...]
    decorators: tuple["Decorator", ...]
    metaclass: str = ""
    is_single: bool = False


@dataclass(frozen=True, slots=True)
class Parameter:
    """A parameter, its default if any, what the function does with it and which attributes it uses of it.

    `is_logged`: it does no more than to write it into the log.
    """

    name: str
    default: Value | None
    fates: frozenset[str]
    attributes: frozenset[str] = frozenset()
    is_logged: bool = False


@dataclass(frozen=True, slots=True)
class Decorator:
    """A decorator by dotted name; `@name(...)` is a call: a factory. `given` are the names in its arguments."""

    name: str
    is_call: bool
    given: tuple[str, ...] = ()


@dataclass(frozen=True, slots=True)
class Return:
    """A return statement with a value, the literals in it (sorted by their text), and the path that it gives."""

    value: Value
    guards: tuple[Guard, ...]
    literals: tuple[str, ...]
    file: str = ""


@dataclass(frozen=True, slots=True)
class Function:
    """A function of the file. `references` are the names and attributes that its body mentions.

    `given` are those among them that are not only called: they stand as values. `body` is what stands in
    front of the first statement behind the docstring, in its line; None where more than white space does.
    `always` are the conditions (kind, place, whether it holds) on every way on which it does not raise. `bound` are
    its variables, imported names not included. `rest` are the fates of `*args` and `**kwargs`.
    """

    qualname: str
    place: Place
    parameters: tuple[Parameter, ...]
    annotations: tuple[str, ...]
    decorators: tuple[Decorator, ...]
    references: frozenset[str]
    given: frozenset[str]
    attributes: frozenset[str]
    returns: tuple[Return, ...]
    class_name: str = ""
    is_nested: bool = False
    is_async: bool = False
    has_generator: bool = False
    body: Span | None = None
    always: frozenset[tuple[str, int, bool]] = frozenset()
    bound: frozenset[str] = frozenset()
    rest: frozenset[str] = frozenset()

    @property
    def shift(self) -> int:
        """1 where the first parameter is the object that a method is called on."""
        is_static = any(decorator.name == "staticmethod" for decorator in self.decorators)
        return int(bool(self.class_name) and not is_static)


@dataclass(frozen=True, slots=True)
class GlobalStatement:
    """`global a, b` in a function."""

    function: str
    names: tuple[str, ...]
    line: Span
    is_removable: bool


@dataclass(frozen=True, slots=True)
class ModuleFacts:
    """All that later stages know of one file. `attributes` counts each `.name` in it.

    `mentions` are the dotted names that code at import hands on as values: in tables, in arguments of calls.
    `unnamed` are the modules, classes and objects of which functions change attributes that are not named there
    (`vars(config).update(…)`): "" for the file itself, `*` for any module. `setting` is an SQL text of the file
    that changes the session of a database: `SET search_path …`. `entered` are the calls of `__enter__` and
    `__exit__` that `with` makes, and those of functions that `map` and its like are given.
    """

    path: str
    encoding: str
    newline: str
    imports: tuple[Import, ...]
    functions: tuple[Function, ...]
    classes: tuple[Class, ...]
    cells: tuple[Cell, ...]
    accesses: tuple[Access, ...]
    calls: tuple[Call, ...]
    files: tuple[FileEffect, ...]
    connections: tuple[Connection, ...]
    globals: tuple[GlobalStatement, ...]
    exports: frozenset[str]
    identifiers: frozenset[str]
    attributes: tuple[tuple[str, int], ...]
    unbound: tuple[Access, ...]
    is_script: bool
    has_dynamic_names: bool
    environment_writes: tuple[EnvironmentWrite, ...]
    mentions: frozenset[str] = frozenset()
    hooks: tuple[Hook, ...] = ()
    signers: tuple[Signer, ...] = ()
    leftovers: tuple[Leftover, ...] = ()
    unnamed: frozenset[str] = frozenset()
    setting: str = ""
    entered: tuple[Call, ...] = ()
    sections: tuple[Section, ...] = ()
