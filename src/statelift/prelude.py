"""A module's bytes, imports and definitions that it needs -> the edits that put them in."""

import ast
import re
import sys
from collections import defaultdict
from collections.abc import Iterable, Iterator, Sequence
from functools import lru_cache
from itertools import takewhile

from statelift.model import Edit, EnsureHelperPart, EnsureImport, Problem, SourceFile
from statelift.source import Parsed, parse_source


class NoPlaceError(ValueError):
    """The module has no safe place for an import or a definition; the message says why."""


def prelude_edits(
    path: str,
    data: bytes,
    imports: Sequence[EnsureImport],
    parts: Sequence[EnsureHelperPart],
    others: Sequence[Edit] = (),
) -> tuple[Edit, ...]:
    """Insertions that bring in what is missing, none inside of `others`.

    NoPlaceError where a name already means something else.
    """
    parsed = parse_source(SourceFile(path, data))
    if isinstance(parsed, Problem):
        raise NoPlaceError(parsed.message)
    missing = [each for each in sorted(set(imports), key=_import_order) if not _has_import(parsed.tree, each)]
    wanted = [part for part in sorted(set(parts), key=_part_order) if not _has_part(parsed, part)]
    joined = [edit for each in missing for edit in _joining(parsed, each)]
    apart = [each for each in missing if _existing(parsed, each) is None]
    return (*joined, *_import_edits(parsed, apart, others), *_definition_edits(parsed, wanted, others))


def _existing(parsed: Parsed, wanted: EnsureImport) -> ast.ImportFrom | None:
    """A plain one-line `from module import …` of the same module that a name can join."""
    for statement in _before_definitions(parsed.tree):
        match statement:
            case ast.ImportFrom(module=wanted.module, level=0) if (
                wanted.name and statement.lineno == statement.end_lineno
            ):
                text = parsed.segment(parsed.span(statement))
                return statement if "(" not in text and "*" not in text else None
            case _:
                pass
    return None


def _joining(parsed: Parsed, wanted: EnsureImport) -> Iterator[Edit]:
    """Put a name among the sorted names of an existing import."""
    statement = _existing(parsed, wanted)
    if statement is None:
        return
    later = next((alias for alias in statement.names if alias.name > (wanted.name or "")), None)
    if later is not None:
        start = parsed.span(later).start
        yield Edit(parsed.path, start, start, f"{wanted.name}, ")
    else:
        end = parsed.span(statement.names[-1]).end
        yield Edit(parsed.path, end, end, f", {wanted.name}")


def _import_order(each: EnsureImport) -> tuple[bool, str, str]:
    return (each.name is not None, each.module, each.name or "")


def _part_order(part: EnsureHelperPart) -> tuple[bool, str]:
    """Functions and classes before the assignments that use them."""
    return (not (part.text or "").startswith(("def ", "@", "class ")), part.part)


# ---------------------------------------------------------------- what is there already


_DEFINITIONS = (ast.FunctionDef, ast.AsyncFunctionDef, ast.ClassDef)


def _before_definitions(tree: ast.Module) -> Iterator[ast.stmt]:
    """What has run when the first function or class is made."""
    return takewhile(lambda each: not isinstance(each, _DEFINITIONS), tree.body)


def _has_import(tree: ast.Module, wanted: EnsureImport) -> bool:
    """Whether it stands in front of the first definition. Elsewhere, it may run too late."""
    bound = wanted.name or wanted.module
    is_there = any(_imports(each, wanted) for each in _before_definitions(tree))
    if is_there and wanted.name is None:
        return True
    named = _named(tree).get(bound, [])
    users = [node for node in named if not _imports(node, wanted)]
    is_ours = all(map(_is_read, users)) and (not users or len(users) < len(named))
    if not is_ours:
        raise NoPlaceError(f"the module uses the name {bound} for something else")
    return is_there


def _imports(node: ast.AST, wanted: EnsureImport) -> bool:
    match node:
        case ast.Import(names=names) if wanted.name is None:
            return any(alias.name == wanted.module and alias.asname is None for alias in names)
        case ast.ImportFrom(module=module, names=names, level=0) if module == wanted.module:
            return any(alias.name == wanted.name and alias.asname is None for alias in names)
        case _:
            return False


def _is_read(node: ast.AST) -> bool:
    return isinstance(node, ast.Name) and isinstance(node.ctx, ast.Load)


@lru_cache(maxsize=8)
def _named(tree: ast.Module) -> dict[str | None, list[ast.AST]]:
    """Variable name -> the nodes that read or bind it, in the order of the walk."""
    found: dict[str | None, list[ast.AST]] = defaultdict(list)
    for node in ast.walk(tree):
        for name in _names(node):
            found[name].append(node)
    return dict(found)


def _names(node: ast.AST) -> Iterable[str | None]:
    """The variables that a node itself reads or binds."""
    match node:
        case ast.Name(id=found) | ast.arg(arg=found):
            return (found,)
        case ast.FunctionDef(name=found) | ast.AsyncFunctionDef(name=found) | ast.ClassDef(name=found):
            return (found,)
        case ast.ExceptHandler(name=name) | ast.MatchAs(name=name) | ast.MatchStar(name=name):
            return (name,)
        case ast.MatchMapping(rest=name):
            return (name,)
        case ast.Import(names=names) | ast.ImportFrom(names=names):
            return {alias.asname or alias.name.partition(".")[0] for alias in names}
        case _:
            return ()


def _has_part(parsed: Parsed, part: EnsureHelperPart) -> bool:
    text = parsed.text.replace("\r\n", "\n")
    if part.text is not None and part.text.rstrip("\n") in text:
        return True
    if part.part in _named(parsed.tree):
        raise NoPlaceError(f"the module uses the name {part.part} for something else")
    return False


# ---------------------------------------------------------------- where things go


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
        if re.match(rb"#!|[ \t\f]*#.*?coding[:=]|\xef\xbb\xbf#", parsed.data[start:]):
            number += 1
    offset = parsed.line_starts[number] if number < len(parsed.line_starts) else len(parsed.data)
    return offset or (3 if parsed.bom else 0)


def _leading_imports(body: Sequence[ast.stmt]) -> list[ast.stmt]:
    """The imports at the top, without those of `__future__`."""
    found: list[ast.stmt] = []
    for position, statement in enumerate(body):
        if isinstance(statement, (ast.Import, ast.ImportFrom)):
            found.append(statement)
        elif not (position == 0 and _is_text(statement)):
            break
    return [each for each in found if not _is_future(each)]


def _is_text(statement: ast.stmt) -> bool:
    return isinstance(statement, ast.Expr) and isinstance(statement.value, ast.Constant)


def _is_future(statement: ast.stmt) -> bool:
    return isinstance(statement, ast.ImportFrom) and statement.module == "__future__"


def _line_of(parsed: Parsed, statement: ast.stmt) -> int:
    start = parsed.line_starts[statement.lineno - 1]
    if parsed.data[start : parsed.span(statement).start].removeprefix(b"\xef\xbb\xbf").strip():
        raise NoPlaceError("other statements share a line with its imports")
    return max(start, 3 if parsed.bom else 0)


def _line_after(parsed: Parsed, statement: ast.stmt) -> int:
    line = statement.end_lineno or statement.lineno
    if line >= len(parsed.line_starts):
        raise NoPlaceError("its last import stands in the last line, which has no line end")
    start = parsed.line_starts[line]
    tail = parsed.data[parsed.span(statement).end : start].strip()
    if re.match(rb";\s*[^\s#]", tail):
        raise NoPlaceError("other statements share a line with its imports")
    return start


def _is_blank(parsed: Parsed, offset: int) -> bool:
    """Whether the line that starts there is empty."""
    return parsed.data[offset:].startswith((b"\n", b"\r\n"))


# ---------------------------------------------------------------- imports


def _import_edits(parsed: Parsed, missing: Sequence[EnsureImport], others: Sequence[Edit]) -> list[Edit]:
    """Plain imports in their place among the others, generated helpers behind all of them."""
    plain = [each.module for each in missing if each.name is None]
    names: dict[str, list[str]] = {}
    for each in missing:
        if each.name is not None:
            names.setdefault(each.module, []).append(each.name)
    local = "".join(f"from {module} import {', '.join(found)}\n" for module, found in names.items())
    leading = _leading_imports(parsed.tree.body)
    if leading:
        edits = [_plain_edit(parsed, leading, module) for module in plain]
        last = _line_after(parsed, leading[-1])
        above = "" if not plain and all(_is_removed(parsed, each, others) for each in leading) else "\n"
        return [*edits, Edit(parsed.path, last, last, f"{above}{local}")] if local else edits
    return _first_imports(parsed, "".join(f"import {module}\n" for module in plain), local, others)


def _is_removed(parsed: Parsed, statement: ast.stmt, others: Sequence[Edit]) -> bool:
    span = parsed.span(statement)
    return any(edit.start <= span.start and span.end <= edit.end and not edit.text for edit in others)


def _plain_edit(parsed: Parsed, leading: Sequence[ast.stmt], module: str) -> Edit:
    """A standard module goes behind those with smaller names, in front of everything else."""
    smaller = [each for each in leading if isinstance(each, ast.Import) and _is_smaller(each.names[0].name, module)]
    if smaller:
        offset = _line_after(parsed, smaller[-1])
        return Edit(parsed.path, offset, offset, f"import {module}\n")
    offset = _line_of(parsed, leading[0])
    gap = "" if _is_standard(leading[0]) else "\n"
    return Edit(parsed.path, offset, offset, f"import {module}\n{gap}")


def _is_smaller(name: str, module: str) -> bool:
    return name.partition(".")[0] in sys.stdlib_module_names and name < module


def _is_standard(statement: ast.stmt) -> bool:
    match statement:
        case ast.Import(names=[ast.alias(name=name), *_]) | ast.ImportFrom(module=str(name), level=0):
            return name.partition(".")[0] in sys.stdlib_module_names
        case _:
            return False


def _first_imports(parsed: Parsed, plain: str, local: str, others: Sequence[Edit]) -> list[Edit]:
    """The only imports of a module: blank lines set them off on both sides."""
    if not plain and not local:
        return []
    head = _after_docstring(parsed)
    above = "\n" if parsed.data[:head].strip(b"\xef\xbb\xbf") else ""
    between = "\n" if plain and local else ""
    ends = [edit.end for edit in others if edit.start == head < edit.end and not edit.text]
    is_open = any(_is_blank(parsed, end) or parsed.data[:end].endswith((b"\n\n", b"\n\r\n")) for end in ends)
    gap = "\n\n" if _is_definition_at(parsed, head) else "\n"
    below = "" if is_open or _is_blank(parsed, head) else gap
    return [Edit(parsed.path, head, head, f"{above}{plain}{between}{local}{below}")]


def _is_definition_at(parsed: Parsed, offset: int) -> bool:
    """Whether a function or class begins there, with its decorators."""
    found = (each for each in parsed.tree.body if isinstance(each, _DEFINITIONS))
    lines = [min([each.lineno, *(above.lineno for above in each.decorator_list)]) for each in found]
    return bool(lines) and max(parsed.line_starts[lines[0] - 1], 3 if parsed.bom else 0) == offset


# ---------------------------------------------------------------- definitions


def _definition_edits(parsed: Parsed, wanted: Sequence[EnsureHelperPart], others: Sequence[Edit]) -> list[Edit]:
    """Functions in front of the first one; values behind what they need, or closing the statements above."""
    if not wanted:
        return []
    functions = [part.text or "" for part in wanted if not _part_order(part)[0]]
    values = "".join(part.text or "" for part in wanted if _part_order(part)[0])
    if not values and not any(isinstance(each, _DEFINITIONS) for each in parsed.tree.body):
        return [_at_the_end(parsed, functions)]
    first, line = _first_definition(parsed)
    start = max(parsed.line_starts[line - 1], _after_docstring(parsed))
    above = _needed(parsed, values)
    if above is None and not functions and _is_free_behind(parsed, first - 1, others):
        above = first - 1
    blocks = [*functions, values] if above is None else functions
    text = "".join(f"{block}\n\n" for block in blocks if block)
    text = _missing_lines(parsed.data, start) + text if text else ""
    edits = [Edit(parsed.path, start, start, text)] if text else []
    return edits if above is None or not values else [*edits, _behind(parsed, parsed.tree.body[above], values)]


def _at_the_end(parsed: Parsed, functions: Sequence[str]) -> Edit:
    """A module without functions of its own needs new ones only after it is imported."""
    end = len(parsed.data)
    open_line = "" if parsed.data.endswith(b"\n") else "\n"
    return Edit(parsed.path, end, end, open_line + "\n\n" + "\n\n".join(functions))


def _missing_lines(data: bytes, start: int) -> str:
    """Line ends that make two blank lines in front of a definition."""
    above = data[:start].replace(b"\r\n", b"\n")
    blank = len(above) - len(above.rstrip(b"\n")) - 1
    return "\n" * max(0, 2 - blank) if above.strip() else ""


def _needed(parsed: Parsed, values: str) -> int | None:
    """The position of the last definition that the values use at once, or of the values that follow it."""
    body = parsed.tree.body
    used = {node.id for node in ast.walk(ast.parse(values)) if isinstance(node, ast.Name)}
    found = [n for n, each in enumerate(body) if isinstance(each, _DEFINITIONS) and each.name in used]
    return max(found) + len(list(takewhile(_is_value, body[max(found) + 1 :]))) if found else None


def _is_value(statement: ast.stmt) -> bool:
    return isinstance(statement, (ast.Assign, ast.AnnAssign))


def _is_free_behind(parsed: Parsed, position: int, others: Sequence[Edit]) -> bool:
    """Whether a blank line follows a statement, and no other edit goes over it."""
    if position < 0:
        return False
    offset = _line_behind(parsed, parsed.tree.body[position])
    return _is_blank(parsed, offset) and not any(each.start < offset < each.end for each in others)


def _behind(parsed: Parsed, above: ast.stmt, values: str) -> Edit:
    offset = _line_behind(parsed, above)
    gap = "" if _is_value(above) else "\n\n" if isinstance(above, _DEFINITIONS) else "\n"
    is_open = _is_blank(parsed, offset) or offset == len(parsed.data)
    return Edit(parsed.path, offset, offset, f"{gap}{values}" if is_open else f"{gap}{values}\n\n")


def _line_behind(parsed: Parsed, statement: ast.stmt) -> int:
    """Where the next line starts."""
    line = statement.end_lineno or statement.lineno
    if line >= len(parsed.line_starts):
        raise NoPlaceError("a definition that it needs ends in the last line, which has no line end")
    return parsed.line_starts[line]


def _first_definition(parsed: Parsed) -> tuple[int, int]:
    """Its position among the statements, and the line where its decorators and the comments right above begin."""
    position = next((n for n, each in enumerate(parsed.tree.body) if isinstance(each, _DEFINITIONS)), None)
    if position is None:
        raise NoPlaceError("the module has no function or class at its top level")
    first = parsed.tree.body[position]
    assert isinstance(first, _DEFINITIONS)
    line = min([first.lineno, *(decorator.lineno for decorator in first.decorator_list)])
    while line > 1 and _is_comment(parsed, line - 1):
        line -= 1
    return position, line


def _is_comment(parsed: Parsed, line: int) -> bool:
    return parsed.data[parsed.line_starts[line - 1] : parsed.line_starts[line]].startswith(b"#")
