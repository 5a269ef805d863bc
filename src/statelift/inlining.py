"""A dict that is used as a store -> boto3's own calls at each use, or why that is not possible.

Only text can be a key, and a value is text or JSON: what a helper does for other types has no place here.
"""

import ast
import json
from collections.abc import Callable, Container, Iterator, Mapping
from dataclasses import dataclass

from statelift.claiming import decided
from statelift.facts.values import Access, Cell, Value
from statelift.infra.names import env_name, getter_name
from statelift.judge.checks import Checked, asked_in, checked
from statelift.judge.lookups import Lookup, fetched
from statelift.judge.styles import NotInlineError
from statelift.judge.values import Judgement
from statelift.link.names import CellKey
from statelift.model import CellOptions, Edit, EnsureHelperPart, EnsureImport, Operation, Tier
from statelift.workspace import Proposal, Workspace, line_of, table_of

TEXT = frozenset({"str"})
KEYS = TEXT | {"json"}  # a key of the event may be no text: that raises, and a reason says so
VALUES = frozenset({"str", "int", "float", "bool", "none", "json"})
VALUED = frozenset({"put", "get"})
PARTS = {
    "put": "inline.put",
    "get": "inline.get",
    "require": "inline.get",
    "contains": "inline.get",
    "lacks": "inline.get",
    "pop": "inline.delete",
    "delete": "inline.delete",
}
OWN_ERRORS = (
    "boto3 is called where the dict was used, and its own errors come out: a key that is no text, is empty or is"
    " longer than 2,048 bytes raises, and a put whose answer was lost is sent again, over what came meanwhile"
)
_GETTER = '''@functools.cache
def {name}():
    """The table, looked up at the first call and kept for the life of the container."""
    return boto3.resource("dynamodb").Table(os.environ.get("{variable}"))
'''
Uses = list[tuple[str, Access]]


@dataclass(frozen=True, slots=True)
class _Form:
    """How a table is named in the code, and whether values are text as they are or JSON."""

    getter: str
    key: str
    is_text: bool

    def written(self, value: str) -> str:
        """What stands for a value in an item."""
        return value if self.is_text else f"json.dumps({value})"

    def value_in(self, item: str) -> str:
        """The value that an item holds."""
        return f'{item}["v"]' if self.is_text else f'json.loads({item}["v"])'

    def address(self, key: str) -> str:
        """The arguments that name an item."""
        return f'Key={{"{self.key}": {key}}}'

    def read(self, key: str) -> str:
        """The answer with the item, if there is one."""
        return f"{self.getter}().get_item({self.address(key)}, ConsistentRead=True)"


def inline(
    judgement: Judgement,
    workspace: Workspace,
    table: str,
    uses: Uses,
    looked: Mapping[int, Lookup],
    asked: CellOptions,
) -> Proposal:
    """The change; `looked` are checks that fetch the entry. Raises NotInlineError where there is no such form."""
    assert judgement.cell is not None
    key, cell = judgement.cell
    if asked.ttl:
        raise NotInlineError("entries expire, and what boto3 reads does not say so by itself")
    checks = checked(workspace.evidence, judgement.accesses)
    for path, use in judgement.accesses:
        if id(use) in checks and checks[id(use)].form != "drop":
            raise NotInlineError(f"line {use.place.line} of {path} checks an entry and writes it in one step")
    if judgement.is_racing:
        raise NotInlineError(
            "a call comes to it twice, another one may come in between, and calls of boto3 are not one step"
        )
    served = fetched(looked) | asked_in(checks)
    uses = [(path, use) for path, use in uses if id(use) not in served]
    for each in looked.values():
        if each.choice is not None and _constant(each.other) is None:
            raise NotInlineError(f"{each.other} stands for no entry, and JSON does not hold that")
    _check_place(key, cell, workspace, uses, checks)
    _check_types(workspace, uses)
    getter = workspace.unused_name(key[0], getter_name(key[1]))
    form = _Form(getter, asked.key or "pk", _is_text(workspace, uses))
    edits = [Edit(key[0], *line_of(cell, workspace.sources[key[0]]), "")]
    for path, use in uses:
        edits += _edits(path, use, looked.get(id(use)) or checks.get(id(use)), workspace, form)
    calls = [(path, use.function, PARTS[use.op]) for path, use in uses]
    has_json = not form.is_text and (bool(looked) or any(use.op in VALUED for _, use in uses))
    modules = ["boto3", "functools", "os", *(["json"] if has_json else [])]
    text = _GETTER.format(name=getter, variable=asked.table_env or env_name(table))
    ops: tuple[Operation, ...] = (
        *edits,
        *(EnsureImport(key[0], module) for module in modules),
        EnsureHelperPart(key[0], getter, text),
        *workspace.infrastructure(judgement, table, "table", calls, existing=table_of(asked)),
    )
    reasons = (OWN_ERRORS,)
    return Proposal("inline", f"keep {key[1]} in a DynamoDB table", ops, max(judgement.tier, Tier.REVIEW), reasons)


# ---------------------------------------------------------------- whether it is possible


def _check_place(key: CellKey, cell: Cell, workspace: Workspace, uses: Uses, done: Container[int]) -> None:
    """`done` are ids of uses that are one call with the test in front of them."""
    path, name = key
    if cell.home != "module":
        raise NotInlineError(f"{name} is no variable of a module, so it cannot go")
    for other, module in sorted(workspace.program.modules.items()):
        if other != path and any(each.name == name for each in module.imports):
            raise NotInlineError(f"{other} imports {name}")
    for where, use in uses:
        if where != path or use.is_attribute:
            raise NotInlineError(f"{where}:{use.place.line} uses it as an attribute of a module")
        if use.op not in PARTS:
            raise NotInlineError(
                f"line {use.place.line}: .{use.op}() of a dict has no call of boto3 that does the same"
            )
        if id(use) not in done and (why := _unanswered(use)):
            raise NotInlineError(f"line {use.place.line} {why}")


def _unanswered(use: Access) -> str:
    """Which answer or error is wanted that the call does not give; "" where it gives all."""
    match use.op:
        case "pop" if not (use.is_statement and use.default is not None and use.default.is_pure):
            return "wants to know what it takes, and boto3 does not tell that after a lost answer"
        case "require" | "delete":
            return "raises KeyError where nothing is there, and is no one call with a test of the key"
        case "get" if use.default is not None and _constant(use.default.text) is None:
            return f"has the default {use.default.text}, which is no plain constant"
        case _:
            return ""


def _constant(text: str) -> str | None:
    """A default as JSON, where it is a constant that JSON holds exactly."""
    try:
        found = ast.literal_eval(text)
        return json.dumps(found) if json.loads(json.dumps(found)) == found and _is_json(found) else None
    except (ValueError, TypeError, SyntaxError):
        return None


def _is_json(value: object) -> bool:
    return type(value) in (str, int, float, bool, type(None)) or value in ({}, [])


def _check_types(workspace: Workspace, uses: Uses) -> None:
    for path, use in uses:
        for what, given, known in (("key", use.key, KEYS), ("value", use.value, VALUES)):
            if given is not None and (what == "key" or use.op == "put"):
                kind = workspace.evidence.sources.types.of(path, given.type)
                if kind not in known:
                    raise NotInlineError(
                        f"line {use.place.line}: the type of the {what} {given.text} is {_said(kind)}, and boto3"
                        f" takes {'text' if what == 'key' else 'text, or what JSON holds exactly'}"
                    )


def _said(kind: str) -> str:
    return "not known" if kind == "unknown" else kind


def _is_text(workspace: Workspace, uses: Uses) -> bool:
    """Whether all values are text, so that an item holds them as they are."""
    puts = [(path, use.value) for path, use in uses if use.op == "put" and use.value is not None]
    are_text = all(workspace.evidence.sources.types.of(path, value.type) in TEXT for path, value in puts)
    return bool(puts) and are_text


# ---------------------------------------------------------------- one call per operation


def _edits(
    path: str, use: Access, found: Lookup | Checked | None, workspace: Workspace, form: _Form
) -> Iterator[Edit]:
    assert use.key is not None
    match found:
        case Lookup():
            return _fetched(path, use, found, workspace, form)
        case Checked():
            key = _argument(workspace.text(path, use.key.span))
            return decided(path, use, found.check, _delete(use, key, "", form), workspace)
        case None:
            return _FORMS[use.op](path, use, workspace, form)


def _fetched(path: str, use: Access, found: Lookup, workspace: Workspace, form: _Form) -> Iterator[Edit]:
    """`if k in d: return d[k]` becomes `if (item := ….get("Item")) is not None: return item["v"]`."""
    assert use.key is not None
    key = _argument(workspace.text(path, use.key.span))
    if found.choice is not None:
        yield Edit(path, found.choice.start, found.choice.end, _value_or(key, found.other, form))
        return
    name = workspace.unused_name(path, "item")
    relation = "is" if use.op == "lacks" else "is not"
    text = f'({name} := {form.read(key)}.get("Item")) {relation} None'
    yield Edit(path, use.span.start, use.span.end, text)
    for read in found.reads:
        yield Edit(path, read.span.start, read.span.end, form.value_in(name))


def _whole(text: Callable[[Access, str, str, _Form], str]) -> Callable[..., Iterator[Edit]]:
    """The operation as a whole becomes another expression, made of the texts of key and value."""

    def rewritten(path: str, use: Access, workspace: Workspace, form: _Form) -> Iterator[Edit]:
        assert use.key is not None
        key = _argument(workspace.text(path, use.key.span))
        value = "" if use.value is None else _argument(workspace.text(path, use.value.span))
        yield Edit(path, use.span.start, use.span.end, text(use, key, value, form))

    return rewritten


def _argument(text: str) -> str:
    """Parentheses around what would be more than one element of a display or call."""
    node = ast.parse(f"({text}\n)", mode="eval").body
    is_bare = isinstance(node, ast.NamedExpr | ast.Yield | ast.YieldFrom | ast.GeneratorExp) or (
        isinstance(node, ast.Tuple) and not text.startswith("(")
    )
    return f"({text})" if is_bare else text


def _put(use: Access, key: str, value: str, form: _Form) -> str:
    """`d[k] = v`: Python evaluates v before k, so does the item; where nobody can tell, the key comes first."""
    fields = [f'"{form.key}": {key}', f'"v": {form.written(value)}']
    is_told = not (_is_plain(use.key) or _is_plain(use.value))
    return f"{form.getter}().put_item(Item={{{', '.join(reversed(fields) if is_told else fields)}}})"


def _is_plain(value: Value | None) -> bool:
    """A constant or a local variable: evaluating it does nothing, cannot fail, and no call can change it."""
    if value is None or any(atom.kind in ("name", "import") for atom in value.atoms):
        return False
    return isinstance(ast.parse(value.text, mode="eval").body, ast.Constant | ast.Name)


def _get(use: Access, key: str, value: str, form: _Form) -> str:
    del value
    return _value_or(key, "None" if use.default is None else use.default.text, form)


def _value_or(key: str, default: str, form: _Form) -> str:
    """The entry, else the constant."""
    if form.is_text:
        given = "" if default == "None" else f", {default}"
        return f'{form.read(key)}.get("Item", {{}}).get("v"{given})'
    missing = json.dumps(_constant(default))
    return f'json.loads({form.read(key)}.get("Item", {{"v": {missing}}})["v"])'


def _contains(use: Access, key: str, value: str, form: _Form) -> str:
    del value
    return f'"Item" {"not in" if use.op == "lacks" else "in"} {form.read(key)}'


def _delete(use: Access, key: str, value: str, form: _Form) -> str:
    del use, value
    return f"{form.getter}().delete_item({form.address(key)})"


_FORMS = {
    "put": _whole(_put),
    "get": _whole(_get),
    "contains": _whole(_contains),
    "lacks": _whole(_contains),
    "pop": _whole(_delete),
}
