"""The form of code that is asked for: for a run, for single cells, and what stands against it."""

import ast
import json

import pytest
from repositories import written

from statelift.compose import compose
from statelift.discover import read_file
from statelift.model import CellOptions, Options, Tier
from statelift.planning import UnknownCellError, make_plan

STORE = """SESSIONS = {{}}


def handler(event, context):
    key = f"{{event['id']}}"
    if "user" in event:
        SESSIONS[key] = {value}
    else:
        {use}
"""
INLINE = Options(style="inline")


def planned(tmp_path, text, options):
    root = written(tmp_path / "project", {"app.py": text})
    return root, make_plan([root], options)


def after(root, plan):
    writes = compose(plan, {change.id for change in plan.changes}, lambda path: read_file(root, path))
    return next(write.after.decode() for write in writes if write.path == "app.py")


def style_of(plan):
    [change] = plan.changes
    return change.id.partition(".")[2]


USES = {
    "return SESSIONS.get(key)": '.get("Item", {}).get("v")',
    "return SESSIONS.get(key, 'nobody')": '.get("Item", {}).get("v", \'nobody\')',
    "return key in SESSIONS": 'return "Item" in _sessions_table().get_item(Key={"pk": key}, ConsistentRead=True)',
    "return key not in SESSIONS": 'return "Item" not in ',
    "return SESSIONS[key] if key in SESSIONS else None": 'return _sessions_table().get_item(Key={"pk": key}',
    "return SESSIONS[key] if key in SESSIONS else 'no'": '.get("Item", {}).get("v", \'no\')',
    "if key in SESSIONS: return SESSIONS[key]": 'ConsistentRead=True).get("Item")) is not None: return item["v"]',
    "if key in SESSIONS: del SESSIONS[key]": '    _sessions_table().delete_item(Key={"pk": key})\n',
    "if event and key in SESSIONS: del SESSIONS[key]": "        if event: _sessions_table().delete_item(Key={",
    "if event: SESSIONS.pop(key, None)\n        else: return SESSIONS.get(key)": "_sessions_table().delete_item(",
}


@pytest.mark.parametrize("use", USES)
def test_a_use_becomes_a_call_of_boto3(tmp_path, use):
    root, plan = planned(tmp_path, STORE.format(value="f\"{event['user']}\"", use=use), INLINE)
    made = after(root, plan)
    assert USES[use] in made
    assert "_sessions_table().put_item(Item={" in made
    assert "json" not in made
    assert "statelift_state" not in made
    [change] = plan.changes
    assert change.tier is Tier.REVIEW
    again = make_plan([written(tmp_path / "again", {"app.py": made})], INLINE)
    assert (again.findings, again.changes) == ((), ())


@pytest.mark.parametrize("given", ["{}", "[]", "0", "'x'", "None", "True"])
def test_values_of_the_event_are_json_in_the_item(tmp_path, given):
    use = f"return SESSIONS.get(key, {given})"
    root, plan = planned(tmp_path, STORE.format(value="event['user']", use=use), INLINE)
    made = after(root, plan)
    assert "json.dumps(event['user'])" in made
    item = next(node for node in ast.walk(ast.parse(made)) if isinstance(node, ast.Dict) and _keys(node) == ["v"])
    missing = ast.literal_eval(item)["v"]
    assert json.loads(missing) == ast.literal_eval(given)


def _keys(node):
    return [each.value for each in node.keys if isinstance(each, ast.Constant)]


IN_THE_WAY = {
    "return SESSIONS[key]": "line 9 raises KeyError",
    "return SESSIONS.pop(key, None)": "line 9 wants to know what it takes",
    "del SESSIONS[key]": "line 9 raises KeyError",
    "return SESSIONS.setdefault(key, 'x')": ".setdefault() of a dict has no call",
    "return len(SESSIONS)": ".len() of a dict has no call",
    "return SESSIONS.get(key, event)": "line 9 has the default event",
    "return SESSIONS.get(tuple(event))": "the type of the key tuple(event) is",
}


@pytest.mark.parametrize("use", IN_THE_WAY)
def test_where_inline_is_not_possible_a_reason_says_so(tmp_path, use):
    _, plan = planned(tmp_path, STORE.format(value="f\"{event['user']}\"", use=use), INLINE)
    assert style_of(plan) in ("store", "transaction")
    [said] = [
        reason for reason in plan.changes[0].reasons if reason.startswith("style inline is not possible here: ")
    ]
    assert IN_THE_WAY[use] in said


def test_a_value_of_an_unknown_type_is_not_inline(tmp_path):
    _, plan = planned(tmp_path, STORE.format(value="make(event)", use="return SESSIONS.get(key)"), INLINE)
    assert style_of(plan) == "store"
    assert any("the type of the value make(event) is not known" in reason for reason in plan.changes[0].reasons)


def test_a_value_that_changes_what_the_key_means_is_evaluated_first(tmp_path):
    text = STORE.format(value="event['user']", use="return SESSIONS.get(key)").replace(
        "SESSIONS[key] =", "SESSIONS[str(event['id'])] ="
    )
    root, plan = planned(tmp_path, text, INLINE)
    assert """Item={"v": json.dumps(event['user']), "pk": str(event['id'])}""" in after(root, plan)


PLAIN = STORE.format(value="event['user']", use="return SESSIONS.get(key)")


def test_a_transaction_for_all_keeps_the_code(tmp_path):
    root, plan = planned(tmp_path, PLAIN, Options(style="transaction"))
    assert style_of(plan) == "transaction"
    assert '@stateless("STATE_TABLE_NAME", "SESSIONS"' in after(root, plan)
    assert "    SESSIONS[key] = event['user']" in after(root, plan)


def test_a_transaction_that_is_not_possible_is_told(tmp_path):
    text = PLAIN.replace("def handler", "async def handler")
    _, plan = planned(tmp_path, text, Options(style="transaction"))
    assert style_of(plan) == "store"
    assert any(
        reason.startswith("style transaction is not possible here: handler() is asynchronous")
        for reason in plan.changes[0].reasons
    )


@pytest.mark.parametrize("name", ["app:SESSIONS", "project.app:SESSIONS"])
def test_a_single_cell_has_its_own_style(tmp_path, name):
    root = written(tmp_path, {"project/app.py": PLAIN, "other.py": ""})
    plan = make_plan([root], Options(style="transaction", stores=(CellOptions(name, "inline"),)))
    assert style_of(plan) == "inline"


def test_store_for_a_list_is_told(tmp_path):
    text = "SEEN = []\n\n\ndef handler(event, context):\n    SEEN.append(event['id'])\n    return len(SEEN)\n"
    _, plan = planned(tmp_path, text, Options(stores=(CellOptions("app:SEEN", "store"),)))
    assert any(reason.startswith("style store is not possible here") for reason in plan.changes[0].reasons)


def test_a_cell_that_is_not_there(tmp_path):
    with pytest.raises(UnknownCellError, match=r"no cell app:SESSION\. Did you mean app:SESSIONS\?"):
        planned(tmp_path, PLAIN, Options(stores=(CellOptions("app:SESSION", "store"),)))


def test_a_cell_that_an_earlier_run_replaced_is_known(tmp_path):
    options = Options(stores=(CellOptions("app:SESSIONS", "inline"),))
    root, plan = planned(tmp_path, PLAIN, options)
    again = make_plan([written(tmp_path / "again", {"app.py": after(root, plan)})], options)
    assert again.changes == ()


READ_BEHIND_A_CHECK = """SESSIONS = {{}}


def handler(event, context):
    if event["action"] == "in":
        SESSIONS[event["id"]] = event["user"]
        return None
    if event["action"] == "out":
        {remove}
        return None
    if event["id"] in SESSIONS:
        return SESSIONS[event["id"]]
    return None
"""


@pytest.mark.parametrize("remove", ["SESSIONS.pop(event['other'], None)", "pass"])
@pytest.mark.parametrize("style", ["inline", "store"])
def test_what_a_check_finds_is_read_once(tmp_path, style, remove):
    root, plan = planned(tmp_path, READ_BEHIND_A_CHECK.format(remove=remove), Options(style=style))
    assert style_of(plan) == style
    assert not [reason for reason in plan.changes[0].reasons if "reads what a check found" in reason]
    assert after(root, plan).count("get_item(" if style == "inline" else "SESSIONS.get(") == 1
    assert "SESSIONS.contains(" not in after(root, plan)


def test_what_a_call_reads_and_then_writes_is_no_row_of_calls_of_boto3(tmp_path):
    use = "before = SESSIONS.get(key, ''); SESSIONS[key] = f'{before}.'; return before"
    root, plan = planned(tmp_path, STORE.format(value="f\"{event['user']}\"", use=use), INLINE)
    assert style_of(plan) == "store"
    assert any(
        "another one may come in between, and calls of boto3" in reason for reason in plan.changes[0].reasons
    )
    assert "@one_step(SESSIONS" in after(root, plan)
