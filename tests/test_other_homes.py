"""Cells that are no variables of a module: a table in their place where there is one, and nobody looks into it."""

import pytest
from repositories import written

from statelift.compose import compose
from statelift.discover import read_file
from statelift.model import Options, Tier
from statelift.planning import make_plan

REPOSITORY = """class Repo:
    def __init__(self):
        self.texts = {}

    def add(self, key, text):
        self.texts[key] = text

    def get(self, key):
        return self.texts.get(key)


repo = Repo()


def handler(event, context):
    if event["add"]:
        repo.add(str(event["id"]), str(event["text"]))
    return repo.get(str(event["id"]))
"""
CLOSURE = """def make():
    texts = {}

    def add(key, text):
        texts[key] = text

    def get(key):
        return texts.get(key)

    return add, get


add, get = make()


def handler(event, context):
    if event["add"]:
        add(str(event["id"]), str(event["text"]))
    return get(str(event["id"]))
"""
DEFAULT = """def remember(key, text=None, texts={}):
    if text is not None:
        texts[key] = text
    return texts.get(key)


def handler(event, context):
    if event["add"]:
        remember(str(event["id"]), str(event["text"]))
    return remember(str(event["id"]))
"""
FUNCTION = """def handler(event, context):
    if event["add"]:
        handler.texts[str(event["id"])] = str(event["text"])
    return handler.texts.get(str(event["id"]))


handler.texts = {}
"""
ALL = {"object": REPOSITORY, "closure": CLOSURE, "default": DEFAULT, "function": FUNCTION}


def plan_of(tmp_path, text, others=None):
    root = written(tmp_path / "project", {"app.py": text, **(others or {})})
    return root, make_plan([root], Options())


def styles_of(plan):
    return [change.id.rpartition(".")[2] for change in plan.changes]


@pytest.mark.parametrize("home", ALL)
def test_one_of_it_becomes_a_table_for_review(tmp_path, home):
    root, plan = plan_of(tmp_path, ALL[home])
    [change] = plan.changes
    assert (change.tier, styles_of(plan)) == (Tier.REVIEW, ["store"])
    [made] = [w for w in compose(plan, {change.id}, lambda path: read_file(root, path)) if w.path == "app.py"]
    again = written(tmp_path / "again", {"app.py": made.after.decode()})
    assert not make_plan([again], Options()).changes


BEHIND = "\n\ndef handler"
SEEN = {
    "a second object": (BEHIND, "\nother = Repo()\n\n\ndef handler"),
    "an object of a call": ("    return repo.get", "    fresh = Repo()\n    fresh.add(1, 2)\n    return repo.get"),
    "an object of a subclass": (BEHIND, "\n\nclass Sub(Repo): ...\n\n\nsub = Sub()\n\n\ndef handler"),
    "the class is given on": (BEHIND, "\nKINDS = {'repo': Repo}\n\n\ndef handler"),
    "the class is a default": (BEHIND, "\ndef again(kind=Repo):\n    return kind()\n\n\ndef handler"),
    "a copy": ("    return repo.get", "    import copy\n    copy.copy(repo)\n    return repo.get"),
    "its variables": ("    return repo.get", "    print(vars(repo))\n    return repo.get"),
    "its dict": ("    return repo.get", "    print(repo.__dict__)\n    return repo.get"),
    "another name": ("    return repo.get", "    mine = repo\n    return mine.get"),
    "it gives itself": ("    def get(", "    def own(self):\n        return self\n\n    def get("),
    "it makes more": ("    def get(", "    def more(self):\n        return type(self)()\n\n    def get("),
    "a class method makes more": (
        "    def get(", "    @classmethod\n    def more(cls):\n        return cls()\n\n    def get("
    ),
    "it is pickled its own way": ("    def get(", "    def __getstate__(self):\n        return 1\n\n    def get("),
    "filled when it is made": ("self.texts = {}", "self.texts = {}\n        self.texts['a'] = 'b'"),
    "made under a condition": ("        self.texts = {}", "        if True:\n            self.texts = {}"),
    "an unknown base": ("class Repo:", "from base import Base\n\n\nclass Repo(Base):"),
    "a decorator": ("class Repo:", "from base import seen\n\n\n@seen\nclass Repo:"),
    "made in a loop": ("repo = Repo()", "for _ in range(2):\n    repo = Repo()"),
    "made again": ("    return repo.get", "    global repo\n    repo = Repo()\n    return repo.get"),
}  # fmt: skip


@pytest.mark.parametrize("case", SEEN)
def test_an_object_that_is_not_alone_or_is_seen_as_a_whole_gets_no_table(tmp_path, case):
    old, new = SEEN[case]
    assert old in REPOSITORY
    _, plan = plan_of(tmp_path, REPOSITORY.replace(old, new, 1))
    assert "store" not in styles_of(plan)


RUN_AGAIN = {
    "called twice": ("add, get = make()", "add, get = make()\nother, _ = make()"),
    "called in a call": (
        "add, get = make()",
        "add, get = make()\n\n\ndef again(event, context):\n    return make()",
    ),
    "given on": ("add, get = make()", "add, get = make()\nMAKERS = [make]"),
    "given back": ("    return add, get", "    return add, get, texts"),
    "filled at first": ("    texts = {}", "    texts = {}\n    texts['a'] = 'b'"),
}


@pytest.mark.parametrize("case", RUN_AGAIN)
def test_a_variable_of_a_function_that_runs_again_gets_no_table(tmp_path, case):
    old, new = RUN_AGAIN[case]
    _, plan = plan_of(tmp_path, CLOSURE.replace(old, new, 1))
    assert "store" not in styles_of(plan)


GIVEN = {
    "by name": ("    return remember(str", "    remember('a', texts={})\n    return remember(str"),
    "by place": ("    return remember(str", "    remember('a', None, {})\n    return remember(str"),
    "by a list": ("    return remember(str", "    remember(*event['all'])\n    return remember(str"),
    "by whoever gets the function": (
        "    return remember(str",
        "    map(remember, event)\n    return remember(str",
    ),
}


@pytest.mark.parametrize("case", GIVEN)
def test_a_default_that_a_call_may_replace_gets_no_table(tmp_path, case):
    old, new = GIVEN[case]
    _, plan = plan_of(tmp_path, DEFAULT.replace(old, new, 1))
    assert "store" not in styles_of(plan)


def test_what_a_subclass_changes_of_its_base_is_seen(tmp_path):
    text = REPOSITORY.replace(
        "    def get(",
        "\nclass Derived(Repo):\n    def drop(self, key):\n        del self.texts[key]\n\n    def get(",
    )
    text = text.replace("repo = Repo()", "repo = Derived()").replace(
        "    return repo.get", "    if event['drop']:\n        repo.drop(str(event['id']))\n    return repo.get"
    )
    root, plan = plan_of(tmp_path, text)
    [change] = plan.changes
    [made] = [w for w in compose(plan, {change.id}, lambda path: read_file(root, path)) if w.path == "app.py"]
    assert b"self.texts.delete(key)" in made.after


def test_a_test_that_makes_objects_is_named(tmp_path):
    test = "from app import Repo\n\n\ndef test_add():\n    repo = Repo()\n    repo.add('a', 'b')\n"
    _, plan = plan_of(tmp_path, REPOSITORY, {"tests/test_repo.py": test})
    [change] = plan.changes
    assert any("tests/test_repo.py mentions Repo" in reason for reason in change.reasons)


def test_a_module_with_a_name_like_that_of_the_helper_names_its_module(tmp_path):
    text = (
        "class Store:\n    texts = {}\n\n\n"
        + FUNCTION.replace("handler.texts", "Store.texts").partition("\n\n\nStore.")[0]
        + "\n"
    )
    root, plan = plan_of(tmp_path, text)
    [change] = plan.changes
    [made] = [w for w in compose(plan, {change.id}, lambda path: read_file(root, path)) if w.path == "app.py"]
    assert made.after.startswith(b"import statelift_state\n\n\nclass Store:\n    texts = statelift_state.Store(")


# ---------------------------------------------------------------- counters

TICKETS = """class Tickets:
    issued = 0

    def __init__(self):
        self.issued = 7

    def take(self):
        self.issued += 1
        return self.issued


tickets = Tickets()


def handler(event, context):
    return tickets.take()
"""


def made_of(tmp_path, text):
    root, plan = plan_of(tmp_path, text)
    chosen = {change.id for change in plan.changes}
    return next(w for w in compose(plan, chosen, lambda path: read_file(root, path)) if w.path == "app.py").after


def test_a_number_of_one_object_is_counted_at_its_place(tmp_path):
    made = made_of(tmp_path, TICKETS.replace("    issued = 0\n\n", ""))
    assert b'self.issued = Counter("COUNTERS_TABLE_NAME", "app.Tickets.issued", initial=7)' in made
    assert b"        issued = self.issued.add(1)\n        return issued\n" in made


def test_a_name_that_the_function_uses_is_left_to_it(tmp_path):
    text = TICKETS.replace("    issued = 0\n\n", "").replace("def take(self):", "def take(self, issued=3):")
    assert b"        new_issued = self.issued.add(1)\n        return new_issued\n" in made_of(tmp_path, text)


def test_numbers_of_two_objects_are_not_added_up(tmp_path):
    _, plan = plan_of(tmp_path, TICKETS.replace("tickets = Tickets()", "tickets = Tickets()\nothers = Tickets()"))
    assert "counter" not in styles_of(plan)


def test_what_a_called_function_counts_is_asked_for_again(tmp_path):
    text = """count = 0


def more():
    global count
    count += 1


def handler(event, context):
    global count
    count += 1
    more()
    return count
"""
    assert b"    _count.add(1)\n    more()\n    return _count.value()\n" in made_of(tmp_path, text)


@pytest.mark.parametrize("line", ["nonlocal n; n += 1", "nonlocal n, other\n        n += 1"])
def test_a_nonlocal_goes_or_the_change_says_why_not(tmp_path, line):
    text = f"""def make():
    n = other = 0
    n = 0

    def bump():
        {line}
        print(other)
        return n

    return bump


bump = make()


def handler(event, context):
    return bump()
""".replace("n = other = 0", "other = 0")
    _, plan = plan_of(tmp_path, text)
    is_one_line = ";" in line
    assert ("counter" in styles_of(plan)) is not is_one_line
    if not is_one_line:
        assert b"        nonlocal other\n        new_n = n.add(1)\n" in made_of(tmp_path / "again", text)
