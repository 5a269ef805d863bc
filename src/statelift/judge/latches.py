"""Uses of a cell -> the reasons why it is a latch: no reply shows what it holds (rule 5)."""

from statelift.facts.values import Access, Cell
from statelift.judge.evidence import Evidence
from statelift.judge.lazies import lazy_reasons
from statelift.link.names import CellKey
from statelift.link.writes import is_container, is_write

ASKS = frozenset({"contains", "lacks"})
Uses = list[tuple[str, Access]]


def latch_reasons(cell: Cell, uses: Uses) -> tuple[str, ...]:
    """Rule 5: set to one constant by every call, and asked only whether to log or to set something up."""
    writes = [use for _, use in uses if is_write(cell, use.op)]
    reads = [use for _, use in uses if not is_write(cell, use.op)]
    values = {use.value.text for use in writes if use.op == "rebind" and use.value is not None}
    is_single = len(values) == 1 and all(use.op == "rebind" for use in writes)
    is_constant = is_single and all(use.value and {a.kind for a in use.value.atoms} == {"const"} for use in writes)
    is_flag = cell.kind in ("bool", "none") and values <= {"True", "False"}
    is_aside = reads and all(_is_unseen(use) for use in reads)
    is_free = all(guard.tests for use in writes for guard in use.guards if guard.kind in ("if", "case"))
    if is_constant and is_flag and is_aside and is_free:
        return (f"rule 5: it is only ever set to {values.pop()}, and only tested",)
    if is_container(cell) and reads and all(use.op in ASKS and "aside" in use.fates for use in reads):
        return ("rule 5: it is only asked what it has seen, in order to log or to set something up once",)
    return ()


def addition_reasons(writes: Uses) -> tuple[str, ...]:
    """Rule 5: `if "/opt" not in os.environ["PATH"]: os.environ["PATH"] += ":/opt"`: no second time."""
    if not all(_is_missing_yet(use) for _, use in writes):
        return ()
    return ("rule 5: a constant is added to it, and only where it is not there yet",)


def _is_missing_yet(use: Access) -> bool:
    is_fixed = use.value is not None and {atom.kind for atom in use.value.atoms} == {"const"}
    asked = [test for guard in use.guards for test in guard.tests if guard.mode == "all"]
    is_asked = any((test.subject, test.relation, test.holds) == (use.subject, "holds", False) for test in asked)
    return use.op in ("augment", "augment_key") and is_fixed and is_asked


def _is_unseen(use: Access) -> bool:
    """Whether a read leads to nothing but lines in the log, metrics, and what is set up once."""
    return "logged" in use.fates or (use.op == "truth" and "decides" not in use.fates)


def renewal_reasons(evidence: Evidence, key: CellKey, cell: Cell, uses: Uses) -> tuple[str, ...]:
    """Rule 5: a count of calls that only decides when something of the container is built anew."""
    reads = [use for _, use in uses if not is_write(cell, use.op)]
    is_count = cell.kind == "int" and all(use.op in ("read", "rebind", "augment") for _, use in uses)
    if not (is_count and reads and all(use.fates == {"read", "renews"} for use in reads)):
        return ()
    renewed = {
        other
        for other, others in evidence.program.accesses.items()
        for path, use in others
        if other != key
        and is_write(evidence.program.cells.get(other), use.op)
        and _is_decided(evidence, key, path, use)
    }
    if not all(
        lazy_reasons(evidence, each, evidence.program.cells[each], evidence.reached(each)) for each in renewed
    ):
        return ()
    return ("rule 5: it only decides when something of the container is built anew, which no reply shows",)


def _is_decided(evidence: Evidence, key: CellKey, path: str, use: Access) -> bool:
    """Whether a use lies under a test of the cell."""
    tests = {test.subject for guard in use.guards for test in guard.tests}
    targets = [evidence.program.resolve(path, each) for each in tests]
    return any(each is not None and (each.path, each.name) == key for each in targets)
