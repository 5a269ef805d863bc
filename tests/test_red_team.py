"""Small programs that once got a wrong tier, a broken rewrite or no finding at all."""

from pathlib import Path

import pytest

from statelift.compose import compose
from statelift.model import Edit, EnsureImport, Finding, Options, Plan, Tier
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
    "captured as a whole": (
        'S[event["a"]] = {"n": []}',
        'match S.get("x"):\n    case {"n": _} as whole:\n        whole["n"] = 1',
    ),
    "captured as an alternative": (
        'S[event["a"]] = {"n": []}',
        'match S.get("x"):\n    case ({"n": _} as x) | ({"m": _} as x):\n        x["n"] = 1',
    ),
    "captured by a star": (
        'S[event["a"]] = [[]]',
        'match S.get("x"):\n    case [*rest]:\n        rest[0].append(1)',
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
    assert finding_of(plan_of(tmp_path, handler_of(PUT, "return S[1:2]")), "S").tier is not Tier.SAFE


TAKEN = (
    "from collections import OrderedDict as Store\n\nS = {}\n",
    "S = {}\ntry:\n    pass\nexcept OSError as Store:\n    pass\n",
    "S = {}\n\n\ndef Store():\n    return 1\n",
)


@pytest.mark.parametrize("above", TAKEN)
def test_a_name_that_is_taken_is_not_imported_over(tmp_path: Path, above: str) -> None:
    plan = plan_of(tmp_path, handler_of(f"if event['op']:\n    {PUT}", GET, above=above))
    [change] = plan.changes
    assert EnsureImport("app.py", "statelift_state") in change.ops
    assert not any(isinstance(each, EnsureImport) and each.name == "Store" for each in change.ops)
    assert any(isinstance(each, Edit) and each.text.startswith("statelift_state.Store(") for each in change.ops)


PAIR = "S = {}\n\n\ndef put(key, value):\n    S[key] = value\n\n\ndef get(key):\n    return S.get(key)\n"
REMEMBERED = {
    "alias": ("S = {}\n", f"if event['b']:\n    d = S\n    d[event['a']] = 1\n{GET}"),
    "alias that a function gives": (
        "S = {}\n\n\ndef all_of():\n    return S\n",
        f"all_of()[event['b']] = 1\n{GET}",
    ),
    "alias as argument": ("S = {}\n\n\ndef put(d, k):\n    d[k] = 1\n", f"put(S, event['b'])\n{GET}"),
    "shallow copy": ("S = {'s': []}\n", "c = dict(S)\nc['s'].append(event['b'])\nreturn S['s']"),
    "parentheses": ("S = ({})\n", f"S[event['b']] = 1\n{GET}"),
    "two names": ("T = S = {}\n", f"S[event['b']] = 1\n{GET}"),
    "filled later": ("S = None\n", "global S\nif S is None:\n    S = []\nS.append(event['b'])\nreturn S"),
    "other keys of one name": (PAIR, "put(event['a'], 1)\nreturn get(event['b'])"),
    "a key bound again": ("S = {}\n", "k = event['a']\nS[k] = 1\nk = event['b']\nreturn S.get(k)"),
    "a key of two": ("S = {}\n", "k = 'x' if event['b'] else 'y'\nS[k] = event['b']\nreturn S.get('x')"),
    "an event that changes": ("S = {}\n", f"{PUT}\nevent['a'] = event['b']\n{GET}"),
    "duplicates": ("S = {}\n", "if event['a'] in S:\n    return 'old'\nS[event['a']] = True\nreturn 'new'"),
    "once per key": ("S = {}\n", "if event['a'] not in S:\n    S[event['a']] = 1\n    print('mail')\nreturn 1"),
    "filled on another branch": (
        "S = {}\n",
        f"if event['b']:\n    if event['a'] not in S:\n        S[event['a']] = 'x'\n    return\n{GET}",
    ),
    "filled by a call on another branch": (
        "S = {}\n\n\ndef note(k):\n    if k not in S:\n        S[k] = k\n",
        f"if event['b']:\n    note(event['a'])\n{GET}",
    ),
    "random values": (
        "import random\n\nS = {}\n",
        "k = event['a']\nif k not in S:\n    S[k] = f'{k}{random.random()}'\nreturn S[k]",
    ),
    "numbers in order": (
        "S = {}\nN = 0\n",
        "global N\nk = event['a']\nif k not in S:\n    N += 1\n    S[k] = N\nreturn S[k]",
    ),
    "changed by the caller": (
        "S = {}\n\n\ndef get(k):\n    if k not in S:\n        S[k] = [k]\n    return S[k]\n",
        "v = get(event['a'])\nv.append(1)\nreturn v",
    ),
    "a condition of the request": (
        "S = {}\n",
        "k = event['a']\nif k not in S:\n    S[k] = 1 if event['b'] else 2\nreturn S[k]",
    ),
}


@pytest.mark.parametrize("name", REMEMBERED)
def test_what_a_later_call_can_see_is_found(tmp_path: Path, name: str) -> None:
    above, body = REMEMBERED[name]
    assert str(finding_of(plan_of(tmp_path, handler_of(body, above=above)), "S").verdict) != "constant"


CACHES = {
    "get": "v = S.get(event['a'])\nif v is None:\n    v = load(event['a'])\n    S[event['a']] = v\nreturn v",
    "only what was found": (
        "k = event['a']\nif k not in S:\n    v = load(k)\n    if v:\n        S[k] = v\n    return v\nreturn S[k]"
    ),
    "except": ("k = event['a']\ntry:\n    return S[k]\nexcept KeyError:\n    S[k] = load(k)\nreturn S[k]"),
}


@pytest.mark.parametrize("name", CACHES)
def test_caches_are_left_alone(tmp_path: Path, name: str) -> None:
    above = "S = {}\n\n\ndef load(key):\n    return key * 2\n"
    plan = plan_of(tmp_path, handler_of(CACHES[name], above=above))
    assert [str(finding.verdict) for finding in plan.left_alone] == ["cache"]


COUNTS = {
    "N -= 1 - 3": "add(-(1 - 3))",
    "N -= int(event['n']) + 1": "add(-(int(event['n']) + 1))",
    "N -= 2": "add(-2)",
}


@pytest.mark.parametrize("step", COUNTS)
def test_a_negative_step_keeps_its_value(tmp_path: Path, step: str) -> None:
    assert COUNTS[step] in rewritten(tmp_path, handler_of("global N", step, "return N", above="N = 0\n"))


READERS = {
    "a lambda": {"app.py": "return (lambda: N)()"},
    "the module itself": {"app.py": "import app\nreturn app.N"},
    "the table of modules": {"app.py": "import sys\nreturn sys.modules[__name__].N"},
    "getattr": {"app.py": "import sys\nreturn getattr(sys.modules[__name__], 'N')"},
    "an import inside a function": {
        "app.py": "import b\nreturn b.get()",
        "b.py": "def get():\n    from app import N\n    return N\n",
    },
    "a star import": {
        "app.py": "import b\nreturn b.get()",
        "b.py": "from app import *\n\n\ndef get():\n    return N\n",
    },
    "import time": {"app.py": "return 1\n\n\nN += 1"},
    "a function without callers": {"app.py": "return 1\n\n\ndef debug():\n    return N"},
    "a quotient": {"app.py": "N += 4 / 2\nreturn 1"},
}


@pytest.mark.parametrize("name", READERS)
def test_a_counter_that_somebody_reads_is_no_metric(tmp_path: Path, name: str) -> None:
    for path, text in READERS[name].items():
        (tmp_path / path).write_text(text)
    body, _, rest = READERS[name]["app.py"].partition("\n\n\n")
    source = handler_of("global N", "N += 1", body, above="N = 0\n") + f"\n\n{rest}\n"
    assert finding_of(plan_of(tmp_path, source), "N").tier is not Tier.SAFE


ELSEWHERE = {
    "from app import S": "def get(k):\n    from app import S\n    return S.get(k)\n",
    "from app import S, above": "from app import S\n\n\ndef get(k):\n    return S.pop(k, None)\n",
    "import app as a": "def get(k):\n    import app as a\n    return a.S[k]\n",
}


@pytest.mark.parametrize("name", ELSEWHERE)
def test_uses_in_other_modules_are_seen(tmp_path: Path, name: str) -> None:
    (tmp_path / "b.py").write_text(ELSEWHERE[name])
    plan = plan_of(tmp_path, handler_of(f"import b\nif event['op']:\n    {PUT}\nreturn b.get(event['a'])"))
    assert {use.path for use in finding_of(plan, "S").uses} == {"app.py", "b.py"}


def test_a_dict_that_a_star_import_brings_is_found(tmp_path: Path) -> None:
    (tmp_path / "b.py").write_text("S = {}\n")
    plan = plan_of(tmp_path, handler_of(f"if event['op']:\n    {PUT}", GET, above="from b import *\n"))
    assert finding_of(plan, "S").tier is Tier.MANUAL


REGION = 's3 = boto3.client("s3", region_name=R)\nreturn s3.meta.region_name'
SHARED = {
    "alias of a setting": ('import boto3\n\nC = {"r": "a"}\n', 'c = C\nc["r"] = event["a"]', 'C["r"]'),
    "class attribute": ('import boto3\n\n\nclass C:\n    r = "a"\n', 'C.r = event["a"]', "C.r"),
    "module attribute": ("import boto3\nimport conf\n", 'conf.R = event["a"]', "conf.R"),
    "alias of the environment": (
        "import boto3\nimport os\n",
        'e = os.environ\ne["R"] = event["a"]',
        'os.environ["R"]',
    ),
    "unpacked arguments": (
        'import boto3\n\n\ndef make(r="a"):\n    return boto3.client("s3", region_name=r)\n',
        'make(*[event["a"]])',
        '"a"',
    ),
    "static method": (
        "import boto3\n\n\nclass C:\n    @staticmethod\n"
        '    def make(r="a"):\n        return boto3.client("s3", region_name=r)\n',
        'C.make(event["a"])',
        '"a"',
    ),
}


@pytest.mark.parametrize("name", SHARED)
def test_a_client_of_one_request_is_not_kept(tmp_path: Path, name: str) -> None:
    above, body, region = SHARED[name]
    (tmp_path / "conf.py").write_text('R = "a"\n')
    plan = plan_of(tmp_path, handler_of(body, REGION.replace("R)", f"{region})"), above=above))
    assert "event-dependent" in [str(finding.verdict) for finding in plan.left_alone]


CHANGED = (
    'other = s3\nother.tag = event["a"]',
    'setattr(s3, "tag", event["a"])',
    'hooks = s3.meta.events\nhooks.register("before-call", print)',
)


@pytest.mark.parametrize("body", CHANGED)
def test_a_client_that_is_changed_is_not_kept(tmp_path: Path, body: str) -> None:
    plan = plan_of(tmp_path, handler_of('s3 = boto3.client("s3")', body, "return 1", above="import boto3\n"))
    assert plan.changes == ()


def test_a_parameter_called_boto3_is_not_the_library(tmp_path: Path) -> None:
    above = "import boto3\n\n\ndef make(boto3):\n    return boto3.client('s3')\n"
    assert plan_of(tmp_path, handler_of("return make(event['fake'])", above=above)).changes == ()


FLAGS = {
    "in the reply": "global S\nif not S:\n    S = True\n    return 'first'\nreturn 'later'",
    "in a variable": "global S\nr = 'first' if not S else 'later'\nS = True\nreturn r",
    "set by a request": "global S\nif event['b']:\n    S = True\nif S:\n    print('on')\nreturn 1",
    "loop variable": "global S\nfor S in range(event['b']):\n    pass\nreturn S",
    "suppressed": "global S\nwith contextlib.suppress(ValueError):\n    S = int(event['b'])\nreturn S",
}


@pytest.mark.parametrize("name", FLAGS)
def test_a_flag_that_a_reply_depends_on_is_state(tmp_path: Path, name: str) -> None:
    source = handler_of(FLAGS[name], above="import contextlib\n\nS = False\n")
    assert finding_of(plan_of(tmp_path, source), "S").tier is not Tier.SAFE


def test_two_names_of_one_line_are_two_findings(tmp_path: Path) -> None:
    source = handler_of("global A, B\nA, B = B, event['b']\nreturn A", above="A = B = None\n")
    assert {f.symbol for f in plan_of(tmp_path, source).findings} == {"B"}


WRITE = "with open(P, 'w') as f:\n        f.write(event['b'])"
KEPT = {
    "keyword": ("", f"if event['b']:\n    {WRITE}\nreturn open(file=P).read()"),
    "unknown mode": ("", "if event['b']:\n    open(P, event['mode']).write('x')\nreturn open(P).read()"),
    "pathlib": (
        "import pathlib\n",
        "if event['b']:\n    pathlib.Path(P).open('w').write('x')\nreturn open(P).read()",
    ),
    "once only": ("import os\n", "if os.path.exists(P):\n    return 'old'\nopen(P, 'w').close()\nreturn 'new'"),
    "another file of the function": (
        "def save(p):\n    open(p, 'w').write('x')\n",
        "if event['b']:\n    save(P)\n    return\nsave('/tmp/other')\nreturn open(P).read()",
    ),
    "another way to write it": ("", f"if event['b']:\n    {WRITE}\nreturn open('/tmp//./kept').read()"),
}


@pytest.mark.parametrize("name", KEPT)
def test_a_file_that_a_later_call_reads_is_found(tmp_path: Path, name: str) -> None:
    above, body = KEPT[name]
    source = handler_of(body, above=f"{above}P = '/tmp/kept'\n")
    assert finding_of(plan_of(tmp_path, source), "/tmp/kept").tier in (Tier.REVIEW, Tier.MANUAL)


NAMED = {
    "two helpers": (
        "def put(n):\n    open(f'/tmp/{n}', 'w').write('x')\n\n\n"
        "def get(n):\n    return open(f'/tmp/{n}').read()\n",
        "put(event['a'])\nreturn get(event['b'])",
    ),
    "a variable bound again": (
        "",
        "n = event['a']\nopen(f'/tmp/{n}', 'w').write('x')\nn = event['b']\nreturn open(f'/tmp/{n}').read()",
    ),
    "one of them by name": (
        "",
        "if event['a']:\n    open('/tmp/%s' % event['a'], 'w').write('x')\nreturn open('/tmp/x').read()",
    ),
}


@pytest.mark.parametrize("name", NAMED)
def test_files_named_by_the_request_are_told_apart(tmp_path: Path, name: str) -> None:
    above, body = NAMED[name]
    assert finding_of(plan_of(tmp_path, handler_of(body, above=above)), "/tmp/{}").tier is not Tier.SAFE


def test_a_helper_that_opens_other_files_too_is_not_rewritten(tmp_path: Path) -> None:
    above = "def load(p):\n    return open(p).read()\n"
    body = f"P = '/tmp/kept'\nif event['b']:\n    {WRITE}\nload('/etc/hostname')\nreturn load(P)"
    assert finding_of(plan_of(tmp_path, handler_of(body, above=above)), "/tmp/kept").tier is Tier.MANUAL
