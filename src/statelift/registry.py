"""Entry points -> codemods. A built-in one comes in by the same door as anybody else's."""

import pkgutil
from collections.abc import Iterator
from functools import cache
from importlib import import_module
from importlib.metadata import entry_points
from typing import Protocol, runtime_checkable

from statelift.judge.values import Judgement
from statelift.workspace import Proposal, Workspace

GROUP = "statelift.codemods"


@runtime_checkable
class Codemod(Protocol):
    """A module: docstring (its documentation), the rules it answers, and a function that proposes changes."""

    __name__: str
    RULES: tuple[str, ...]

    def propose(self, judgement: Judgement, workspace: Workspace, /) -> Iterator[Proposal]:
        """Proposals for one judgement, the preferred one first."""
        ...


class CodemodError(TypeError):
    """A registered module is not a codemod."""


@cache
def codemods() -> dict[str, Codemod]:
    """Codemods by module name, of every installed pack. CodemodError names a module that is none."""
    found: dict[str, Codemod] = {}
    for entry in entry_points(group=GROUP):
        package = entry.load()
        for info in pkgutil.iter_modules(package.__path__, f"{package.__name__}."):
            module = import_module(info.name)
            if not isinstance(module, Codemod):
                raise CodemodError(f"{info.name} is registered as a codemod but has no RULES and propose()")
            found[info.name.rpartition(".")[2]] = module
    return found


def codemod_for(rule: str) -> Codemod | None:
    """The codemod that answers a rule."""
    return next((each for each in codemods().values() if rule in each.RULES), None)
