"""Rewrites of memos, numbers, class counters, constants that another name changes; the tool that counts them."""

import pytest
import rewrites
from repositories import written

from statelift.compose import compose
from statelift.discover import read_file
from statelift.model import Options, Tier
from statelift.planning import make_plan

HANDLER = """

def handler(event, context):
    return {answer}
"""


def planned(tmp_path, text):
    root = written(tmp_path / "project", {"app.py": text})
    return root, make_plan([root], Options())


def after(tmp_path, text, style):
    root, plan = planned(tmp_path, text)
    chosen = {change.id for change in plan.changes if change.id.endswith(style)}
    writes = compose(plan, chosen, lambda path: read_file(root, path))
    return next(write.after.decode() for write in writes if write.path == "app.py")


ALONE = """import time
from functools import lru_cache


@lru_cache(maxsize=1)
def now():
    return time.time()
"""
USED = """import functools, time


@functools.cache
def now():
    return functools.reduce(max, [time.time()])
"""
PROPERTY = """import time
from functools import cached_property


class Clock:
    @cached_property
    def now(self):
        return time.time()


CLOCK = Clock()
"""
MEMOS = {
    "its import goes": (ALONE, ["from functools import lru_cache\n", "@lru_cache(maxsize=1)\n"], "now()"),
    "its import stays where it is used": (USED, ["@functools.cache\n"], "now()"),
    "a property stays one": (PROPERTY, ["from functools import cached_property\n", "cached_"], "CLOCK.now"),
}


@pytest.mark.parametrize("name", MEMOS)
def test_a_memo_that_does_not_hold_goes(tmp_path, name):
    before, gone, answer = MEMOS[name]
    text = before + HANDLER.format(answer=answer)
    made = after(tmp_path, text, ".plain")
    for each in gone:
        text = text.replace(each, "")
    assert made == text


def test_a_memo_that_is_cleared_stays(tmp_path):
    text = (
        MEMOS["its import goes"][0] + "\n\ndef handler(event, context):\n    now.cache_clear()\n    return now()\n"
    )
    _, plan = planned(tmp_path, text)
    [finding] = plan.findings
    assert (finding.rule, finding.tier, finding.changes) == ("SL106", Tier.MANUAL, ())


NUMBERS = {
    "itertools.count()": 'Counter("COUNTERS_TABLE_NAME", "app.ids", initial=-1)',
    "itertools.count(1)": 'Counter("COUNTERS_TABLE_NAME", "app.ids")',
    "itertools.count(start=100, step=5)": 'Counter("COUNTERS_TABLE_NAME", "app.ids", initial=95)',
}


@pytest.mark.parametrize("made", NUMBERS)
def test_numbers_come_from_an_atomic_counter(tmp_path, made):
    text = after(tmp_path, f"import itertools\n\nids = {made}\n{HANDLER.format(answer='next(ids)')}", ".counter")
    assert f"ids = {NUMBERS[made]}\n" in text
    assert text.endswith(f"return ids.add({'5' if '5' in made else ''})\n")


@pytest.mark.parametrize(
    "made", ["itertools.count(0.5)", "itertools.count(start=FIRST)", "itertools.cycle([1, 2])"]
)
def test_other_iterators_are_told(tmp_path, made):
    _, plan = planned(tmp_path, f"import itertools\nFIRST = 1\nids = {made}\n{HANDLER.format(answer='next(ids)')}")
    [finding] = plan.findings
    assert (finding.tier, finding.changes) == (Tier.MANUAL, ())


def test_numbers_that_are_also_looked_at_are_told(tmp_path):
    _, plan = planned(
        tmp_path, f"import itertools\nids = itertools.count(1)\n{HANDLER.format(answer='[next(ids), ids]')}"
    )
    assert [finding.changes for finding in plan.findings] == [()]


CLASS = """class Service{bases}:
    calls = 0

    def answer(self, name):
        Service.calls += 1
        return name
"""


@pytest.mark.parametrize(("bases", "tier"), [("", Tier.SAFE), ("(dict)", Tier.REVIEW)])
def test_a_counter_of_a_class_that_nobody_reads_becomes_a_metric(tmp_path, bases, tier):
    text = CLASS.format(bases=bases) + HANDLER.format(answer='Service().answer(event["name"])')
    _, plan = planned(tmp_path, text)
    assert [finding.tier for finding in plan.findings] == [tier]
    made = after(tmp_path, text, ".metric")
    assert 'count_metric("ServiceCalls", 1)' in made
    assert "calls = 0" not in made


def test_a_constant_that_another_name_changes_has_two_answers_and_none_by_default(tmp_path):
    text = """TEMPLATE = {"tags": []}


def handler(event, context):
    message = TEMPLATE.copy()
    message["tags"].append(event["tag"])
    return message
"""
    _, plan = planned(tmp_path, text)
    [finding] = plan.findings
    assert [change.partition(".")[2] for change in finding.changes] == ["transaction", "localise"]
    assert {change.alternatives_of for change in plan.changes} == {finding.id}
    assert '    global TEMPLATE\n    TEMPLATE = {"tags": []}\n' in after(tmp_path, text, ".localise")


def test_a_constant_that_only_a_table_could_keep_is_told(tmp_path):
    root = written(
        tmp_path / "project",
        {
            "texts.py": 'TEXTS = {"en": []}\n\n\ndef texts():\n    return TEXTS\n',
            "app.py": "from texts import texts\n\n\ndef handler(event, context):\n    found = texts()\n"
            '    found["en"].append(event["word"])\n    return found\n',
        },
    )
    [finding] = make_plan([root], Options()).findings
    assert (finding.symbol, finding.tier, finding.changes) == ("TEXTS", Tier.MANUAL, ())


LOGGING = """import io, logging, sys


def handler(event, context):
    logger = logging.getLogger({name})
    added = {added}
    logger.addHandler(added)
    logger.info("called")
"""


def test_a_log_handler_is_added_once(tmp_path):
    text = LOGGING.format(name="__name__", added="logging.StreamHandler(sys.stdout)")
    made = after(tmp_path, text, ".once")
    assert "    if not logger.handlers:\n        logger.addHandler(added)\n" in made
    root = written(tmp_path / "again", {"app.py": made})
    assert make_plan([root], Options()).findings == ()


def test_a_log_handler_of_the_call_that_has_to_be_closed_is_told(tmp_path):
    _, plan = planned(tmp_path, LOGGING.format(name="__name__", added='logging.FileHandler(event["path"])'))
    assert [(finding.tier, finding.changes) for finding in plan.findings] == [(Tier.MANUAL, ())]


@pytest.mark.parametrize(
    "value", ["datetime.timedelta(hours=24)", "datetime.datetime(2020, 1, 1)", "uuid.UUID(int=7)"]
)
def test_what_is_the_same_at_any_time_is_not_frozen(tmp_path, value):
    _, plan = planned(tmp_path, f"import datetime, uuid\nFIXED = {value}\n{HANDLER.format(answer='str(FIXED)')}")
    assert plan.findings == ()


@pytest.mark.parametrize("value", ["datetime.date.today() - datetime.timedelta(days=1)", "uuid.uuid4()"])
def test_what_the_import_found_is_frozen(tmp_path, value):
    _, plan = planned(tmp_path, f"import datetime, uuid\nFIXED = {value}\n{HANDLER.format(answer='str(FIXED)')}")
    assert [finding.rule for finding in plan.findings] == ["SL105"]


def test_the_tool_tells_what_gets_a_change_and_why_the_rest_does_not(tmp_path):
    text = "import itertools\nids = itertools.count(1)\ncycle = itertools.cycle([1, 2])\n{}"
    _, plan = planned(tmp_path, text.format(HANDLER.format(answer="[next(ids), next(cycle)]")))
    answers = [rewrites.answer_of(each.symbol, "C15", each, plan) for each in plan.findings]
    answers.append(rewrites.answer_of("gone", "S01", None, plan))
    assert [each.styles for each in answers] == [(), ("counter",), ()]
    assert [each.tier for each in answers] == ["manual", "review", "-"]
    assert rewrites.summary(answers) == "1 of 2 with state get a change. 1 of 2 rows; without: S01"
    assert "| SL202 | state | 1 | 1 | 1 counter |" in rewrites.table(answers)
    assert "| nothing is found | 1 | gone |" in rewrites.reasons(answers)


def test_lines_and_names_are_no_part_of_a_reason():
    assert rewrites.plain("line 4, 7: what it holds") == "line N: what it holds"
    assert rewrites.plain("line 18: Client(x) is an object of Client, which") == (
        "line N: it is a live object, which no table can hold"
    )
