"""What a configuration says of metrics -> what is wrong with it, by the rules of CloudWatch."""

import re

UNITS = tuple(
    """Count None Percent Seconds Microseconds Milliseconds Bytes Kilobytes Megabytes Gigabytes Terabytes Bits
    Kilobits Megabits Gigabits Terabits Count/Second Bytes/Second Bits/Second""".split()
)
_NAMESPACE = re.compile(r"(?!AWS/)[A-Za-z0-9._\-/#]{1,255}")
_DIMENSION = re.compile(r"(?![:_])[A-Za-z0-9._\-]{1,250}=[\x20-\x7e]{1,1024}")
_MOST = 30


def namespace_flaw(value: object) -> str:
    """What is wrong with a namespace; "" if nothing."""
    is_one = isinstance(value, str) and _NAMESPACE.fullmatch(value) is not None
    return "" if is_one else "must be letters, digits and ._-/#, and not begin with AWS/"


def dimensions_flaw(value: object) -> str:
    """What is wrong with a list of dimensions; "" if nothing."""
    if not isinstance(value, list) or not all(
        isinstance(each, str) and _DIMENSION.fullmatch(each) for each in value
    ):
        return 'must be a list of texts name=value: ["service=shop"]'
    names = [each.partition("=")[0] for each in value]
    if len(set(names)) < len(names):
        return "names a dimension twice"
    return f"has more than {_MOST} dimensions, which CloudWatch does not take" if len(names) > _MOST else ""
