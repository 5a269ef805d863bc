"""A cell that is kept as a whole -> the change: `@stateless` above every function that a call begins with."""

from statelift.infra.names import env_name, table_id
from statelift.judge.addresses import function_of, name_in, part_of
from statelift.judge.steps import decorators_of
from statelift.judge.styles import asked_of
from statelift.judge.values import Judgement
from statelift.link.names import CellKey, FunctionKey
from statelift.model import Edit, EntryPoint, Operation, Tier
from statelift.repeating import is_repeatable
from statelift.workspace import Proposal, Workspace

TABLE = "STATE"
NOT_USED = (
    "its table, key and ttl of the configuration are not used: what is kept around a call lies in one item with"
    " other variables, in a table of its own"
)
AGAIN = (
    "with retry=True a call that meets another one runs again before that, up to nine times: nothing is known"
    " that it does besides computing"
)


def keep(judgement: Judgement, workspace: Workspace) -> Proposal:
    """Read the cell before each call and write it back after: nothing else changes."""
    assert judgement.cell is not None
    table = table_id(workspace.resource_name(TABLE))
    part = part_of(workspace.program, judgement.cell[0])
    ops: list[Operation] = []
    calls: list[tuple[str, str, str]] = []
    for entry in workspace.entry_points(judgement):
        function = function_of(workspace.program, entry)
        assert function is not None
        ops.append(_decorator(judgement, workspace, entry, env_name(table)))
        ops += workspace.helper(function[0], "stateless", [part])
        calls.append((*function, part))
    ops += workspace.infrastructure(judgement, table, "table", calls)
    functions = [function_of(workspace.program, entry) for entry in workspace.entry_points(judgement)]
    is_repeated = any(each and is_repeatable(workspace, each, judgement.cell[0]) for each in functions)
    reasons = (*judgement.assumed, AGAIN) if is_repeated else judgement.assumed
    asked = asked_of(workspace.options, workspace.program, judgement.cell[0])
    if asked.table or asked.table_env or asked.ttl:
        reasons = (*reasons, NOT_USED)
    title = f"keep {judgement.cell[0][1]} in DynamoDB between calls"
    proposal = Proposal("transaction", title, tuple(dict.fromkeys(ops)), judgement.tier, reasons)
    for tier, reason in workspace.obstacles(judgement, needs_resource=True):
        proposal = proposal.lowered(tier, reason)
    path, name = judgement.cell[0]
    who = workspace.evidence.mentions(path, name.rpartition(".")[2])
    told = f"{who} {name}: what is put there before a call is replaced by what the table holds"
    return proposal.lowered(Tier.REVIEW, told) if who else proposal


def _decorator(judgement: Judgement, workspace: Workspace, entry: EntryPoint, variable: str) -> Edit:
    """The line above `def`, below all other decorators: they see what they saw before."""
    assert judgement.cell is not None
    program = workspace.program
    function = function_of(program, entry)
    assert function is not None
    path, _ = function
    encoding = program.modules[path].encoding
    at, margin = _above(workspace, function, judgement.cell[0], entry)
    again = ", retry=True" if is_repeatable(workspace, function, judgement.cell[0]) else ""
    decorator = workspace.helper_name(path, "stateless")
    text = f'@{decorator}("{variable}", "{name_in(program, judgement.cell[0], entry)}"{again})\n{margin}'
    return Edit(path, at + len(margin.encode(encoding)), at + len(margin.encode(encoding)), text)


def _above(workspace: Workspace, function: FunctionKey, key: CellKey, entry: EntryPoint) -> tuple[int, str]:
    """Start and margin of the line below the new one: of `def`, or of a decorator for a later variable.

    In the order of the plan, so that changes give the same text together and one after the other.
    """
    program = workspace.program
    path, _ = function
    later = {name_in(program, other, entry) for other in program.cells if other > key}
    lines = [line for line, names in decorators_of(program, function) if names & later]
    line = min([*lines, program.functions[function].place.line])
    return line_above(workspace, path, line)


def line_above(workspace: Workspace, path: str, line: int) -> tuple[int, str]:
    """Start and margin of a line, above which a decorator goes."""
    data = workspace.sources[path]
    start = sum(len(each) for each in data.splitlines(keepends=True)[: line - 1])
    rest = data[start:]
    margin = rest[: len(rest) - len(rest.lstrip(b" \t"))]
    return start, margin.decode(workspace.program.modules[path].encoding)
