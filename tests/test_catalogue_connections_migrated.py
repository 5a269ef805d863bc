"""Catalogue programs with a changed connection: verify finds that both answer alike, and the new one opens less.

Client libraries are the doubles of the catalogue, put among the files of both programs. SQL drivers on real servers
have tests of their own (test_real_databases.py).
"""

import shutil
from dataclasses import replace
from functools import cache
from pathlib import Path

import catalogue_doubles
import pytest
from catalogue_rooms import Rooms
from catalogue_verdicts import CATALOGUE, events, expected, programs

from statelift.analysis import analyse
from statelift.catalogue import CONSTRUCTORS
from statelift.compose import compose_changes
from statelift.discover import read_file
from statelift.model import Options, Tier
from statelift.planning import plan_of
from statelift.verify.events.steps import read_steps
from statelift.verify.examine import Effort, examine
from statelift.verify.machine.sandbox import Sandbox
from statelift.verify.subjects import Sources, read_given, subjects_of
from statelift.verify.values import CodeTree
from statelift.verify.verdicts import Verdict

FAMILIES = ("connection", "libraries")
DOUBLES = Path(catalogue_doubles.__file__).read_text()
BECOME = '''
def become(name):
    """The module of a library's name is a double from now on."""
    if not any(isinstance(each, StandIns) for each in sys.meta_path):
        sys.meta_path.insert(0, StandIns())
    sys.modules[name].__class__ = Library
'''


@cache
def planned(program):
    """The analysis and the plan of a program, and its changes: SAFE and REVIEW."""
    options = Options(select=tuple(expected(*program.split("/", 1)).get("select", ())))
    analysis = analyse([CATALOGUE / program], options)
    plan = plan_of(analysis, options)
    return analysis, plan, [each for each in plan.changes if each.tier is not Tier.MANUAL]


def asked():
    """The programs that are to get a change."""
    found = [(family, name) for family in FAMILIES for name in programs(family)]
    wanted = [(f"{family}/{name}", expected(family, name)) for family, name in found]
    return [each for each, told in wanted if told["expect"] == "flag" and told["tier"] != "manual"]


@cache
def doubles():
    """Files that shadow every client library."""
    listed = f"CONSTRUCTORS = frozenset({sorted(CONSTRUCTORS)!r})"
    text = DOUBLES.replace("from statelift.catalogue import CONSTRUCTORS", listed) + BECOME
    roots = sorted(catalogue_doubles.ROOTS - {"botocore"})
    files = {f"{root}/__init__.py": b"import _doubles\n_doubles.become(__name__)\n" for root in roots}
    return {**files, "_doubles.py": text.encode()}


def subject_of(program):
    analysis, plan, changes = planned(program)
    resources, http = (CATALOGUE / program / name for name in ("resources.json", "http.json"))
    sources = Sources(
        resources=str(resources) if resources.exists() else "",
        http=str(http if http.exists() else CATALOGUE / "http.json"),
    )
    [subject, *_] = subjects_of(plan, analysis, changes, read_given(sources))
    pair = subject.pair
    # Where answers of hosts are given, the library itself asks them.
    shadows = {} if http.exists() else doubles()
    joined = [
        CodeTree(tuple(sorted({**shadows, **dict(each.files)}.items()))) for each in (pair.original, pair.migrated)
    ]
    return replace(subject, pair=replace(pair, original=joined[0], migrated=joined[1]))


@pytest.fixture(scope="module")
def sandbox():
    with Sandbox() as made:
        yield made


@pytest.fixture(scope="module")
def rooms():
    running = Rooms()
    yield running
    running.close()


def written(program, folder):
    """The program with its changes, in a folder of its own."""
    shutil.copytree(CATALOGUE / program, folder)
    for write in compose_changes(planned(program)[2], lambda path: read_file(CATALOGUE / program, path)):
        (folder / write.path).write_bytes(write.after)
    return folder


def opened(done):
    """How many connections are opened: at import, and by all events."""
    at_import, in_the_end = done[0][1], done[-1][2]
    return at_import, in_the_end - at_import


def marked(sample, left=frozenset()):
    """All programs that are to get a change; those beside of the sample are for `make test-all`."""
    names = [each for each in asked() if each not in left]
    return [each if each in sample else pytest.param(each, marks=pytest.mark.complete) for each in names]


@pytest.mark.parametrize("program", marked({each for each in asked() if each.endswith("/minimal")}))
def test_it_answers_alike_and_opens_less(program, rooms, tmp_path):
    family, _, name = program.partition("/")
    steps, migrated = events(family, name), written(program, tmp_path / "migrated")
    before, after = (rooms.run(folder, steps, is_fresh=False) for folder in (CATALOGUE / program, migrated))
    assert [reply for reply, _, _ in after] == [reply for reply, _, _ in before]
    fresh = rooms.run(migrated, steps[-1:], is_fresh=True)
    assert fresh[0][0] == rooms.run(CATALOGUE / program, steps[-1:], is_fresh=True)[0][0]
    assert any(reply[0] == "answer" for reply, _, _ in before)
    assert sum(opened(after)) <= sum(opened(before))
    is_per_call = "per-call" in {str(each.verdict) for each in planned(program)[1].findings if each.changes}
    if is_per_call and "http.client" not in (CATALOGUE / program / "app.py").read_text():
        # Its connections are asked by looking into them, and a double's are never idle.
        assert opened(after)[1] < opened(before)[1], (opened(before), opened(after))


# One of each kind in every run of the tests, the rest in `make test-all`.
SAMPLE = {"connection/N02/product_api", "libraries/psycopg2", "libraries/redis", "libraries/sqlalchemy"}


# What no run here can show, with the reason; everything else has to be EQUIVALENT.
UNSHOWN = {
    "connection/N07/translate": (Verdict.INCONCLUSIVE, "the simulator has no Translate"),
    "connection/N10/fan_out": (Verdict.VACUOUS, "the function that it calls is not there"),
}
# Its clients for many regions take the original longer than a call may.
SLOW = {"connection/N46/region_sweep"}


@pytest.mark.parametrize("program", marked(SAMPLE, SLOW))
def test_it_is_verified(program, sandbox):
    subject = subject_of(program)
    steps = read_steps(CATALOGUE / program / "events.json", subject.entries)
    result = examine(sandbox, subject, steps, Effort(runs=0, events=4, concurrency=3), lambda *_: None)
    expected_verdict, _ = UNSHOWN.get(program, (Verdict.EQUIVALENT, ""))
    assert result.verdict is expected_verdict, result.reason
