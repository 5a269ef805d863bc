"""one operation -> YAML fragment -> values: the single definition of what every resource and right looks like.

Whole stacks print the fragments as they are; patches compose them and write them the way the file is written.
"""

import functools
import json
import re
from collections.abc import Mapping
from types import MappingProxyType
from typing import TYPE_CHECKING

import yaml

from statelift.infra.alarms import alarm_of, notes_of
from statelift.infra.names import given_name
from statelift.infra.values import Tagged, Value, scalar, value_of
from statelift.infra.yamlpatch import Refusal
from statelift.model import EnsureEnv, EnsureGrant, EnsureResource

if TYPE_CHECKING:
    from jinja2 import Environment

TYPES = {
    "table": "AWS::DynamoDB::Table",
    "bucket": "AWS::S3::Bucket",
    "alarm": "AWS::CloudWatch::Alarm",
}
_LISTING = "s3:ListBucket"
_PREFIX = re.compile(r"[^*?${}\x00-\x1f]*\*?")


@functools.cache
def environment() -> "Environment":
    """Jinja2 over the infrastructure templates; an undefined name is an error."""
    from jinja2 import Environment, PackageLoader, StrictUndefined, select_autoescape

    loader = PackageLoader("statelift_templates", "infra")
    # no autoescape for YAML: every value passes through the `scalar` filter
    made = Environment(
        loader=loader,
        undefined=StrictUndefined,
        trim_blocks=True,
        lstrip_blocks=True,
        autoescape=select_autoescape(),
    )
    made.filters["scalar"] = scalar
    made.filters["hcl"] = hcl_text
    return made


def hcl_text(text: str) -> str:
    """A quoted text of Terraform in which nothing is evaluated."""
    return json.dumps(text).replace("${", "$${").replace("%{", "%%{")


def resource_fragment(operation: EnsureResource) -> str:
    """YAML of a resource and its companions; "" for a metric, which exists once something counts.

    Properties: `origin` and other notes go to Metadata; `ttl` of a table is the attribute that holds the expiry;
    `retention` "delete" lets a table or bucket go with its stack; those of an alarm are read by `alarm_of`.
    """
    properties = dict(operation.properties)
    if operation.kind == "metric":
        return ""
    metadata = sorted(notes_of(operation).items()) or [("kind", operation.kind)]
    settings: dict[str, object] = {
        "ttl": "", "retention": "", **properties, "id": operation.id, "metadata": metadata,
    }  # fmt: skip
    if operation.kind == "alarm":
        settings["alarm"] = alarm_of(operation)
    return environment().get_template(f"{operation.kind}.yaml.j2").render(settings)


@functools.lru_cache(maxsize=64)
def resource_bodies(operation: EnsureResource) -> Mapping[str, Value]:
    """Logical id -> body of a resource and its companions."""
    bodies = _values(resource_fragment(operation))
    return MappingProxyType(bodies if isinstance(bodies, dict) else {})


def statements_fragment(grant: EnsureGrant, kind: str) -> str:
    """YAML list of the IAM statements of one right. Raises Refusal for a prefix that IAM would misread."""
    objects = _objects(grant.key_prefix) if kind == "bucket" else None
    listing = [action for action in grant.actions if action == _LISTING and kind == "bucket"]
    actions = [action for action in grant.actions if action not in listing]
    name = given_name(grant.resource)
    arn = f"!Sub {scalar(_arn(name, kind))}" if name else f"!GetAtt {grant.resource}.Arn"
    base = _arn(name, kind) if name else f"${{{grant.resource}.Arn}}"
    namespace = name if kind == "metrics" else ""
    if namespace:  # no metric has an ARN: the condition says which ones
        arn = scalar("*")
    settings = {
        "arn": arn,
        "base": base,
        "namespace": namespace,
        "actions": actions,
        "listing": listing,
        "objects": objects,
    }
    return environment().get_template("statements.yaml.j2").render(settings)


@functools.lru_cache(maxsize=256)
def statements(grant: EnsureGrant, kind: str) -> tuple[dict[str, Value], ...]:
    """The IAM statements of one right."""
    values = _values(statements_fragment(grant, kind))
    return tuple(item for item in values if isinstance(item, dict)) if isinstance(values, list) else ()


def _arn(name: str, kind: str) -> str:
    """The ARN of what exists in the account and region of the stack, for `!Sub`."""
    if kind == "bucket":
        return f"arn:${{AWS::Partition}}:s3:::{name}"
    return f"arn:${{AWS::Partition}}:dynamodb:${{AWS::Region}}:${{AWS::AccountId}}:table/{name}"


def variable_value(variable: EnsureEnv) -> Tagged | str:
    """What an environment variable holds."""
    if name := given_name(variable.resource):
        return name
    if variable.attribute == "arn":
        return Tagged("!GetAtt", f"{variable.resource}.Arn")
    return Tagged("!Ref", variable.resource)


def _values(fragment: str) -> Value:
    try:
        node = yaml.compose(fragment, Loader=yaml.SafeLoader)
    except yaml.YAMLError as error:
        raise Refusal(f"A name or note has a character that YAML cannot hold: {error}") from error
    return value_of(node) if node is not None else {}


def _objects(prefix: str | None) -> str:
    """A folder (`tmp/`) means everything below it; anything else is one object."""
    if prefix is None:
        return "*"
    if not _PREFIX.fullmatch(prefix):
        raise Refusal(f"The key prefix {prefix!r} has characters that a policy would read as a pattern.")
    return prefix + "*" if prefix.endswith("/") else prefix
