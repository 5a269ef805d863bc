"""project files -> Located: the Python functions that any tool we know deploys."""

from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass

from statelift.locate.cdk import find_in_cdk
from statelift.locate.chalice import find_in_chalice
from statelift.locate.deployed import Deployed, Files
from statelift.locate.nesting import with_nesting
from statelift.locate.place import place
from statelift.locate.serverless import find_in_services
from statelift.locate.templates import find_in_templates
from statelift.locate.terraform import find_in_terraform
from statelift.model import FunctionRef, Problem

_FINDERS: tuple[Callable[[Files], Iterator[Deployed | Problem]], ...] = (
    find_in_templates,
    find_in_services,
    find_in_terraform,
    find_in_cdk,
    find_in_chalice,
)


@dataclass(frozen=True, slots=True)
class Located:
    """Functions by tool and template, in their order there, and what could not be followed."""

    functions: tuple[FunctionRef, ...]
    problems: tuple[Problem, ...]


def locate_functions(names: Sequence[str], read: Callable[[str], bytes]) -> Located:
    """Find every Python function that a template among the files deploys. Paths are root-relative POSIX."""
    files = Files(frozenset(names), read)
    found: list[FunctionRef | Problem] = []
    for find in _FINDERS:
        for item in find(files):
            found += [item] if isinstance(item, Problem) else place(item, files)
    functions = with_nesting([item for item in found if isinstance(item, FunctionRef)], files.names, read)
    problems = (item for item in found if isinstance(item, Problem))
    return Located(tuple(functions), tuple(dict.fromkeys(problems)))
