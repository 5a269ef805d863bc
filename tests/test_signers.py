"""Clients that sign with the real AWS4Auth: a kept one asks for the keys each time it signs."""

import importlib
import sys
import types

import boto3
import pytest
import requests

from statelift.compose import compose_changes
from statelift.discover import read_file
from statelift.model import Options, Tier
from statelift.planning import make_plan

aws4auth = pytest.importorskip("requests_aws4auth")
HEAD = """\
import os
import boto3
from elasticsearch import Elasticsearch
from requests_aws4auth import AWS4Auth

"""
FROZEN = """\
def handler(event, context):
    keys = boto3.Session().get_credentials().get_frozen_credentials()
    auth = AWS4Auth(keys.access_key, keys.secret_key, "eu-west-1", "es", session_token=keys.token)
    es = Elasticsearch(["search"], http_auth=auth)
    return es.count()
"""
IN_PARTS = """\
def handler(event, context):
    region = os.environ["AWS_REGION"]
    service = 'es'
    session = boto3.Session()
    given = session.get_credentials()
    auth = AWS4Auth(given.access_key, given.secret_key, region, service, session_token=given.token)
    es = Elasticsearch(["search"], http_auth=auth)
    return es.count()
"""
IN_A_FUNCTION = """\
SESSION = boto3.Session()

def signer():
    found = SESSION.get_credentials()
    return AWS4Auth(found.access_key, found.secret_key, "eu-west-1", "es", session_token=found.token)

def client():
    return Elasticsearch(["search"], http_auth=signer())

def handler(event, context):
    return client().count()
"""
PROGRAMS = {"frozen": FROZEN, "in parts": IN_PARTS, "in a function": IN_A_FUNCTION}


@pytest.fixture
def searched(monkeypatch):
    """A client library that counts its clients; what they send is signed by the real signer."""
    made = []

    class Elasticsearch:
        def __init__(self, hosts, http_auth):
            made.append(http_auth)
            self.sign = http_auth

        def count(self):
            headers = {"x-amz-date": "20250102T030405Z"}
            request = requests.Request("GET", "https://search.example/books/_count", headers=headers).prepare()
            return dict(self.sign(request).headers)

    module = types.ModuleType("elasticsearch")
    module.Elasticsearch = Elasticsearch
    monkeypatch.setitem(sys.modules, "elasticsearch", module)
    for name, value in {"ACCESS_KEY_ID": "AKID", "SECRET_ACCESS_KEY": "quiet", "SESSION_TOKEN": "t"}.items():
        monkeypatch.setenv(f"AWS_{name}", value)
    monkeypatch.setenv("AWS_REGION", "eu-west-1")
    return made


def loaded(folder, monkeypatch):
    monkeypatch.syspath_prepend(str(folder))
    importlib.invalidate_caches()
    sys.modules.pop("app", None)
    return importlib.import_module("app").handler


def planned(folder, program):
    folder.mkdir()
    (folder / "app.py").write_text(HEAD + program)
    return make_plan([folder], Options())


def migrated(folder, program):
    plan = planned(folder, program)
    assert [each.tier for each in plan.findings if "Elasticsearch(" in each.message] == [Tier.REVIEW]
    for write in compose_changes(plan.changes, lambda path: read_file(folder, path)):
        (folder / write.path).write_bytes(write.after)
    assert not make_plan([folder], Options()).changes
    return folder


@pytest.mark.parametrize("name", PROGRAMS)
def test_a_kept_client_signs_as_one_of_each_call_did(name, searched, tmp_path, monkeypatch):
    planned(tmp_path / "before", PROGRAMS[name])
    before = loaded(tmp_path / "before", monkeypatch)
    wanted = [before({}, None) for _ in range(3)]
    assert "Credential=AKID/20250102/eu-west-1/es/" in wanted[0]["Authorization"]
    assert len(searched) == 3
    after = loaded(migrated(tmp_path / "after", PROGRAMS[name]), monkeypatch)
    assert [after({}, None) for _ in range(3)] == wanted
    assert len(searched) == 4


@pytest.mark.parametrize("name", PROGRAMS)
def test_it_signs_with_the_keys_of_the_moment(name, searched, tmp_path, monkeypatch):
    after = loaded(migrated(tmp_path / "after", PROGRAMS[name]), monkeypatch)
    after({}, None)
    kept = searched[0].refreshable_credentials
    assert isinstance(kept, type(boto3.Session().get_credentials()))
    kept.access_key = "NEWER"
    assert "Credential=NEWER/" in after({}, None)["Authorization"]
    assert len(searched) == 1


@pytest.mark.parametrize(
    ("changed", "into"),
    [
        ("boto3.Session()", 'boto3.Session(profile_name=event["profile"])'),
        ('"eu-west-1"', 'event["region"]'),
        ("return es.count()", "print(keys.access_key)\n    return es.count()"),
        ("    es =", "    if event:\n        auth = None\n    es ="),
        (", session_token=keys.token", ""),
        ("http_auth=auth", "http_auth=(auth, 1)"),
    ],
)
def test_what_would_sign_with_old_keys_is_left_alone(changed, into, tmp_path):
    plan = planned(tmp_path / "app", FROZEN.replace(changed, into))
    told = [each for each in (*plan.findings, *plan.left_alone) if "Elasticsearch(" in each.message]
    assert told and not any(each.changes for each in told)
