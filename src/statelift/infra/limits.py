"""what is there + one addition -> Refusal where AWS would not take it: environments, templates, names."""

import hashlib
from collections.abc import Mapping

from statelift.infra.yamlpatch import Refusal

ENVIRONMENT = 4096  # bytes of all names and values of a function's variables
RESOURCES = 500  # of one CloudFormation stack
POLICY_NAME = 128
_VALUE = 60  # bytes that the name of a new table or bucket may take


def check_environment(function: str, known: Mapping[str, str | None], name: str) -> None:
    """Raise Refusal where a variable more does not fit. A value that only the deployment knows counts nothing."""
    taken = sum(len(each.encode()) + len((value or "").encode()) for each, value in known.items())
    if taken + len(name) + _VALUE > ENVIRONMENT:
        raise Refusal(
            f"The environment of {function} has {taken} bytes, and Lambda allows {ENVIRONMENT}:"
            f" {name} does not fit any more."
        )


def check_resources(count: int) -> None:
    """Raise Refusal where one more of a template's resources would be too many."""
    if count >= RESOURCES:
        raise Refusal(f"The template has {count} resources, and CloudFormation allows {RESOURCES} in one stack.")


def short(name: str, limit: int = POLICY_NAME) -> str:
    """The name, cut to a length that IAM takes; a digest keeps two such names apart."""
    if len(name) <= limit:
        return name
    digest = hashlib.sha256(name.encode()).hexdigest()[:8]
    return f"{name[: limit - 9]}-{digest}"
