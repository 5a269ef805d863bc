"""Tests of a project that put something else in a constructor's place make a kept client wait for a person."""

import pytest
from repositories import written

from statelift.model import Options, Tier
from statelift.planning import make_plan

APP = """\
import boto3


def handler(event, context):
    return boto3.client("s3").list_buckets()
"""
TESTS = {
    "mock.patch": """\
from unittest import mock
import app

@mock.patch("app.boto3")
def test_it(boto3):
    app.handler({}, None)
""",
    "mocker": """\
import app

def test_it(mocker):
    mocker.patch("app.boto3.client")
    app.handler({}, None)
""",
    "monkeypatch": """\
import app

def test_it(monkeypatch):
    monkeypatch.setattr(app.boto3, "client", lambda *names: None)
    app.handler({}, None)
""",
}


def change_of(root):
    (change,) = make_plan([root], Options()).changes
    return change


@pytest.mark.parametrize("name", TESTS)
def test_a_patched_constructor_lowers_the_tier(name, tmp_path):
    change = change_of(written(tmp_path / "code", {"app.py": APP, "tests/test_app.py": TESTS[name]}))
    assert change.tier is Tier.REVIEW
    assert any("tests/test_app.py patches boto3" in reason for reason in change.reasons)


@pytest.mark.parametrize(
    "text", ["import app\n\ndef test_it():\n    assert app.handler\n", "import other, boto3, patch\n"]
)
def test_other_tests_do_not(text, tmp_path):
    assert change_of(written(tmp_path / "code", {"app.py": APP, "tests/test_app.py": text})).tier is Tier.SAFE


def test_several_functions_that_build_the_same_share_one_getter(tmp_path):
    text = """\
import os

import boto3


def read(key):
    return boto3.client("s3", region_name=os.environ["REGION"]).get_object(Bucket="b", Key=key)


def write(key, text):
    return boto3.client("s3", region_name=os.environ["REGION"]).put_object(Bucket="b", Key=key, Body=text)


def handler(event, context):
    other = boto3.client("s3")
    return read(event["key"]), write(event["key"], "x"), other
"""
    plan = make_plan([written(tmp_path / "code", {"app.py": text})], Options())
    parts = [{op.part for op in change.ops if hasattr(op, "part")} for change in plan.changes]
    assert len(parts) == 3
    assert len({frozenset(each) for each in parts}) == 2
