"""The seeds, run: the original in one process answers like the migrated program in a new container per event.

A small forerunner of `verify`: moto in the test process, one event after the other.
"""

import importlib
import itertools
import json
import shutil
import sys
import time
import uuid
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import boto3
import pytest
from moto import mock_aws

from statelift.compose import compose
from statelift.discover import read_file
from statelift.model import EnsureEnv, EnsureResource, Options, Plan
from statelift.planning import make_plan

SEEDS = Path(__file__).parents[1] / "fixtures" / "seeds"
FILES = ["/tmp/results.json", "/tmp/sess_carts.json"]
# Programs that need servers of others (redis, MySQL, tables of their own) wait for `verify`.
CASES = sorted(
    case.parent.name for case in SEEDS.glob("*/after") if not (case.parent / "resources.json").exists()
    and case.parent.name != "mysql_per_call"
)  # fmt: skip
# Its hit rate joins a counter that is migrated with a dict that is not: the plan says so, and it differs.
NOT_EQUAL = {"unique_instances"}


@pytest.fixture(autouse=True)
def _cloud(monkeypatch: pytest.MonkeyPatch) -> Iterator[None]:
    for name, value in {
        "AWS_DEFAULT_REGION": "eu-west-1", "AWS_ACCESS_KEY_ID": "test", "AWS_SECRET_ACCESS_KEY": "test",
    }.items():  # fmt: skip
        monkeypatch.setenv(name, value)
    monkeypatch.setattr(time, "time", lambda: 1_700_000_000.0)
    with mock_aws():
        yield


def forget(root: Path) -> None:
    """A new container: nothing imported, no files."""
    for name, module in list(sys.modules.items()):
        if str(getattr(module, "__file__", None) or "").startswith(str(root)):
            del sys.modules[name]
    for file in FILES:
        Path(file).unlink(missing_ok=True)


def code_root(tree: Path) -> Path:
    return tree / "src" if (tree / "src").is_dir() else tree


def filled(value: Any, answers: list[Any]) -> Any:
    match value:
        case {"$answer": int(number), **rest}:
            found = answers[number][1]
            for key in rest.get("at", []):
                found = found[key]
            return found
        case dict():
            return {key: filled(item, answers) for key, item in value.items()}
        case list():
            return [filled(item, answers) for item in value]
        case _:
            return value


def invoke(call: str, arguments: list[Any]) -> list[Any]:
    module, _, function = call.partition(":")
    try:
        answer = getattr(importlib.import_module(module), function)(*arguments)
        return ["answer", json.loads(json.dumps(answer))]
    except Exception as error:  # noqa: BLE001 - what the program raises is what is compared
        return ["error", type(error).__name__, str(error)]


def replay(tree: Path, steps: list[dict[str, Any]], monkeypatch: pytest.MonkeyPatch, *, fresh: bool) -> list[Any]:
    """The answers to all steps; `fresh` gives each step a container of its own."""
    root = code_root(tree)
    monkeypatch.syspath_prepend(str(root))
    numbers = itertools.count(1)

    def uuid4() -> uuid.UUID:
        """A stream for the program; libraries draw from another, or they would shift it."""
        is_program = sys._getframe(1).f_code.co_filename.startswith(str(root))
        return uuid.UUID(int=next(numbers) if is_program else time.time_ns())

    monkeypatch.setattr(uuid, "uuid4", uuid4)
    answers: list[Any] = []
    forget(root)
    for step in steps:
        if fresh:
            forget(root)
        arguments = filled(step["args"], answers)
        for _ in range(step.get("repeat", 1)):
            answer = invoke(step["call"], arguments)
        answers.append(answer)
    forget(root)
    monkeypatch.syspath_prepend(str(root))
    sys.path.remove(str(root))
    return answers


def deploy(plan: Plan, monkeypatch: pytest.MonkeyPatch) -> None:
    """Create what the plan's own operations ask for."""
    operations = [operation for change in plan.changes for operation in change.ops]
    for operation in {op.id: op for op in operations if isinstance(op, EnsureResource)}.values():
        if operation.kind == "table":
            boto3.client("dynamodb").create_table(
                TableName=operation.id, BillingMode="PAY_PER_REQUEST",
                AttributeDefinitions=[{"AttributeName": "pk", "AttributeType": "S"}],
                KeySchema=[{"AttributeName": "pk", "KeyType": "HASH"}],
            )  # fmt: skip
        else:
            place = {"LocationConstraint": "eu-west-1"}
            boto3.client("s3").create_bucket(Bucket=operation.id.lower(), CreateBucketConfiguration=place)
    kinds = {op.id: op.kind for op in operations if isinstance(op, EnsureResource)}
    for operation in operations:
        if isinstance(operation, EnsureEnv):
            is_table = kinds[operation.resource] == "table"
            monkeypatch.setenv(operation.name, operation.resource if is_table else operation.resource.lower())


@pytest.mark.parametrize("name", CASES)
def test_the_migrated_seed_answers_like_the_original(
    name: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    steps = json.loads((SEEDS / name / "events.json").read_text())
    original, migrated, churned = tmp_path / "original", tmp_path / "migrated", tmp_path / "churned"
    for tree in (original, migrated, churned):
        shutil.copytree(SEEDS / name / "before", tree)
    plan = make_plan([migrated], Options())
    for write in compose(plan, {change.id for change in plan.changes}, lambda path: read_file(migrated, path)):
        (migrated / write.path).write_bytes(write.after)
    deploy(plan, monkeypatch)
    expected = replay(original, steps, monkeypatch, fresh=False)
    has_answers_that_tell = replay(churned, steps, monkeypatch, fresh=True) != expected
    assert has_answers_that_tell or name in {"counter_sam", "counter_write_only", "request_counter"}
    found = replay(migrated, steps, monkeypatch, fresh=True)
    assert (found == expected) is (name not in NOT_EQUAL), list(zip(found, expected, strict=True))
