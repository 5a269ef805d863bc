"""A key or value of a store -> why it means something in one container only: counts, clocks, ids, local files."""

from collections.abc import Iterator

from statelift.facts.values import Value
from statelift.judge.evidence import Evidence
from statelift.link.names import CellKey

# Each process counts these from a start of its own.
OF_PROCESS = (
    "time.monotonic", "time.perf_counter", "time.process_time", "time.thread_time", "id", "hash", "os.getpid",
    "threading.get_ident", "threading.get_native_id", "os.getppid",
)  # fmt: skip
LOCAL_FILES = ("'/tmp/", '"/tmp/')


def local_meaning(evidence: Evidence, store: CellKey, path: str, given: Value) -> Iterator[str]:
    """What the value depends on that another container has otherwise, or not at all."""
    for source in sorted(evidence.sources.of(path, given)):
        name = source.detail
        if source.kind == "nondet" and name.removesuffix("_ns") in OF_PROCESS:
            yield f"{name}() means something in one process only"
        elif source.kind == "nondet" and name.startswith("random.") and _is_seeded(evidence):
            yield f"{name}() gives every container the same numbers, as the program sets a seed"
        elif source.kind == "cell" and name != store[1]:
            yield f"{name} is what one container has of it, unless that is migrated, too"
    for name in _made_at_import(evidence, path, given):
        yield f"{name} is made anew in every container"
    if any(text in given.text for text in LOCAL_FILES):
        yield "a file below /tmp is in one container only"


def _is_seeded(evidence: Evidence) -> bool:
    modules = evidence.program.modules.values()
    return any(name == "seed" for module in modules for name, _ in module.attributes)


def _made_at_import(evidence: Evidence, path: str, given: Value) -> Iterator[str]:
    """Cells in it that hold a random or other new value since the import."""
    for atom in sorted(given.atoms):
        target = evidence.program.resolve(path, atom.detail) if atom.kind in ("name", "import") else None
        cell = None if target is None else evidence.program.cells.get((target.path, target.name))
        atoms = () if cell is None or cell.value is None else cell.value.atoms
        if cell is not None and any(each.kind == "nondet" for each in atoms):
            yield cell.name
