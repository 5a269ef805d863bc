"""Cells that are kept around each call: what the plan says and writes, and where it says no."""

import pytest
from repositories import written

from statelift.compose import compose
from statelift.discover import read_file
from statelift.model import Options, Tier
from statelift.planning import make_plan
from statelift.selecting import chosen_changes

HISTORY = """\
history = []


def handler(event, context):
    if len(history) > 3:
        history.pop(0)
    history.append(event["id"])
    return history
"""


def planned(tmp_path, **files):
    root = written(tmp_path / "project", {f"{name}.py": text for name, text in files.items()})
    return root, make_plan([root], Options())


def migrated(tmp_path, **files):
    root, plan = planned(tmp_path, **files)
    chosen = {change.id for change in plan.changes}
    writes = compose(plan, chosen, lambda path: read_file(root, path))
    return {write.path.removesuffix(".py"): write.after.decode() for write in writes}


def only_reasons(tmp_path, **files):
    _, plan = planned(tmp_path, **files)
    [finding] = plan.findings
    assert (finding.tier, finding.changes) == (Tier.MANUAL, ())
    return " | ".join(finding.reasons)


def test_the_code_stays_and_the_handler_gets_a_decorator(tmp_path):
    after = migrated(tmp_path, app=HISTORY)["app"]
    decorated = HISTORY.replace("def handler", '@stateless("STATE_TABLE_NAME", "history", retry=True)\ndef handler')
    assert after == f"from statelift_state import stateless\n\n{decorated}"


def test_a_second_plan_finds_nothing(tmp_path):
    root, plan = planned(tmp_path, app=HISTORY)
    for write in compose(plan, {change.id for change in plan.changes}, lambda path: read_file(root, path)):
        (root / write.path).write_bytes(write.after)
    again = make_plan([root], Options())
    assert again.findings == ()
    [suspect] = [each for each in again.left_alone if each.symbol == "history"]
    assert (suspect.verdict, suspect.reasons) == (
        "request-scoped", ("rule 3: @stateless reads history before every call, and writes it back",),
    )  # fmt: skip


def test_another_handler_without_the_decorator_is_told(tmp_path):
    root, plan = planned(tmp_path, app=HISTORY)
    for write in compose(plan, {change.id for change in plan.changes}, lambda path: read_file(root, path)):
        (root / write.path).write_bytes(write.after)
    app = root / "app.py"
    app.write_text(f"{app.read_text()}\n\ndef lambda_handler(event, context):\n    return history.pop()\n")
    [finding] = make_plan([root], Options()).findings
    assert finding.symbol == "history"


@pytest.mark.parametrize(
    ("home", "use", "name"),
    [
        ("class Api:\n    hits = []", "Api.hits", "Api.hits"),
        ("class Api:\n    def __init__(self):\n        self.hits = []\n\n\napi = Api()", "api.hits", "api.hits"),
        ("import collections\nhits = collections.deque(maxlen=3)", "hits", "hits"),
        ("def collect(word, found=[]):\n    found.append(word)\n    return found", "collect(1)", "collect(found)"),
    ],
)
def test_the_decorator_names_what_it_keeps(tmp_path, home, use, name):
    change = f"{use}.append(event['id'])" if "(" not in use else use
    source = f"{home}\n\n\ndef handler(event, context):\n    {change}\n    return list({use})\n"
    assert f'@stateless("STATE_TABLE_NAME", "{name}"' in migrated(tmp_path, app=source)["app"]


def test_a_variable_of_another_module_is_named_with_it(tmp_path):
    config = "last = None\n"
    app = (
        "import config\n\n\ndef handler(event, context):\n"
        "    before, config.last = config.last, event['id']\n    return before\n"
    )
    after = migrated(tmp_path, app=app, config=config)
    assert '@stateless("STATE_TABLE_NAME", "config:last"' in after["app"]
    assert "config" not in after


def test_two_variables_are_two_changes_that_combine_in_any_way(tmp_path):
    source = HISTORY.replace("history = []", "history = []\nlast = None").replace(
        "    return history", "    global last\n    before, last = last, event['id']\n    return before, history"
    )
    root, plan = planned(tmp_path, app=source)
    ids = [change.id for change in plan.changes]
    assert len(ids) == 2
    both = {w.path: w.after for w in compose(plan, set(ids), lambda path: read_file(root, path))}["app.py"].decode()
    assert both.count("@stateless") == 2
    for number, each in enumerate(ids):
        writes = {w.path: w.after for w in compose(plan, {each}, lambda path: read_file(root, path))}
        assert writes["app.py"].decode().count("@stateless") == 1
        assert f'"{["history", "last"][number]}"' in writes["app.py"].decode() or number


def test_a_decorator_stands_below_those_that_are_there(tmp_path):
    source = HISTORY.replace("def handler", "@tracer.capture_lambda_handler\ndef handler")
    source = f"from aws_lambda_powertools import Tracer\ntracer = Tracer()\n{source}"
    after = migrated(tmp_path, app=source)["app"]
    assert (
        '@tracer.capture_lambda_handler\n@stateless("STATE_TABLE_NAME", "history", retry=True)\ndef handler'
        in after
    )


@pytest.mark.parametrize(
    ("old", "new", "why"),
    [
        ("def handler", "async def handler", "asynchronous"),
        ('event["id"]', 'open(event["id"])', "live object"),
        ('event["id"]', "lambda: event", "holds a function"),
        ("return history", "import threading; threading.Thread(target=print).start(); return history", "threads"),
        ('event["id"]', "ValueError(event)", "is an exception"),
    ],
)
def test_where_it_cannot_be_kept_the_reason_is_told(tmp_path, old, new, why):
    assert why in only_reasons(tmp_path, app=HISTORY.replace(old, new))


def test_an_average_is_kept_as_one(tmp_path):
    source = (
        "count = 0\ntotal = 0\n\n\ndef handler(event, context):\n    global count, total\n"
        "    count += 1\n    total += int(event['n'])\n    return total / count\n"
    )
    after = migrated(tmp_path, app=source)["app"]
    assert after.count("@stateless") == 2
    assert source.partition("def ")[2] in after


def test_a_function_beside_the_handler_does_not_become_one_by_the_migration(tmp_path):
    seen = (
        "_seen = set()\n\n\ndef is_new(word):\n    before = len(_seen)\n    _seen.add(word)\n"
        "    return len(_seen) > before\n"
    )
    app = "from seen import is_new\n\n\ndef handler(event, context):\n    return is_new(event['id'])\n"
    assert set(migrated(tmp_path, app=app, seen=seen)) == {"app", "statelift_state"}


# ---------------------------------------------------------------- set anew for each call

LEAK = """\
import json
results = []


def handler(event, context):
    \"\"\"Doubles.\"\"\"
    for number in event["numbers"]:
        results.append(number * 2)
    return json.dumps(results)
"""


def answers(plan, root, name):
    [change] = [each for each in plan.changes if each.id.endswith(f".{name}")]
    writes = compose(plan, {change.id}, lambda path: read_file(root, path))
    return {write.path: write.after.decode() for write in writes}


def test_what_may_have_been_meant_for_one_call_has_two_answers_and_no_default(tmp_path):
    root, plan = planned(tmp_path, app=LEAK)
    assert {change.id.partition(".")[2] for change in plan.changes} == {"transaction", "localise"}
    assert {change.alternatives_of for change in plan.changes} == {plan.findings[0].id}
    assert chosen_changes(plan, Tier.REVIEW, only_accepted=False) == []
    local = answers(plan, root, "localise")
    moved = LEAK.replace('    """Doubles."""\n', '    """Doubles."""\n    results = []\n')
    assert local == {"app.py": moved.replace("import json\nresults = []\n", "import json\n")}


def test_each_call_starts_anew_then(tmp_path):
    root, plan = planned(tmp_path, app=LEAK)
    names = {}
    exec(answers(plan, root, "localise")["app.py"], names)
    assert [names["handler"]({"numbers": [n]}, None) for n in (1, 2)] == ["[2]", "[4]"]
    exec(LEAK, names)
    assert [names["handler"]({"numbers": [n]}, None) for n in (1, 2)] == ["[2]", "[2, 4]"]


def test_a_second_plan_leaves_it_alone(tmp_path):
    root, plan = planned(tmp_path, app=LEAK)
    (root / "app.py").write_text(answers(plan, root, "localise")["app.py"])
    assert make_plan([root], Options()).findings == ()


@pytest.mark.parametrize("order", [(0, 1), (1, 0)])
def test_several_variables_give_one_text_in_any_order(tmp_path, order):
    source = LEAK.replace("results = []", "errors = []\nresults = []").replace(
        "    return", "    errors.append(event)\n    return str(errors) +"
    )
    root, plan = planned(tmp_path, app=source)
    ids = [change.id for change in plan.changes if change.id.endswith(".localise")]
    together = compose(plan, set(ids), lambda path: read_file(root, path))[0].after.decode()
    for number in order:
        again = make_plan([root], Options())
        [one] = [change.id for change in again.changes if change.id == ids[number]]
        for write in compose(again, {one}, lambda path: read_file(root, path)):
            (root / write.path).write_bytes(write.after)
    assert (root / "app.py").read_text() == together
    assert together.index("    errors = []") < together.index("    results = []")


def test_a_global_statement_that_is_there_goes(tmp_path):
    source = (
        "tenant = None\n\n\ndef handler(event, context):\n    global tenant\n    if 'tenant' in event:\n"
        "        tenant = event['tenant']\n    return {'tenant': tenant}\n"
    )
    root, plan = planned(tmp_path, app=source)
    text = answers(plan, root, "localise")["app.py"]
    assert text.lstrip().startswith("def handler(event, context):\n    tenant = None\n    if 'tenant'")


NOT_LOCAL = {
    "a callback": ("    for number in event", "    list(map(add, event['numbers']))\n    for number in event"),
    "a decorator": ("def add(", "@trace\ndef add("),
    "called at import": ("def handler", "add(1)\n\n\ndef handler"),
    "another value": (
        "    results.append(",
        "    global results\n    results = [*results, 1]\n    results.append(",
    ),
    "an inner function": ("    for number in event", "    show = lambda: results\n    for number in event"),
    "named arguments of any kind": ("def add(number):", "def add(number, **rest):"),
    "a handler that is called": ("def add(", "def warm():\n    handler({}, None)\n\n\ndef add("),
}


@pytest.mark.parametrize("case", NOT_LOCAL)
def test_where_it_cannot_be_given_as_a_parameter_it_stays_and_is_set_anew(tmp_path, case):
    old, new = NOT_LOCAL[case]
    assert old in HELPED
    _, plan = planned(tmp_path, app=HELPED.replace(old, new, 1))
    assert not any(change.title.startswith("make results a variable") for change in plan.changes)


HELPED = """trace = print
results = []  # of one call


def add(number):
    results.append(number * 2)


def handler(event, context):
    for number in event["numbers"]:
        add(number)
    return results
"""
CALLS = {
    "(number)": ("add(number, results)", "def add(number, results):"),
    "(number=number)": ("add(number=number, results=results)", "def add(number, results):"),
    "(*[number])": ("add(*[number], results=results)", "def add(number, results):"),
    "((number))": ("add((number), results)", "def add(number, results):"),
    "(number,)": ("add(number, results)", "def add(number, results):"),
    "(\n            number,\n        )": (
        "add(\n            number,\n            results,\n        )", "def add(number, results):"
    ),
}  # fmt: skip
PARAMETERS = {
    "number, by=2": "number, by=2, *, results",
    "number, *rest": "number, *rest, results",
    "number, *, by=(2)": "number, *, by=(2), results",
    "number: int = 1": "number: int = 1, *, results",
    "number, /": "number, /, results",
}


@pytest.mark.parametrize("call", CALLS)
def test_a_helper_gets_it_as_a_parameter(tmp_path, call):
    given, taken = CALLS[call]
    root, plan = planned(tmp_path, app=HELPED.replace("add(number)\n    return", f"add{call}\n    return"))
    made = answers(plan, root, "localise")["app.py"]
    assert given in made
    assert taken in made
    assert "    results = []  # of one call\n    for" in made
    names = {}
    exec(made, names)
    assert [names["handler"]({"numbers": [n]}, None) for n in (1, 2)] == [[2], [4]]


@pytest.mark.parametrize("parameters", PARAMETERS)
def test_the_new_parameter_is_the_last_that_can_be_given(tmp_path, parameters):
    root, plan = planned(tmp_path, app=HELPED.replace("def add(number)", f"def add({parameters})"))
    made = answers(plan, root, "localise")["app.py"]
    assert f"def add({PARAMETERS[parameters]}):" in made
    names = {}
    exec(made, names)
    assert [names["handler"]({"numbers": [n]}, None) for n in (1, 2)] == [[2], [4]]


def test_helpers_of_other_modules_and_recursive_ones_get_it_too(tmp_path):
    app = (
        "import found\n\n\ndef handler(event, context):\n    found.walk(event['rows'])\n    return found.results\n"
    )
    walk = (
        "results = []\n\n\ndef walk(rows):\n    for row in rows:\n        results.append(row)\n        walk(row)\n"
    )
    root, plan = planned(tmp_path, app=app, found=walk)
    made = answers(plan, root, "localise")
    assert made["app.py"].endswith("    results = []\n    found.walk(event['rows'], results)\n    return results\n")
    assert "def walk(rows, results):" in made["found.py"]
    assert "walk(row, results)" in made["found.py"]


@pytest.mark.parametrize(
    "source",
    [
        "import time\n\n\ndef handler(event, context, now=time.time()):\n    return now\n",
        "import time\nSTART = time.time()\nNAME = f'{START}'\n\n\ndef handler(event, context):\n    return NAME\n",
        "import time\nNOW = time.time()\nprint(NOW)\n\n\ndef handler(event, time):\n    return NOW\n",
    ],
)
def test_a_frozen_value_that_would_stay_as_old_is_only_told(tmp_path, source):
    _, plan = planned(tmp_path, app=source)
    assert [change for change in plan.changes if change.rule == "SL105"] == []
    assert {finding.tier for finding in plan.findings} == {Tier.MANUAL}


def test_the_time_of_the_import_becomes_that_of_the_call(tmp_path):
    source = "import time\nNOW = time.time()\n\n\ndef handler(event, context):\n    return NOW\n"
    root, plan = planned(tmp_path, app=source)
    assert answers(plan, root, "localise") == {
        "app.py": source.replace("    return", "    global NOW\n    NOW = time.time()\n    return")
    }


FRAMEWORK = """\
from pydantic import BaseModel
from typing import TypedDict


class Item(BaseModel):
    name: str


class Row(TypedDict):
    name: str


ITEMS = []


def handler(event: {kind}, context):
    ITEMS.append(event)
    if len(ITEMS) > 9:
        ITEMS.pop(0)
    return len(ITEMS)
"""


@pytest.mark.parametrize("kind", ["Item", "list[Item]", "Item | None"])
def test_what_is_said_to_be_an_object_is_not_kept(tmp_path, kind):
    assert "event is an object of Item" in only_reasons(tmp_path, app=FRAMEWORK.format(kind=kind))


@pytest.mark.parametrize("kind", ["dict", "Row", "list[dict]"])
def test_what_is_said_to_be_plain_data_is_kept(tmp_path, kind):
    _, plan = planned(tmp_path, app=FRAMEWORK.format(kind=kind))
    assert [finding.tier for finding in plan.findings] == [Tier.REVIEW]
