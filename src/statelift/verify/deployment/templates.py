"""Tree of a SAM or CloudFormation template + function -> Deployment: its variables, and its role's policies."""

from collections.abc import Iterator, Mapping
from types import MappingProxyType

from yaml.nodes import MappingNode, Node, ScalarNode, SequenceNode

from statelift.locate.declared import SERVERLESS
from statelift.locate.tree import Tree, attribute_of, entries, string
from statelift.verify.deployment.names import Names
from statelift.verify.deployment.policies import Reading
from statelift.verify.machine.needs import bucket_arn, table_arn
from statelift.verify.values import Deployment, Statement

_KINDS = ("AWS::IAM::Policy", "AWS::IAM::RolePolicy", "AWS::IAM::ManagedPolicy")
_TABLE_READS = "GetItem Scan Query BatchGetItem DescribeTable"
_BUCKET_READS = "GetObject ListBucket GetBucketLocation GetObjectVersion GetLifecycleConfiguration"
_BUCKET_WRITES = "PutObject PutObjectAcl PutLifecycleConfiguration"
# SAM's policy templates for tables and buckets: parameter, service and actions.
_TEMPLATES: Mapping[str, tuple[str, str, str]] = MappingProxyType(
    {
        "DynamoDBReadPolicy": ("TableName", "dynamodb", _TABLE_READS),
        "DynamoDBWritePolicy": ("TableName", "dynamodb", "PutItem UpdateItem BatchWriteItem"),
        "DynamoDBReconfigurePolicy": ("TableName", "dynamodb", "UpdateTable"),
        "DynamoDBCrudPolicy": (
            "TableName", "dynamodb",
            f"{_TABLE_READS} DeleteItem PutItem UpdateItem BatchWriteItem ConditionCheckItem",
        ),
        "S3ReadPolicy": ("BucketName", "s3", _BUCKET_READS),
        "S3WritePolicy": ("BucketName", "s3", _BUCKET_WRITES),
        "S3CrudPolicy": ("BucketName", "s3", f"{_BUCKET_READS} {_BUCKET_WRITES} DeleteObject"),
        "S3FullAccessPolicy": (
            "BucketName", "s3", f"{_BUCKET_READS} {_BUCKET_WRITES} DeleteObject GetObjectAcl"
            " DeleteObjectTagging DeleteObjectVersionTagging GetObjectTagging"
            " GetObjectVersionTagging PutObjectTagging PutObjectVersionTagging",
        ),
    }
)  # fmt: skip


def template_deployment(tree: Tree, function: str, names: Names) -> Deployment:
    """What the function of this logical id is deployed with."""
    reader = _Reader(tree, names)
    resource = entries(reader.resources.get(function))
    own = entries(resource.get("Properties"))
    shared = entries(entries(entries(tree.root).get("Globals")).get("Function"))
    is_serverless = string(resource.get("Type")) == SERVERLESS
    properties = (shared if is_serverless else {}) | own
    variables = (_variables(shared) if is_serverless else {}) | _variables(own)
    known = {name: text for name, node in variables.items() if isinstance(text := names.resolved(node), str)}
    if "PermissionsBoundary" in properties:
        reader.found.unenforced.append(f"{function} has a permissions boundary")
    role = properties.get("Role")
    if role is None:
        reader.add_policies(properties.get("Policies"), f"a policy of {function}")
        return reader.found.deployment(function, known)
    target, attribute = attribute_of(role) or ("", "")
    if attribute != "Arn" or string(entries(reader.resources.get(target)).get("Type")) != "AWS::IAM::Role":
        reason = f"the role of {function} is not in its template, so its rights are not known"
        return Deployment(function, tuple(sorted(known.items())), None, (), (reason,))
    reader.add_role(target)
    return reader.found.deployment(function, known)


def managed_statements(tree: Tree, policy: str, names: Names) -> Reading:
    """The statements of one policy of the template."""
    reader = _Reader(tree, names)
    reader.add_resource(policy)
    return reader.found


def _variables(properties: Mapping[str, Node]) -> dict[str, Node]:
    return entries(entries(properties.get("Environment")).get("Variables"))


class _Reader:
    """Collects the policies of one function."""

    def __init__(self, tree: Tree, names: Names) -> None:
        self.names = names
        self.resources = entries(entries(tree.root).get("Resources"))
        self.found = Reading()

    def add_policies(self, node: Node | None, where: str) -> None:
        """`Policies` of a SAM function: a name, a template of SAM's, a document, or a list of them."""
        match node:
            case SequenceNode(tag=tag) if not tag.startswith("!"):
                for item in node.value:
                    self.add_policies(item, where)
            case MappingNode() if "Statement" in entries(node):
                self.found.add_document(self.names.resolved(node), where)
            case MappingNode() if (target := _reference(node)) is not None:
                self._add_named(target, where)
            case MappingNode():
                for name, parameters in entries(node).items():
                    self._add_template(name, parameters, where)
            case ScalarNode(tag="!Ref", value=str(target)):
                self._add_named(target, where)
            case ScalarNode():
                self.found.add_managed(self.names.resolved(node))
            case None:
                return
            case _:
                self.found.unread.append(where)

    def _add_named(self, policy: str, where: str) -> None:
        if string(entries(self.resources.get(policy)).get("Type")) in _KINDS:
            self.add_resource(policy)
        else:
            self.found.unread.append(where)

    def _add_template(self, name: str, parameters: Node, where: str) -> None:
        known = _TEMPLATES.get(name)
        if known is None:
            is_ours = "DynamoDB" in name or name.startswith(("S3", "Fn::"))
            self.found.unread += [f"{where} ({name})"] if is_ours else []
            return
        parameter, service, actions = known
        target = self.names.resolved(entries(parameters).get(parameter))
        if not isinstance(target, str):
            self.found.unread.append(f"{where} ({name})")
            return
        arn = bucket_arn(target) if service == "s3" else table_arn(target)
        inner = f"{arn}/*" if service == "s3" else f"{arn}/index/*"
        words = tuple(f"{service}:{action}" for action in actions.split())
        self.found.statements.append(Statement(words, (arn, inner)))

    def add_role(self, role: str) -> None:
        """The policies of an AWS::IAM::Role, and those that name it."""
        properties = entries(entries(self.resources.get(role)).get("Properties"))
        if "PermissionsBoundary" in properties:
            self.found.unenforced.append(f"{role} has a permissions boundary")
        for item in _items(properties.get("Policies")):
            self.found.add_document(self.names.resolved(entries(item).get("PolicyDocument")), f"a policy of {role}")
        for item in _items(properties.get("ManagedPolicyArns")):
            self.add_policies(item, f"a managed policy of {role}")
        for policy, node in self.resources.items():
            if string(entries(node).get("Type")) in _KINDS and role in set(_roles(node)):
                self.add_resource(policy)

    def add_resource(self, policy: str) -> None:
        """The document of a policy that stands by itself."""
        properties = entries(entries(self.resources.get(policy)).get("Properties"))
        self.found.add_document(self.names.resolved(properties.get("PolicyDocument")), policy)


def _items(node: Node | None) -> list[Node]:
    return list(node.value) if isinstance(node, SequenceNode) else []


def _roles(policy: Node) -> Iterator[str]:
    """The roles of this template that a policy is attached to."""
    properties = entries(entries(policy).get("Properties"))
    for item in [*_items(properties.get("Roles")), properties.get("RoleName")]:
        target = _reference(item)
        if target is not None:
            yield target


def _reference(node: Node | None) -> str | None:
    """`!Ref X` in any of its spellings -> "X"."""
    if isinstance(node, MappingNode):
        return string(entries(node).get("Ref")) if len(node.value) == 1 else None
    return str(node.value) if isinstance(node, ScalarNode) and node.tag == "!Ref" else None
