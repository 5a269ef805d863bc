"""policy documents as plain data -> statements, and what of them cannot be read."""

import re
from collections.abc import Iterator
from dataclasses import dataclass, field

from statelift.verify.deployment.names import Plain
from statelift.verify.machine.guard import KNOWN_KEYS, OPERATORS
from statelift.verify.values import Condition, Deployment, Statement

_OURS = re.compile(r"\*|(dynamodb|s3|cloudwatch):.*", re.IGNORECASE)
# Managed policies that say nothing of tables and buckets.
_PLAIN = re.compile(r"(.*/)?(AWSLambda(Basic|VPCAccess)ExecutionRole|AWSXRay\w*|CloudWatchLambda\w*)")


@dataclass(slots=True)
class Reading:
    """The policies of one function, as far as they were read."""

    statements: list[Statement] = field(default_factory=list)
    unread: list[str] = field(default_factory=list)
    unenforced: list[str] = field(default_factory=list)

    def add_document(self, document: Plain, where: str) -> None:
        """The statements of a policy. `where` names it for people."""
        match document:
            case {"Statement": listed}:
                self.add_statements(listed, where)
            case _:
                self.unread.append(where)

    def add_statements(self, listed: Plain, where: str) -> None:
        """A list of statements, or a single one."""
        for each in listed if isinstance(listed, list) else [listed]:
            if isinstance(each, dict):
                self._add(each, where)
            else:
                self.unread.append(where)

    def add_managed(self, name: Plain) -> None:
        """A managed policy of which only the name is known."""
        if not isinstance(name, str):
            self.unread.append("a policy that only the deployment knows")
        elif not _PLAIN.fullmatch(name):
            self.unread.append(name)

    def _add(self, statement: dict[str, Plain], where: str) -> None:
        is_deny = statement.get("Effect") == "Deny"
        actions, targets = _texts(statement.get("Action")), _texts(statement.get("Resource"))
        known = [action for action in actions if action is not None]
        if known and not any(map(_OURS.fullmatch, known)):
            return
        resources = [target for target in targets if target is not None]
        conditions = _conditions(statement.get("Condition"))
        is_whole = bool(actions) and len(known) == len(actions) and len(resources) == len(targets) > 0
        if not is_whole or conditions is None:
            self._doubt(where, is_deny=is_deny)
        if known and resources and conditions is not None:
            self.statements.append(Statement(tuple(known), tuple(resources), conditions, is_deny))

    def _doubt(self, where: str, *, is_deny: bool) -> None:
        if is_deny:
            self.unenforced.append(f"{where} forbids what only the deployment knows")
        else:
            self.unread.append(where)

    def deployment(self, function: str, variables: dict[str, str]) -> Deployment:
        """All of it as a value."""
        unread, unenforced = dict.fromkeys(self.unread), dict.fromkeys(self.unenforced)
        return Deployment(
            function, tuple(sorted(variables.items())), tuple(self.statements), tuple(unread), tuple(unenforced)
        )  # fmt: skip


def _texts(value: Plain) -> list[str | None]:
    """One text or a list of them; None stands for what is not known."""
    if value is None:
        return []
    items = value if isinstance(value, list) else [value]
    return [item if isinstance(item, str) else None for item in items]


def _conditions(value: Plain) -> tuple[Condition, ...] | None:
    """The conditions of a statement; None where one cannot be decided here."""
    if value is None:
        return ()
    found = tuple(_listed(value)) if isinstance(value, dict) else ()
    is_known = bool(found) and all(each is not None for each in found)
    return tuple(each for each in found if each is not None) if is_known else None


def _listed(value: dict[str, Plain]) -> Iterator[Condition | None]:
    for operator, pairs in value.items():
        plain = re.sub(r"^(ForAllValues|ForAnyValue):|IfExists$", "", operator)
        for key, given in pairs.items() if isinstance(pairs, dict) else [("", None)]:
            values = _texts(given)
            texts = tuple(text for text in values if text is not None)
            is_known = plain in OPERATORS and key.lower() in KNOWN_KEYS and len(texts) == len(values)
            yield Condition(operator, key, texts) if is_known else None
