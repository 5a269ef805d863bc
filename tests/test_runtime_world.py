"""A small AWS in this process, and containers that load the generated helper and lose answers.

An answer is lost in one of two places: below the SDK, which then sends the request again (`lose_in_transit`),
or above it, as after the last attempt (`Lossy`). Either way the server has acted before.
"""

import contextlib
import functools
import os
import types
from unittest import mock

import boto3
import pytest
from botocore.exceptions import ConnectionClosedError, ReadTimeoutError

from statelift.runtime import PARTS, render_helper

TABLE, BUCKET = "ITEMS_TABLE_NAME", "FILES_BUCKET_NAME"
ENVIRONMENT = {
    "AWS_ACCESS_KEY_ID": "testing",
    "AWS_SECRET_ACCESS_KEY": "testing",
    "AWS_DEFAULT_REGION": "eu-central-1",
    BUCKET: "files",
}
SOURCE = render_helper(PARTS)
WRITES = {"update_item", "transact_write_items", "delete_item", "put_object", "delete_object"}


def container(source=SOURCE):
    """Import the helper afresh, as a new Lambda container does."""
    module = types.ModuleType("statelift_state")
    exec(compiled(source), module.__dict__)
    return module


@functools.cache
def compiled(source):
    return compile(source, "statelift_state.py", "exec")


@contextlib.contextmanager
def cloud():
    """Moto with one table and one bucket, and no waiting between the SDK's attempts."""
    from moto import mock_aws

    with mock.patch.dict(os.environ, ENVIRONMENT), mock_aws(), mock.patch("time.sleep"):
        new_table()
        boto3.client("s3").create_bucket(
            Bucket="files", CreateBucketConfiguration={"LocationConstraint": "eu-central-1"}
        )
        yield


def new_table():
    """Point the environment at a new empty table."""
    name = f"items{os.urandom(4).hex()}"
    os.environ[TABLE] = name
    boto3.client("dynamodb").create_table(
        TableName=name,
        KeySchema=[{"AttributeName": "pk", "KeyType": "HASH"}],
        AttributeDefinitions=[{"AttributeName": "pk", "AttributeType": "S"}],
        BillingMode="PAY_PER_REQUEST",
    )


def rows():
    """The items of the table as they are stored."""
    return boto3.client("dynamodb").scan(TableName=os.environ[TABLE])["Items"]


class Lossy:
    """A client that records its calls, and raises instead of giving the answer to some of them.

    `lose` holds the numbers of the calls whose answer is lost; `meanwhile` runs between the act and the loss.
    With `arrives` False the request itself is lost.
    """

    def __init__(self, client, lose=(), meanwhile=lambda: None, arrives=True):
        self._client = client
        self._lose = lose
        self._meanwhile = meanwhile
        self._arrives = arrives
        self.calls = []

    def __getattr__(self, name):
        method = getattr(self._client, name)
        if name.startswith("get_paginator"):
            self.calls.append("scan")
            return method

        def call(**request):
            number = len(self.calls)
            self.calls.append(name)
            if number not in self._lose:
                return method(**request)
            if self._arrives:
                with contextlib.suppress(self._client.exceptions.ClientError):
                    method(**request)
            self._meanwhile()
            error = ReadTimeoutError if number % 2 else ConnectionClosedError
            raise error(endpoint_url="https://aws.test")

        return call


def watch(module, getter="", **options):
    """Put a `Lossy` client in the place of the module's clients and return it."""
    getter = getter or ("_s3" if options.pop("s3", False) else "_dynamodb")
    lossy = Lossy(getattr(module, getter)(), **options)
    setattr(module, getter, lambda: lossy)
    return lossy


def lose_in_transit(client, number, meanwhile=lambda: None):
    """Lose the answer to the request with this number below the SDK; returns the list of requests."""
    requests = []

    def lose(request, **_):
        requests.append(request.method)
        if len(requests) == number + 1:
            meanwhile()
            raise ReadTimeoutError(endpoint_url=request.url)

    client.meta.events.register_last("before-send", lose)
    return requests


def test_a_lost_answer_is_lost_after_the_server_has_acted():
    with cloud():
        helper = container()
        client = watch(helper, lose={0})
        with pytest.raises(ConnectionClosedError):
            client.put_item(TableName=os.environ[TABLE], Item={"pk": {"S": "a"}})
        assert rows() == [{"pk": {"S": "a"}}]


def test_below_the_sdk_the_request_is_sent_again():
    with cloud():
        helper = container()
        requests = lose_in_transit(helper._dynamodb(), 0)
        answer = helper._dynamodb().put_item(TableName=os.environ[TABLE], Item={"pk": {"S": "a"}})
        assert answer["ResponseMetadata"]["RetryAttempts"] == 1
        assert len(requests) == 2
