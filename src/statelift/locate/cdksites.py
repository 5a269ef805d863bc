"""CDK program + function -> ConstructSite: the statement that makes it, or why nothing can be added behind it."""

import ast
import re
from dataclasses import dataclass

from statelift.locate.bound import Module, dotted_name
from statelift.locate.sites import UnpatchableError

FUNCTION = re.compile(
    r"(?:aws_cdk|monocdk)\.(?:aws_lambda\.(?:Function|DockerImageFunction|SingletonFunction)"
    r"|aws_lambda_python(?:_alpha)?\.PythonFunction|aws_cloudfront\.experimental\.EdgeFunction)"
)
_ROLE = "aws_cdk.aws_iam.Role"

Owner = ast.FunctionDef | ast.AsyncFunctionDef | ast.ClassDef | ast.Module
Statement = ast.Assign | ast.AnnAssign


@dataclass(frozen=True, slots=True)
class ConstructSite:
    """`name = Function(scope, …)`: a statement that stands in the body of `owner` itself."""

    call: ast.Call
    statement: Statement
    owner: Owner
    name: str
    scope: str


def callee_of(node: ast.Call, module: Module) -> str:
    """The dotted name that a call is of, imports written out."""
    head, _, rest = (dotted_name(node.func) or "").partition(".")
    imported = module.imports.get(head, "")
    return f"{imported}.{rest}" if rest else imported


def argument(node: ast.Call, name: str, position: int | None = None) -> ast.expr | None:
    """An argument by its name, else by its position."""
    named = next((keyword.value for keyword in node.keywords if keyword.arg == name), None)
    is_given = position is not None and position < len(node.args)
    return named if named is not None or not is_given else node.args[position or 0]


def why_not_patchable(module: Module, node: ast.Call) -> str:
    """ "" where lines can be added behind the call's statement, otherwise the sentence that says why not."""
    try:
        _site(module, node)
    except UnpatchableError as error:
        return str(error)
    return ""


def construct_site(module: Module, function: str) -> ConstructSite:
    """The site of the function that is called so. Raises UnpatchableError."""
    found = [node for node in _functions(module) if name_of(module, node) == function]
    if len(found) != 1:
        raise UnpatchableError(
            f"{function} is not the literal id, or the name, of exactly one function in this file."
        )
    return _site(module, found[0])


def name_of(module: Module, node: ast.Call) -> str | None:
    """The id where it is written out, else the name that no other function of the file is bound to."""
    value = argument(node, "id", 1)
    if isinstance(value, ast.Constant):
        return str(value.value)
    name = _bound_name(module, node)
    names = [_bound_name(module, other) for other in _functions(module)]
    return name if names.count(name) == 1 else None


def _functions(module: Module) -> list[ast.Call]:
    calls = [node for node in ast.walk(module.tree) if isinstance(node, ast.Call)]
    return [node for node in calls if FUNCTION.fullmatch(callee_of(node, module))]


def _bound_name(module: Module, node: ast.Call) -> str | None:
    try:
        return _bound(module, node)[1]
    except UnpatchableError:
        return None


def _site(module: Module, node: ast.Call) -> ConstructSite:
    if any(name.startswith(("aws_cdk.core", "monocdk")) for name in module.imports.values()):
        raise UnpatchableError("This is a program for CDK 1, which is not written to.")
    if callee_of(node, module).endswith(("EdgeFunction", "SingletonFunction")):
        raise UnpatchableError("The function is of a kind that gets no environment of its own.")
    statement, name = _bound(module, node)
    if name_of(module, node) is None:
        raise UnpatchableError(f"Several functions without a literal id are bound to {name}.")
    owner = module.owner(statement)
    assert isinstance(owner, Owner)
    if statement not in owner.body or isinstance(owner, ast.ClassDef):
        raise UnpatchableError(f"{name} is made inside of a loop, a condition or another block.")
    if len(module.bindings.get(owner, {}).get(name, [])) != 1:
        raise UnpatchableError(f"{name} is bound more than once.")
    scope = argument(node, "scope", 0)
    if not isinstance(scope, ast.Name) or isinstance(node.args[0] if node.args else None, ast.Starred):
        raise UnpatchableError(f"The scope that {name} is made in is not a plain name.")
    _check_role(module, node, owner, name)
    return ConstructSite(node, statement, owner, name, scope.id)


def _bound(module: Module, node: ast.Call) -> tuple[Statement, str]:
    match module.parents.get(node):
        case ast.Assign(targets=[target]) | ast.AnnAssign(target=target) as statement:
            name = dotted_name(target) or ""
            if re.fullmatch(r"(self\.)?\w+", name):
                return statement, name
        case _:
            pass
    raise UnpatchableError("The function is not bound to a name, so nothing can be added to it.")


def _check_role(module: Module, node: ast.Call, owner: Owner, name: str) -> None:
    """A role that another account or stack owns takes no rights, and nothing would say so."""
    if any(keyword.arg is None for keyword in node.keywords):
        raise UnpatchableError(f"{name} gets arguments with **, which may name a role.")
    role = argument(node, "role")
    if role is None:
        return
    values = module.bindings.get(owner, {}).get(dotted_name(role) or "", [])
    value = values[0] if len(values) == 1 else None
    if not isinstance(value, ast.Call) or callee_of(value, module) != _ROLE:
        raise UnpatchableError(f"The role of {name} is not made beside it, so its rights are decided elsewhere.")
