"""operations -> Deployments of functions without a template: what the printed stack gives them, once attached."""

from collections.abc import Iterable, Sequence

from statelift.infra.render import outputs_of, policies_of, render_infrastructure
from statelift.locate.tree import compose_template, entries
from statelift.model import EnsureEnv, EnsureGrant, EnsureResource, InfraOperation
from statelift.verify.deployment.names import Names
from statelift.verify.deployment.policies import Reading
from statelift.verify.deployment.templates import managed_statements
from statelift.verify.values import Deployment

Snippets = dict[str, Deployment]


def snippet_deployments(operations: Sequence[InfraOperation], names: Names) -> Snippets:
    """For every function of the operations what `statelift infra` prints for it."""
    listed = [op for op in operations if isinstance(op, EnsureResource | EnsureEnv | EnsureGrant)]
    functions = sorted({op.function for op in listed if not isinstance(op, EnsureResource)})
    if not functions:
        return {}
    tree = compose_template(render_infrastructure(listed, "cloudformation").encode())
    root = None if tree is None else tree.root
    policies = {policy.function: policy.id for policy in policies_of(listed)}
    values = entries(entries(root).get("Outputs"))
    found: Snippets = {}
    for function in functions:
        outputs = [each for each in outputs_of(listed) if function in each.functions]
        resolved = {each.name: names.resolved(entries(values.get(each.id)).get("Value")) for each in outputs}
        variables = {name: text for name, text in resolved.items() if isinstance(text, str)}
        has_policy = tree is not None and function in policies
        reading = managed_statements(tree, policies[function], names) if tree and has_policy else Reading()
        found[function] = reading.deployment(function, variables)
    return found


def joined(function: str, parts: Iterable[Deployment]) -> Deployment:
    """What several sources say of one function."""
    many = list(parts)
    variables = {name: text for each in many for name, text in each.variables}
    is_known = all(each.statements is not None for each in many)
    statements = tuple(statement for each in many for statement in each.statements or ())
    return Deployment(
        function,
        tuple(sorted(variables.items())),
        statements if is_known else None,
        tuple(dict.fromkeys(text for each in many for text in each.unread)),
        tuple(dict.fromkeys(text for each in many for text in each.unenforced)),
    )
