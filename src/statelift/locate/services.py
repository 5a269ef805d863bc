"""Tree of a serverless.yml + function -> ServiceSite: where its environment and rights are written, or why not."""

import re
from dataclasses import dataclass

from yaml.nodes import MappingNode, Node, ScalarNode, SequenceNode

from statelift.locate.sites import Path, UnpatchableError, check_duplicates, check_mapping
from statelift.locate.tree import SEQ, Tree, entries, own, string

POLICY = "StateliftPolicy"  # the logical id of a policy of ours
ROLE = "IamRoleLambdaExecution"  # and that of the role that the framework makes
_PLUGIN = "serverless-iam-roles-per-function"
_OLD = re.compile(r"\D*1(?:\.|$)")


@dataclass(frozen=True, slots=True)
class ServiceSite:
    """Paths of the variables and of the list of statements. `is_own`: the role is this function's alone.

    `inherits`: a list that is made new has to say that the provider's statements hold as well. `is_beside`: the
    provider's list stands in another file, so the statements go to a policy of their own for the same role.
    """

    variables: Path
    statements: Path
    is_own: bool
    inherits: bool
    is_beside: bool = False


def why_not_patchable(tree: Tree, function: str) -> str:
    """ "" where environment and rights can be added, otherwise the sentence that says why not."""
    try:
        service_site(tree, function)
        resources_path(tree)
    except UnpatchableError as error:
        return str(error)
    return ""


def sharing(tree: Tree, function: str) -> str:
    """The sentence about functions that get the same rights, "" where this one has a role of its own."""
    try:
        site = service_site(tree, function)
    except UnpatchableError:
        return ""
    count = len(list(_names(own(tree.root, "functions"))))
    if site.is_own or count < 2:
        return ""
    return (
        f"the {count} functions of this service share one role, so each of them gets these rights; with the plugin"
        f" {_PLUGIN} only this one would"
    )


def service_site(tree: Tree, function: str) -> ServiceSite:
    """Where to write for a function. Raises UnpatchableError."""
    check_duplicates(tree)
    base = _function_path(tree, function)
    body = check_mapping(tree, base)
    variables: Path = (*base, "environment")
    check_mapping(tree, variables)
    provider = check_mapping(tree, ("provider",))
    if own(body, "role") is not None:
        raise UnpatchableError(f"{function} names its role, so its rights are decided elsewhere.")
    if has_own_roles(tree):
        statements: Path = (*base, "iamRoleStatements")
        is_new = own(body, "iamRoleStatements") is None and own(body, "iamRoleStatementsInherit") is None
        _check_list(tree, own(body, "iamRoleStatements"), "iamRoleStatements")
        return ServiceSite(variables, statements, True, is_new and provider_statements(provider) is not None)
    shared = _policy_beside(tree, provider)
    if shared is not None:
        return ServiceSite(variables, shared, False, False, True)
    return ServiceSite(variables, _shared_statements(tree, provider), False, False)


def has_own_roles(tree: Tree) -> bool:
    """Whether a plugin gives each function a role of its own."""
    plugins = own(tree.root, "plugins")
    listed = own(plugins, "modules") if isinstance(plugins, MappingNode) else plugins
    items = listed.value if isinstance(listed, SequenceNode) else []
    return any(string(item) == _PLUGIN for item in items)


def resources_path(tree: Tree) -> Path | None:
    """The mapping of resources that grows; None where `resources` is a list, or a text, without one.

    Raises UnpatchableError.
    """
    node = own(tree.root, "resources")
    if isinstance(node, ScalarNode) and node.value:
        return None
    if not isinstance(node, SequenceNode):
        check_mapping(tree, ("resources", "Resources"))
        return ("resources", "Resources")
    for position, item in enumerate(node.value):
        if own(item, "Resources") is not None:
            path: Path = ("resources", position, "Resources")
            check_mapping(tree, path)
            return path
    _check_list(tree, node, "resources")
    return None


def patterns_path(tree: Tree, function: str) -> Path | None:
    """The list of package patterns that counts last for a function; None where it is no plain list of this file."""
    try:
        check_duplicates(tree)
        base = _function_path(tree, function)
        check_mapping(tree, ("package",))
        own_package = check_mapping(tree, (*base, "package"))
    except UnpatchableError:
        return None
    shared = own(tree.root, "package")
    flags = (own(own_package, "individually"), own(shared, "individually"))
    is_apart = any(isinstance(flag, ScalarNode) and flag.value.lower() == "true" for flag in flags)
    homes = [(*base, "package"), ("package",)] if is_apart else [("package",)]
    for home in homes:
        for key in ("patterns", "include"):
            node = own(own_package if home != ("package",) else shared, key)
            if node is not None:
                is_plain = isinstance(node, SequenceNode) and node.tag == SEQ and id(node) not in tree.shared
                return (*home, key) if is_plain else None
    return None


def _names(functions: Node | None) -> list[str]:
    if isinstance(functions, SequenceNode):
        return [name for item in functions.value for name in entries(item)]
    return list(entries(functions))


def _function_path(tree: Tree, function: str) -> Path:
    functions = own(tree.root, "functions")
    if isinstance(functions, SequenceNode):
        for position, item in enumerate(functions.value):
            if own(item, function) is not None:
                return ("functions", position, function)
    if own(functions, function) is None:
        raise UnpatchableError(f"{function} stands in another file, which is not written to.")
    return ("functions", function)


def provider_statements(provider: Node | None) -> Node | None:
    """The statements that all functions of the service share."""
    role = own(own(provider, "iam"), "role")
    return own(provider, "iamRoleStatements") or own(role, "statements")


def _policy_beside(tree: Tree, provider: MappingNode | None) -> Path | None:
    """The statements of a policy of ours, where those of the provider are `${file(…)}`."""
    known = provider_statements(provider)
    if own(provider, "role") is not None or not isinstance(known, ScalarNode) or "${" not in known.value:
        return None
    base = resources_path(tree) or ("resources", "Resources")  # made together with the first resource
    return (*base, POLICY, "Properties", "PolicyDocument", "Statement")


def _shared_statements(tree: Tree, provider: MappingNode | None) -> Path:
    """The provider's list: the old key where it is used, or where the framework knows no other."""
    if own(provider, "role") is not None:
        raise UnpatchableError("The provider names a role, so the rights are decided elsewhere.")
    version = own(tree.root, "frameworkVersion")
    is_old = isinstance(version, ScalarNode) and _OLD.match(version.value) is not None
    if own(provider, "iamRoleStatements") is not None or (is_old and own(provider, "iam") is None):
        _check_list(tree, own(provider, "iamRoleStatements"), "provider.iamRoleStatements")
        return ("provider", "iamRoleStatements")
    role = own(own(provider, "iam"), "role")
    if isinstance(role, ScalarNode) and role.value:
        raise UnpatchableError("The provider names a role, so the rights are decided elsewhere.")
    check_mapping(tree, ("provider", "iam", "role"))
    _check_list(tree, own(role, "statements"), "provider.iam.role.statements")
    return ("provider", "iam", "role", "statements")


def _check_list(tree: Tree, node: Node | None, where: str) -> None:
    if node is None:
        return
    if id(node) in tree.shared:
        raise UnpatchableError(f"{where} is shared through a YAML anchor; a change here would change every user.")
    if not isinstance(node, SequenceNode) or node.tag != SEQ:
        raise UnpatchableError(f"{where} is not a plain list, so nothing can be added to it.")
