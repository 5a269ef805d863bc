"""Places that are no variables of a module: how the decorator names them, and where a name would not serve."""

import pytest
from repositories import written

from statelift.compose import compose
from statelift.discover import read_file
from statelift.model import Options, Tier
from statelift.planning import make_plan

ENVIRONMENT = """\
import os


def handler(event, context):
    if "mode" in event:
        os.environ["MODE"] = event["mode"]
    return {"mode": os.environ.get("MODE", "normal")}
"""
CONTEXT = """\
from contextvars import ContextVar

user = ContextVar("user", default="nobody")


def handler(event, context):
    if "user" in event:
        user.set(event["user"])
    return {"user": user.get()}
"""


def planned(tmp_path, text, **others):
    files = {"app.py": text, **{f"{name}.py": each for name, each in others.items()}}
    return (root := written(tmp_path / "project", files)), make_plan([root], Options())


def decorators(tmp_path, text, **others):
    """The decorators that the changes bring, without the name of the table."""
    root, plan = planned(tmp_path, text, **others)
    chosen = {change.id for change in plan.changes}
    writes = compose(plan, chosen, lambda path: read_file(root, path))
    lines = [line for write in writes for line in write.after.decode().splitlines() if write.path == "app.py"]
    return [each.partition(", ")[2].removesuffix(")") for each in lines if each.startswith("@stateless(")]


def told(tmp_path, text, **others):
    """The reasons of the one finding that gets no change."""
    _, plan = planned(tmp_path, text, **others)
    [finding] = plan.findings
    assert (finding.tier, finding.changes) == (Tier.MANUAL, ())
    return " | ".join(finding.reasons)


# ---------------------------------------------------------------- variables of the environment


@pytest.mark.parametrize(
    "changes",
    [
        [],
        [("import os", "import os as system"), ("os.environ", "system.environ")],
        [('.get("MODE", "normal")', '["MODE"]')],
        [('"mode": os.environ', '"mode": os.getenv("MODE") or os.environ')],
    ],
)
def test_a_variable_of_the_environment_is_named_by_itself(tmp_path, changes):
    text = ENVIRONMENT
    for old, new in changes:
        assert old in text
        text = text.replace(old, new)
    assert decorators(tmp_path, text)[0].startswith('"os:environ.MODE"')


def test_a_variable_that_a_helper_sets_has_the_same_name(tmp_path):
    text = ENVIRONMENT.replace("import os", "import os\nimport modes").replace(
        'os.environ["MODE"] = event["mode"]', 'modes.use(event["mode"])'
    )
    modes = 'from os import environ\n\n\ndef use(mode):\n    environ["MODE"] = mode\n'
    assert decorators(tmp_path, text, modes=modes)[0].startswith('"os:environ.MODE"')


@pytest.mark.parametrize("name", ["AWS_REGION", "TZ", "HTTPS_PROXY", "_HANDLER", "PYTHONPATH", "http_proxy"])
def test_what_others_read_by_themselves_is_told(tmp_path, name):
    reasons = told(tmp_path, ENVIRONMENT.replace("MODE", name))
    assert f"Python, the system or a library reads {name}, too" in reasons


@pytest.mark.parametrize("name", ["TZONE", "PATHS", "MY_AWS_NAME", "PROXY_MODE"])
def test_names_that_only_look_alike_are_kept(tmp_path, name):
    assert decorators(tmp_path, ENVIRONMENT.replace("MODE", name))[0].startswith(f'"os:environ.{name}"')


def test_a_name_that_no_variable_of_a_function_has_is_told(tmp_path):
    assert "no name that a decorator could use" in told(tmp_path, ENVIRONMENT.replace("MODE", "my-mode"))


@pytest.mark.parametrize("call", ['os.unsetenv("MODE")', 'os.putenv("MODE", "x")'])
def test_an_environment_that_is_changed_past_the_mapping_is_told(tmp_path, call):
    text = f"{ENVIRONMENT}\n\ndef reset(event, context):\n    {call}\n"
    assert "past os.environ" in told(tmp_path, text)


ALL = "\n\ndef lambda_handler(event, context):\n    return {body}\n"


@pytest.mark.parametrize("body", ["dict(os.environ)", 'os.environ[event["name"]]', "list(os.environ)"])
def test_another_handler_that_may_mean_the_variable_is_told(tmp_path, body):
    reasons = told(tmp_path, ENVIRONMENT + ALL.format(body=body))
    assert "app.lambda_handler uses the environment as a whole" in reasons


def test_a_handler_that_uses_the_variable_and_all_of_them_is_kept(tmp_path):
    text = ENVIRONMENT.replace(
        'os.environ.get("MODE", "normal")', 'os.environ.get("MODE"), "all": dict(os.environ)'
    )
    assert decorators(tmp_path, text)[0].startswith('"os:environ.MODE"')


# ---------------------------------------------------------------- context variables


def test_a_context_variable_is_named_as_it_is(tmp_path):
    assert decorators(tmp_path, CONTEXT) == ['"user"']


def test_it_has_one_answer(tmp_path):
    _, plan = planned(tmp_path, CONTEXT)
    [change] = plan.changes
    assert (change.tier, change.id.partition(".")[2]) == (Tier.REVIEW, "transaction")
    assert "each call runs in a copy of its context" in " | ".join(change.reasons)


def test_a_context_variable_of_another_module_is_named_with_it(tmp_path):
    text = "import users\n\n\ndef handler(event, context):\n    before = users.user.get(None)\n"
    text += '    if "user" in event:\n        users.user.set(event["user"])\n    return before\n'
    users = 'import contextvars\n\nuser = contextvars.ContextVar("user")\n'
    assert decorators(tmp_path, text, users=users) == ['"users:user"']


@pytest.mark.parametrize("default", ["None", "-1", "()", '("a", 1)', "True"])
def test_a_default_that_nobody_can_change_may_stay(tmp_path, default):
    assert decorators(tmp_path, CONTEXT.replace('"nobody"', default)) == ['"user"']


@pytest.mark.parametrize(
    ("old", "new", "why"),
    [
        ('default="nobody"', "default=[]", "default of the ContextVar may be changed"),
        ('default="nobody"', "default=NOBODY", "default of the ContextVar may be changed"),
        ('user.set(event["user"])', "user.set(open(event['user']))", "live object"),
        ('user.set(event["user"])', "user.set(lambda: event)", "holds a function"),
        ("def handler", 'user.set("first")\n\n\ndef handler', "sets the ContextVar at import"),
        ("    return", '    if "gone" in event:\n        user.reset(event["gone"])\n    return', "puts back"),
        ('user = ContextVar("user"', 'user = ContextVar("old")\nuser = ContextVar("user"', "may be another one"),
    ],
)
def test_where_a_context_variable_cannot_be_kept_the_reason_is_told(tmp_path, old, new, why):
    assert old in CONTEXT
    text = CONTEXT.replace(old, new)
    assert why in told(tmp_path, text.replace("\n\nuser", "\n\nNOBODY = []\nuser") if "NOBODY" in new else text)


# ---------------------------------------------------------------- functions that other functions made

CLOSURE = """\
def remember():
    previous = None

    def swap(value):
        nonlocal previous
        before, previous = previous, value
        return before

    return swap


swap = remember()


def handler(event, context):
    return {"before": swap(event["value"])}
"""
DECORATED = """\
from functools import wraps


def measure(function):
    last = None

    @wraps(function)
    def measured(value):
        nonlocal last
        measured.before, last = last, value
        return function(value)

    measured.before = None
    return measured


@measure
def double(value):
    return value * 2


def handler(event, context):
    return {"doubled": double(event["value"]), "before": double.before}
"""


def test_a_variable_that_a_function_shares_with_its_maker(tmp_path):
    assert decorators(tmp_path, CLOSURE) == ['"swap.nonlocal.previous"']


def test_what_a_decorator_keeps_is_named_by_the_function_below_it(tmp_path):
    assert decorators(tmp_path, DECORATED) == ['"double.nonlocal.last"', '"double.before"']


def test_also_by_a_decorator_with_arguments(tmp_path):
    inner = DECORATED[DECORATED.index("def measure") : DECORATED.index("\n\n@measure")]
    outer = "def measured_by(unit):\n" + "".join(f"    {line}\n" if line else "\n" for line in inner.splitlines())
    text = DECORATED.replace(inner, f"{outer}    return measure\n").replace("@measure", '@measured_by("s")')
    assert decorators(tmp_path, text) == ['"double.nonlocal.last"', '"double.before"']


NOT_ONE = {
    "made twice": ("swap = remember()", "swap = remember()\nother = remember()"),
    "made in a call": ("    return {", "    remember()\n    return {"),
    "given on": ("swap = remember()", "swap = remember()\nMAKERS = [remember]"),
    "under a condition": ("swap = remember()", "if __debug__:\n    swap = remember()"),
    "replaced later": ("    return {", "    global swap\n    swap = swap or print\n    return {"),
    "in a list": ("swap = remember()", "swaps = [remember()]\n\n\ndef swap(value):\n    return swaps[0](value)"),
    "another function": ("    return swap\n", "    return lambda value: swap(value)\n"),
    "decorated": ("    def swap", "    @print\n    def swap"),
    "perhaps without a value": ("    previous = None", "    if __debug__:\n        previous = None"),
    "deleted": (
        "        return before\n",
        "        if value is None:\n            del previous\n        return before\n",
    ),
}


@pytest.mark.parametrize("case", NOT_ONE)
def test_where_no_name_stands_for_the_one_function_nothing_is_kept(tmp_path, case):
    old, new = NOT_ONE[case]
    assert old in CLOSURE
    _, plan = planned(tmp_path, CLOSURE.replace(old, new, 1))
    assert [change for change in plan.changes if "previous" in change.title] == []


@pytest.mark.parametrize("read", ["double", "context"])  # of which nobody knows what it is
def test_each_handler_that_may_read_the_attribute_keeps_it(tmp_path, read):
    text = f"{DECORATED}\n\ndef lambda_handler(event, context):\n    return {read}.before\n"
    named = [each.removesuffix(", retry=True") for each in decorators(tmp_path, text)]
    assert named == ['"double.nonlocal.last"', '"double.before"'] * 2


def test_what_a_decorator_says_is_not_said_again(tmp_path):
    text = DECORATED.replace(
        "        return function(value)", "        print(value)\n        return function(value)"
    )
    assert not any("retry" in each for each in decorators(tmp_path, text))


# ---------------------------------------------------------------- the one object of a class

SINGLETON = """\
class Registry:
    _instance = None

    def __new__(cls):
        if cls._instance is None:
            cls._instance = super().__new__(cls)
            cls._instance.names = []
        return cls._instance


def handler(event, context):
    registry = Registry()
    if event["name"] not in registry.names:
        registry.names.append(event["name"])
    return {"names": registry.names}
"""
ALSO_ONE = {
    "asked by its truth": ("if cls._instance is None", "if not cls._instance"),
    "by its own name": ("return cls._instance", "return Registry._instance"),
    "by object": ("super().__new__(cls)", "object.__new__(cls)"),
    "called": ("= []", "= list()"),
}


@pytest.mark.parametrize("case", ["as it is", *ALSO_ONE])
def test_an_attribute_of_the_one_object_is_named_by_a_call_of_its_class(tmp_path, case):
    old, new = ALSO_ONE.get(case, ("", ""))
    assert old in SINGLETON
    assert decorators(tmp_path, SINGLETON.replace(old, new))[0].startswith('"Registry().names"')


NOT_SINGLE = {
    "with a constructor": ("\n\ndef handler", "\n    def __init__(self):\n        self.calls = 1\n\n\ndef handler"),
    "with a base": ("class Registry:", "class Registry(dict):"),
    "with a parameter": ("def __new__(cls)", "def __new__(cls, name=None)"),
    "made anew": ("    return {", "    Registry._instance = None\n    return {"),
    "with an effect": ("_instance.names = []", '_instance.names = [print("made")]'),
    "with a clock": ("_instance.names = []", "_instance.names = [time.time()]"),
    "derived from": ("\n\ndef handler", "\n\nclass Other(Registry):\n    pass\n\n\ndef handler"),
    "asked in another way": ("if cls._instance is None", "if cls.__name__"),
}


@pytest.mark.parametrize("case", NOT_SINGLE)
def test_where_a_call_of_the_class_may_do_more_nothing_is_kept(tmp_path, case):
    old, new = NOT_SINGLE[case]
    assert old in SINGLETON
    _, plan = planned(tmp_path, SINGLETON.replace(old, new, 1))
    assert plan.changes == ()
