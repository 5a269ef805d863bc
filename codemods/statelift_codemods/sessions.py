"""A dict or set of the container that is used as a store becomes a table.

## What it does
Finds module-level dicts, sets and class attributes that one invocation fills and a later one reads.

## Why
Every container has its own copy, and loses it without notice: sessions "expire" at random, carts are empty.

## Becomes
`SESSIONS = {}` becomes `SESSIONS = Store("SESSIONS_TABLE_NAME")`, and every use an explicit operation on one
item of a DynamoDB table: `SESSIONS.put(key, value)`, `.get(key)`, `.require(key)` for `SESSIONS[key]` (it
raises KeyError like the dict), `.contains(key)`, `.delete(key)`, `.pop(key)`. A value that is changed in
place is read, changed and written back in one block: `with SESSIONS.edit(key) as session:`. A value that is
computed from the entry that it replaces is one step, too, tried again where another call wrote meanwhile:
`BEST.mutate(user, lambda best: max(best, points), 0)` for `BEST[user] = max(BEST.get(user, 0), points)`. Reads are
strongly consistent, values keep their exact Python type or are refused with a TypeError.

A check and the write next to it are one conditional write, of which two calls at once make one: `if not
SEEN.claim(message):` for `if message in SEEN: …` and `SEEN.add(message)` (a set has its elements as keys), and `if
not LAST.put_unless(user, now, lambda last: now - last < 60, 0):` for a pause, `if now - LAST.get(user, 0) < 60: …`
and `LAST[user] = now`. `put_if` is the same for `if points > BEST.get(user, 0): BEST[user] = points`, and
`setdefault` for `if key not in KNOWN: KNOWN[key] = value` and nothing else. An entry that goes is taken in one
call: `if TICKETS.pop(key, MISSING) is MISSING:` for `if key not in TICKETS: …` and `del TICKETS[key]`, or
`TICKETS.pop(key, None)` where nothing else is done. Nothing may lie between check and write, the check asks for
that entry alone and computes from names and constants, and key and value cannot fail in another order.

A check and the reads behind it are one read: `if (session := SESSIONS.get(key)) is None:` for
`if key not in SESSIONS: …` and `session = SESSIONS[key]`; with `MISSING` where an entry may be None. Nothing may
write to the store in between.

What a call reads and writes later, in whatever way, is one step: `@one_step(BUCKETS, retry=True)` stands above the
function that does both, or above the handler. It reads an entry once and writes at its end, all or nothing; where
another call wrote meanwhile what it has read, it runs again, or raises `StateConflictError` where running it again
could do something twice. Not where the step would read the whole store, or threads go on.

That is the style `store`. With `--style inline`, or for single cells in the configuration, boto3's own calls stand
at each use, without a helper: `_sessions_table().put_item(Item={"pk": key, "v": value})`. Keys have to be text and
values text or plain JSON, every use one of put, get, delete or `in`, and a call may come to the dict once, as
these are not one step; elsewhere a reason says what is in the way, and the style is `store`. With the style
`transaction` the dict stays a dict, as kept_state does it.

A table that exists, its key and an expiry can be named for single cells in the configuration.

## Left alone
Caches whose every reader can fetch the value again, dicts that no handler changes, dicts that are set anew
before every use.

## Safety
SAFE only where keys and values have exactly storable types, nothing changes a stored value in place, no check
of the store decides about a write (but `setdefault`), one deployed function uses it, and its template is patched
in the same change. REVIEW where one of these is an assumption. MANUAL where an operation has no counterpart on a
table.

## Where we differ from the seed documents
The documents add an expiry of one hour (`expires`). The dict had none, so ours has none: an expiry is a
decision. They read with the default (eventually consistent) reads; a dict never answers with an older value,
so we do not.

## Related
AP-10 global state assumptions, AP-21 in-memory session management.
"""

import ast
import re
from collections.abc import Callable, Iterable, Iterator, Mapping

from statelift.claiming import PARTS as CLAIMED
from statelift.claiming import claimed, missing
from statelift.facts.values import Access, Value
from statelift.fetching import fetched_once, imported
from statelift.infra.names import env_name
from statelift.inlining import inline
from statelift.judge.blocks import put_backs, serves
from statelift.judge.checks import Checked, asked_in, checked
from statelift.judge.lookups import Lookup, fetched, lookups
from statelift.judge.renewals import inner_reads, renewals
from statelift.judge.steps import as_step
from statelift.judge.styles import NotInlineError, asked_of, not_possible
from statelift.judge.values import Judgement
from statelift.link.names import CellKey
from statelift.model import CellOptions, Edit, Operation, Tier, Verdict
from statelift.onestep import step_of
from statelift.placing import placed
from statelift.stepping import keep
from statelift.structural import NotReproducedError, wrap_in_with
from statelift.unlocking import unlocked
from statelift.workspace import Existing, Proposal, Workspace, table_of

RULES = ("SL101",)
PARTS = {
    "put": "store.put",
    "require": "store.require",
    "get": "store.get",
    "contains": "store.contains",
    "lacks": "store.contains",
    "delete": "store.delete",
    "pop": "store.pop",
    "setdefault": "store.setdefault",
    "nested": "store.edit",
    "alias": "store.edit",
    "renewal": "store.mutate",
    "lookup": "store.get",
    "items": "store.items",
    "len": "store.count",
    "add": "store.put",
    "discard": "store.pop",
    "remove": "store.delete",
    **CLAIMED,
}
Edits = Iterator[Edit]
PLAIN = (ast.Expression, ast.Constant, ast.Name, ast.Load, ast.Tuple, ast.List, ast.JoinedStr, ast.FormattedValue)


def propose(judgement: Judgement, workspace: Workspace) -> Iterator[Proposal]:
    """One proposal: the dict becomes a Store."""
    if judgement.verdict is not Verdict.STATE or judgement.tier is Tier.MANUAL or judgement.cell is None:
        return
    if judgement.is_step:
        yield keep(judgement, workspace)
        return
    asked = asked_of(workspace.options, workspace.program, judgement.cell[0])
    told: list[str] = []
    if asked.style == "inline":
        try:
            yield _inlined(judgement, workspace, asked)
            return
        except NotInlineError as error:
            told.append(not_possible(asked, str(error)))
    try:
        proposal = _stored(judgement, workspace, asked, told)
    except NotReproducedError:
        yield from _stepped(judgement, workspace)
        return
    stepped = [*_stepped(judgement, workspace)] if proposal.tier is Tier.MANUAL else []
    yield from stepped or [proposal]


def _inlined(judgement: Judgement, workspace: Workspace, asked: CellOptions) -> Proposal:
    """Calls of boto3 in the place of each use. Raises NotInlineError where there is no such form."""
    assert judgement.cell is not None
    table, looked = workspace.table_for(judgement.cell[0]), _lookups(judgement, workspace, {})
    proposal = inline(judgement, workspace, table, _written(judgement), looked, asked)
    return _guarded(proposal, judgement, workspace, table_of(asked))


def _stored(judgement: Judgement, workspace: Workspace, asked: CellOptions, told: list[str]) -> Proposal:
    """The dict becomes a Store, which is also `told` why. Raises NotReproducedError where it cannot stand there."""
    assert judgement.cell is not None
    key, cell = judgement.cell
    table, existing = workspace.table_for(key), table_of(asked)
    variable = asked.table_env or env_name(table)
    checks = checked(workspace.evidence, judgement.accesses)
    looked = _lookups(judgement, workspace, checks)
    forms = _forms(judgement, _written(judgement), checks, looked)
    calls = [(path, use.function, PARTS[form]) for path, use, form in forms]
    store = workspace.helper_name(key[0], "Store")
    edits = [
        *placed(key[0], cell, _made(store, variable, asked), store, workspace),
        *_edits(forms, checks, looked, workspace),
    ]
    step = step_of(judgement, workspace)
    if step is not None:
        calls += step.calls
        told += step.reasons
    ops: tuple[Operation, ...] = (
        *edits,
        *(op for path, use, _ in forms if id(use) in checks for op in missing(path, checks[id(use)], workspace)),
        *(op for path, use, _ in forms if id(use) in looked for op in imported(path, looked[id(use)], workspace)),
        *(step.operations if step is not None else ()),
        *workspace.helper(key[0], "Store", [*(part for _, _, part in calls), *_asked_parts(asked)]),
        *workspace.infrastructure(judgement, table, "table", calls, existing=existing, ttl=asked.ttl),
    )
    proposal = Proposal("store", f"keep {key[1]} in a DynamoDB table", ops, judgement.tier, tuple(told))
    return _guarded(unlocked(proposal, judgement, workspace), judgement, workspace, existing, asked.ttl_seconds)


def _edits(
    forms: Iterable[tuple[str, Access, str]],
    checks: Mapping[int, Checked],
    looked: Mapping[int, Lookup],
    workspace: Workspace,
) -> Edits:
    for path, use, form in forms:
        if id(use) in checks:
            yield from _claim(path, use, checks[id(use)], workspace)
        elif id(use) in looked:
            yield from _fetch(path, use, looked[id(use)], workspace)
        else:
            yield from REWRITES[form](path, use, workspace)


def _stepped(judgement: Judgement, workspace: Workspace) -> Iterator[Proposal]:
    """Where a store cannot stand in an object or function, the dict may still be kept around each call."""
    if judgement.cell is None or judgement.cell[1].home == "module":
        return
    stepped = as_step(workspace.evidence, judgement.lowered(Tier.MANUAL, ""))
    if stepped.is_step:
        yield keep(stepped, workspace)


def _written(judgement: Judgement) -> list[tuple[str, Access]]:
    """The uses that become operations; the others are served by the block that they stand in."""
    dropped = put_backs(list(judgement.accesses))
    return [
        (path, use)
        for path, use in judgement.accesses
        if id(use) not in dropped and not _is_inside_edit(use, judgement)
    ]


def _lookups(judgement: Judgement, workspace: Workspace, checks: Mapping[int, Checked]) -> Mapping[int, Lookup]:
    others = put_backs(list(judgement.accesses)) | inner_reads(renewals(judgement.accesses)) | asked_in(checks)
    return lookups(workspace.evidence, judgement.accesses, others)


def _forms(
    judgement: Judgement,
    uses: Iterable[tuple[str, Access]],
    checks: Mapping[int, Checked],
    looked: Mapping[int, Lookup],
) -> list[tuple[str, Access, str]]:
    """The operation that each use becomes. What is read as part of another one is no operation of its own."""
    renewed = renewals(judgement.accesses)
    served = inner_reads(renewed) | asked_in(checks) | fetched(looked)
    steps = {**dict.fromkeys(renewed, "renewal"), **{key: each.form for key, each in checks.items()}}
    steps |= dict.fromkeys(looked, "lookup")
    return [(path, use, steps.get(id(use), _form(use))) for path, use in uses if id(use) not in served]


def _guarded(
    proposal: Proposal, judgement: Judgement, workspace: Workspace, existing: Existing | None, seconds: int = 0
) -> Proposal:
    for tier, reason in _obstacles(judgement, workspace, needs_helper=proposal.style != "inline"):
        proposal = proposal.lowered(tier, reason)
    for tier, reason in workspace.doubts(judgement, existing):
        proposal = proposal.lowered(tier, reason)
    if seconds:
        reason = f"entries expire {seconds} seconds after they were written: those of the dict never did"
        proposal = proposal.lowered(Tier.REVIEW, reason)
    return proposal


def _made(store: str, variable: str, asked: CellOptions) -> str:
    """`Store("SESSIONS_TABLE_NAME")`, with what is said of the table."""
    said = [f'"{variable}"']
    said += [f'key="{asked.key}"'] if asked.key not in ("", "pk") else []
    said += [f"ttl_seconds={asked.ttl_seconds}"] if asked.ttl_seconds else []
    said += [f'ttl_attribute="{asked.ttl}"'] if asked.ttl not in ("", "expires") else []
    return f"{store}({', '.join(said)})"


def _asked_parts(asked: CellOptions) -> list[str]:
    parts = {"store.key": asked.key not in ("", "pk"), "store.expiry": bool(asked.ttl)}
    return [part for part, is_asked in parts.items() if is_asked]


def _form(use: Access) -> str:
    """The operation, or `alias` where the object that it gives is changed by the statements behind it."""
    return "alias" if use.alias is not None and use.changes_result else use.op


def _is_inside_edit(use: Access, judgement: Judgement) -> bool:
    """Whether the use reads the same key in a statement that edits it: the edited value serves both."""
    return any(serves(other, use) for _, other in judgement.accesses)


def _obstacles(judgement: Judgement, workspace: Workspace, *, needs_helper: bool) -> Iterator[tuple[Tier, str]]:
    yield from workspace.obstacles(judgement, needs_resource=True, needs_helper=needs_helper)
    assert judgement.cell is not None
    (path, name), _ = judgement.cell
    if workspace.program.has_star_import_of(path):
        yield Tier.MANUAL, f"a star import of {path} hides who else uses {name}"
    if who := workspace.evidence.mentions(path, last_word(name)):
        yield Tier.REVIEW, f"{who} {name}, which is no dict any more"
    owner = name.rpartition(".")[0]
    who = workspace.evidence.mentions(path, last_word(owner)) if judgement.cell[1].home == "instance" else ""
    if who:
        yield Tier.REVIEW, f"{who} {owner}: objects that are made there share the table, too"


# ---------------------------------------------------------------- one rewrite per operation: only the joints move


def _put(path: str, use: Access, workspace: Workspace) -> Edits:
    """`d[k] = v`: Python evaluates v before k, so where the order can be told, keywords keep it."""
    assert use.key is not None and use.value is not None
    key, value = workspace.text(path, use.key.span), workspace.text(path, use.value.span)
    if not _is_exchangeable(use.key, use.value):
        text = f".put(value={_keyword(value)}, key={_keyword(key)})"
        yield Edit(path, use.name.end, use.span.end, text)
        return
    before, after = _around(key)
    yield Edit(path, use.name.end, use.key.span.start, f".put({before}")
    before_value, after_value = _around(value)
    yield Edit(path, use.key.span.end, use.value.span.start, f"{after}, {before_value}")
    yield Edit(path, use.value.span.end, use.span.end, f"{after_value})")


def _claim(path: str, use: Access, found: Checked, workspace: Workspace) -> Edits:
    """A write and the check that decides about it, in one step."""
    parts = [each for each in (use.key, use.value) if each is not None]
    given = tuple(_argument(workspace.text(path, each.span)) for each in parts)
    name = found.check.variable or _value_name(path, use, workspace)
    yield from claimed(path, use, found, given, name, workspace)


def _fetch(path: str, use: Access, found: Lookup, workspace: Workspace) -> Edits:
    """A check for an entry and the reads behind it, in one read."""
    assert use.key is not None
    key = _argument(workspace.text(path, use.key.span))
    yield from fetched_once(path, use, found, key, _value_name(path, use, workspace), workspace)


def _renewal(path: str, use: Access, workspace: Workspace) -> Edits:
    """`d[k] = d.get(k, 0) + n` becomes `d.mutate(k, lambda value: value + n, 0)`."""
    assert use.key is not None and use.value is not None
    reads = renewals(workspace.program.accesses[_home(path, use, workspace)])[id(use)]
    name, default = _value_name(path, use, workspace), reads[0].default
    is_required = reads[0].op == "require"
    tail = "" if is_required else f", {'None' if default is None else default.text}"
    before, after = _around(workspace.text(path, use.key.span))
    yield Edit(path, use.name.end, use.key.span.start, f".mutate({before}")
    before_value, after_value = _around(workspace.text(path, use.value.span))
    yield Edit(path, use.key.span.end, use.value.span.start, f"{after}, lambda {name}: {before_value}")
    for read in reads:
        yield Edit(path, read.span.start, read.span.end, name)
    yield Edit(path, use.value.span.end, use.span.end, f"{after_value}{tail})")


def last_word(name: str) -> str:
    """`Repo.items` -> `items`, `remember(sessions)` -> `sessions`."""
    return name.rstrip(")").replace("(", ".").rpartition(".")[2]


def _is_exchangeable(one: Value, other: Value) -> bool:
    """Whether nobody can tell which of the two is evaluated first. An exception tells, too: a missing field."""
    has_assignment = ":=" in one.text + other.text
    return not has_assignment and (_is_plain(one) or _is_plain(other))


def _is_plain(value: Value) -> bool:
    """Constants and local variables: evaluating them does nothing, cannot fail, and no call can change them."""
    is_local = not any(atom.kind in ("name", "import") for atom in value.atoms)
    return is_local and all(isinstance(node, PLAIN) for node in ast.walk(ast.parse(f"({value.text})", mode="eval")))


def _around(text: str) -> tuple[str, str]:
    """Parentheses where the text is not one argument: a tuple without them, a `yield`."""
    try:
        call = ast.parse(f"f({text})", mode="eval").body
    except SyntaxError:
        return "(", ")"
    match call:
        case ast.Call(args=[argument], keywords=[]) if not isinstance(argument, ast.Starred):
            return "", ""
        case _:
            return "(", ")"


def _argument(text: str) -> str:
    before, after = _around(text)
    return f"{before}{text}{after}"


def _keyword(text: str) -> str:
    """A value for `name=…`, where `x := y` needs parentheses too."""
    return _argument(text if ":=" not in text else f"({text})")


def _require(path: str, use: Access, workspace: Workspace) -> Edits:
    yield from _item(path, use, workspace, "require")


def _delete(path: str, use: Access, workspace: Workspace) -> Edits:
    yield Edit(path, use.span.start, use.name.start, "")
    yield from _item(path, use, workspace, "delete")


def _item(path: str, use: Access, workspace: Workspace, method: str) -> Edits:
    """`[k]` becomes `.method(k)`."""
    assert use.key is not None
    before, after = _around(workspace.text(path, use.key.span))
    yield Edit(path, use.name.end, use.key.span.start, f".{method}({before}")
    yield Edit(path, use.key.span.end, use.span.end, f"{after})")


def _contains(path: str, use: Access, workspace: Workspace) -> Edits:
    yield from _membership(path, use, workspace, "")


def _lacks(path: str, use: Access, workspace: Workspace) -> Edits:
    yield from _membership(path, use, workspace, "not ")


def _membership(path: str, use: Access, workspace: Workspace, negation: str) -> Edits:
    assert use.key is not None
    name = workspace.text(path, use.name)
    between = workspace.between(path, use.key.span.end, use.name.start)
    operator = re.search(r"(?<![ \t])[ \t]*+\b(not\s++)?in\b[\s(\\]*$", between)
    kept = between[: operator.start()] if operator else ""
    encoding = workspace.program.modules[path].encoding
    yield Edit(path, use.span.start, use.span.start, f"{negation}{name}.contains(")
    yield Edit(path, use.key.span.end + len(kept.encode(encoding)), use.span.end, ")")


def _nested(path: str, use: Access, workspace: Workspace) -> Edits:
    """`d[k][f] = v` becomes `with d.edit(k) as value:` and the statement on that value."""
    name = _value_name(path, use, workspace)
    line_start = workspace.sources[path].rfind(b"\n", 0, use.statement.start) + 1
    margin = workspace.between(path, line_start, use.statement.start)
    head = f"with {_edit_call(path, use, workspace)} as {name}:\n{margin}    "
    yield Edit(path, use.statement.start, use.statement.start, head)
    for other_path, other in workspace.program.accesses[_home(path, use, workspace)]:
        if other_path == path and (other is use or serves(use, other)):
            yield Edit(path, other.span.start, other.span.end, name)


def _home(path: str, use: Access, workspace: Workspace) -> CellKey:
    target = workspace.program.resolve(path, use.subject)
    assert target is not None
    return (target.path, target.name)


def _alias(path: str, use: Access, workspace: Workspace) -> Edits:
    """`value = d[k]` and what changes it become `with d.edit(k) as value:` and a block."""
    assert use.alias is not None
    if workspace.program.modules[path].encoding != "utf-8":
        raise NotReproducedError("the file is not UTF-8")
    head = f"{_edit_call(path, use, workspace)} as {use.alias.name}"
    data = workspace.sources[path]
    uses = workspace.program.accesses[_home(path, use, workspace)]
    ids = put_backs(uses)
    dropped = frozenset(other.statement.start for at, other in uses if at == path and id(other) in ids)
    block = (use.alias.top, use.statement.start, use.alias.last.start)
    yield from wrap_in_with(path, data, *block, head, dropped)


def _edit_call(path: str, use: Access, workspace: Workspace) -> str:
    assert use.key is not None
    given = [_argument(workspace.text(path, use.key.span))]
    if use.default is not None:
        given.append(workspace.text(path, use.default.span))
    return f"{workspace.text(path, use.name)}.edit({', '.join(given)})"


def _value_name(path: str, use: Access, workspace: Workspace) -> str:
    """CARTS -> cart; a word that the module does not use."""
    word = last_word(use.subject).strip("_").lower()
    single = f"{word[:-3]}y" if word.endswith("ies") else word.removesuffix("s")
    wished = single if single != word and single.isidentifier() else "entry"
    taken = workspace.program.modules[path].identifiers
    return wished if wished not in taken else workspace.unused_name(path, f"stored_{wished}")


def _add(path: str, use: Access, workspace: Workspace) -> Edits:
    """`seen.add(k)` becomes `seen.put(k, True)`."""
    assert use.key is not None
    key = _argument(workspace.text(path, use.key.span))
    yield Edit(path, use.name.end, use.span.end, f".put({key}, True)")


def _discard(path: str, use: Access, workspace: Workspace) -> Edits:
    assert use.key is not None
    key = _argument(workspace.text(path, use.key.span))
    yield Edit(path, use.name.end, use.span.end, f".pop({key}, None)")


def _remove(path: str, use: Access, workspace: Workspace) -> Edits:
    assert use.key is not None
    key = _argument(workspace.text(path, use.key.span))
    yield Edit(path, use.name.end, use.span.end, f".delete({key})")


def _count(path: str, use: Access, _: Workspace) -> Edits:
    yield Edit(path, use.span.start, use.name.start, "")
    yield Edit(path, use.name.end, use.span.end, ".count()")


def _same(path: str, use: Access, workspace: Workspace) -> Edits:
    """`get`, `pop`, `setdefault` and `items` are called on a Store as they are on a dict."""
    del path, use, workspace
    yield from ()


REWRITES: dict[str, Callable[[str, Access, Workspace], Edits]] = {
    "put": _put,
    "require": _require,
    "get": _same,
    "contains": _contains,
    "lacks": _lacks,
    "delete": _delete,
    "pop": _same,
    "setdefault": _same,
    "add": _add,
    "discard": _discard,
    "remove": _remove,
    "nested": _nested,
    "alias": _alias,
    "renewal": _renewal,
    "items": _same,
    "len": _count,
}
