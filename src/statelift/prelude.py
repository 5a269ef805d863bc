"""A module's bytes, imports and definitions that it needs -> the edits that put them in."""

import ast
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from itertools import takewhile

from statelift.model import Edit, EnsureHelperPart, EnsureImport, Problem, SourceFile
from statelift.source import Parsed, parse_source


class NoPlaceError(ValueError):
    """The module has no safe place for an import or a definition; the message says why."""


@dataclass(frozen=True, slots=True)
class _Places:
    """Offsets where generated lines go, and what stands there."""

    standard: int
    local: int
    definitions: int
    has_imports: bool
    is_followed_by_blank: bool


def prelude_edits(
    path: str, data: bytes, imports: Sequence[EnsureImport], parts: Sequence[EnsureHelperPart]
) -> tuple[Edit, ...]:
    """Insertions that bring in what is missing. NoPlaceError where a name already means something else."""
    parsed = parse_source(SourceFile(path, data))
    if isinstance(parsed, Problem):
        raise NoPlaceError(parsed.message)
    missing = [each for each in sorted(set(imports), key=_import_order) if not _has_import(parsed.tree, each)]
    wanted = [part for part in sorted(set(parts), key=_part_order) if not _has_part(parsed, part)]
    places = _places(parsed)
    joined = [edit for each in missing for edit in _joining(path, parsed, each)]
    apart = [each for each in missing if _existing(parsed, each) is None]
    return (*joined, *_import_edits(path, apart, places), *_definition_edits(path, wanted, places))


def _existing(parsed: Parsed, wanted: EnsureImport) -> ast.ImportFrom | None:
    """A plain one-line `from module import …` of the same module that a name can join."""
    for statement in parsed.tree.body:
        match statement:
            case ast.ImportFrom(module=wanted.module, level=0) if (
                wanted.name and statement.lineno == statement.end_lineno
            ):
                text = parsed.segment(parsed.span(statement))
                return statement if "(" not in text and "*" not in text else None
            case _:
                pass
    return None


def _joining(path: str, parsed: Parsed, wanted: EnsureImport) -> Iterator[Edit]:
    """Put a name among the sorted names of an existing import."""
    statement = _existing(parsed, wanted)
    if statement is None:
        return
    later = next((alias for alias in statement.names if alias.name > (wanted.name or "")), None)
    if later is not None:
        start = parsed.span(later).start
        yield Edit(path, start, start, f"{wanted.name}, ")
    else:
        end = parsed.span(statement.names[-1]).end
        yield Edit(path, end, end, f", {wanted.name}")


def _import_order(each: EnsureImport) -> tuple[bool, str, str]:
    return (each.name is not None, each.module, each.name or "")


def _part_order(part: EnsureHelperPart) -> tuple[bool, str]:
    """Functions before the assignments that use them."""
    return (not (part.text or "").startswith(("def ", "@")), part.part)


# ---------------------------------------------------------------- what is there already


def _has_import(tree: ast.Module, wanted: EnsureImport) -> bool:
    """Whether the import stands in front of all definitions. NoPlaceError where its name means something else."""
    bound = wanted.name or wanted.module
    if any(bound in _bound(node, wanted) for node in ast.walk(tree)):
        raise NoPlaceError(f"the module uses the name {bound} for something else")
    for statement in takewhile(lambda each: not isinstance(each, _DEFINITIONS), tree.body):
        match statement:
            case ast.Import(names=names) if wanted.name is None:
                if any(alias.name == wanted.module and alias.asname is None for alias in names):
                    return True
            case ast.ImportFrom(module=module, names=names, level=0) if module == wanted.module:
                if any(alias.name == wanted.name and alias.asname is None for alias in names):
                    return True
            case _:
                pass
    return False


def _bound(node: ast.AST, wanted: EnsureImport) -> set[str]:
    """The names that one node binds to something else than what is wanted."""
    match node:
        case ast.Name(id=name, ctx=ast.Store() | ast.Del()) | ast.arg(arg=name):
            return {name}
        case ast.FunctionDef(name=name) | ast.AsyncFunctionDef(name=name) | ast.ClassDef(name=name):
            return {name}
        case ast.ExceptHandler(name=str(name)) | ast.MatchAs(name=str(name)) | ast.MatchStar(name=str(name)):
            return {name}
        case ast.MatchMapping(rest=str(name)):
            return {name}
        case ast.Import(names=names):
            others = [
                each for each in names if wanted.name is not None or each.name.partition(".")[0] != wanted.module
            ]
            others += [each for each in names if each.asname is not None and each.name != wanted.module]
            return {each.asname or each.name.partition(".")[0] for each in others}
        case ast.ImportFrom(module=module, names=names):
            return {
                each.asname or each.name for each in names if (module, each.name) != (wanted.module, wanted.name)
            }
        case _:
            return set()


_DEFINITIONS = (ast.FunctionDef, ast.AsyncFunctionDef, ast.ClassDef)


def _has_part(parsed: Parsed, part: EnsureHelperPart) -> bool:
    text = parsed.text.replace("\r\n", "\n")
    if part.text is not None and part.text.rstrip("\n") in text:
        return True
    if any(isinstance(node, ast.Name) and node.id == part.part for node in ast.walk(parsed.tree)):
        raise NoPlaceError(f"the module uses the name {part.part} for something else")
    return False


# ---------------------------------------------------------------- where things go


def _places(parsed: Parsed) -> _Places:
    body = parsed.tree.body
    head = _after_docstring(parsed)
    leading = [each for each in _leading_imports(body) if not _is_future(each)]
    first = parsed.line_starts[leading[0].lineno - 1] if leading else head
    last = _line_after(parsed, leading[-1]) if leading else head
    is_blank = parsed.data[last:].startswith((b"\n", b"\r\n"))
    return _Places(first, last, max(_before_definitions(parsed), last), bool(leading), is_blank)


def _after_docstring(parsed: Parsed) -> int:
    """Behind the docstring and `from __future__` imports, or behind the comments that open the file."""
    last: ast.stmt | None = None
    for position, statement in enumerate(parsed.tree.body):
        if (position == 0 and _is_text(statement)) or _is_future(statement):
            last = statement
        else:
            break
    if last is not None:
        return _line_after(parsed, last)
    return _after_comments(parsed)


def _after_comments(parsed: Parsed) -> int:
    """Behind a shebang and an encoding line; other comments stay with what they describe."""
    number = 0
    for start in parsed.line_starts[:2]:
        if parsed.data[start:].startswith((b"#!", b"# -*-", b"# coding", b"#coding", b"\xef\xbb\xbf#")):
            number += 1
    offset = parsed.line_starts[number] if number < len(parsed.line_starts) else len(parsed.data)
    return offset or (3 if parsed.bom else 0)


def _leading_imports(body: Sequence[ast.stmt]) -> list[ast.stmt]:
    found: list[ast.stmt] = []
    for position, statement in enumerate(body):
        if isinstance(statement, (ast.Import, ast.ImportFrom)):
            found.append(statement)
        elif not (position == 0 and _is_text(statement)):
            break
    return found


def _is_text(statement: ast.stmt) -> bool:
    return isinstance(statement, ast.Expr) and isinstance(statement.value, ast.Constant)


def _is_future(statement: ast.stmt) -> bool:
    return isinstance(statement, ast.ImportFrom) and statement.module == "__future__"


def _line_after(parsed: Parsed, statement: ast.stmt) -> int:
    line = statement.end_lineno or statement.lineno
    if line >= len(parsed.line_starts):
        raise NoPlaceError("its last import stands in the last line, which has no line end")
    start = parsed.line_starts[line]
    tail = parsed.data[parsed.span(statement).end : start].strip()
    if tail.startswith(b";"):
        raise NoPlaceError("other statements share a line with its imports")
    return start


def _before_definitions(parsed: Parsed) -> int:
    """In front of the first function or class, its decorators and the comments right above it."""
    first = next((each for each in parsed.tree.body if isinstance(each, _DEFINITIONS)), None)
    if first is None:
        raise NoPlaceError("the module has no function or class at its top level")
    line = min([first.lineno, *(decorator.lineno for decorator in first.decorator_list)])
    while line > 1 and _is_comment(parsed, line - 1):
        line -= 1
    return max(parsed.line_starts[line - 1], 3 if parsed.bom else 0)


def _is_comment(parsed: Parsed, line: int) -> bool:
    return parsed.data[parsed.line_starts[line - 1] : parsed.line_starts[line]].startswith(b"#")


# ---------------------------------------------------------------- the edits


def _import_edits(path: str, missing: Sequence[EnsureImport], places: _Places) -> list[Edit]:
    """Plain imports in front of the others, generated helpers behind them."""
    plain = "".join(f"import {each.module}\n" for each in missing if each.name is None)
    names: dict[str, list[str]] = {}
    for each in missing:
        if each.name is not None:
            names.setdefault(each.module, []).append(each.name)
    local = "".join(f"from {module} import {', '.join(found)}\n" for module, found in names.items())
    if places.has_imports:
        pairs = [(places.standard, plain), (places.local, f"\n{local}" if local else "")]
    else:
        above = "\n" if places.standard else ""
        gap = "\n" if plain and local else ""
        below = "" if places.is_followed_by_blank else "\n"
        pairs = [(places.standard, f"{above}{plain}{gap}{local}{below}" if plain or local else "")]
    return [Edit(path, offset, offset, text) for offset, text in pairs if text]


def _definition_edits(path: str, wanted: Sequence[EnsureHelperPart], places: _Places) -> list[Edit]:
    if not wanted:
        return []
    functions = [part.text or "" for part in wanted if not _part_order(part)[0]]
    values = [part.text or "" for part in wanted if _part_order(part)[0]]
    blocks = [*functions, *(["".join(values)] if values else [])]
    text = "".join(f"{block}\n\n" for block in blocks)
    return [Edit(path, places.definitions, places.definitions, text)]
