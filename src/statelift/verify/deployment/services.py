"""bytes of a serverless.yml + function -> Deployment: its variables, and the statements of its role."""

from yaml.nodes import ScalarNode, SequenceNode

from statelift.infra.yamlpatch import Document
from statelift.locate.services import provider_statements, service_site
from statelift.locate.tree import entries, own
from statelift.verify.deployment.names import Names
from statelift.verify.deployment.policies import Reading
from statelift.verify.values import Deployment


def service_deployment(data: bytes, function: str, names: Names) -> Deployment:
    """What the function of this name is deployed with. Raises UnpatchableError and Refusal."""
    document = Document.parse(data)
    site = service_site(document.tree, function)
    provider = document.node(("provider",))
    variables = entries(own(provider, "environment")) | entries(document.node(site.variables))
    known = {name: text for name, node in variables.items() if isinstance(text := names.resolved(node), str)}
    found = Reading()
    listed = document.node(site.statements)
    if listed is not None:
        found.add_statements(names.resolved(listed), f"the statements of {function}")
    if site.is_beside:
        found.unread.append("the statements of the provider")
    role = own(own(provider, "iam"), "role")
    if site.is_own:
        inherits = document.node((*site.statements[:-1], "iamRoleStatementsInherit"))
        shared = provider_statements(provider)
        if shared is not None and isinstance(inherits, ScalarNode) and inherits.value.lower() == "true":
            found.add_statements(names.resolved(shared), "the statements of the provider")
    else:
        managed = own(role, "managedPolicies") or own(provider, "iamManagedPolicies")
        for item in managed.value if isinstance(managed, SequenceNode) else ():
            found.add_managed(names.resolved(item))
    if own(role, "permissionsBoundary") is not None or own(provider, "rolePermissionsBoundary") is not None:
        found.unenforced.append("the provider's role has a permissions boundary")
    return found.deployment(function, known)
