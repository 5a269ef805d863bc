"""findings -> Suggestions: what AWS has for state that no change moves, as skeletons of CloudFormation stacks.

None of it is written to a template of a user: it needs a network or a decision that only people know.
"""

import re
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from types import MappingProxyType

from statelift.infra.fragments import environment
from statelift.model import Finding, Tier

# What prints what.
SKELETONS: Mapping[str, str] = MappingProxyType(
    {
        "file-system": "one file system for all containers (EFS): programs, locks and databases get a real file",
        "cache": "a cache for all containers (ElastiCache, Valkey): lists, sets, locks, expiries, in milliseconds",
        "database-proxy": "connections that containers share (RDS Proxy): else each one opens some of its own",
        "workflow": "steps that are kept between calls (Step Functions; durable functions keep them in code)",
        "dashboard": "the new metric on a dashboard, and an alarm on it",
    }
)
_SQL = re.compile(
    r"\b(psycopg2?|pg8000|asyncpg|aiopg|pymysql|MySQLdb|mysql\.connector|aiomysql|sqlalchemy|pymssql"
    r"|pyodbc|peewee|psycopg_pool)\b"
)
_STEPS = re.compile(r"(?:^|_|\.)(?:steps?|stages?|phases?|progress|workflows?|sagas?)(?:_|$)", re.IGNORECASE)


@dataclass(frozen=True, slots=True)
class Suggestion:
    """A skeleton that fits a finding."""

    finding: str
    symbol: str
    skeleton: str

    @property
    def sentence(self) -> str:
        """One line for a person: what it is about, what there is, and how to get it."""
        return f"{self.finding} {self.symbol}: {self.advice}"

    @property
    def advice(self) -> str:
        """What there is and how to get it."""
        return f"{SKELETONS[self.skeleton]}; {self.command}"

    @property
    def command(self) -> str:
        """What prints the skeleton."""
        return f"statelift infra --skeleton {self.skeleton}"


def suggestions(findings: Sequence[Finding]) -> Iterator[Suggestion]:
    """What each finding asks for, in the order of the findings."""
    for finding in findings:
        skeleton = _fitting(finding)
        if skeleton:
            yield Suggestion(finding.id, finding.symbol, skeleton)


def advice_for(finding: Finding, told: Sequence[str]) -> str:
    """One line on what AWS has for it; "" where no skeleton fits, or what is `told` names it already."""
    found = (each for each in suggestions([finding]) if not any(each.command in line for line in told))
    return next((each.advice for each in found), "")


def skeleton(name: str) -> str:
    """The text of one of SKELETONS. KeyError for another name."""
    text = SKELETONS[name]
    template = environment().get_template(f"skeletons/{name.replace('-', '_')}.yaml.j2")
    return template.render(description=f"{text[0].upper()}{text[1:]}").strip("\n") + "\n"


def _fitting(finding: Finding) -> str:
    match finding.family:
        case "connection":
            return "database-proxy" if _SQL.search(finding.symbol) else ""
        case "counter" if any(change.endswith(".metric") for change in finding.changes):
            return "dashboard"
        case "memory" if _STEPS.search(finding.symbol):
            return "workflow"
        case "memory" | "tmp" if finding.tier is Tier.MANUAL:
            return "cache" if finding.family == "memory" else "file-system"
        case _:
            return ""
