"""The calls that touch files below /tmp."""

import ast
from collections.abc import Iterator
from dataclasses import dataclass
from typing import Literal

from statelift.facts.guards import Guards
from statelift.facts.paths import Paths, may_be_temporary
from statelift.facts.provenance import Provenance
from statelift.facts.syntax import Syntax
from statelift.facts.values import Atom, FileEffect
from statelift.model import Span

Effect = Literal["read", "write", "append", "create", "exists", "remove", "list", "opaque"]
OPENERS = frozenset({"open", "io.open", "codecs.open", "gzip.open", "bz2.open", "lzma.open"})


@dataclass(frozen=True, slots=True)
class _Api:
    effect: Effect
    argument: int
    is_rewritable: bool = False


FUNCTIONS = {
    "os.path.exists": _Api("exists", 0, is_rewritable=True),
    "os.path.isfile": _Api("exists", 0, is_rewritable=True),
    "os.path.getsize": _Api("exists", 0), "os.path.getmtime": _Api("exists", 0), "os.stat": _Api("exists", 0),
    "os.remove": _Api("remove", 0, is_rewritable=True), "os.unlink": _Api("remove", 0, is_rewritable=True),
    "shutil.rmtree": _Api("remove", 0), "os.rmdir": _Api("remove", 0),
    "os.listdir": _Api("list", 0), "os.scandir": _Api("list", 0), "glob.glob": _Api("list", 0),
    "os.walk": _Api("list", 0),
    "sqlite3.connect": _Api("opaque", 0), "shelve.open": _Api("opaque", 0), "dbm.open": _Api("opaque", 0),
    "os.rename": _Api("opaque", 0), "os.replace": _Api("opaque", 0), "shutil.move": _Api("opaque", 0),
    "zipfile.ZipFile": _Api("opaque", 0), "tarfile.open": _Api("opaque", 0),
    "numpy.save": _Api("write", 0), "numpy.load": _Api("read", 0), "joblib.load": _Api("read", 0),
    "joblib.dump": _Api("write", 1), "pandas.read_csv": _Api("read", 0), "pandas.read_json": _Api("read", 0),
    "pandas.read_parquet": _Api("read", 0), "pandas.read_pickle": _Api("read", 0), "cv2.imread": _Api("read", 0),
    "cv2.imwrite": _Api("write", 0), "PIL.Image.open": _Api("read", 0), "torch.load": _Api("read", 0),
    "torch.save": _Api("write", 1), "urllib.request.urlretrieve": _Api("write", 1),
}  # fmt: skip
METHODS: dict[str, Effect] = {
    "read_text": "read", "read_bytes": "read", "write_text": "write", "write_bytes": "write", "exists": "exists",
    "is_file": "exists", "unlink": "remove", "touch": "create", "iterdir": "list", "glob": "list", "stat": "exists",
}  # fmt: skip
WRITING_METHODS = {"download_file": 2, "to_csv": 0, "to_json": 0, "to_parquet": 0, "to_pickle": 0, "save": 0}
READING_METHODS = {"upload_file": 0}


class Files:
    """Collects what one module does to files below /tmp."""

    def __init__(self, syntax: Syntax, provenance: Provenance, paths: Paths, guards: Guards) -> None:
        self.syntax = syntax
        self.provenance = provenance
        self.paths = paths
        self.guards = guards

    def collect(self) -> Iterator[FileEffect]:
        """Every effect inside functions and at import."""
        for node in self.syntax.walk.only(ast.Call):
            yield from self._call(node)

    def _call(self, node: ast.Call) -> Iterator[FileEffect]:
        name = self.syntax.dotted(node.func)
        if name in OPENERS and self._is_builtin(node, name):
            yield from self._open(node, name)
        elif name in FUNCTIONS:
            api = FUNCTIONS[name]
            path = self._path(node, api.argument)
            if path is not None:
                yield self._effect(node, api.effect, name, path, is_rewritable=api.is_rewritable)
        elif isinstance(node.func, ast.Attribute):
            yield from self._method(node, node.func)

    def _is_builtin(self, node: ast.Call, name: str) -> bool:
        """Whether `open` is the builtin here, not a name of the file."""
        if name != "open" or not isinstance(node.func, ast.Name):
            return True
        return self.syntax.scope(node).binding("open") is None

    def _open(self, node: ast.Call, name: str) -> Iterator[FileEffect]:
        path = self._path(node, 0, "file")
        if path is None:
            return
        mode = _mode(node, 1)
        if _reads_and_writes(mode):
            yield self._effect(node, "read", name, path, mode=mode)
        effect, is_known = _effect_of_mode(mode)
        is_plain = (
            name == "open" and is_known and all(key.arg in {"mode", "encoding", "newline"} for key in node.keywords)
        )
        yield self._effect(
            node, effect, name, path, mode=mode, is_rewritable=is_plain and len(node.args) <= 2,
            written=self._written(node),
        )  # fmt: skip

    def _method(self, node: ast.Call, function: ast.Attribute) -> Iterator[FileEffect]:
        method = function.attr
        path = self.paths.path_of(function.value) if method in METHODS or method == "open" else None
        if path is not None and method == "open":
            yield from self._path_open(node, path)
            return
        if path is not None and may_be_temporary(path):
            written = self._atoms(node.args) if METHODS[method] == "write" else frozenset[Atom]()
            yield self._effect(node, METHODS[method], f"Path.{method}", path, written=written)
            return
        for table, effect in ((WRITING_METHODS, "write"), (READING_METHODS, "read")):
            found = self._path(node, table[method]) if method in table else None
            if found is not None:
                source = frozenset({Atom("call", method)})
                yield self._effect(node, "write" if effect == "write" else "read", method, found, written=source)

    def _path_open(self, node: ast.Call, path: str) -> Iterator[FileEffect]:
        if may_be_temporary(path):
            mode = _mode(node, 0)
            effects: list[Effect] = ["read"] if _reads_and_writes(mode) else []
            for effect in [*effects, _effect_of_mode(mode)[0]]:
                yield self._effect(node, effect, "Path.open", path, mode=mode, written=self._written(node))

    def _path(self, node: ast.Call, argument: int, keyword: str = "path") -> str | None:
        named = next((each.value for each in node.keywords if each.arg == keyword), None)
        given = node.args[argument] if len(node.args) > argument else named
        path = None if given is None else self.paths.path_of(given)
        return path if path is not None and may_be_temporary(path) else None

    def _effect(
        self,
        node: ast.Call,
        effect: Effect,
        api: str,
        path: str,
        *,
        mode: str = "",
        is_rewritable: bool = False,
        written: frozenset[Atom] = frozenset(),
    ) -> FileEffect:
        callee: Span = self.syntax.span(node.func)
        return FileEffect(
            effect=effect, api=api, path=path, function=self.syntax.function(node),
            place=self.syntax.place(node), span=self.syntax.span(node), callee=callee,
            order=self.syntax.span(node).end,
            guards=self.guards.of(node), mode=mode, written=written, is_rewritable=is_rewritable,
        )  # fmt: skip

    # ------------------------------------------------------------ what is written through a handle

    def _written(self, node: ast.Call) -> frozenset[Atom]:
        """Sources of everything that is passed to calls together with the file handle."""
        handle = self._handle(node)
        if handle is None:
            return frozenset({Atom("opaque")})
        scope = self.syntax.scope(handle).binding(handle.id)
        loads = [] if scope is None else self.syntax.loads(scope, handle.id)
        atoms = frozenset[Atom]()
        for load in loads:
            parent = self.syntax.parents[load]
            match parent:
                case ast.Call(args=arguments):
                    atoms |= self._atoms([each for each in arguments if each is not load])
                case ast.Attribute():
                    call = self.syntax.parents[parent]
                    atoms |= self._atoms(call.args) if isinstance(call, ast.Call) else frozenset()
                case _:
                    atoms |= {Atom("opaque")}
        return atoms

    def _handle(self, node: ast.Call) -> ast.Name | None:
        match self.syntax.parents[node]:
            case ast.withitem(optional_vars=ast.Name() as name):
                return name
            case ast.Assign(targets=[ast.Name() as name]):
                return name
            case _:
                return None

    def _atoms(self, nodes: list[ast.expr]) -> frozenset[Atom]:
        return frozenset[Atom]().union(*(self.provenance.value_of(each).atoms for each in nodes))


def _mode(node: ast.Call, position: int) -> str:
    given = node.args[position] if len(node.args) > position else None
    for keyword in node.keywords:
        given = keyword.value if keyword.arg == "mode" else given
    match given:
        case None:
            return "r"
        case ast.Constant(value=str(mode)):
            return mode
        case _:
            return "?"


def _effect_of_mode(mode: str) -> tuple[Effect, bool]:
    """Effect of an open mode, and whether the generated helper can open that way."""
    kind = mode.replace("b", "").replace("t", "")
    match kind:
        case "r":
            return "read", True
        case "w":
            return "write", True
        case "a" | "a+":
            return "append", False
        case "x":
            return "create", False
        case "w+":
            return "write", False
        case _:
            return "append", False


def _reads_and_writes(mode: str) -> bool:
    """Whether what is there may be read and changed: `r+`, `a+`, or a mode that is not known."""
    return mode == "?" or ("+" in mode and "w" not in mode)
