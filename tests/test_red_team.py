"""Small programs that once got a wrong tier, a broken rewrite or no finding at all."""

from pathlib import Path

import pytest

from statelift.compose import compose
from statelift.model import Finding, Options, Plan, Tier
from statelift.planning import make_plan

TEMPLATE = """Transform: AWS::Serverless-2016-10-31
Resources:
  AppFunction:
    Type: AWS::Serverless::Function
    Properties:
      Handler: app.handler
      Runtime: python3.12
      CodeUri: .
"""
PUT = 'S[event["a"]] = event["b"]'
GET = 'return S.get(event["a"])'


def handler_of(*lines: str, above: str = "S = {}\n") -> str:
    """A module with one handler whose body are these lines."""
    body = "".join(f"    {line}\n" for each in lines for line in each.split("\n"))
    return f"{above}\n\ndef handler(event, context):\n{body}"


def plan_of(folder: Path, source: str | bytes) -> Plan:
    (folder / "app.py").write_bytes(source if isinstance(source, bytes) else source.encode())
    (folder / "template.yaml").write_text(TEMPLATE)
    return make_plan([folder], Options())


def finding_of(plan: Plan, symbol: str) -> Finding:
    found = {finding.symbol: finding for finding in plan.findings}
    assert symbol in found, [(f.symbol, str(f.verdict)) for f in (*plan.findings, *plan.left_alone)]
    return found[symbol]


def rewritten(folder: Path, source: str) -> str:
    """The module after every change up to REVIEW, which must be valid Python and need no second run."""
    plan = plan_of(folder, source)
    writes = compose(plan, {change.id for change in plan.changes}, lambda path: (folder / path).read_bytes())
    for write in writes:
        (folder / write.path).write_bytes(write.after)
    text = (folder / "app.py").read_text()
    compile(text, "app.py", "exec")
    assert make_plan([folder], Options()).changes == ()
    return text


EXPRESSIONS = {
    'return (event["a"]) in (S)': 'return S.contains((event["a"]))',
    'return (event["a"])not in(S)': 'return not S.contains((event["a"]))',
    'return (event["a"]  # in S\n        in S)': 'return (S.contains(event["a"]  # in S\n))',
    "return f\"{S[event['a']]}\"": "return f\"{S.require(event['a'])}\"",
}


@pytest.mark.parametrize("before", EXPRESSIONS)
def test_membership_and_subscripts_keep_their_parentheses(tmp_path: Path, before: str) -> None:
    assert EXPRESSIONS[before] in rewritten(tmp_path, handler_of(f"if event['op']:\n    {PUT}", before))


STATEMENTS = {
    'S[x] = (x := event["a"])': 'S.put(value=(x := event["a"]), key=x)',
    'S[event["k"]] = note(event["b"])': 'S.put(value=note(event["b"]), key=event["k"])',
    'S[x] = note(event["b"])': 'S.put(x, note(event["b"]))',
    'S[event["a"]] = yield': 'S.put(value=(yield), key=event["a"])',
    'S[event["a"]] = event["b"]': 'S.put(value=event["b"], key=event["a"])',
    'S[event["a"]] = x': 'S.put(event["a"], x)',
}


@pytest.mark.parametrize("before", STATEMENTS)
def test_the_order_of_evaluation_stays(tmp_path: Path, before: str) -> None:
    above = "S = {}\ndef note(x):\n    print(x)\n    return 1\n"
    body = ("x = 'k'", f"if event['op']:\n    {before}", GET)
    assert STATEMENTS[before] in rewritten(tmp_path, handler_of(*body, above=above))


NOT_SAFE = {
    "augmented": ('S[event["a"]] = [1]', 'v = S.get(event["a"], [])\nv += event["b"]\nreturn v'),
    "augmented in a helper": ('S[event["a"]] = [1]', 'extend(S.get("x", []))'),
    "given back": ('S[event["a"]] = [1]', 'v = same(S.get("x", []))\nv.append(1)'),
    "out of a comprehension": ('S[event["a"]] = [1]', '[S.get("x", []) for _ in "a"][0].append(2)'),
    "enumerated": ('S[event["a"]] = [{}]', 'for i, x in enumerate(S.get("x", [])):\n    x["n"] = i'),
    "out of a copy": ('S[event["a"]] = {"i": []}', 'S.get("x", {"i": []}).copy()["i"].append(1)'),
    "captured by a pattern": (
        'S[event["a"]] = {"n": []}',
        'match S.get("x"):\n    case {"n": n}:\n        n.append(1)',
    ),
    "a function called len": ('S[event["a"]] = len(event["b"])', GET),
    "a method called format": ('S[event["a"]] = thing.format()', GET),
    "an object out of JSON": ('S[event["a"]] = json.loads("{}", object_hook=same)', GET),
    "a default that is no JSON": ('S[event["a"]] = event.get("z", print)', GET),
    "a float as key": ('S[float(event["b"])] = 1', GET),
    "text of its own source": (PUT, "return f\"{S[event['a']]=}\""),
}
ABOVE = (
    "import json\n\nS = {}\n\n\ndef same(v):\n    return v\n\n\ndef extend(v):\n    v += [1]\n\n\n"
    "def len(x):\n    return object()\n\n\nclass Thing:\n    def format(self):\n        return print\n\n\n"
    "thing = Thing()\n"
)


@pytest.mark.parametrize("name", NOT_SAFE)
def test_what_may_differ_is_not_safe(tmp_path: Path, name: str) -> None:
    write, read = NOT_SAFE[name]
    source = handler_of(f"if event['op']:\n    {write}\n    return", read, above=ABOVE)
    assert finding_of(plan_of(tmp_path, source), "S").tier is not Tier.SAFE


def test_a_slice_of_a_dict_is_no_key(tmp_path: Path) -> None:
    assert finding_of(plan_of(tmp_path, handler_of(PUT, "return S[1:2]")), "S").tier is Tier.MANUAL


TAKEN = (
    "from collections import OrderedDict as Store\n\nS = {}\n",
    "S = {}\ntry:\n    pass\nexcept OSError as Store:\n    pass\n",
    "S = {}\n\n\ndef Store():\n    return 1\n",
)


@pytest.mark.parametrize("above", TAKEN)
def test_a_name_that_is_taken_is_not_imported_over(tmp_path: Path, above: str) -> None:
    plan = plan_of(tmp_path, handler_of(f"if event['op']:\n    {PUT}", GET, above=above))
    assert finding_of(plan, "S").tier is Tier.MANUAL
