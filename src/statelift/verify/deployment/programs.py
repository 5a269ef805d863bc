"""bytes of a CDK program + function -> Deployment: the statements about it that stand beside it, without a run."""

import ast
from collections.abc import Iterator
from dataclasses import dataclass, field

from statelift.locate.bound import Module, dotted_name
from statelift.locate.cdksites import ConstructSite, argument, construct_site
from statelift.verify.deployment.names import Names, Plain
from statelift.verify.deployment.policies import Reading
from statelift.verify.values import Deployment

_NAMES = ("table_name", "bucket_name")
_ARNS = ("table_arn", "bucket_arn")


def program_deployment(data: bytes, function: str, names: Names) -> Deployment:
    """What the function of this construct id gets. Raises UnpatchableError, SyntaxError and ValueError."""
    module = Module("", ast.parse(data.decode("utf-8-sig")))
    site = construct_site(module, function)
    reader = _Reader(site, names)
    for node in site.owner.body:
        if isinstance(node, ast.Assign) and isinstance(node.value, ast.Call):
            reader.note_construct(node, node.value)
    given = argument(site.call, "environment")
    pairs = zip(given.keys, given.values, strict=True) if isinstance(given, ast.Dict) else ()
    for key, value in pairs:
        reader.note_variable(key, value)
    policies = argument(site.call, "initial_policy")
    for each in policies.elts if isinstance(policies, ast.List) else ():
        reader.add_statement(each)
    for call in _calls(site):
        reader.note_call(call)
    if argument(site.call, "role") is not None:
        reader.found.unread.append(f"the other policies of the role of {function}")
    return reader.found.deployment(function, reader.variables)


def _calls(site: ConstructSite) -> Iterator[ast.Call]:
    """The calls that are statements of the body in which the function is made."""
    for node in site.owner.body:
        if isinstance(node, ast.Expr) and isinstance(node.value, ast.Call):
            yield node.value


@dataclass(slots=True)
class _Reader:
    """Follows the names of one body. `made` are the names that new constructs are bound to."""

    site: ConstructSite
    names: Names
    made: dict[str, str] = field(default_factory=dict)
    variables: dict[str, str] = field(default_factory=dict)
    found: Reading = field(default_factory=Reading)

    def note_construct(self, node: ast.Assign, call: ast.Call) -> None:
        """`name = Table(self, "OrdersTable", …)`, where the change makes that table."""
        match argument(call, "id", 1), node.targets:
            case ast.Constant(value=str(id_)), [target] if id_ in self.names.names:
                self.made[dotted_name(target) or ""] = id_
            case _:
                pass

    def note_variable(self, key: ast.expr | None, value: ast.expr | None) -> None:
        """A variable of the environment, where its value is known."""
        name, text = self.resolved(key), self.resolved(value)
        if isinstance(name, str) and isinstance(text, str):
            self.variables[name] = text

    def note_call(self, call: ast.Call) -> None:
        """A variable, or a right, that a statement adds to the function."""
        callee = dotted_name(call.func) or ""
        owner, _, method = callee.rpartition(".")
        if callee == f"{self.site.name}.add_environment":
            self.note_variable(argument(call, "key", 0), argument(call, "value", 1))
        elif callee == f"{self.site.name}.add_to_role_policy":
            self.add_statement(argument(call, "statement", 0))
        elif method.startswith("grant") and call.args and dotted_name(call.args[0]) == self.site.name:
            self._add_grant(owner, method, call)

    def _add_grant(self, owner: str, method: str, call: ast.Call) -> None:
        arn = self.names.arns.get(self.made.get(owner, ""))
        if arn is None:
            return
        if method != "grant":
            self.found.unread.append(f"{owner}.{method}")
            return
        actions = [self.resolved(each) for each in call.args[1:]]
        self.found.add_statements({"Effect": "Allow", "Action": actions, "Resource": arn}, f"{owner}.grant")

    def add_statement(self, value: ast.expr | None) -> None:
        """`PolicyStatement(actions=[…], resources=[…], conditions={…})`."""
        where = f"a statement of {self.site.name}"
        if not isinstance(value, ast.Call) or not (dotted_name(value.func) or "").endswith("PolicyStatement"):
            self.found.unread.append(where)
            return
        effect = dotted_name(argument(value, "effect") or ast.Constant("")) or ""
        statement: dict[str, Plain] = {
            "Effect": "Deny" if effect.endswith("DENY") else "Allow",
            "Action": self.resolved(argument(value, "actions")),
            "Resource": self.resolved(argument(value, "resources")),
        }
        conditions = argument(value, "conditions")
        if conditions is not None:
            statement["Condition"] = self.resolved(conditions) or "unknown"
        self.found.add_statements(statement, where)

    def resolved(self, value: ast.expr | None) -> Plain:
        """An expression as plain data; what names something new is followed."""
        match value:
            case ast.Constant(value=str(text)):
                return text
            case ast.List(elts=items) | ast.Tuple(elts=items):
                return [self.resolved(item) for item in items]
            case ast.Dict(keys=keys, values=values):
                return {
                    str(self.resolved(key)): self.resolved(item) for key, item in zip(keys, values, strict=True)
                }
            case ast.Attribute(value=owner, attr=attribute):
                return self._attribute(dotted_name(owner) or "", attribute)
            case ast.Call(
                func=ast.Attribute(value=owner, attr="arn_for_objects"), args=[ast.Constant(value=str(keys))]
            ):
                arn = self._attribute(dotted_name(owner) or "", "bucket_arn")
                return None if arn is None else f"{arn}/{keys}"
            case _:
                return None

    def _attribute(self, owner: str, attribute: str) -> str | None:
        known = self.names.names if attribute in _NAMES else self.names.arns if attribute in _ARNS else {}
        return known.get(self.made.get(owner, ""))
