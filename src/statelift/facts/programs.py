"""Calls that give paths to other programs, or to the log -> what these do to the files."""

import ast
import re
from collections.abc import Iterator, Sequence

from statelift.catalogue.files import DICT_CONFIG, LOG_FIELDS, LOGS, Effect
from statelift.facts.effects import Arguments, Found, argument
from statelift.facts.pieces import may_be_temporary

# A path below /tmp in the text of a command, with the pieces of a pattern in it.
MENTIONED = re.compile(r"(?:(>>|>|<)\s{0,9})?[\"']?(/tmp(?:/(?:\{[^{}]*\}|[\w.@:%+*?\[\]-])+)+)")
NAMES = re.compile(r"[*?\[]")  # the shell puts all that it finds there
SEPARATED = re.compile(r"&&|\|\||[;|\n]")
_MARKER = re.compile(r"^<\w+ ")  # of a path that is followed later: `<import OUT>/a`
REMOVERS = ("rm", "shred", "unlink", "rmdir", "/bin/rm")
REDIRECTED: dict[str, Effect] = {">>": "append", ">": "write", "<": "read"}


class Programs:
    """Effects of `subprocess`, `os.system` and of handlers of `logging`."""

    def __init__(self, arguments: Arguments) -> None:
        self.arguments = arguments

    def run(self, node: ast.Call, name: str) -> Iterator[Found]:
        """A program that is given paths, or a command that mentions them."""
        path_of = self.arguments.paths.path_of
        texts = [path_of(each) or "" for each in self._words(node, name)]
        if len(texts) > 1:
            yield from _given(name, texts)
        else:
            for command in SEPARATED.split(texts[0] if texts else ""):
                yield from _mentioned(name, command)
        folder = argument(node, len(node.args), "cwd")
        if folder is not None and self.arguments.paths.pattern(folder):
            yield Found("tool", name, self.arguments.paths.pattern(folder))

    def _words(self, node: ast.Call, name: str) -> Sequence[ast.expr]:
        """The words of a command, where it is given as a list; otherwise the command."""
        if name.startswith("asyncio."):
            return node.args
        command = argument(node, 0, "args")
        return [] if command is None else _words_of(self._made(command))

    def _made(self, command: ast.expr) -> ast.expr:
        """A command that was put into a variable first."""
        syntax = self.arguments.syntax
        scope = syntax.scope(command).binding(command.id) if isinstance(command, ast.Name) else None
        if not isinstance(command, ast.Name) or scope is None:
            return command
        given, is_open = syntax.reaching(scope, command)
        return given[0] if len(given) == 1 and (not is_open or scope.kind == "module") else command

    def logged(self, node: ast.Call, name: str) -> Iterator[Found]:
        """`logging.FileHandler(path)`, `basicConfig(filename=path)`, and the handlers of `dictConfig({…})`."""
        if name == DICT_CONFIG:
            yield from self._configured(node)
            return
        values = [key.value for key in node.keywords if key.arg == "filename"]
        if name in LOGS:
            values += node.args[:1]
        for value in values:
            path = self.arguments.paths.pattern(value)
            if path:
                is_new = any(key.arg == "filemode" and ast.unparse(key.value) == "'w'" for key in node.keywords)
                yield Found("create" if is_new else "append", name, path, mode="log")

    def _configured(self, node: ast.Call) -> Iterator[Found]:
        """The handlers of a configuration; `named` is the path in one that could as well be given a stream."""
        for table in ast.walk(node):
            fields = _fields(table) if isinstance(table, ast.Dict) else {}
            value = fields.get("filename")
            path = None if value is None else self.arguments.paths.pattern(value)
            if path:
                is_plain = _names_a_log(fields.get("class")) and fields.keys() <= LOG_FIELDS
                yield Found("append", DICT_CONFIG, path, value if is_plain else None, mode="log")


def _given(name: str, words: Sequence[str]) -> Iterator[Found]:
    """The words of a command. The first one is the program itself."""
    is_removed = words[0] in REMOVERS
    for number, word in enumerate(words):
        if may_be_temporary(word) and " " not in _MARKER.sub("", word):
            effect: Effect = "remove" if is_removed else "tool" if number else "read"
            yield Found(effect, name, word.removesuffix("/*"))
        elif words[number - 1] == "-c":
            for command in SEPARATED.split(word):
                yield from _mentioned(name, command)


def _mentioned(name: str, command: str) -> Iterator[Found]:
    """A command as a text: `convert /tmp/a.png > /tmp/b.png`."""
    is_removed = command.split(maxsplit=1)[:1] in [[each] for each in REMOVERS]
    if may_be_temporary(command) and " " not in command:
        yield Found("read", name, command)
        return
    for redirection, path in MENTIONED.findall(command):
        given: Effect = "list" if NAMES.search(path) else "tool"
        effect: Effect = "remove" if is_removed else REDIRECTED.get(redirection, given)
        yield Found(effect, name, path)


def _fields(table: ast.Dict) -> dict[str, ast.expr]:
    """The values of a dict by their keys; "" stands for the keys that are no texts."""
    keys = [key.value if isinstance(key, ast.Constant) and isinstance(key.value, str) else "" for key in table.keys]
    return dict(zip(keys, table.values, strict=True))


def _names_a_log(value: ast.expr | None) -> bool:
    return isinstance(value, ast.Constant) and value.value in LOGS


def _words_of(command: ast.expr) -> Sequence[ast.expr]:
    match command:
        case ast.List(elts=words) | ast.Tuple(elts=words):
            return words
        case ast.BinOp(op=ast.Add(), left=ast.List() as left, right=right):
            return [*left.elts, *_words_of(right)]
        case ast.Call(func=ast.Attribute(attr="split"), args=[]):
            return [command.func.value] if isinstance(command.func, ast.Attribute) else []
        case ast.Call(args=[inner]):  # shlex.split(text)
            return [inner]
        case _:
            return [command]
