"""Chalice configuration + function -> where its rights are written in each stage, or why nothing is added."""

import posixpath
import re
from collections.abc import Collection, Mapping
from typing import TypeAlias

from statelift.locate.deployed import resolve
from statelift.locate.sites import UnpatchableError

FOLDER = ".chalice"
CONFIG_FILE = "config.json"
RESOURCES_FILE = "statelift.json"
PREFIX = re.compile(r"[A-Za-z0-9_.-]{1,150}")  # what the name of a table may begin with

Rights: TypeAlias = tuple[tuple[str, str], ...]  # file with the policy, what the names of the stage begin with

_Table: TypeAlias = Mapping[object, object]


def prefix_of(app: object, stage: object) -> str:
    """What the names of a stage begin with. Raises UnpatchableError where a table cannot be called so."""
    prefix = f"{app}-{stage}"
    if not (isinstance(app, str) and app and PREFIX.fullmatch(prefix)):
        raise UnpatchableError("The configuration has no app_name that names of tables could begin with.")
    return prefix


def rights_of(config: _Table, function: str, folder: str, names: Collection[str]) -> Rights:
    """The policy of each stage. `function` is as Chalice calls it, `folder` holds app.py.

    Raises UnpatchableError.
    """
    stages = config.get("stages")
    if not isinstance(stages, dict) or not stages:
        raise UnpatchableError("The configuration names no stage, and names of tables begin with it.")
    return tuple(
        (_policy(config, str(stage), function, folder, names), prefix_of(config.get("app_name"), stage))
        for stage in stages
    )


def _policy(config: _Table, stage: str, function: str, folder: str, names: Collection[str]) -> str:
    """The file with the rights that a function has in a stage. Raises UnpatchableError."""
    said = _settings(config, stage, function)
    if said.get("manage_iam_role", True) is not True:
        raise UnpatchableError(f"The stage {stage} names a role, so its rights are decided elsewhere.")
    given = said.get("iam_policy_file", f"policy-{stage}.json")
    if said.get("autogen_policy", True) is not False:
        raise UnpatchableError(
            f"Chalice guesses the rights of the stage {stage} from app.py, and does not see those of a helper. Keep"
            f" them yourself: `chalice gen-policy > {FOLDER}/{given}`, and autogen_policy: false in the stage."
        )
    path = resolve(posixpath.join(folder, FOLDER), given) if isinstance(given, str) else None
    if path is None or path not in names:
        raise UnpatchableError(f"The policy of the stage {stage}, {given}, is not in this project.")
    return path


def _settings(config: _Table, stage: str, function: str) -> dict[object, object]:
    """What holds for a function of a stage: its own settings over those of the stage over those of all."""
    stages = config.get("stages")
    mine = stages.get(stage) if isinstance(stages, dict) else None
    inner = mine.get("lambda_functions") if isinstance(mine, dict) else None
    own = inner.get(function) if isinstance(inner, dict) else None
    tables = [table for table in (config, mine, own) if isinstance(table, Mapping)]
    return {key: value for table in tables for key, value in table.items()}
