"""A file that a call reads before it writes: the function that does both is one step on it."""

from pathlib import Path

import pytest
from test_red_team import plan_of, rewritten

from statelift.model import Tier

COUNT = """import json
import os

FILE = "/tmp/count.json"


def load():
    try:
        with open(FILE) as f:
            return json.load(f)
    except FileNotFoundError:
        return {}


def save(counts):
    with open(FILE, "w") as f:
        json.dump(counts, f)


def count(name):
    counts = load()
    counts[name] = counts.get(name, 0) + 1
    save(counts)
    return counts[name]


def handler(event, context):
    n = count(event["name"])
    print(n)
    return n


def show(event, context):
    return load()
"""
STEP = '@TMP_FILES.one_step("/tmp/count.json"'


def reasons_of(tmp_path: Path, source: str) -> str:
    [change] = plan_of(tmp_path, source).changes
    assert change.tier is Tier.REVIEW
    return "\n".join(change.reasons)


def test_the_function_that_does_both_is_run_again(tmp_path: Path) -> None:
    after = rewritten(tmp_path, COUNT)
    assert f"{STEP}, retry=True)\ndef count(name):\n" in after
    assert after.count("one_step") == 1
    assert after.index("TMP_FILES = ") < after.index(STEP)
    assert "each call of count() is one step on /tmp/count.json" in reasons_of(tmp_path, COUNT)
    assert "one is lost" not in reasons_of(tmp_path, COUNT)


def test_it_goes_below_other_decorators(tmp_path: Path) -> None:
    source = COUNT.replace("def count(", "@staticmethod\ndef count(").replace("import json", "import json")
    assert f"@staticmethod\n{STEP}, retry=True)\ndef count(" in rewritten(tmp_path, source)


NOT_AGAIN = {
    "it tells somebody": ("    counts = load()\n", "    counts = load()\n    print(name)\n"),
    "it writes to a stream": ("    counts = load()\n", "    counts = load()\n    json.dump(counts, name)\n"),
    "it changes what it was given": ("    counts = load()\n", "    counts = load()\n    name.append(1)\n"),
    "it opens another file": ("    counts = load()\n", "    counts = load()\n    open('/opt/x').read()\n"),
    "what it changes is not its own": ("    counts = load()\n", "    counts = name.counts\n    load()\n"),
    "an element comes from elsewhere": ("counts.get(name, 0) + 1", "name\n    counts[name].append(1)"),
    "a default comes from elsewhere": (
        "    save(counts)\n",
        "    counts.setdefault(1, name).append(1)\n    save(counts)\n",
    ),
    "an element was put there": (
        "    save(counts)\n",
        "    counts.update(name)\n    counts.setdefault(1, []).append(1)\n    save(counts)\n",
    ),
    "what is loaded may be shared": ("return {}\n", "return name\n"),
}


@pytest.mark.parametrize("name", NOT_AGAIN)
def test_a_function_that_does_more_is_refused_instead(tmp_path: Path, name: str) -> None:
    after = rewritten(tmp_path, COUNT.replace(*NOT_AGAIN[name]))
    assert f"{STEP})\ndef count(name):\n" in after


@pytest.mark.parametrize("put", ["counts.setdefault(name, []).append(1)", "counts[name].append(name)"])
def test_an_element_of_what_was_loaded_may_change(tmp_path: Path, put: str) -> None:
    after = rewritten(tmp_path, COUNT.replace("counts[name] = counts.get(name, 0) + 1", put))
    assert f"{STEP}, retry=True)\ndef count(name):\n" in after


def test_uses_in_several_functions_make_the_whole_call_a_step(tmp_path: Path) -> None:
    source = COUNT.replace("    print(n)\n", "    print(n)\n    save({})\n")
    assert f"{STEP})\ndef handler(event, context):\n" in rewritten(tmp_path, source)
    looped = COUNT.replace('n = count(event["name"])', 'n = [count(each) for each in event["names"]]')
    assert f"{STEP})\ndef handler(event, context):\n" in rewritten(tmp_path, looped)


NO_STEP = {
    "another file is written": (
        "    save(counts)\n",
        "    save(counts)\n    open('/tmp/other', 'w').write(name)\n",
    ),
    "it is appended to": ('open(FILE, "w")', 'open(FILE, "a")'),
    "it is removed": ("    save(counts)\n", "    save(counts)\n    os.remove(FILE)\n    save(counts)\n"),
    "threads go on": ("import os", "import os\nfrom threading import Thread\nThread(target=print)"),
    "the path is not fixed": ('FILE = "/tmp/count.json"', 'FILE = os.environ.get("PLACE", "/tmp/count.json")'),
    "it is a generator": ("    return counts[name]\n", "    yield counts[name]\n"),
}


@pytest.mark.parametrize("name", NO_STEP)
def test_where_it_cannot_be_one_step_what_may_be_lost_is_told(tmp_path: Path, name: str) -> None:
    source = COUNT.replace(*NO_STEP[name])
    if "yield" in source:
        source = source.replace("n = count(", "n, = count(")
    changes = [each for each in plan_of(tmp_path, source).changes if "count.json" in each.title]
    assert not any("one_step" in str(each.ops) for each in changes)
    assert changes
    assert all("of two calls at once that read /tmp/count.json" in str(each.reasons) for each in changes)


@pytest.mark.parametrize(
    "source", [COUNT.replace("counts = load()", "counts = {}"), COUNT.replace("    save(counts)\n", "")]
)
def test_without_both_there_is_nothing_to_do(tmp_path: Path, source: str) -> None:
    assert not any(
        "one_step" in str(each.ops) or "one is lost" in str(each.reasons)
        for each in plan_of(tmp_path, source).changes
    )
