"""serverless.yml and the files it names -> what `${self:…}`, `${file(…)}` and `${opt:…, 'x'}` stand for."""

import posixpath
import re
from collections.abc import Iterator
from dataclasses import dataclass

from yaml.nodes import Node, ScalarNode, SequenceNode

from statelift.locate.deployed import Files, resolve
from statelift.locate.tree import TemplateError, Tree, compose_template, entries, string

_INNERMOST = re.compile(r"\$\{([^${}]*)\}")
_FILE = re.compile(r"file\(\s*([^()]+?)\s*\)(?::(.+))?")
_MOST_STEPS = 50  # variables that stand for variables
_MOST_TEXT = 10_000


@dataclass(frozen=True, slots=True)
class Found:
    """A node, and the file it stands in."""

    node: Node
    path: str


class Service:
    """One serverless.yml with the files that it names."""

    def __init__(self, path: str, tree: Tree, files: Files) -> None:
        self.path = path
        self.tree = tree
        self._files = files
        self._others: dict[str, Tree | None] = {}
        self._known: dict[str, str | None] = {}  # variable -> its text
        self._targets: dict[str, Found | None] = {}  # source -> its node
        self._open = 0  # variables that are being looked up: they can stand for themselves

    @property
    def folder(self) -> str:
        """The service's folder: every path in it starts there."""
        return posixpath.dirname(self.path)

    def section(self, *keys: str) -> Found | None:
        """The node below the root's keys, variables followed on the way."""
        found: Found | None = self.followed(Found(self.tree.root, self.path))
        for key in keys:
            found = self.below(found, key)
        return found

    def below(self, found: Found | None, key: str) -> Found | None:
        """The value that a mapping has for `key`, variables followed."""
        node = entries(found.node).get(key) if found else None
        return self.followed(Found(node, found.path)) if found and node is not None else None

    def text(self, found: Found | None) -> str | None:
        """The text of a plain string with its variables written out, None where one is not known."""
        written = string(found.node) if found else None
        if found is None or written is None:
            return None
        return self._expanded(written)

    def texts(self, found: Found | None) -> list[str]:
        """The strings of a list, or the one string there is; what is not known is left out."""
        items = found.node.value if found and isinstance(found.node, SequenceNode) else []
        nodes = [Found(item, found.path) for item in items] if found and items else [found]
        return [text for node in nodes if (text := self.text(node)) is not None]

    def items(self, found: Found | None) -> Iterator[tuple[str, Node, Found]]:
        """Keys and values of a mapping, or of a list of mappings, variables followed."""
        if found is not None and isinstance(found.node, SequenceNode):
            for item in found.node.value:
                yield from self.items(self.followed(Found(item, found.path)))
        elif found is not None:
            for key, node in entries(found.node).items():
                yield key, node, self.followed(Found(node, found.path)) or Found(node, found.path)

    def followed(self, found: Found | None) -> Found | None:
        """What a value that is one variable stands for; any other value as it is. None where it is not known."""
        written = string(found.node) if found else None
        match = _INNERMOST.fullmatch(written.strip()) if written else None
        if found is None or match is None:
            return found
        for choice in _choices(match[1]):
            target = self._target(choice)
            if target is not None:
                return target
        return found if _is_text(match[1]) else None

    # ------------------------------------------------------------ variables

    def _target(self, choice: str) -> Found | None:
        """The node that one source names, variables followed."""
        if choice not in self._targets and self._open < _MOST_STEPS:
            self._targets[choice] = None  # for a source that names itself
            self._open += 1
            self._targets[choice] = self._looked_up(choice)
            self._open -= 1
        return self._targets.get(choice)

    def _looked_up(self, choice: str) -> Found | None:
        if match := _FILE.fullmatch(choice):
            tree, path = self._other(match[1])
            root = Found(tree.root, path) if tree else None
            return self._walk(root, match[2] or "")
        if choice.startswith("self:"):
            return self._walk(Found(self.tree.root, self.path), choice.removeprefix("self:"))
        return None

    def _walk(self, found: Found | None, address: str) -> Found | None:
        for key in address.split(".") if address else ():
            node = _step(found.node, key) if found else None
            found = self.followed(Found(node, found.path)) if found and node is not None else None
        return found

    def _other(self, name: str) -> tuple[Tree | None, str]:
        path = resolve(self.folder, name) or ""
        if path not in self._others:
            self._others[path] = _read(path, self._files)
        return self._others[path], path

    def _expanded(self, text: str) -> str | None:
        while match := _INNERMOST.search(text):
            value = self._value(match[1])
            if value is None or len(text) > _MOST_TEXT:
                return None
            text = text[: match.start()] + value + text[match.end() :]
        return text

    def _value(self, inside: str) -> str | None:
        if inside not in self._known and self._open < _MOST_STEPS:
            self._known[inside] = None  # for a variable that stands for itself
            self._open += 1
            values = (self._choice(choice) for choice in _choices(inside))
            self._known[inside] = next((value for value in values if value is not None), None)
            self._open -= 1
        return self._known.get(inside)

    def _choice(self, choice: str) -> str | None:
        """The text that one source gives. The stage is the service's own: nobody names another one here."""
        if choice[:1] in ("'", '"') and choice[-1:] == choice[:1]:
            return choice[1:-1]
        if choice in ("sls:stage", "opt:stage"):
            stage = entries(entries(self.tree.root).get("provider")).get("stage")
            return self.text(Found(stage, self.path)) if stage else "dev"
        found = self._target(choice)
        is_text = found is not None and isinstance(found.node, ScalarNode) and not found.node.tag.startswith("!")
        return self._expanded(str(found.node.value)) if found is not None and is_text else None


def _choices(inside: str) -> list[str]:
    """`opt:stage, 'dev'` -> the sources in their order."""
    return [choice.strip() for choice in inside.split(",")]


def _is_text(inside: str) -> bool:
    """Whether a variable can only be a text: nothing that holds functions or sections."""
    return not inside.startswith(("self:", "file("))


def _step(node: Node, key: str) -> Node | None:
    if isinstance(node, SequenceNode):
        return node.value[int(key)] if key.isdigit() and int(key) < len(node.value) else None
    return entries(node).get(key)


def _read(path: str, files: Files) -> Tree | None:
    """A file that is named: YAML or JSON. Programs are not run."""
    if path not in files.names or not path.endswith((".yml", ".yaml", ".json")):
        return None
    try:
        return compose_template(files.read(path))
    except (OSError, TemplateError):
        return None
