"""A file in /tmp that calls read and write as a whole -> boto3's own calls at each use, or why not.

A write inside of a `with` is one put: what it stores is made before, where the file was cut off already. So only
what cannot fail there is taken, and text only where no line end changes between writing and reading.
"""

import ast
from collections.abc import Callable, Iterator
from dataclasses import dataclass

from statelift.facts.values import FileEffect
from statelift.judge.styles import NotInlineError
from statelift.judge.values import Judgement
from statelift.model import Edit, EnsureHelperPart, EnsureImport, Operation
from statelift.siting import (
    CLIENT,
    Site,
    block_of,
    catcher_of,
    comes_first,
    has_encoding,
    is_known_there,
    is_repeated,
    only_call,
    quoted,
    site_of,
)
from statelift.workspace import Workspace

GET, PUT, LOOK, DELETE = "inline.get_object", "inline.put_object", "inline.head_object", "inline.delete_object"
ASKS = frozenset({"os.path.exists", "os.path.isfile", "Path.exists", "Path.is_file"})
REMOVES = frozenset({"os.remove", "os.unlink", "Path.unlink"})
DUMPS = {"json.dump": "json", "pickle.dump": "pickle"}
LOADS = {"json.load": "json", "pickle.load": "pickle"}
OPTIONS = frozenset({"indent", "sort_keys", "separators"})  # of json.dump: they change neither what fails nor bytes
PLAIN_TYPES = frozenset({"json", "str", "int", "float", "bool", "none"})
SIMPLE = (ast.Assign, ast.AnnAssign, ast.Return, ast.Expr)
OWN_ERRORS = (
    "boto3 is called where the file was used, and its own errors come out; a put whose answer was lost is sent"
    " again, over what came meanwhile"
)
CUT = (
    "line {}: what cannot be written raises before anything is stored: the object stays as it was, the file would"
    " have been cut off"
)
GONE = "line {} reads what a test found: if another call removes it in between, that is NoSuchKey"


@dataclass(frozen=True, slots=True)
class Put:
    """The operations in the program, the calls by file and function, and what a reviewer has to know."""

    operations: tuple[Operation, ...]
    calls: tuple[tuple[str, str, str], ...]
    reasons: tuple[str, ...]


def put_whole(judgement: Judgement, workspace: Workspace, variable: str) -> Put:
    """boto3's calls, with the bucket that the variable names. NotInlineError where a use has no such form."""
    effects = [(path, each) for path, each in judgement.effects if each.is_rewritable]
    is_document = all(_is_document(each) for _, each in effects if each.effect == "write")
    ops: list[Operation] = []
    calls: list[tuple[str, str, str]] = []
    reasons = [OWN_ERRORS]
    is_removed = any(each.effect == "remove" for _, each in effects)
    for path, effect in effects:
        site = site_of(path, effect, workspace, variable)
        if (
            effect.effect == "read"
            and "b" not in effect.mode
            and not is_document
            and effect.api != "Path.read_bytes"
        ):
            raise NotInlineError(f"{site.line} reads text, in which a file gives every line end as \\n")
        form = _FORMS.get(effect.effect)
        made = None if form is None else form(site)
        if made is None:
            raise NotInlineError(
                f"{site.line}: boto3 has no one call that does what {effect.api} ({effect.effect}) does here"
            )
        ops += [*made.edits, *_around(site, made)]
        calls += [(path, effect.function, part) for part in made.parts]
        reasons += [CUT.format(effect.place.line)] if made.may_cut else []
        reasons += (
            [GONE.format(effect.place.line)]
            if is_removed and effect.effect == "read" and is_known_there(site)
            else []
        )
    return Put(tuple(dict.fromkeys(ops)), tuple(calls), tuple(dict.fromkeys(reasons)))


@dataclass(frozen=True, slots=True)
class _Made:
    """What one use becomes, the calls that it makes, and the modules that it needs."""

    edits: tuple[Edit, ...]
    parts: tuple[str, ...]
    modules: tuple[str, ...] = ()
    may_cut: bool = False


def _is_document(effect: FileEffect) -> bool:
    """Whether JSON is written: ASCII without carriage returns, so that text and bytes are the same."""
    text = "" if effect.content is None else effect.content.text
    return effect.through == "json.dump" or text.startswith("json.dumps(")


def _around(site: Site, made: _Made) -> Iterator[Operation]:
    yield EnsureHelperPart(site.path, site.client, CLIENT.format(name=site.client))
    if LOOK in made.parts:
        yield EnsureHelperPart(site.path, site.stored, site.stored_text(site.stored))
    for module in ("boto3", "functools", "os", *made.modules):
        yield EnsureImport(site.path, module)


# ---------------------------------------------------------------- writing


def _write(site: Site) -> _Made | None:
    if site.effect.api in ("Path.write_text", "Path.write_bytes"):
        return _written_at_once(site)
    block, call = block_of(site), only_call(site)
    if block is None or call is None or not isinstance(block.body[0], ast.Expr) or block.body[0].value is not call:
        return None
    through, content = site.effect.through, site.effect.content
    given = next(iter(call.args), None)
    if given is None or content is None or not _is_plain(given):
        raise NotInlineError(
            f"{site.line}: what is written is computed inside of the `with`: where that fails, the file is cut off"
        )
    kind = site.workspace.evidence.sources.types.of(site.path, content.type)
    if through == ".write":
        _check_type(site, kind)
        return _put(site, block, site.text(given), may_cut="dumps(" in content.text)
    if through not in DUMPS or not _has_plain_options(call, through):
        return None
    module = site.text(call.func.value) if isinstance(call.func, ast.Attribute) else DUMPS[through]
    said = "".join(f", {each.arg}={site.text(each.value)}" for each in call.keywords)
    modules = () if isinstance(call.func, ast.Attribute) else (module,)
    return _put(site, block, f"{module}.dumps({site.text(given)}{said})", modules, may_cut=kind not in PLAIN_TYPES)


def _put(
    site: Site, statement: ast.stmt, body: str, modules: tuple[str, ...] = (), *, may_cut: bool = False
) -> _Made:
    text = f"{site.client}().put_object({site.address}, Body={body})"
    return _Made((site.edit(statement, text),), (PUT,), modules, may_cut)


def _written_at_once(site: Site) -> _Made | None:
    """`PATH.write_text(text)`: the text is there before the file is opened."""
    statement, content = site.statement, site.effect.content
    is_alone = isinstance(statement, ast.Expr) and statement.value is site.node
    if not is_alone or content is None or len(site.node.args) != 1 or not has_encoding(site.node):
        return None
    _check_type(site, site.workspace.evidence.sources.types.of(site.path, content.type))
    return _put(site, statement, site.text(site.node.args[0]))


def _check_type(site: Site, kind: str) -> None:
    effect = site.effect
    wanted = "bytes" if "b" in effect.mode or effect.api == "Path.write_bytes" else "str"
    if kind != wanted:
        said = "not known" if kind == "unknown" else kind
        text = "" if effect.content is None else effect.content.text
        raise NotInlineError(f"{site.line}: the type of {text} is {said}, and the file takes {wanted} alone")


def _has_plain_options(call: ast.Call, through: str) -> bool:
    """Whether the file gets the same bytes from `dumps`, encoded as UTF-8."""
    return not call.keywords or (
        through == "json.dump" and all(each.arg in OPTIONS and _is_plain(each.value) for each in call.keywords)
    )


def _is_plain(node: ast.expr) -> bool:
    """Whether an expression cannot fail but where what it is made of cannot be written."""
    match node:
        case ast.Constant() | ast.Name():
            return True
        case ast.JoinedStr(values=values):
            return all(map(_is_plain, values))
        case ast.FormattedValue(value=ast.Name() | ast.Constant(), format_spec=None):
            return True
        case ast.Dict(keys=keys, values=values):
            return all(isinstance(each, ast.Constant) for each in keys) and all(map(_is_plain, values))
        case ast.List(elts=elements) | ast.Tuple(elts=elements):
            return all(map(_is_plain, elements))
        case ast.Call(func=ast.Name(id="str") | ast.Attribute(value=ast.Name(), attr="dumps"), args=[given]):
            return _is_plain(given) and not node.keywords
        case _:
            return False


# ---------------------------------------------------------------- reading


def _read(site: Site) -> _Made | None:
    if site.effect.api in ("Path.read_text", "Path.read_bytes"):
        return _read_at_once(site)
    block, call = block_of(site), only_call(site)
    if block is None or call is None or not isinstance(block.body[0], SIMPLE) or is_repeated(site, call):
        return None
    through, inner = site.effect.through, block.body[0]
    found = _found(site)
    if through == ".read" and site.effect.content is None:
        text = f'{found}["Body"].read(){"" if "b" in site.effect.mode else ".decode()"}'
        modules: tuple[str, ...] = ()
    elif through in LOADS and not call.keywords:
        module = site.text(call.func.value) if isinstance(call.func, ast.Attribute) else LOADS[through]
        text = f'{module}.loads({found}["Body"].read())'
        modules = () if isinstance(call.func, ast.Attribute) else (module,)
    else:
        return None
    start, end = site.span(block).start, site.span(inner).start
    return _Made(
        (*_fetched(site, block, start, end), site.edit(call, text)), (GET,), (*modules, *_missing(site, block))
    )


def _read_at_once(site: Site) -> _Made | None:
    """`PATH.read_text()`, in a statement that evaluates it first."""
    statement = site.statement
    is_simple = isinstance(statement, SIMPLE) and site.has_own_lines(statement)
    if not is_simple or site.node.args or not has_encoding(site.node) or not comes_first(site):
        return None
    text = f'{_found(site)}["Body"].read(){".decode()" if site.effect.api == "Path.read_text" else ""}'
    start = site.span(statement).start
    edits = (*_fetched(site, statement, start, start), site.edit(site.node, text))
    return _Made(edits, (GET,), _missing(site, statement))


def _found(site: Site) -> str:
    return site.workspace.unused_name(site.path, "response")


def _fetched(site: Site, statement: ast.stmt, start: int, end: int) -> Iterator[Edit]:
    """The object in front of the statement; where it can be missing, the error of a missing file."""
    got = f"{_found(site)} = {site.client}().get_object({site.address})"
    if is_known_there(site):
        yield Edit(site.path, start, end, site.lines(statement, [got]))
        return
    missing = f"{site.client}().exceptions.NoSuchKey"
    catcher = catcher_of(site, statement)
    if catcher is not None:
        yield Edit(site.path, start, end, site.lines(statement, [got]))
        yield site.edit(catcher, missing)
        return
    told = f"raise FileNotFoundError(errno.ENOENT, os.strerror(errno.ENOENT), {quoted(site.effect.path)}) from None"
    yield Edit(
        site.path, start, end, site.lines(statement, ["try:", f"    {got}", f"except {missing}:", f"    {told}"])
    )


def _missing(site: Site, statement: ast.stmt) -> tuple[str, ...]:
    return () if is_known_there(site) or catcher_of(site, statement) is not None else ("errno",)


# ---------------------------------------------------------------- asking, removing


def _ask(site: Site) -> _Made | None:
    if site.effect.api not in ASKS or site.effect.mode == "folder":
        return None
    return _Made((site.edit(site.node, f"{site.stored}({site.key})"),), (LOOK,))


def _remove(site: Site) -> _Made | None:
    statement, keywords = site.statement, site.node.keywords
    is_alone = isinstance(statement, ast.Expr) and statement.value is site.node
    if site.effect.api not in REMOVES or not is_alone:
        return None
    deleted = f"{site.client}().delete_object({site.address})"
    is_missing_ok = any(each.arg == "missing_ok" and ast.unparse(each.value) == "True" for each in keywords)
    if is_missing_ok or is_known_there(site):
        return _Made((site.edit(statement, deleted),), (DELETE,))
    if keywords or not site.has_own_lines(statement):
        return None
    told = f"    raise FileNotFoundError(errno.ENOENT, os.strerror(errno.ENOENT), {quoted(site.effect.path)})"
    text = site.lines(statement, [f"if not {site.stored}({site.key}):", told]) + deleted
    return _Made((site.edit(statement, text),), (LOOK, DELETE), ("errno",))


_FORMS: dict[str, Callable[[Site], _Made | None]] = {
    "write": _write,
    "read": _read,
    "exists": _ask,
    "remove": _remove,
}
