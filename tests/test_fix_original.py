"""A counter that lacks its `global`: told by default, repaired and migrated on demand."""

import pytest
from repositories import written

from statelift.compose import compose
from statelift.discover import read_file
from statelift.model import Options, Tier
from statelift.planning import make_plan

FIX = Options(fix_original=True)
WRITTEN = '''"""Counts."""

requests = 0


def note():
    """Another one."""
    requests += 2


def handler(event, context):
    requests += 1
    return event


class Listener:
    def on(self, event):
        # the comment stays
        requests += 3  # and so does this


LISTENER = Listener()


def other(event, context):
    note()
    LISTENER.on(event)
'''
READ = """done = 5


def handler(event, context):
    if event:
        done += 1
        if done % 100 == 0:
            print("hundred")
        return done
    return event
"""


def planned(tmp_path, text, options=FIX):
    root = written(tmp_path / "project", {"app.py": text})
    return root, make_plan([root], options)


def after(root, plan):
    writes = compose(plan, {change.id for change in plan.changes}, lambda path: read_file(root, path))
    return {write.path: write.after.decode() for write in writes}


def test_without_the_option_it_is_told(tmp_path):
    _, plan = planned(tmp_path, WRITTEN, Options())
    assert plan.changes == ()
    assert {(each.rule, each.tier) for each in plan.findings} == {("SL203", Tier.MANUAL)}


def test_a_counter_that_nobody_reads_becomes_a_metric_in_all_functions(tmp_path):
    root, plan = planned(tmp_path, WRITTEN)
    [change] = plan.changes
    assert (change.rule, change.tier, change.id.partition(".")[2]) == ("SL203", Tier.REVIEW, "fixed")
    assert "another behaviour" in change.reasons[0]
    text = after(root, plan)["app.py"]
    assert [text.count(f'count_metric("Requests", {n})') for n in (1, 2, 3)] == [1, 1, 1]
    assert "global" not in text
    assert "requests" not in text
    assert '        # the comment stays\n        count_metric("Requests", 3)  # and so does this\n' in text


def test_a_counter_that_is_read_becomes_an_atomic_one(tmp_path):
    root, plan = planned(tmp_path, READ)
    text = after(root, plan)["app.py"]
    assert 'Counter("COUNTERS_TABLE_NAME", "app.done", initial=5)' in text
    assert "        done = _done_counter.add(1)\n        if done % 100 == 0:\n" in text
    assert "global" not in text


def test_a_transaction_keeps_the_statement_that_was_missing(tmp_path):
    root, plan = planned(tmp_path, READ, Options(fix_original=True, style="transaction"))
    text = after(root, plan)["app.py"]
    assert "def handler(event, context):\n    global done\n    if event:\n        done += 1\n" in text
    assert "@stateless(" in text


@pytest.mark.parametrize("text", [WRITTEN, READ])
def test_a_second_plan_is_empty(tmp_path, text):
    root, plan = planned(tmp_path, text)
    again = make_plan([written(tmp_path / "again", after(root, plan))], FIX)
    assert (again.findings, again.changes) == ((), ())


ONE_LINE = "n = 0\n\n\ndef handler(event, context): n += 1\n"
WINDOWS = READ.replace("\n", "\r\n")


@pytest.mark.parametrize("text", [ONE_LINE, WINDOWS])
def test_where_there_is_no_line_for_it_it_is_told(tmp_path, text):
    root = tmp_path / "project"
    root.mkdir()
    (root / "app.py").write_bytes(text.encode())
    plan = make_plan([root], FIX)
    assert plan.changes == ()
    assert [each.tier for each in plan.findings] == [Tier.MANUAL]
