"""State from which a container keeps what it computed: moving the state alone would be a wrong rewrite."""

import pytest
from repositories import written

from statelift.model import Options, Tier
from statelift.planning import make_plan

WRITER = """
def handler(event, context):
    if "name" in event:
        USERS[event["user"]] = event["name"]
    return {answer}
"""
MEMO = """import functools
USERS = {}
@functools.lru_cache(maxsize=None)
def name_of(user):
    return USERS.get(user, "?")
"""
WRAPPED = """import functools
USERS = {}
def _find(user):
    return USERS.get(user, "?")
find = functools.lru_cache(maxsize=None)(_find)
"""
OWN_MEMO = """USERS = {}
def memo(f):
    kept = {}
    def run(key):
        if key not in kept:
            kept[key] = f(key)
        return kept[key]
    return run
@memo
def find(user):
    return USERS.get(user, "?")
"""
PROPERTY = """import functools
USERS = {}
class Shop:
    @functools.cached_property
    def owner(self):
        return USERS.get("owner")
SHOP = Shop()
"""
VIEW = """USERS = {}
VIEW = None
def view():
    global VIEW
    if VIEW is None:
        VIEW = sorted(USERS)
    return VIEW
"""
OBJECT = """USERS = {}
SHOP = None
class Shop:
    def __init__(self):
        self.users = dict(USERS)
def shop():
    global SHOP
    if SHOP is None:
        SHOP = Shop()
    return SHOP
"""
BRANCH = """USERS = {}
PRICES = {}
def cached(item):
    if item not in PRICES:
        if USERS.get("gold"):
            PRICES[item] = 50
        else:
            PRICES[item] = 100
    return PRICES[item]
"""
DERIVED = {
    "a memo": (MEMO, 'name_of(event["user"])', "name_of() is memoised"),
    "a memo without a decorator": (WRAPPED, 'find(event["user"])', "_find() is memoised"),
    "a memo of its own": (OWN_MEMO, 'find(event["user"])', "find() is memoised"),
    "a cached property": (PROPERTY, "SHOP.owner", "Shop.owner() is memoised"),
    "a value built once": (VIEW, "view()", "VIEW keeps it"),
    "an object built once": (OBJECT, "shop().users", "SHOP keeps it"),
    "a branch of a cache": (BRANCH, 'cached(event["item"])', "PRICES keeps it"),
}


def finding_of(tmp_path, text, symbol):
    root = written(tmp_path / "project", {"app.py": text})
    plan = make_plan([root], Options())
    return next(each for each in plan.findings if each.symbol == symbol), plan


@pytest.mark.parametrize("way", DERIVED)
def test_it_is_told_and_not_moved(tmp_path, way):
    text, answer, said = DERIVED[way]
    finding, _ = finding_of(tmp_path, text + WRITER.format(answer=answer), "USERS")
    assert (finding.tier, finding.changes) == (Tier.MANUAL, ())
    assert said in " | ".join(finding.reasons)


def test_a_counter_in_a_memo_is_not_moved(tmp_path):
    text = """import functools
total = 0
@functools.cache
def label(kind):
    return f"{kind} {total}"
def handler(event, context):
    global total
    total += 1
    return label(event["kind"])
"""
    finding, _ = finding_of(tmp_path, text, "total")
    assert (finding.tier, finding.changes) == (Tier.MANUAL, ())


def test_a_cache_beside_it_says_nothing(tmp_path):
    text = """USERS = {}
PRICES = {}
def price(item):
    return len(item)
def handler(event, context):
    USERS[event["user"]] = event["name"]
    item = event["item"]
    if item not in PRICES:
        PRICES[item] = price(item)
    return [USERS.get(event["other"]), PRICES[item]]
"""
    finding, plan = finding_of(tmp_path, text, "USERS")
    assert finding.changes == (f"{finding.id}.store",)
    assert [each.symbol for each in plan.left_alone] == ["PRICES"]


NAMES = {
    "a variable": ("users = USERS", 'users.get(event["user"])'),
    "a default": ("def find(user, users=USERS):\n    return users.get(user)", 'find(event["user"])'),
    "a class": ("class Api:\n    users = USERS", 'Api.users.get(event["user"])'),
    "a method of it": ("find = USERS.get", 'find(event["user"])'),
}


@pytest.mark.parametrize("name", NAMES)
def test_another_name_since_the_import_reads_it(tmp_path, name):
    made, answer = NAMES[name]
    finding, _ = finding_of(tmp_path, f"USERS = {{}}\n{made}\n{WRITER.format(answer=answer)}", "USERS")
    assert finding.verdict == "state"
    assert finding.changes == (f"{finding.id}.transaction",)  # filled in place, so the other name sees it


def test_what_is_replaced_under_one_name_only_is_not_moved(tmp_path):
    text = """USERS = {}
find = USERS.get
def handler(event, context):
    global USERS
    if event.get("reset"):
        USERS = {}
    elif "name" in event:
        USERS[event["user"]] = event["name"]
    return find(event["user"])
"""
    finding, _ = finding_of(tmp_path, text, "USERS")
    assert (finding.tier, finding.changes) == (Tier.MANUAL, ())
    assert "line 6 replaces it, and line 2 has the object it was at import" in finding.reasons


def test_an_iterator_over_it_is_at_a_place_of_its_own(tmp_path):
    text = """ITEMS = []
IT = iter(ITEMS)
def handler(event, context):
    ITEMS.append(event["k"])
    return next(IT)
"""
    finding, _ = finding_of(tmp_path, text, "ITEMS")
    assert (finding.tier, finding.changes) == (Tier.MANUAL, ())


def test_a_stamp_moves_with_what_is_asked_together_with_it(tmp_path):
    text = """import time
class Breaker:
    def __init__(self):
        self.failures = 0
        self.opened = 0.0
    def call(self, function, *arguments):
        if self.failures >= 2 and time.time() - self.opened < 60:
            raise RuntimeError
        try:
            answer = function(*arguments)
        except Exception:
            self.failures += 1
            self.opened = time.time()
            raise
        self.failures = 0
        return answer
breaker = Breaker()
def handler(event, context):
    return breaker.call(int, event["n"])
"""
    _, plan = finding_of(tmp_path, text, "Breaker.failures")
    kept = {each.symbol for each in plan.findings if each.changes}
    assert kept in (set(), {"Breaker.failures", "Breaker.opened"})  # both, or neither
