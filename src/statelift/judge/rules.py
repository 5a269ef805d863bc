"""The rules by code: what `--select`, `rules` and `explain` speak of."""

from collections.abc import Sequence
from dataclasses import dataclass
from difflib import get_close_matches

from statelift.model import Family


@dataclass(frozen=True, slots=True)
class Rule:
    """A kind of finding. `name` names the bad pattern, not the cure; without `is_default` it has to be selected."""

    code: str
    name: str
    family: Family
    summary: str
    is_default: bool = True


RULES = (
    Rule("SL101", "session-in-memory", "memory", "A dict or set is used as a store between invocations."),
    Rule("SL102", "accumulator-in-memory", "memory", "A list or set of the container grows from call to call."),
    Rule("SL103", "slot-in-memory", "memory", "A global remembers one value for the next invocation."),
    Rule("SL104", "write-only-state", "memory", "State is collected in the container, and nobody reads it."),
    Rule("SL105", "frozen-at-import", "memory", "A time or random value of the cold start is used by every call."),
    Rule("SL106", "stale-memo", "memory", "A memoised function depends on more than its arguments."),
    Rule("SL201", "counter-in-memory", "counter", "A counter that nobody reads counts one container only."),
    Rule("SL202", "read-counter-in-memory", "counter", "Code relies on a counter that counts one container only."),
    Rule(
        "SL203", "counter-without-global", "counter", "A global is incremented without `global`: every call raises."
    ),
    Rule("SL301", "file-kept-in-tmp", "tmp", "A file in /tmp is written in one invocation and read in another."),
    Rule(
        "SL302",
        "scratch-left-behind",
        "tmp",
        "A new folder or file in /tmp is left behind by every call.",
        is_default=False,
    ),
    Rule("SL401", "client-per-call", "connection", "A self-healing client is built on every call."),
    Rule("SL402", "connection-per-call", "connection", "A database connection is opened on every call."),
    Rule("SL403", "unvalidated-connection", "connection", "A connection is opened at import and never validated."),
    Rule(
        "SL404",
        "implicit-session",
        "connection",
        "A function such as requests.get opens a connection for one request.",
        is_default=False,
    ),
    Rule(
        "SL405",
        "hook-per-call",
        "connection",
        "Every call registers one more hook with a client that all calls share.",
    ),
    Rule("SL901", "foreign-codemod", "foreign", "A change that a user's own codemod proposes."),
)
BY_CODE = {rule.code: rule for rule in RULES}
BY_NAME = {rule.name: rule for rule in RULES}


def rule_of(word: str) -> Rule | None:
    """The rule of a code or name, or None."""
    return BY_CODE.get(word.upper()) or BY_NAME.get(word.lower())


def covers(word: str, code: str) -> bool:
    """Whether a word (a code, the beginning of one, or a name) means the rule of a code."""
    rule = rule_of(word)
    return rule.code == code if rule is not None else code.startswith(word.upper())


def rule_flaw(word: str) -> str:
    """What is wrong with a word that should mean rules, with the nearest right one; "" if nothing."""
    is_beginning = word.upper().startswith("SL") and any(code.startswith(word.upper()) for code in BY_CODE)
    if is_beginning or rule_of(word) is not None:
        return ""
    close = nearest(word, [*BY_CODE, *BY_NAME, *map(str.lower, BY_CODE)])
    return f"There is no rule {word}.{f' Did you mean {close}?' if close else ' `statelift rules` lists them.'}"


def nearest(word: str, known: Sequence[str]) -> str | None:
    """The known word that is most like this one, if any is."""
    return next(iter(get_close_matches(word[:80], known, n=1, cutoff=0.5)), None)
