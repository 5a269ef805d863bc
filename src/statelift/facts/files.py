"""A module's tree -> what its calls do to files below /tmp."""

import ast
from collections.abc import Iterator, Sequence

from statelift.catalogue.files import (
    ARCHIVES,
    BECOMES,
    DICTS,
    FUNCTIONS,
    LOGS,
    LOOKING,
    LOOKING_METHODS,
    METHODS,
    MOVERS,
    OPENERS,
    OUTPUTS,
    PROGRAMS,
    TEMPORARY_FOLDERS,
    Effect,
    Role,
)
from statelift.facts.asides import Asides
from statelift.facts.brackets import ENDED, Brackets
from statelift.facts.callees import callee_of, is_kept_in_s3
from statelift.facts.effects import Arguments, Found, argument, method_name
from statelift.facts.flow import always_exits
from statelift.facts.folders import Folders
from statelift.facts.guards import Guards
from statelift.facts.handles import Handles
from statelift.facts.listings import Listings
from statelift.facts.opening import Opening
from statelift.facts.pathmethods import PathMethods
from statelift.facts.paths import Paths
from statelift.facts.pieces import may_be_temporary
from statelift.facts.programs import Programs
from statelift.facts.provenance import Provenance
from statelift.facts.shelves import deeds_of
from statelift.facts.syntax import Syntax
from statelift.facts.values import Atom, FileEffect

HELPER = b"# statelift parts:"  # in the file that a rewrite adds: its files are scratch between S3 and a library
ASKING = frozenset({"exists", "list"})
SHOWING = frozenset("print debug info warning warn error exception critical log".split())


class Files:
    """Collects what one module does to files below /tmp."""

    def __init__(self, syntax: Syntax, provenance: Provenance, paths: Paths, guards: Guards) -> None:
        self.syntax = syntax
        self.provenance = provenance
        self.paths = paths
        self.guards = guards
        self.arguments = Arguments(syntax, provenance, paths)
        self.handles = Handles(syntax, provenance)
        self.opening = Opening(self.arguments, self.handles)
        self.listings = Listings(syntax, paths, lambda node: any(self._call(node)))
        self.folders = Folders(self.arguments, self.listings)
        self.methods = PathMethods(self.arguments, self.opening, self.folders)
        self.programs = Programs(self.arguments)
        self.brackets = Brackets(syntax)
        self.asides = Asides(syntax, self._touches)

    def collect(self) -> Iterator[FileEffect]:
        """Every effect inside functions and at import; none in the generated helper."""
        if HELPER in self.syntax.parsed.data:
            return
        for node in self.syntax.walk.only(ast.Call):
            for found in self._call(node):
                yield self._effect(node, found)

    def _call(self, node: ast.Call) -> Iterator[Found]:
        name = self.syntax.outside(node.func)
        if name in OPENERS:
            yield from self.opening.opened(node, name)
        elif name == "os.open":
            yield from self.opening.low_level(node)
        elif name in ARCHIVES:
            yield from self.opening.archive(node, name)
        elif name in PROGRAMS:
            yield from self.programs.run(node, name)
        elif name == "shutil.make_archive":
            yield from self._packed(node, name)
        elif name in LOGS or name.startswith("logging."):
            yield from self.programs.logged(node, name)
        elif name in ("os.mkdir", "os.makedirs"):
            yield from self.folders.made(node, name)
        elif name.startswith("tempfile."):
            yield from self._temporary(node, name)
        elif name in FUNCTIONS:
            yield from self._known(node, name, FUNCTIONS[name])
        else:
            yield from self._method(node, name)

    def _temporary(self, node: ast.Call, name: str) -> Iterator[Found]:
        """A file or folder with a new name."""
        path = self.paths.path_of(node)
        if path is not None and may_be_temporary(path):
            written = self.handles.written(node) if name == "tempfile.NamedTemporaryFile" else frozenset[Atom]()
            effect: Effect = "create" if name in TEMPORARY_FOLDERS else "write"
            yield Found(effect, name, path, written=written)

    def _packed(self, node: ast.Call, name: str) -> Iterator[Found]:
        packed = self.paths.path_of(node)
        if packed is not None and may_be_temporary(packed):
            yield Found("write", name, packed)
        folders = (self.arguments.path(node, role)[1] for role in (Role("list", 2, "root_dir"), _BASE))
        folder = next(filter(None, folders), None)
        if folder is not None:
            yield Found("list", name, folder)

    def _known(self, node: ast.Call, name: str, roles: Sequence[Role]) -> Iterator[Found]:
        taken = (self.arguments.path(node, each)[1] for each in roles if each.effect in ("read", "list"))
        source = next(filter(None, taken), "")
        for role in roles:
            given, path = self.arguments.path(node, role)
            effect = None if path is None else self._seen(node, name, role.effect)
            if path is not None and effect is not None:
                is_copied = effect in ("write", "fill") and len(roles) > 1
                if role.effect == "list":
                    yield self.folders.asked(node, Found(effect, name, path, given))
                    continue
                yield Found(
                    effect, name, path, given, written=self.arguments.content(node, role),
                    source=source if is_copied else "",
                    is_rewritable=self._becomes(node, name, effect),
                    deeds=deeds_of(self.syntax, self.handles.uses(node)) if effect == "store" else frozenset(),
                )  # fmt: skip

    def _becomes(self, node: ast.Call, name: str, effect: Effect) -> bool:
        """Whether the call is one of the store's by another name."""
        if effect == "store":
            return self._is_plain_shelf(node, name)
        return name in BECOMES and (name not in MOVERS or self._is_moved_alone(node, effect))

    def _is_plain_shelf(self, node: ast.Call, name: str) -> bool:
        """`shelve.open(path)` or `dbm.open(path, "c")`, closed by whoever opens it."""
        if name not in DICTS or not isinstance(node.func, ast.Attribute) or self.handles.keeper(node):
            return False
        flag = (
            [] if name == "shelve.open" and len(node.args) == 1 else [ast.unparse(each) for each in node.args[1:]]
        )
        is_created = flag == ["'c'"] or (name == "shelve.open" and not flag)
        return is_created and not node.keywords and bool(node.args) and not isinstance(node.args[0], ast.Starred)

    def _is_moved_alone(self, node: ast.Call, effect: Effect) -> bool:
        """Whether a file is moved or copied by a statement that does nothing else, seen from where it comes to."""
        is_alone = isinstance(self.syntax.parents[node], ast.Expr) and len(node.args) == 2 and not node.keywords
        return effect == "write" and is_alone

    def _seen(self, node: ast.Call, name: str, effect: Effect) -> Effect | None:
        """What an effect amounts to where it stands; None where it is only shown to people."""
        if effect in ("list", "exists") and self._is_only_shown(node):
            return None
        if effect == "list" and self.folders.is_cleaned(node):
            return "remove"
        return "write" if effect == "store" and _is_new_store(node, name) else effect

    def _is_only_shown(self, node: ast.Call) -> bool:
        """Whether the answer goes into a log line or to the console, and nowhere else."""
        statement = self.syntax.statement(node)
        call = statement.value if isinstance(statement, ast.Expr) else None
        return isinstance(call, ast.Call) and method_name(call) in SHOWING

    def _method(self, node: ast.Call, name: str) -> Iterator[Found]:
        found: list[Found] = []
        if isinstance(node.func, ast.Attribute):
            found = [*self.methods.called(node, node.func)] or [*self._of_object(node, node.func.attr)]
        yield from found or self._unknown(node, name)

    def _of_object(self, node: ast.Call, method: str) -> Iterator[Found]:
        """What a method of some other object does, told by its name and a path among its arguments."""
        known = METHODS.get(method)
        if known is None or (known.owners and self._maker(node) not in known.owners):
            return
        for role in known.roles:
            given, path = self.arguments.path(node, role)
            if path is not None:
                effect: Effect = role.effect
                member = argument(node, 0)
                if method == "extract" and isinstance(member, ast.Constant):
                    effect, path = "write", f"{path}/{member.value!s}"
                yield Found(effect, method, path, given, written=self.arguments.content(node, role))
                return

    def _maker(self, node: ast.Call) -> str:
        """The last name of what made the object that a method is called on."""
        return callee_of(self.syntax, node).rpartition(".")[0].rpartition(".")[2]

    def _unknown(self, node: ast.Call, name: str) -> Iterator[Found]:
        """Code that is not here is given a path: nobody knows what it does with the file."""
        is_method = isinstance(node.func, ast.Attribute) and node.func.attr in LOOKING_METHODS
        if name in LOOKING or is_method or is_kept_in_s3(self.syntax, node):
            return
        given = [*((each, "") for each in node.args), *((each.value, each.arg or "") for each in node.keywords)]
        for value, keyword in given:
            path = self.paths.pattern(value)
            if path and not path.startswith("<call "):
                effect: Effect = "write" if keyword in OUTPUTS else "opaque"
                yield Found(effect, self.syntax.text(node.func), path, value, written=self._made_of(node, value))

    def _made_of(self, node: ast.Call, path: ast.expr) -> frozenset[Atom]:
        """Sources of what code that is not here may put into a file: all that it is given, and the code itself."""
        owner = [node.func.value] if isinstance(node.func, ast.Attribute) else []
        given = [*owner, *node.args, *(keyword.value for keyword in node.keywords)]
        return self.arguments.atoms([each for each in given if each is not path]) | {Atom("call", "")}

    def _touches(self, node: ast.Call) -> bool:
        """Whether a call does something to files, and is known to do nothing else."""
        return any(each.effect != "opaque" for each in self._call(node))

    def _left(self, node: ast.Call) -> int:
        """Where the block ends that leaves the function with what is read: `return open(path).read()`. Or 0."""
        statement: ast.AST = self.syntax.statement(node)
        while isinstance(statement, ast.stmt):
            block = _block_of(self.syntax.parents[statement], statement)
            if always_exits(block):
                return self.syntax.span(block[-1]).end
            statement = self.syntax.parents[statement]
            if not isinstance(statement, (ast.With, ast.AsyncWith, ast.Try)):
                return 0
        return 0

    def _effect(self, node: ast.Call, found: Found) -> FileEffect:
        given, is_bracketed = found.named, not found.is_rewritable and self.brackets.fits(node, found)
        named = frozenset[Atom]() if given is None else self.provenance.value_of(given).atoms
        is_ended = found.effect in ENDED and given is not None
        return FileEffect(
            effect=found.effect, api=found.api, path=found.path, function=self.syntax.function(node),
            place=self.syntax.place(node), span=self.syntax.span(node), callee=self.syntax.span(node.func),
            order=self.syntax.span(node).end, guards=self.guards.of(node), mode=found.mode,
            written=found.written, source=found.source, named=named, joint=found.joint, keeper=found.keeper,
            is_rewritable=found.is_rewritable or is_bracketed, is_bracketed=is_bracketed, is_closed=found.is_closed,
            deeds=tuple(sorted(found.deeds)), through=found.through,
            content=None if found.content is None else self.provenance.value_of(found.content),
            argument=self.syntax.span(given) if given is not None else None,
            behind=self.brackets.behind(node, given, found.api) if is_ended and given is not None else None,
            decides=self.asides.decided_by(node) if found.effect in ASKING else "more",
            leaves=self._left(node) if found.effect == "read" else 0,
        )  # fmt: skip


_BASE = Role("list", 3, "base_dir")


def _is_new_store(node: ast.Call, name: str) -> bool:
    """Whether a shelf is opened with the flag `n`: always a new one."""
    flag = argument(node, 1, "flag")
    is_shelf = name.startswith(("shelve.", "dbm.")) and "sqlite" not in name
    return is_shelf and flag is not None and ast.unparse(flag)[1:2] == "n"


def _block_of(owner: ast.AST, statement: ast.stmt) -> list[ast.stmt]:
    """The statement and what follows it in its block."""
    for block in (getattr(owner, name, []) for name in ("body", "orelse", "finalbody")):
        if isinstance(block, list) and statement in block:
            return block[block.index(statement) :]
    return []
