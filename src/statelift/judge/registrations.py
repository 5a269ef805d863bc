"""Uses of a part of the process -> the reason why no call finds there what it would not have added itself."""

import ast
from collections.abc import Iterable

from statelift.facts.values import Access, Atom, Cell, Value
from statelift.judge.evidence import Evidence
from statelift.link.names import CellKey
from statelift.link.trace import Step, Trace, dominated
from statelift.link.writes import is_write

ADDING = frozenset({"append", "method:insert"})
TESTING = frozenset({"contains", "lacks", "truth"})
CHOICES = frozenset({"if", "case", "except"})
FIXED = frozenset({"const", "env", "import", "name"})
OF_PATHS = frozenset(
    """os.path.join os.path.dirname os.path.abspath os.path.realpath os.path.normpath os.path.basename str
    pathlib.Path pathlib.Path.resolve pathlib.Path.absolute pathlib.Path.joinpath""".split()
)
OWN_FILE = "__file__"
POWERTOOLS = "aws_lambda_powertools."
FORGETTING = "unknown:remove_keys"
Uses = list[tuple[str, Access]]


def registered_once(evidence: Evidence, cell: Cell, uses: Uses, writes: Uses) -> tuple[str, ...]:
    """Rule 5: every call runs `if "/opt" not in sys.path: sys.path.append("/opt")`, and looks at it behind that."""
    if cell.home != "process" or not all(_is_missing(evidence, path, use) for path, use in writes):
        return ()
    added = {id(use) for _, use in writes}
    looking = {id(use) for _, use in uses if use.op not in TESTING} - added
    for trace in evidence.traces:
        steps = [step for step in trace.steps if id(step.item) in added | looking]
        additions = [step for step in steps if id(step.item) in added]
        is_first = not steps or steps[0] in additions
        if trace.is_cut or not is_first or any(_choices(step) > 1 for step in additions):
            return ()
    return ("rule 5: every call adds the same to it, and only where it is not there yet",)


def _is_missing(evidence: Evidence, path: str, use: Access) -> bool:
    """Whether a use adds what no call can change, under the test that it is not there."""
    wanted = "" if use.value is None else use.value.text
    tests = [test for guard in use.guards for test in guard.tests if guard.mode == "all"]
    is_asked = any(
        (t.subject, t.key, t.relation, t.holds) == (use.subject, wanted, "present", False) for t in tests
    )
    return use.op in ADDING and is_asked and is_same_each_call(evidence, path, use.value)


def _choices(step: Step) -> int:
    """How many conditions lead to a step."""
    return sum(condition[1] in CHOICES for condition in step.conditions)


def is_same_each_call(evidence: Evidence, path: str, value: Value | None) -> bool:
    """Whether an expression gives equal values in all calls of a container, and may be asked for twice."""
    if value is None or not all(_is_fixed(atom, value.text) for atom in value.atoms):
        return False
    named = [evidence.program.resolve(path, atom.detail) for atom in value.atoms if atom.kind == "name"]
    if not all(target is not None and target.kind == "cell" for target in named):
        return False
    keys = [(target.path, target.name) for target in named if target is not None]
    return not any(_is_changed(evidence, key) for key in keys)


def _is_fixed(atom: Atom, text: str) -> bool:
    match atom.kind:
        case "call":
            return atom.detail in OF_PATHS
        case "opaque":
            return OWN_FILE in text
        case kind:
            return kind in FIXED


def _is_changed(evidence: Evidence, key: CellKey) -> bool:
    cell = evidence.program.cells.get(key)
    uses = evidence.program.accesses.get(key, ())
    return cell is None or any(use.function and is_write(cell, use.op) for _, use in uses)


def emptied_first(evidence: Evidence, key: CellKey, uses: Uses) -> tuple[str, ...]:
    """Rule 3: `logger.handlers.clear()` in front of every `logger.addHandler(…)`."""
    adding = {id(use): use for _, use in uses if use.op in ADDING}
    clearing = {id(use): use for _, use in uses if use.op == "clear"}
    seen: set[int] = set()
    for trace in evidence.traces:
        for step in (each for each in trace.steps if id(each.item) in adding):
            if not dominated(_emptying(trace, clearing, adding[id(step.item)]), step):
                return ()
            seen.add(id(step.item))
    is_complete = bool(adding) and seen == set(adding)
    return (f"rule 3: {key[1]} is emptied in front of every addition",) if is_complete else ()


def _emptying(trace: Trace, clearing: dict[int, Access], addition: Access) -> list[Step]:
    """The steps that empty the very thing that is added to, by the same name in the same function."""
    wanted = (addition.function, addition.spelled)
    same = {key for key, use in clearing.items() if (use.function, use.spelled) == wanted}
    return [step for step in trace.steps if id(step.item) in same]


# ---------------------------------------------------------------- keys of log lines


def keys_forgotten(evidence: Evidence, cell: Cell, uses: Uses) -> tuple[str, ...]:
    """Rule 3: every call runs `logger.remove_keys(["user"])` before it uses the logger in any other way."""
    keys = keys_added(evidence, uses) if cell.callee.startswith(POWERTOOLS) else None
    if not keys:
        return ()
    removed = {id(use): _removed(_call_at(evidence, path, use)) for path, use in uses if use.op == FORGETTING}
    others = {id(use) for _, use in uses if use.function} - removed.keys()
    seen: set[int] = set()
    for trace in evidence.traces:
        for step in (each for each in trace.steps if id(each.item) in others):
            for key in keys:
                removing = [each for each in trace.steps if key in removed.get(id(each.item), ())]
                if not dominated(removing, step):
                    return ()
            seen.add(id(step.item))
    told = f"rule 3: every call removes what it may be given first: {', '.join(sorted(keys))}"
    return (told,) if seen == others else ()


def keys_added(evidence: Evidence, uses: Uses) -> set[str] | None:
    """The keys that calls add to the lines of a logger; None where they are not written out."""
    keys: set[str] = set()
    for path, use in uses:
        if use.op != "nested":
            continue
        match _call_at(evidence, path, use):
            case ast.Call(func=ast.Attribute(attr="append_keys"), args=[], keywords=given):
                names = [each.arg for each in given]
            case ast.Call(func=ast.Attribute(attr="set_correlation_id")):
                names = ["correlation_id"]
            case _:
                names = [None]
        if None in names:
            return None
        keys |= {each for each in names if each is not None}
    return keys


def _removed(call: ast.expr | None) -> Iterable[str]:
    """The keys that `logger.remove_keys([...])` names."""
    match call:
        case ast.Call(args=[ast.List(elts=given) | ast.Tuple(elts=given) | ast.Set(elts=given)], keywords=[]):
            return {each.value for each in given if isinstance(each, ast.Constant) and isinstance(each.value, str)}
        case _:
            return ()


def _call_at(evidence: Evidence, path: str, use: Access) -> ast.expr | None:
    """The call that a use is, read from its file."""
    module, data = evidence.program.modules[path], evidence.project.get(path, b"")
    try:
        return ast.parse(data[use.span.start : use.span.end].decode(module.encoding).strip(), mode="eval").body
    except SyntaxError:
        return None
