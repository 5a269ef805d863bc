"""A write and the check that decides about it: one conditional write, of which two calls at once make one."""

from pathlib import Path

import pytest
from test_red_team import finding_of, plan_of, rewritten

from statelift.analysis import analyse
from statelift.model import Options, Tier
from statelift.planning import plan_of as plan_of_analysis
from statelift.verify.events.steps import Step
from statelift.verify.examine import Effort, examine
from statelift.verify.machine.sandbox import Sandbox
from statelift.verify.subjects import Sources, read_given, subjects_of
from statelift.verify.verdicts import Verdict

HEAD = """import time

N = 60
S = {made}


def handler(event, context):
    k = str(event["k"])
    n = event["n"]
    now = time.time()
"""
BEHIND = """    return "new"
"""
NEWLINE = "\n"
# What the code does with the set or dict S, and what becomes of these lines.
ONE_STEP = {
    "a set, left early": (
        "set()",
        """
    if k in S:
        return "old"
    S.add(k)
""",
        """
    if not S.claim(k):
        return "old"
""",
    ),
    "a set, entered": (
        "set()",
        """
    if k not in S:
        S.add(k)
        print("first")
""",
        """
    if S.claim(k):
        print("first")
""",
    ),
    "a set, the other way round": (
        "set()",
        """
    if k in S:
        print("again")
    else:
        # it is new
        S.add(k)
""",
        """
    # it is new
    if not S.claim(k):
        print("again")
""",
    ),
    "a set, and nothing else": (
        "set()",
        "    if n:\n        return k in S\n    if not k in S:\n        S.add(k)\n",
        "    if n:\n        return S.contains(k)\n    S.put(k, True)\n",
    ),
    "a set behind another condition": (
        "set()",
        """
    if n > 2 and k not in S:
        S.add(k)
        print("first")
    elif n < 0 or k in S:
        print("again")
""",
        """
    if n > 2 and S.claim(k):
        print("first")
    elif n < 0 or S.contains(k):
        print("again")
""",
    ),
    "a dict": (
        "{}",
        """
    if k in S:
        raise ValueError(k)  # twice

    # remember it
    S[k] = now  # for later

    print(k)
""",
        """
    # remember it
    # for later
    if not S.claim(k, now):
        raise ValueError(k)  # twice

    print(k)
""",
    ),
    "a dict, and nothing else": (
        "{}",
        '    if k not in S: S[k] = {"at": now}\n',
        '    S.setdefault(k, {"at": now})\n',
    ),
    "a dict under another condition": (
        "{}",
        "    if n and k not in S:\n        S[k] = n\n",
        "    if n:\n        S.setdefault(k, n)\n",
    ),
    "a pause": (
        "{}",
        """
    if now - S.get(k, 0) < N:
        return "wait"
    S[k] = now
""",
        """
    if not S.put_unless(k, now, lambda entry: now - entry < N, 0):
        return "wait"
""",
    ),
    "a pause, by a variable": (
        "{}",
        """
    last = S.get(k)
    if n and last is not None and now - last < N:
        return "wait"
    S[k] = now
""",
        """
    if not S.put_unless(k, now, lambda last: n and last is not None and now - last < N, None):
        return "wait"
""",
    ),
    "a pause by the clock": (
        "{}",
        """
    if time.time() - S.get(k, 0) < N:
        return "wait"
    S[k] = int(time.time())
""",
        """
    if not S.put_unless(k, int(time.time()), lambda entry: time.time() - entry < N, 0):
        return "wait"
""",
    ),
    "a pause behind another condition": (
        "{}",
        """
    last = S.get(k)
    if not n or (last is not None and now - last < N):
        return "wait"
    S[k] = now
""",
        """
    if not n or (not S.put_unless(k, now, lambda last: last is not None and now - last < N, None)):
        return "wait"
""",
    ),
    "a pause, if there is one": (
        "{}",
        """
    if k in S and now - S[k] < N:
        return "wait"
    S[k] = now
""",
        """
    if not S.put_unless(k, now, lambda entry: entry is not None and now - entry < N, None):
        return "wait"
""",
    ),
    "the most": (
        "{}",
        """
    if n > S.get(k, 0):
        S[k] = n
""",
        """
    S.put_if(k, n, lambda entry: n > entry, 0)
""",
    ),
    "the most, with its KeyError": (
        "{}",
        '    if S[k] < n:\n        S[k] = n\n        print("more")\n',
        '    if S.put_if(k, n, lambda entry: entry < n):\n        print("more")\n',
    ),
    "an entry goes, and nothing else": (
        "{}",
        "    if k in S:\n        del S[k]  # gone\n    S.get(k)\n",
        "    S.pop(k, None)  # gone\n    S.get(k)\n",
    ),
    "an entry goes under another condition": (
        "{}",
        "    if n and k in S:\n        S.pop(k)\n",
        "    if n:\n        S.pop(k, None)\n",
    ),
    "an entry goes, or it is an error": (
        "{}",
        """
    if k not in S:
        return "unknown"
    del S[k]
""",
        """
    if S.pop(k, MISSING) is MISSING:
        return "unknown"
""",
    ),
    "an entry goes, and more is done": (
        "{}",
        """
    if n > 2 and k in S:
        del S[k]
        print("gone")
    else:
        print("none")
""",
        """
    if n > 2 and S.pop(k, MISSING) is not MISSING:
        print("gone")
    else:
        print("none")
""",
    ),
    "an element goes": (
        "set()",
        "    if n > 5:\n        S.add(k)\n    elif k in S:\n        S.remove(k)\n        print(n)\n",
        "    if n > 5:\n        S.put(k, True)\n    elif S.pop(k, MISSING) is not MISSING:\n        print(n)\n",
    ),
    "where nothing holds": (
        "{}",
        "    if not S.get(k):\n        S[k] = n\n",
        "    S.put_unless(k, n, lambda entry: entry, None)\n",
    ),
}
# Something lies between, or could tell the difference: two calls, and a reason.
TWO_STEPS = {
    "work in between": ("{}", '    if k in S:\n        return "old"\n    print(k)\n    S[k] = n\n'),
    "another key": ("{}", "    if k in S:\n        return 1\n    S[k + k] = n\n"),
    "a value that may fail": ("{}", '    if k in S:\n        return "old"\n    S[k] = event["v"]\n'),
    "a value that does something": ("{}", '    if k in S:\n        return "old"\n    S[k] = print(k)\n'),
    "a test that does something": ("{}", "    if S.get(k, 0) < input(k):\n        S[k] = n\n"),
    "a test that names its value": ("{}", "    if (m := S.get(k, 0)) < n:\n        S[k] = m\n"),
    "a default that is computed": ("{}", "    if S.get(k, n) < n:\n        S[k] = n\n"),
    "two defaults": ("{}", "    if S.get(k, 0) < n and S.get(k, 1) > 3:\n        S[k] = n\n"),
    "an entry and work in between": ("{}", "    if k in S:\n        print(k)\n        del S[k]\n"),
    "an entry that is taken, with what it does": ("{}", "    if k in S:\n        S.pop(k, print(n))\n"),
    "an entry of another key": ("{}", "    if k in S:\n        del S[k + k]\n"),
    "an entry that may not be there": ("{}", "    if k not in S:\n        del S[k]\n"),
    "two entries": ("{}", "    if k in S:\n        del S[k], S[k]\n"),
    "what is there already": ("{}", "    if k in S:\n        S[k] = n\n"),
    "an unknown value": ("{}", "    if k in S and S[k] < 3:\n        return 1\n    S[k] = n\n"),
    "no way out": ("{}", "    if k in S:\n        print(k)\n    S[k] = n\n"),
    "a KeyError that may come": ("{}", "    if n < 3 or S[k] < 3:\n        S[k] = n\n"),
    "a variable that is used again": (
        "{}",
        "    last = S.get(k, 0)\n    if now - last < N:\n        return last\n    S[k] = now\n",
    ),
    "a line in a text that looks like a comment": (
        "{}",
        '    if k in S:\n        return """\n# old"""\n    S[k] = [*event]\n',
    ),
}


def program(made, lines):
    return HEAD.format(made=made) + lines.removeprefix("\n") + BEHIND


@pytest.mark.parametrize("name", ONE_STEP)
def test_a_write_and_its_check_are_one_step(tmp_path: Path, name: str) -> None:
    made, before, expected = ONE_STEP[name]
    after = rewritten(tmp_path, program(made, before))
    assert after.endswith(f"now = time.time()\n{expected.removeprefix(NEWLINE)}{BEHIND}")


@pytest.mark.parametrize("name", TWO_STEPS)
def test_what_could_be_told_apart_stays_two_calls_and_says_so(tmp_path: Path, name: str) -> None:
    source = program(*TWO_STEPS[name])
    after = rewritten(tmp_path, source)
    assert not [word for word in ("claim", "put_if", "put_unless") if f"S.{word}(" in after]
    assert "S.pop(k, MISSING)" not in after
    finding = finding_of(plan_of(tmp_path, source), "S")
    assert finding.tier is not Tier.SAFE
    assert "in one step" not in str(finding.reasons)


# ---------------------------------------------------------------- two calls at once

EACH_ONCE = """SEEN = set()


def handler(event, context):
    if event["id"] in SEEN:
        return "duplicate"
    SEEN.add(event["id"])
    return "new"
"""
NOT_TOO_OFTEN = """LAST = {}


def handler(event, context):
    user, now = event["user"], event["now"]
    last = LAST.get(user)
    if last is not None and now - last < 3:
        return "wait"
    LAST[user] = now
    return "go"
"""
THE_MOST = """BEST = {}


def handler(event, context):
    user, points = event["user"], event["points"]
    if event.get("show"):
        return BEST.get(user)
    if points > BEST.get(user, 0):
        BEST[user] = points
        return "a new one"
    return "no"
"""
ONE_OWNER = """import logging

OWNERS = {}
logger = logging.getLogger(__name__)


def handler(event, context):
    for name in event["names"]:
        if name not in OWNERS:
            OWNERS[name] = event["user"]
        elif OWNERS.get(name) == event["user"]:
            logger.info("again")
    return [OWNERS.get(name) for name in event["names"]][:1]
"""
TAKEN_ONCE = """TICKETS = {}


def handler(event, context):
    ticket = event["ticket"]
    if event.get("sell"):
        TICKETS[ticket] = event["sell"]
        return "sold"
    if event.get("void") and ticket in TICKETS:
        del TICKETS[ticket]
    if ticket not in TICKETS:
        return "used already"
    del TICKETS[ticket]
    return "welcome"
"""
PROGRAMS = {
    EACH_ONCE: [{"id": f"m{n % 5}"} for n in range(18)],
    NOT_TOO_OFTEN: [{"user": "ab"[n % 2], "now": n} for n in range(18)],
    THE_MOST: [{"user": "a", "points": n * 7 % 11, "show": n % 5 == 4} for n in range(18)],
    TAKEN_ONCE: [{"ticket": f"t{n // 6}", "sell": n % 6 == 0, "void": n == 14} for n in range(18)],
    ONE_OWNER: [{"names": ["x", f"y{n % 3}"], "user": f"u{n}"} for n in range(12)],
}


@pytest.fixture(scope="module")
def sandbox():
    with Sandbox() as made:
        yield made


@pytest.mark.parametrize(
    "source", PROGRAMS, ids=["each once", "not too often", "the most", "taken once", "one owner"]
)
def test_of_calls_at_the_same_time_one_gets_through(tmp_path: Path, sandbox: Sandbox, source: str) -> None:
    (tmp_path / "app.py").write_text(source)
    analysis = analyse([tmp_path], Options())
    plan = plan_of_analysis(analysis, Options())
    assert not [change for change in plan.changes if change.id.endswith(".transaction")]
    [subject] = subjects_of(plan, analysis, list(plan.changes), read_given(Sources()))
    steps = [Step("app:handler", "lambda", event) for event in PROGRAMS[source]]
    effort = Effort(runs=0, events=18, concurrency=3, shrinking=60)
    result = examine(sandbox, subject, steps, effort, lambda *_: None)
    assert result.verdict is Verdict.EQUIVALENT, result.reason
