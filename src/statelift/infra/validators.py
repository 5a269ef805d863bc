"""template before and after -> what a validator newly finds, where one is installed (cloudformation-validate)."""

import importlib
from collections.abc import Callable, Iterator
from functools import cache

MODULE = "cloudformation_validate"
_MILD = ("INFO", "DEBUG")

Finding = tuple[str, str]  # rule and resource


def new_findings(before: bytes, after: bytes) -> tuple[Finding, ...]:
    """Rule and resource of each warning or error that only the new template has, sorted.

    Messages are not compared: they list the ids of the whole template. Nothing is new where no validator is
    installed, and where it reads neither of the two.
    """
    validate = _validator()
    if validate is None or before == after:
        return ()
    known = set(validate(before))
    return tuple(sorted(set(validate(after)) - known))


@cache
def _validator() -> Callable[[bytes], Iterator[Finding]] | None:
    try:
        module = importlib.import_module(MODULE)
    except ImportError:
        return None
    engine = module.CelEngine()

    def validate(data: bytes) -> Iterator[Finding]:
        for each in engine.validate_template(data).diagnostics:
            if not any(word in str(each.severity) for word in _MILD):
                yield str(each.rule_id), str((each.entity and each.entity.logical_id) or "")

    return validate
