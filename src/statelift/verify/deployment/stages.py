"""Settings of a Chalice app + function -> Deployments, one for each stage: its variables, and its policy."""

import posixpath
from collections.abc import Callable, Iterator

from statelift.infra.chalice import table_name
from statelift.infra.names import kind_of
from statelift.locate.tree import compose_template, entries, own
from statelift.model import FunctionRef
from statelift.verify.deployment.names import Names, Plain
from statelift.verify.deployment.policies import Reading
from statelift.verify.values import Deployment

_ARN = "arn:aws:dynamodb:*:*:table/"


def stage_deployments(ref: FunctionRef, names: Names, read: Callable[[str], bytes]) -> Iterator[Deployment]:
    """What the function is deployed with in every stage. Raises OSError and ValueError."""
    tree = compose_template(read(ref.template))
    config = None if tree is None else tree.root
    shared = entries(own(config, "environment_variables"))
    for path, prefix in ref.rights:
        physical = {
            table_name(prefix, each): name for each, name in names.names.items() if kind_of(each) == "table"
        }
        stage = prefix.removeprefix(f"{_app(names.resolved(own(config, 'app_name')))}-")
        mine = entries(own(own(own(config, "stages"), stage), "environment_variables"))
        values = {name: names.resolved(node) for name, node in (shared | mine).items()}
        known = {name: physical.get(text, text) for name, text in values.items() if isinstance(text, str)}
        found = Reading()
        policy = compose_template(read(path))
        document = names.resolved(None if policy is None else policy.root)
        found.add_document(_renamed(document, physical), posixpath.basename(path))
        yield found.deployment(f"{ref.logical_id} in {prefix}", known)


def _app(name: Plain) -> str:
    return name if isinstance(name, str) else ""


def _renamed(value: Plain, physical: dict[str, str]) -> Plain:
    """The document with the simulated names of new tables."""
    match value:
        case str() if value.startswith(_ARN):
            table = value.removeprefix(_ARN)
            return _ARN + physical.get(table, table)
        case list():
            return [_renamed(item, physical) for item in value]
        case dict():
            return {key: _renamed(item, physical) for key, item in value.items()}
        case _:
            return value
