"""An access -> the part of the process that it means: environment variables, `sys.path`, a library's registry."""

from statelift.catalogue.objects import CHANGING, REGISTRIES, SETTINGS, effect_of
from statelift.facts.values import Access, Cell, CellKind

LOGGER = "logging.getLogger()"
PROCESS = REGISTRIES | SETTINGS | {"os.environ", "sys.path", "globals()", LOGGER}
PROCESS_WRITES = frozenset(
    """put delete pop setdefault update append extend remove clear augment augment_key method:insert
    unpacked nested method:update""".split()
)
LISTED = frozenset({"append", "extend", "remove", "method:insert"})


def changes_process(access: Access) -> bool:
    """Whether it gives a part of the process another value."""
    if access.subject == LOGGER:
        return effect_of("logging.getLogger", access.op) in CHANGING
    return access.subject in SETTINGS or access.op in PROCESS_WRITES or access.changes_result


def process_key(access: Access) -> tuple[str, str] | None:
    """The cell of the process that an access means; None where it can be any of them."""
    if access.subject != "os.environ":
        return "", access.subject
    is_named = access.key is not None and access.key.text[:1] in "'\"" and access.key.is_pure
    return ("", f"os.environ[{access.key.text}]") if is_named and access.key is not None else None


def process_cell(key: tuple[str, str], access: Access) -> Cell:
    """The cell that a function makes of it by an access."""
    if key[1] == LOGGER:
        where = (access.place, None, 1, access.statement, None)
        return Cell(LOGGER, "call", *where, callee="logging.getLogger", home="process")
    if key[1] in SETTINGS:
        return Cell(key[1], "other", access.place, None, 1, access.statement, None, home="process")
    is_list = key[1] == "sys.path" or access.op in LISTED
    kind: CellKind = "list" if is_list else "dict"
    return Cell(key[1], kind, access.place, None, 1, access.statement, None, home="process")
