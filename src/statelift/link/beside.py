"""Program -> the functions that may run beside the handler: in threads, pools and processes."""

from collections.abc import Iterator

from statelift.facts.values import Function, ModuleFacts
from statelift.link.names import FunctionKey
from statelift.link.program import Program
from statelift.link.reach import Reach

STARTING = frozenset(
    """Thread Timer Process Pool ThreadPool ThreadPoolExecutor ProcessPoolExecutor start_new_thread to_thread
    run_in_executor fork forkpty Parallel Greenlet spawn_later GreenPool""".split()
)
FORKS = frozenset({"fork", "forkpty"})  # what calls them goes on in both processes
GIVING = frozenset("submit map starmap imap imap_unordered apply_async apply map_async".split())
BASES = ("Thread", "Timer", "Process")


def starters(program: Program) -> Iterator[str]:
    """The files that start threads or processes."""
    for path, module in sorted(program.modules.items()):
        imported = {each.name for each in module.imports}
        if STARTING & (module.identifiers | imported | {name for name, _ in module.attributes}):
            yield path


def functions_beside(program: Program, reach: Reach) -> frozenset[FunctionKey]:
    """The functions that may run at the same time as others: those that are given away, and what they come to."""
    starts: set[FunctionKey] = set()
    for path in starters(program):
        starts |= _workers(program.modules[path], path)
        for key, function in program.functions.items():
            if key[0] == path:
                starts |= reach.named(path, function)
                starts |= reach.called(key) if _gives(function) else set()
                starts |= {key} if FORKS & _words(function) else set()
    return reach.below(starts & set(program.functions))


def _gives(function: Function) -> bool:
    """Whether it starts threads itself: also what a lambda there calls may run in them."""
    return bool(_words(function) & (STARTING | GIVING))


def _words(function: Function) -> frozenset[str]:
    return frozenset(name.rpartition(".")[2] for name in function.references) | function.attributes


def _workers(module: ModuleFacts, path: str) -> set[FunctionKey]:
    """The methods of classes that are threads."""
    names = {each.qualname for each in module.classes if any(base.endswith(BASES) for base in each.bases)}
    return {(path, each.qualname) for each in module.functions if each.class_name in names}
