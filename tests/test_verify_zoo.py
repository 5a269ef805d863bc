"""A zoo of wrong rewrites: verify has to see the difference without a single event from a person."""

import ast
from collections.abc import Iterator
from pathlib import Path

import pytest

from statelift.runtime import PARTS, render_helper
from statelift.verify.events.steps import Entry
from statelift.verify.examine import Effort, examine
from statelift.verify.machine.sandbox import Sandbox
from statelift.verify.machine.world import Setting
from statelift.verify.playing.compare import rules_of
from statelift.verify.playing.driver import Pair
from statelift.verify.subjects import Subject
from statelift.verify.values import Bucket, CodeTree, Table, Thing
from statelift.verify.verdicts import Result, Verdict

ZOO = Path(__file__).parents[1] / "fixtures" / "zoo"
ANIMALS = sorted(folder.name for folder in ZOO.iterdir())
PAGE = Path(__file__).parents[1] / "docs" / "verify.md"
HELPER = render_helper(PARTS)
SETTING = Setting(
    environment={
        "STATE_TABLE_NAME": "state", "OTHER_TABLE_NAME": "other", "FILES_BUCKET_NAME": "files",
        "DATABASE": "database", "TOPIC_ARN": "arn:aws:sns:us-east-1:123456789012:news",
    },
    resources=(Table("state"), Table("other"), Table("database"), Bucket("files"), Thing("topic", "news")),
)  # fmt: skip
SAMPLE = ANIMALS[::8]
ORDER_ONLY = {"insertion_order_lost", "newest_first"}
MISSED: set[str] = set()


def tree(folder: Path, program: str) -> CodeTree:
    libraries = {
        path.name: path.read_bytes() for path in folder.glob("*.py") if path.stem not in ("original", "wrong")
    }
    found = {**libraries, "app.py": (folder / program).read_bytes(), "statelift_state.py": HELPER.encode()}
    return CodeTree(tuple(sorted(found.items())))


def judged(sandbox: Sandbox, name: str, seed: int = 0) -> Result:
    folder = ZOO / name
    rules = rules_of([], ["state", "other", "files"])
    pair = Pair(tree(folder, "original.py"), tree(folder, "wrong.py"), SETTING, ("app",), rules)
    subject = Subject(name, str(folder), pair, (Entry("app:handler"),))
    return examine(sandbox, subject, [], Effort(runs=8, seed=seed, shrinking=0), lambda *_: None)


@pytest.fixture(scope="module")
def sandbox() -> Iterator[Sandbox]:
    with Sandbox() as made:
        yield made


def test_the_zoo_is_large_enough_and_each_animal_says_what_is_wrong():
    assert len(ANIMALS) >= 40
    for name in ANIMALS:
        assert ast.get_docstring(ast.parse((ZOO / name / "wrong.py").read_text())), name


def test_what_is_missed_is_little_and_told_on_the_page():
    page = PAGE.read_text()
    assert len(MISSED) <= len(ANIMALS) * 0.05
    assert [name for name in MISSED if f"`{name}`" not in page] == []


@pytest.mark.parametrize("name", SAMPLE)
def test_a_wrong_rewrite_of_the_sample_is_seen(sandbox: Sandbox, name: str):
    check(sandbox, name)


@pytest.mark.complete
@pytest.mark.parametrize("name", [name for name in ANIMALS if name not in SAMPLE])
def test_a_wrong_rewrite_is_seen_without_any_events_given(sandbox: Sandbox, name: str):
    check(sandbox, name)


def check(sandbox: Sandbox, name: str) -> None:
    result = judged(sandbox, name)
    expected = Verdict.ORDER_ONLY if name in ORDER_ONLY else Verdict.DIVERGES
    assert (result.verdict is expected) is (name not in MISSED), result.reason
