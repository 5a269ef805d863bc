"""A code tree -> what a name means in it, as far as events need it: functions, classes, constants, modules."""

import ast
from collections.abc import Iterator
from dataclasses import dataclass, field

from statelift.verify.values import CodeTree

_HOPS = 5  # how many re-exports are followed
Definition = ast.FunctionDef | ast.AsyncFunctionDef | ast.ClassDef | ast.expr


@dataclass(eq=False, slots=True)
class Module:
    """One parsed file: what it defines at top level, and what it imports (module, name or "" for the module)."""

    name: str
    definitions: dict[str, Definition] = field(default_factory=dict)
    imports: dict[str, tuple[str, str]] = field(default_factory=dict)


@dataclass(frozen=True, slots=True)
class Found:
    """A definition and the module that it stands in; the module alone where the name means a module."""

    module: Module
    definition: Definition | None = None


class Names:
    """The modules of one code root. Files that cannot be parsed are left out: nothing is known of them."""

    def __init__(self, tree: CodeTree) -> None:
        self._modules = {module.name: module for module in _modules(tree)}

    def module(self, name: str) -> Module | None:
        """The module of that dotted name."""
        return self._modules.get(name)

    def find(self, module: Module, name: str, hops: int = _HOPS) -> Found | None:
        """What a name means at the top level of a module; imports are followed."""
        if name in module.definitions:
            return Found(module, module.definitions[name])
        target = module.imports.get(name)
        if target is None or hops == 0:
            return None
        source, wanted = target
        whole = self._modules.get(f"{source}.{wanted}" if wanted else source)
        if whole is not None:
            return Found(whole)
        origin = self._modules.get(source)
        return self.find(origin, wanted, hops - 1) if origin is not None and wanted else None


def _modules(tree: CodeTree) -> Iterator[Module]:
    for path, data in tree.files:
        if path.endswith(".py"):
            try:
                parsed = ast.parse(data)
            except (SyntaxError, ValueError):
                continue
            name = path.removesuffix(".py").removesuffix("/__init__").replace("/", ".")
            yield _module(name, parsed, is_package=path.endswith("/__init__.py"))


def _module(name: str, tree: ast.Module, *, is_package: bool) -> Module:
    module = Module(name)
    package = name if is_package else name.rpartition(".")[0]
    for node in _top_level(tree.body):
        match node:
            case ast.FunctionDef() | ast.AsyncFunctionDef() | ast.ClassDef():
                module.definitions[node.name] = node
            case ast.Assign(targets=[ast.Name(id=target)], value=value):
                module.definitions[target] = value
            case ast.AnnAssign(target=ast.Name(id=target), value=ast.expr() as value):
                module.definitions[target] = value
            case ast.Import() | ast.ImportFrom():
                module.imports.update(_imported(node, package))
            case _:
                pass
    return module


def _top_level(body: list[ast.stmt]) -> Iterator[ast.stmt]:
    """Statements of the module, also those under `if` and `try`."""
    for node in body:
        yield node
        match node:
            case ast.If() | ast.Try() | ast.With():
                inner = [child for child in ast.iter_child_nodes(node) if isinstance(child, ast.stmt)]
                yield from _top_level(inner)
            case _:
                pass


def _imported(node: ast.Import | ast.ImportFrom, package: str) -> Iterator[tuple[str, tuple[str, str]]]:
    if isinstance(node, ast.Import):
        for alias in node.names:
            local = alias.asname or alias.name.partition(".")[0]
            yield local, (alias.name if alias.asname else local, "")
        return
    parents = package.split(".") if package else []
    base = ".".join(parents[: len(parents) - node.level + 1]) if node.level else ""
    source = ".".join(part for part in (base, node.module or "") if part)
    for alias in node.names:
        yield alias.asname or alias.name, (source, alias.name)
