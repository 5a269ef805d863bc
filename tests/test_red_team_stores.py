"""Small programs whose stored objects were changed behind the store's back, or that mean one container only."""

from pathlib import Path

import pytest
from test_red_team import TEMPLATE, finding_of, plan_of, rewritten

from statelift.model import Finding, Options, Tier
from statelift.planning import make_plan


def store_of(folder: Path, source: str) -> Finding:
    return finding_of(plan_of(folder, source), "S")


NEW = """S = {}


def new(k):
    s = {"n": 0, "tags": []}
    S[k] = s
    RETURN


def handler(event, context):
    if event.get("q"):
        return S.get(str(event["q"]))
    BODY
    return "ok"
"""
CHANGED_BY_CALLER = {
    "returned": ("return s", 's = new(str(event["k"]))\n    s["n"] = 5'),
    "a part": ('return s["tags"]', 'new(str(event["k"])).append(1)'),
    "a tuple": ("return k, s", 'k, s = new(str(event["k"]))\n    s["n"] = 5'),
    "yielded": ("yield s", 'for s in new(str(event["k"])):\n        s["n"] = 5'),
    "a context manager": ("yield s", 'with new(str(event["k"])) as s:\n        s["n"] = 5'),
}


@pytest.mark.parametrize("case", CHANGED_BY_CALLER)
def test_what_the_caller_changes_after_it_was_stored_is_not_safe(tmp_path: Path, case: str) -> None:
    given_back, body = CHANGED_BY_CALLER[case]
    found = store_of(tmp_path, NEW.replace("RETURN", given_back).replace("BODY", body))
    assert found.tier in (Tier.REVIEW, Tier.MANUAL)
    assert "is stored as a copy, but" in str(found.reasons)


def test_what_the_caller_only_reads_stays_safe(tmp_path: Path) -> None:
    source = NEW.replace("RETURN", "return s").replace("BODY", 's = new(str(event["k"]))\n    print(s["n"])')
    assert store_of(tmp_path, source).tier is Tier.SAFE


SAVE = """S = {}


def save(k, v):
    S[k] = v


def handler(event, context):
    if event.get("q"):
        return S.get(str(event["q"]))
    BODY
    return "ok"
"""
GIVEN = {
    "its own object": 'v = {"n": 0}\n    save(str(event["k"]), v)\n    v["n"] = 5',
    "a part of the event": 'save(str(event["k"]), event["v"])\n    event["v"]["n"] = 5',
}


@pytest.mark.parametrize("case", GIVEN)
def test_what_was_given_and_is_changed_afterwards_is_not_safe(tmp_path: Path, case: str) -> None:
    found = store_of(tmp_path, SAVE.replace("BODY", GIVEN[case]))
    assert found.tier is Tier.REVIEW
    assert "is stored as a copy, but it is changed in place" in str(found.reasons)


def test_what_was_given_and_left_as_it_is_stays_safe(tmp_path: Path) -> None:
    assert store_of(tmp_path, SAVE.replace("BODY", 'save(str(event["k"]), event["v"])')).tier is Tier.SAFE


READ = """S = {}


def handler(event, context):
    if event.get("k"):
        S[str(event["k"])] = event["v"]
        return "ok"
    BODY
"""
SHARED_ELEMENTS = {
    "added to": 'rows = S[str(event["q"])] + []\n    rows[0]["n"] = 1\n    return rows',
    "added in place": 'acc = []\n    acc += S[str(event["q"])]\n    acc[0]["m"] = 1\n    return acc',
    "summed up": 'sum(S[str(event["q"])], [])[0]["n"] = 1',
}


@pytest.mark.parametrize("case", SHARED_ELEMENTS)
def test_lists_made_by_operators_share_their_elements(tmp_path: Path, case: str) -> None:
    assert store_of(tmp_path, READ.replace("BODY", SHARED_ELEMENTS[case])).tier is not Tier.SAFE


def test_numbers_that_are_added_up_stay_safe(tmp_path: Path) -> None:
    assert store_of(tmp_path, READ.replace("BODY", 'return S[str(event["q"])] + 1')).tier is Tier.SAFE


EDIT = """S = {}


def handler(event, context):
    k = str(event["k"])
    if event.get("u"):
        S[k] = {"n": 0, "xs": []}
        return "ok"
    BODY
"""
PUT_BACK = {
    "at the end": 'cart = S[k]\n    cart["n"] += 1\n    S[k] = cart\n    return cart["n"]',
    "under a condition": 'cart = S[k]\n    cart["n"] += 1\n    if k:\n        S[k] = cart\n    return cart',
    "in the middle": 'cart = S[k]\n    cart["n"] += 1\n    S[k] = cart\n    cart["xs"].append(1)\n    return cart',
}


@pytest.mark.parametrize("case", PUT_BACK)
def test_what_is_put_back_is_written_by_the_end_of_the_block_alone(tmp_path: Path, case: str) -> None:
    text = rewritten(tmp_path, EDIT.replace("BODY", PUT_BACK[case]))
    assert "with S.edit(k) as cart:" in text
    assert text.count("S.put(") == 1


IN_THE_WAY = {
    "read in the block": 'cart = S[k]\n    cart["n"] += 1\n    return [cart["n"], S[k]["n"]]',
    "deleted in the block": 'cart = S[k]\n    cart["n"] += 1\n    if k:\n        del S[k]\n    return cart',
    "another value is put": 'cart = S[k]\n    cart["n"] += 1\n    S[k] = dict(cart)\n    return cart["n"]',
    "a function that uses it": 'cart = S[k]\n    cart["n"] += 1\n    bump(k)\n    return cart["n"]',
    "two of them": 'j = str(event["j"])\n    a = S[k]\n    b = S[j]\n    a["n"] += 1\n    b["n"] += 1',
    "two in one statement": 'j = str(event["j"])\n    S[k]["x"], S[j]["y"] = 1, 2',
}
BUMP = '\n\ndef bump(k):\n    S[k]["m"] = 1\n'


@pytest.mark.parametrize("case", IN_THE_WAY)
def test_a_block_with_another_use_of_the_store_is_no_block(tmp_path: Path, case: str) -> None:
    text = rewritten(tmp_path, EDIT.replace("BODY", IN_THE_WAY[case]) + BUMP)
    assert "S.edit(" not in text


BEHIND = {
    "a part": 'if k:\n        c = S[k]\n        c["n"] += 1\n        out = c["xs"]\n    out.append(2)',
    "a closure": 'cart = S[k]\n    def add(x):\n        cart["xs"].append(x)\n    add(1)\n    return event',
}


@pytest.mark.parametrize("case", BEHIND)
def test_what_is_changed_behind_the_block_leaves_no_block(tmp_path: Path, case: str) -> None:
    assert "S.edit(" not in rewritten(tmp_path, EDIT.replace("BODY", BEHIND[case]))


INSIDE = {
    "a part": 'cart = S[k]\n    cart["n"] += 1\n    out = cart["xs"]\n    out.append(2)\n    return "ok"',
    "another name": 'x = S.setdefault(k, {"n": 0})\n    y = x\n    y["n"] = 1\n    return "ok"',
}


@pytest.mark.parametrize("case", INSIDE)
def test_the_block_reaches_to_the_last_change_of_a_part(tmp_path: Path, case: str) -> None:
    text = rewritten(tmp_path, EDIT.replace("BODY", INSIDE[case]))
    change = "    out.append(2)" if case == "a part" else '    y["n"] = 1'
    assert f"        {change.strip()}" in text.splitlines()


def test_what_the_caller_changes_of_an_edited_value_leaves_no_block(tmp_path: Path) -> None:
    source = (
        'S = {}\n\n\ndef get(k):\n    cart = S[k]\n    cart["n"] = 1\n    return cart\n\n\n'
        'def handler(event, context):\n    k = str(event["k"])\n    if event.get("u"):\n        S[k] = {"n": 0}\n'
        '    get(k)["m"] = 1\n'
    )
    assert "S.edit(" not in rewritten(tmp_path, source)


ONE_CONTAINER = {
    "a count": ("import itertools\nIDS = itertools.count()\n", "k = str(next(IDS))", "k", 'str(event["v"])'),
    "a length": ("ORDER = []\n", "k = str(len(ORDER))\n    ORDER.append(k)", "k", 'str(event["v"])'),
    "a hash": ("", "pass", 'hash(str(event["k"]))', "1"),
    "an id": ("", "pass", "str(id(event))", "1"),
    "a process": ("import os\n", "pass", "os.getpid()", "1"),
    "a clock": ("import time\n", "pass", 'str(event["k"])', "time.monotonic()"),
    "a seeded number": ("import random\nrandom.seed(1)\n", "pass", "str(random.random())", "1"),
    "a local file": ("", "pass", 'str(event["k"])', 'f"/tmp/{event}.json"'),
}


@pytest.mark.parametrize("case", ONE_CONTAINER)
def test_what_means_something_in_one_container_only_is_not_safe(tmp_path: Path, case: str) -> None:
    above, before, key, value = ONE_CONTAINER[case]
    source = (
        f"{above}S = {{}}\n\n\ndef handler(event, context):\n    if event.get('q'):\n"
        f"        return S.get(event['q'])\n    {before}\n    S[{key}] = {value}\n"
    )
    assert store_of(tmp_path, source).tier in (Tier.REVIEW, Tier.MANUAL)


DECORATED = """MW
S = {}


@mw
def handler(event, context):
    if event.get("u"):
        S[str(event["k"])] = event["u"]
        return {}
    return S[str(event["q"])]
"""
OWN = """def mw(f):
    def g(event, context):
        r = f(event, context)
        r["seen"] = r.get("seen", 0) + 1
        return r
    return g

"""


@pytest.mark.parametrize("above", [OWN, "from lib import mw\n"], ids=["own", "unknown"])
def test_a_decorator_may_change_what_the_handler_gives(tmp_path: Path, above: str) -> None:
    assert store_of(tmp_path, DECORATED.replace("MW\n", above)).tier is not Tier.SAFE


def test_known_decorators_give_it_on(tmp_path: Path) -> None:
    above = "from aws_lambda_powertools import Logger\nlogger = Logger()\n\n"
    source = DECORATED.replace("MW\n", above).replace("@mw", "@logger.inject_lambda_context")
    assert store_of(tmp_path, source).tier is Tier.SAFE


TYPES = {
    "an exception": 'v = str(event["u"])\n    try:\n        int(v)\n    except ValueError as v:\n        S[k] = v',
    "a capture": 'v = ""\n    match event["u"]:\n        case {"o": v}:\n            v = open\n    match print:\n'
    "        case v:\n            pass\n    S[k] = v",
    "a function": 'v = ""\n    if event["u"]:\n        def v():\n            pass\n    S[k] = v',
    "a zone": 'from datetime import datetime\n    S[k] = datetime.now(event["zone"])',
    "one object twice": 'v = event["u"]\n    S[k] = v\n    S[str(event["j"])] = v',
    "identity": "v = event['u']\n    S[k] = v\n    cur = S.get(k)\n    return cur is v",
}


@pytest.mark.parametrize("case", TYPES)
def test_names_and_objects_that_are_more_than_they_seem_are_not_safe(tmp_path: Path, case: str) -> None:
    source = (
        "S = {}\n\n\ndef handler(event, context):\n    k = str(event['k'])\n    if event.get('q'):\n"
        f"        return S.get(event['q'])\n    {TYPES[case]}\n"
    )
    assert store_of(tmp_path, source).tier is not Tier.SAFE


def test_what_an_operator_gives_may_be_changed(tmp_path: Path) -> None:
    source = (
        "S = {}\n\n\nclass Repo:\n    def __getitem__(self, k):\n        return S[str(k)]\n\n\nrepo = Repo()\n\n\n"
        "def handler(event, context):\n    k = str(event['k'])\n    if event.get('q'):\n"
        "        return S.get(event['q'])\n    S[k] = [1]\n    repo[k].append(1)\n"
    )
    assert "which operators call" in str(store_of(tmp_path, source).reasons)


CALLED_BY_VALUE = {
    "a table": ("", 'ACTIONS["save"]("b", open)', 'ACTIONS = {"save": save}\n'),
    "map": ("", 'list(map(save, ["a"], [open]))', ""),
}


@pytest.mark.parametrize("case", CALLED_BY_VALUE)
def test_a_function_that_others_call_has_arguments_of_unknown_type(tmp_path: Path, case: str) -> None:
    _, call, table = CALLED_BY_VALUE[case]
    source = (
        f"S = {{}}\n\n\ndef save(k, v):\n    S[k] = v\n\n\n{table}\n\ndef handler(event, context):\n"
        f"    if event.get('q'):\n        return S.get(str(event['q']))\n"
        f"    save(str(event['k']), str(event['u']))\n    {call}\n"
    )
    assert store_of(tmp_path, source).tier is not Tier.SAFE


def test_a_store_that_a_call_at_import_fills_is_manual(tmp_path: Path) -> None:
    source = (
        "S = {}\n\n\ndef put(k, v):\n    S[str(k)] = str(v)\n\n\nput('admin', 'root')\n\n\n"
        "def handler(event, context):\n    if event.get('q'):\n        return S.get(str(event['q']))\n"
        "    put(event['k'], event['v'])\n"
    )
    found = store_of(tmp_path, source)
    assert "put() is called there" in str(found.reasons) or found.tier is not Tier.SAFE


def test_a_subclass_with_an_attribute_of_its_own(tmp_path: Path) -> None:
    source = (
        "class Api:\n    sessions = {}\n\n    def run(self, e):\n        if e.get('u'):\n"
        "            self.sessions[str(e['k'])] = str(e['u'])\n            return 1\n"
        "        return self.sessions.get(str(e['k']))\n\n\nclass Other(Api):\n    sessions = {}\n\n\n"
        "def handler(event, context):\n    return Other().run(event) if event.get('o') else Api().run(event)\n"
    )
    plan = plan_of(tmp_path, source)
    assert all(each.tier is not Tier.SAFE for each in plan.findings)


@pytest.mark.parametrize("runtime", ["python3.8", "python3.7"])
def test_generated_code_is_not_for_a_python_that_is_too_old(tmp_path: Path, runtime: str) -> None:
    source = SAVE.replace("BODY", 'save(str(event["k"]), str(event["v"]))')
    assert store_of(tmp_path, source).tier is Tier.SAFE
    (tmp_path / "template.yaml").write_text(TEMPLATE.replace("python3.12", runtime))
    found = finding_of(make_plan([tmp_path], Options()), "S")
    assert found.tier is Tier.MANUAL
    assert f"runs on {runtime}" in str(found.reasons)


COOL_DOWN = """import functools
import time

S = {}


def cool_down(seconds):
    def decorate(function):
        @functools.wraps(function)
        def run(user, *args, now=None, **kwargs):
            now = time.time() if now is None else now
            if (before := S.get((function.__name__, user))) is not None and now - before < seconds:
                return {"wait": seconds - (now - before)}
            S[function.__name__, user] = now
            return function(user, *args, **kwargs)

        return run

    return decorate


@cool_down(60)
def poke(user):
    return {"poked": user}


def handler(event, context):
    return poke(event["user"], now=event.get("now"))
"""
ONE_EACH = """class Bucket:
    S = {}

    def __new__(cls, name):
        if name not in cls.S:
            self = super().__new__(cls)
            self.level = 5
            cls.S[name] = self
        return cls.S[name]

    def take(self, n):
        if self.level < n:
            return False
        self.level -= n
        return True


def handler(event, context):
    return Bucket(event["name"]).take(event["n"])
"""


def test_a_cool_down_around_a_function_is_no_cache(tmp_path: Path) -> None:
    found = store_of(tmp_path, COOL_DOWN)
    assert (found.rule, found.tier) == ("SL101", Tier.REVIEW)


def test_what_is_computed_once_for_each_argument_stays_a_cache(tmp_path: Path) -> None:
    folder = tmp_path / "app"
    folder.mkdir()
    memo = COOL_DOWN.replace("] = now", "] = function(user)").replace(
        'return {"wait": seconds - (now - before)}', "return before"
    )
    (folder / "app.py").write_text(memo)
    plan = make_plan([folder], Options())
    assert [each.symbol for each in plan.findings] == []


def test_one_object_for_each_key_made_by_new_is_state_that_no_table_holds(tmp_path: Path) -> None:
    found = finding_of(plan_of(tmp_path, ONE_EACH), "Bucket.S")
    assert (found.rule, found.tier) == ("SL101", Tier.MANUAL)
    assert "self is an object of Bucket, which no table can hold as it is" in str(found.reasons)
