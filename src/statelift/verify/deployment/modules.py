"""Terraform files of a folder + function -> Deployment: its variables, and the policies of its role."""

import json
import re
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, field

from statelift.infra.names import kind_of
from statelift.infra.terraform import address_of, variables_of
from statelift.locate.hcl import Block, Body, Call, Expression, Items, Literal, Reference, Text
from statelift.locate.hcl import Mapping as Table
from statelift.locate.hclsites import function_block, is_behind, principal
from statelift.verify.deployment.names import Names, Plain
from statelift.verify.deployment.policies import Reading
from statelift.verify.machine.needs import ACCOUNT, REGION
from statelift.verify.values import Deployment

_SURROUNDINGS = (
    (re.compile(r"data\.aws_caller_identity\.[\w-]+\.account_id"), ACCOUNT),
    (re.compile(r"data\.aws_region\.[\w-]+\.(id|name|region)|data\.aws_service\.[\w-]+\.region"), REGION),
    (re.compile(r"data\.aws_(partition|service)\.[\w-]+\.partition"), "aws"),
)


def module_deployment(bodies: Sequence[Body], function: str, names: Names) -> Deployment:
    """What the function at this address is deployed with, as far as these files say it."""
    reader = _Reader(bodies, _addresses(names))
    block = next((found for body in bodies if (found := function_block(body, function)) is not None), None)
    role = "" if block is None else principal(block)
    if block is None or not role:
        reason = f"the role of {function} is not in its module, so its rights are not known"
        return Deployment(function, (), None, (), (reason,))
    values = {name: reader.resolved(value) for name, value in variables_of(block)}
    known = {name: text for name, text in values.items() if isinstance(text, str)}
    if block.kind == "module":
        reader.add_module(block)
    reader.add_role(role.rpartition(".")[0] if role.startswith("aws_iam_role.") else role)
    if is_behind(role):
        reader.found.unread.append(f"the other policies of {role}")
    return reader.found.deployment(function, known)


def _addresses(names: Names) -> dict[str, str]:
    """What the new tables and buckets are called in these files: address -> name or ARN."""
    found: dict[str, str] = {}
    for resource, name in names.names.items():
        if kind_of(resource) is not None:
            found[address_of(resource, "name")] = name
            found[address_of(resource, "id")] = name
            found[address_of(resource, "arn")] = names.arns[resource]
    return found


def _dotted(expression: Expression | None) -> str:
    """`aws_iam_role.x[0].id` as it is written, `[*]` for an index that is reckoned, "" for what names nothing."""
    match expression:
        case Text(parts=(Reference() as only,)):
            return _dotted(only)
        case Call(name="basename", arguments=(Reference() as only,)):
            return f"basename({_dotted(only)})"
        case Reference(root=root, steps=steps):
            return root + "".join(f".{step}" if isinstance(step, str) else _index(step) for step in steps)
        case _:
            return ""


def _index(step: Expression) -> str:
    return f"[{json.dumps(step.value)}]" if isinstance(step, Literal) else "[*]"


@dataclass(slots=True)
class _Reader:
    """Collects the policies of one role."""

    bodies: Sequence[Body]
    addresses: Mapping[str, str]
    found: Reading = field(default_factory=Reading)

    def resolved(self, value: Expression | None) -> Plain:
        """An expression as plain data; what names something new is followed."""
        match value:
            case Literal(value=bool() as truth):
                return str(truth).lower()
            case Literal(value=constant) if constant is not None:
                return str(constant)
            case Text(parts=parts):
                texts = [part if isinstance(part, str) else self.resolved(part) for part in parts]
                known = [text for text in texts if isinstance(text, str)]
                return "".join(known) if len(known) == len(texts) else None
            case Items(items=items):
                return [self.resolved(item) for item in items]
            case Table(entries=pairs):
                return {str(self.resolved(key)): self.resolved(item) for key, item in pairs}
            case Reference():
                return self.addresses.get(_dotted(value)) or _asked_of_aws(_dotted(value))
            case _:
                return None

    def add_role(self, role: str) -> None:
        """The policies that are attached to a role: `aws_iam_role.x`, or `module.x.lambda_role_name`."""
        for block in self._resources("aws_iam_role_policy"):
            if _is_of(block, role):
                self._add_policy(block.body.get("policy"), ".".join(block.labels))
        for block in self._resources("aws_iam_role_policy_attachment"):
            if _is_of(block, role):
                self._add_attached(block.body.get("policy_arn"))
        for block in self._resources("aws_iam_role"):
            if ".".join(block.labels) == role.partition("[")[0]:
                self._add_own(block, role)

    def add_module(self, block: Block) -> None:
        """What a call of terraform-aws-modules/lambda says of the role that the module makes."""
        where = f"module.{block.labels[0]}"
        body = block.body
        match body.get("policy_statements"):
            case Table(entries=pairs):
                self.found.add_statements([_capitalised(self.resolved(value)) for _, value in pairs], where)
            case None:
                pass
            case _:
                self.found.unread.append(f"the statements of {where}")
        for name in ("policy", "policies", "policy_json", "policy_jsons"):
            if body.get(name) is not None:
                self.found.unread.append(f"{name} of {where}")
        if body.get("role_permissions_boundary") is not None:
            self.found.unenforced.append(f"{where} has a permissions boundary")

    def _resources(self, kind: str) -> Iterator[Block]:
        for body in self.bodies:
            yield from body.blocks("resource", kind)

    def _add_own(self, block: Block, role: str) -> None:
        if block.body.get("permissions_boundary") is not None:
            self.found.unenforced.append(f"{role} has a permissions boundary")
        for inner in block.body.blocks("inline_policy"):
            self._add_policy(inner.body.get("policy"), f"a policy of {role}")
        if any(True for _ in block.body.blocks("dynamic", "inline_policy")):
            self.found.unread.append(f"policies of {role}")
        managed = block.body.get("managed_policy_arns")
        for item in managed.items if isinstance(managed, Items) else ():
            self._add_attached(item)

    def _add_attached(self, arn: Expression | None) -> None:
        name = _dotted(arn).removeprefix("aws_iam_policy.").removesuffix(".arn").partition("[")[0]
        for block in self._resources("aws_iam_policy"):
            if block.labels[-1] == name:
                self._add_policy(block.body.get("policy"), ".".join(block.labels))
                return
        self.found.add_managed(self.resolved(arn))

    def _add_policy(self, policy: Expression | None, where: str) -> None:
        match policy:
            case Call(name="jsonencode", arguments=(document,)):
                self.found.add_document(self.resolved(document), where)
            case Literal(value=str(text)):
                self.found.add_document(_loaded(text), where)
            case Reference(root="data", steps=("aws_iam_policy_document", str(name), "json")):
                self._add_data(name, where)
            case _:
                self.found.unread.append(where)

    def _add_data(self, name: str, where: str) -> None:
        blocks = [block for body in self.bodies for block in body.blocks("data", "aws_iam_policy_document", name)]
        for block in blocks[:1]:
            self.found.add_statements([self._statement(each) for each in block.body.blocks("statement")], where)
        if not blocks:
            self.found.unread.append(where)

    def _statement(self, block: Block) -> Plain:
        body = block.body
        conditions: dict[str, Plain] = {}
        for each in body.blocks("condition"):
            test, key = self.resolved(each.body.get("test")), self.resolved(each.body.get("variable"))
            conditions[str(test)] = {str(key): self.resolved(each.body.get("values"))}
        found: dict[str, Plain] = {
            "Effect": self.resolved(body.get("effect")) or "Allow",
            "Action": self.resolved(body.get("actions")),
            "Resource": self.resolved(body.get("resources")),
        }
        return found | ({"Condition": conditions} if conditions else {})


def _asked_of_aws(address: str) -> str | None:
    """What a data source tells of where it is deployed to."""
    return next((value for pattern, value in _SURROUNDINGS if pattern.fullmatch(address)), None)


def _is_of(block: Block, role: str) -> bool:
    start, end = role.find("["), role.rfind("]")
    named = _dotted(block.body.get("role")).replace("[*]", role[start : end + 1] if 0 <= start < end else "[*]")
    return named in (role, f"{role}.id", f"{role}.name")


def _capitalised(statement: Plain) -> Plain:
    """A statement as the module wants it, as IAM does."""
    given = statement if isinstance(statement, dict) else {}
    found: dict[str, Plain] = {
        "Effect": given.get("effect", "Allow"),
        "Action": given.get("actions"),
        "Resource": given.get("resources"),
    }
    return found | ({"Condition": given["condition"]} if "condition" in given else {})


def _loaded(text: str) -> Plain:
    """A policy that is written out as JSON."""
    try:
        return _plain(json.loads(text))
    except ValueError:
        return None


def _plain(value: object) -> Plain:
    match value:
        case dict():
            return {str(key): _plain(item) for key, item in value.items()}
        case list():
            return [_plain(item) for item in value]
        case bool():
            return str(value).lower()
        case None:
            return None
        case _:
            return str(value)
