"""A decorator -> whether something is known of what it does with the function."""

from statelift.facts.values import Decorator
from statelift.link.program import Program
from statelift.link.reach import INERT_DECORATORS

# Libraries whose decorators give on what the function gets and returns.
HANDING_ON = (
    "aws_lambda_powertools.logging", "aws_lambda_powertools.tracing", "aws_lambda_powertools.metrics",
    "aws_xray_sdk.", "functools.", "contextlib.", "dataclasses.", "typing.", "abc.", "statelift_state.",
)  # fmt: skip


def is_foreign(program: Program, path: str, decorator: Decorator) -> bool:
    """Whether nothing is known of a decorator: no code of the program, no method of an object, no library
    that hands on what it gets.
    """
    name = decorator.name
    if not name or name in INERT_DECORATORS or name.startswith(HANDING_ON):
        return False
    head = name.lstrip(".").partition(".")[0]
    is_own = program.resolve(path, name) is not None or program.resolve(path, head) is not None
    return not is_own
