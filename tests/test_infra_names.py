import re

import pytest
from hypothesis import given
from hypothesis import strategies as st

from statelift.infra import alarm_id, bucket_id, env_name, table_id


@pytest.mark.parametrize(
    ("name", "expected"),
    [
        ("ACTIVE_SESSIONS", "ActiveSessionsTable"),
        ("_cache", "CacheTable"),
        ("__seen__", "SeenTable"),
        ("userSessions", "UserSessionsTable"),
        ("HTTPCache", "HttpCacheTable"),
        ("Cart.items", "CartItemsTable"),
        ("orders_table", "OrdersTable"),
        ("page2", "Page2Table"),
    ],
)
def test_table_ids(name, expected):
    assert table_id(name) == expected


def test_bucket_and_alarm_ids():
    assert bucket_id("/tmp/results.json") == "TmpResultsJsonBucket"
    assert alarm_id("REQUESTS") == "RequestsAlarm"


@pytest.mark.parametrize(
    ("resource", "attribute", "expected"),
    [
        ("ActiveSessionsTable", "name", "ACTIVE_SESSIONS_TABLE_NAME"),
        ("ResultsBucket", "name", "RESULTS_BUCKET_NAME"),
        ("ResultsBucket", "arn", "RESULTS_BUCKET_ARN"),
        ("AwsRegionsTable", "name", "STATE_AWS_REGIONS_TABLE_NAME"),
        ("LambdaRunsTable", "name", "STATE_LAMBDA_RUNS_TABLE_NAME"),
        ("2FaTable", "name", "STATE_2_FA_TABLE_NAME"),
    ],
)
def test_variable_names(resource, attribute, expected):
    assert env_name(resource, attribute) == expected


@given(st.text())
def test_any_text_gives_valid_names(name):
    logical_id = table_id(name)
    assert re.fullmatch(r"[A-Za-z0-9]{1,255}", logical_id)
    assert logical_id.endswith("Table")
    variable = env_name(logical_id)
    assert re.fullmatch(r"[A-Z][A-Z0-9_]+", variable)
    assert not variable.startswith(("AWS_", "LAMBDA_"))
    assert table_id(name) == logical_id


def test_names_in_other_scripts_stay_apart():
    assert table_id("сессии") != table_id("заказы")
    assert table_id("x" * 300) != table_id("x" * 301)
