"""Programs by people who did not know the rules: each verdict was written down before the first run.

`fixtures/open-trials.json` lists what is still said wrongly, by program. It is exact; to write it anew:
`python tests/test_trials.py`.
"""

import json
import re
from functools import cache
from pathlib import Path

import pytest

from statelift.model import Options
from statelift.planning import make_plan

TRIALS = Path(__file__).parents[1] / "fixtures" / "trials"
LIST = TRIALS.parent / "open-trials.json"
NAMES = sorted(folder.name for folder in TRIALS.iterdir())


@cache
def listed():
    return json.loads(LIST.read_text())


def is_meant(cell, found):
    """`store.py:sessions`, `@12` (a line) or the last part of the symbol."""
    path, _, name = cell.rpartition(":")
    if path and path != found.place.path:
        return False
    if name.startswith("@"):
        return found.place.line == int(name[1:])
    words = re.findall(r"\w+", found.symbol)
    return name in (found.symbol, words[-1] if words else "")


def said_wrongly(name):
    """What differs from what the author of the program expects: `- cell` is missed, `+ cell` is too much."""
    expected = json.loads((TRIALS / name / "expected.json").read_text())["cells"]
    plan = make_plan([TRIALS / name], Options())
    wrong = []
    for each in expected:
        found = [finding for finding in plan.findings if is_meant(each["cell"], finding)]
        if each["report"] and not found:
            wrong.append(f"- {each['cell']}")
        if found and not each["report"]:
            wrong.append(f"+ {each['cell']}: {found[0].verdict}")
    known = [each["cell"] for each in expected]
    extra = [each for each in plan.findings if not any(is_meant(cell, each) for cell in known)]
    return sorted([*wrong, *(f"+ {each.symbol}: {each.verdict}" for each in extra)])


@pytest.mark.parametrize("name", NAMES)
def test_what_is_said_is_what_was_expected_or_is_listed(name):
    assert said_wrongly(name) == listed().get(name, [])


def test_most_of_it_is_right():
    cells = sum(len(json.loads((TRIALS / name / "expected.json").read_text())["cells"]) for name in NAMES)
    assert sum(map(len, listed().values())) <= cells * 0.2


if __name__ == "__main__":
    found = {name: wrong for name in NAMES if (wrong := said_wrongly(name))}
    LIST.write_text(json.dumps(found, indent=1, ensure_ascii=False) + "\n")
