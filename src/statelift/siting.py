"""One use of a file -> where it stands in its program, and what stands around it."""

import ast
from collections.abc import Sequence
from dataclasses import dataclass
from itertools import takewhile

from statelift.facts.values import FileEffect
from statelift.judge.exposure import says
from statelift.judge.styles import NotInlineError
from statelift.model import Edit, Problem, SourceFile, Span
from statelift.source import Parsed, parse_source
from statelift.workspace import Workspace

OPENS = frozenset({"open", "io.open", "Path.open"})
UTF8 = frozenset({"utf-8", "utf8", "UTF-8", "UTF8"})
CLIENT = '''@functools.cache
def {name}():
    """The client, made at the first call and kept for the life of the container."""
    return boto3.client("s3")
'''
_STORED = '''def {name}(key):
    """Whether the bucket has the object; without the right to list it, a missing one is a 403."""
    try:
        {client}().head_object(Bucket=os.environ["{variable}"], Key=key)
    except {client}().exceptions.ClientError as error:
        if error.response["Error"]["Code"] != "404":
            raise
        return False
    return True
'''


@dataclass(frozen=True)
class Site:
    """One use of the file, in its tree."""

    path: str
    effect: FileEffect
    workspace: Workspace
    variable: str
    parsed: Parsed
    node: ast.Call
    parents: dict[ast.AST, ast.AST]

    @property
    def line(self) -> str:
        """The line, for people."""
        return f"line {self.effect.place.line}"

    @property
    def client(self) -> str:
        """The name of the function that gives the client."""
        return self.workspace.unused_name(self.path, "_s3", lambda name: CLIENT.format(name=name))

    @property
    def stored(self) -> str:
        """The name of the function that asks whether an object is there."""
        return self.workspace.unused_name(self.path, "_is_stored", self.stored_text)

    def stored_text(self, name: str) -> str:
        """The definition of the question whether an object is there."""
        return _STORED.format(name=name, client=self.client, variable=self.variable)

    @property
    def key(self) -> str:
        """The key of the object, as it is written in the program."""
        return quoted(self.effect.path[1:])

    @property
    def address(self) -> str:
        """The arguments that name the object."""
        return f'Bucket=os.environ["{self.variable}"], Key={self.key}'

    @property
    def statement(self) -> ast.stmt:
        """The innermost statement around the use."""
        node: ast.AST = self.node
        while not isinstance(node, ast.stmt):
            node = self.parents[node]
        return node

    def text(self, node: ast.expr) -> str:
        """The source of a node."""
        return self.workspace.text(self.path, self.span(node))

    def span(self, node: ast.expr | ast.stmt) -> Span:
        """Where a node stands, in bytes."""
        return self.parsed.span(node)

    def edit(self, node: ast.expr | ast.stmt, text: str) -> Edit:
        """The node as another text."""
        return Edit(self.path, self.span(node).start, self.span(node).end, text)

    def between(self, start: int, end: int) -> str:
        """Source text between two offsets."""
        return self.workspace.between(self.path, start, end)

    def has_own_lines(self, node: ast.stmt) -> bool:
        """Whether nothing else stands in a statement's lines, and no comment that would get lost."""
        data, span = self.workspace.sources[self.path], self.span(node)
        end = data.find(b"\n", span.end)
        tail = data[span.end : len(data) if end < 0 else end].strip()
        return not self.margin(node).strip() and (not tail or tail.startswith(b"#"))

    def margin(self, node: ast.stmt) -> str:
        """What stands in front of a statement in its line."""
        start = self.span(node).start
        return self.between(self.workspace.sources[self.path].rfind(b"\n", 0, start) + 1, start)

    def lines(self, node: ast.stmt, lines: Sequence[str]) -> str:
        """Lines in front of a statement, each with its margin."""
        newline = self.workspace.program.modules[self.path].newline
        return "".join(f"{line}{newline}{self.margin(node)}" for line in lines)


def quoted(text: str) -> str:
    """A text as Python has it, in double quotes where nothing needs a backslash then."""
    return f'"{text}"' if repr(text) == f"'{text}'" and '"' not in text else repr(text)


def site_of(path: str, effect: FileEffect, workspace: Workspace, variable: str) -> Site:
    """The use with its tree. NotInlineError where its path is none that boto3 can take as it is."""
    line = f"line {effect.place.line} of {path}"
    if "{" in effect.path:
        raise NotInlineError(f"{line}: what a call brings is part of the path, and boto3 takes a `../` as it is")
    if effect.variables:
        raise NotInlineError(f"{line}: {' and '.join(effect.variables)} may make it another path")
    if effect.spelled.startswith("/") and effect.spelled != effect.path:
        raise NotInlineError(f"{line}: {effect.spelled} is another key than {effect.path}")
    parsed = parse_source(SourceFile(path, workspace.sources[path]))
    if isinstance(parsed, Problem):
        raise NotInlineError(f"{line}: {parsed.message}")
    parents = {child: node for node in ast.walk(parsed.tree) for child in ast.iter_child_nodes(node)}
    node = next(each for each in parents if isinstance(each, ast.Call) and parsed.span(each) == effect.span)
    return Site(path, effect, workspace, variable, parsed, node, parents)


def block_of(site: Site) -> ast.With | None:
    """The `with` that opens the file, has one statement, and lines of its own without comments between them."""
    item = site.parents[site.node]
    block = site.parents[item] if isinstance(item, ast.withitem) else None
    is_one = isinstance(block, ast.With) and len(block.items) == 1 and len(block.body) == 1
    if not is_one or not isinstance(block, ast.With) or not _is_plain_opening(site):
        return None
    head = site.between(site.span(site.node).end, site.span(block.body[0]).start)
    return block if site.has_own_lines(block) and "#" not in head else None


def _is_plain_opening(site: Site) -> bool:
    mode = site.effect.mode.replace("b", "").replace("t", "")
    return site.effect.api in OPENS and mode in ("r", "w") and has_encoding(site.node)


def has_encoding(node: ast.Call) -> bool:
    """Whether text is UTF-8, and no line end or error has a meaning of its own."""
    said = {each.arg: each.value for each in node.keywords if each.arg != "mode"}
    match said.get("encoding"):
        case None | ast.Constant(value=None):
            return set(said) <= {"encoding"}
        case ast.Constant(value=str(name)):
            return set(said) <= {"encoding"} and name in UTF8
        case _:
            return False


def only_call(site: Site) -> ast.Call | None:
    """The one call with the opened file in it."""
    item = site.parents[site.node]
    name = (
        item.optional_vars.id if isinstance(item, ast.withitem) and isinstance(item.optional_vars, ast.Name) else ""
    )
    block = site.parents[item]
    for node in ast.walk(block):
        if isinstance(node, ast.Name) and node.id == name and isinstance(node.ctx, ast.Load):
            parent = site.parents[node]
            call = site.parents[parent] if isinstance(parent, ast.Attribute) else parent
            return call if isinstance(call, ast.Call) else None
    return None


def is_repeated(site: Site, node: ast.AST) -> bool:
    """Whether it stands in an expression that is evaluated more than once, or later."""
    while not isinstance(node, ast.stmt):
        if isinstance(node, (ast.ListComp, ast.SetComp, ast.DictComp, ast.GeneratorExp, ast.Lambda)):
            return True
        node = site.parents[node]
    return False


def catcher_of(site: Site, statement: ast.stmt) -> ast.expr | None:
    """The name in the one `except` around the statement that is only for the missing file, if there is such one."""
    match site.parents[statement]:
        case ast.Try(
            body=[only],
            handlers=[ast.ExceptHandler(type=ast.Name(id="FileNotFoundError") as caught, name=None) as handler],
        ) if only is statement and not _shows_error(handler):
            return caught if all(_is_harmless(each) for each in ast.walk(statement)) else None
        case _:
            return None


def _is_harmless(node: ast.AST) -> bool:
    """Whether it is no call that could miss a file itself, as a function of the program could."""
    match node:
        case ast.Call(func=ast.Name(id="open" | "int" | "float" | "str" | "len" | "Path")):
            return True
        case ast.Call(func=ast.Attribute(attr=method)):
            return method in (
                "load",
                "loads",
                "read",
                "read_text",
                "read_bytes",
                "open",
                "strip",
                "split",
                "decode",
            )
        case ast.Call():
            return False
        case _:
            return True


def _shows_error(handler: ast.ExceptHandler) -> bool:
    """Whether which error it was comes out: it is raised again, or logged with its trace."""
    nodes = [each for statement in handler.body for each in ast.walk(statement)]
    names = {each.attr for each in nodes if isinstance(each, ast.Attribute)} | {
        each.id for each in nodes if isinstance(each, ast.Name)
    }
    keywords = {each.arg for each in nodes if isinstance(each, ast.keyword)}
    is_raised = any(isinstance(each, ast.Raise) for each in nodes)
    return is_raised or bool(names & {"exception", "traceback", "exc_info"}) or "exc_info" in keywords


def comes_first(site: Site) -> bool:
    """Whether a statement evaluates nothing before the call, and the call in any case."""
    child: ast.AST = site.node
    while not isinstance(child, ast.stmt):
        parent = site.parents[child]
        match parent:
            case ast.Call(func=func, args=args):
                is_first = func is child or (child in args[:1] and not isinstance(func, ast.Call))
            case ast.Attribute() | ast.Return() | ast.Expr() | ast.AnnAssign():
                is_first = True
            case ast.Assign(targets=targets):
                is_first = all(isinstance(each, ast.Name) for each in targets)
            case _:
                is_first = False
        if not is_first:
            return False
        child = parent
    return True


def is_known_there(site: Site) -> bool:
    """Whether an `if` around it, or one before it that leaves the function, says that the file is there."""
    around = takewhile(lambda guard: guard.kind == "if", reversed(site.effect.guards))
    return any(
        guard.mode == "all"
        and all(test.relation == "present" for test in guard.files)
        and says(site.workspace.evidence, site.path, guard, {site.effect.path}, holds=True)
        for guard in around
    )
