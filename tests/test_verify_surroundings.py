"""What verify puts around a program: things that it takes for granted, and hosts that answer with the request."""

import json
import re
from dataclasses import asdict

import pytest
from repositories import written

from statelift.verify.again import read_assumed
from statelift.verify.machine.absent import absent_of
from statelift.verify.machine.calls import Call
from statelift.verify.machine.simulator import Answer
from statelift.verify.playing.compare import Match, Rules, compare, seen
from statelift.verify.resources import ResourceError
from statelift.verify.surroundings import read_surroundings
from statelift.verify.values import Bucket, Event, Observation, Outcome, Table, Thing

DYNAMODB = "com.amazonaws.dynamodb.v20120810#ResourceNotFoundException"
SQS = "com.amazonaws.sqs#QueueDoesNotExist"
TOPIC = "arn:aws:sns:us-east-1:123456789012:news"


def refused(service, operation, asked, code, region="us-east-1", url="https://aws.example/"):
    headers = (("Authorization", f"AWS4-HMAC-SHA256 Credential=x/20231114/{region}/{service}/aws4_request, Sig=1"),)
    call = Call(service, operation, "POST", url, headers, json.dumps(asked).encode(), 0)
    is_xml = service in ("s3", "sns")
    body = f"<Error><Code>{code}</Code></Error>" if is_xml else json.dumps({"__type": code})
    return absent_of(call, Answer(404 if is_xml else 400, (), body.encode()))


@pytest.mark.parametrize(
    ("asked", "table"),
    [
        ({"Key": {"user": {"S": "ann"}}}, Table("carts", "user")),
        ({"Key": {"n": {"N": "1"}, "day": {"S": "x"}}}, Table("carts", "n", "N", "day")),
        ({"Item": {"price": {"N": "1"}, "id": {"S": "a"}}}, Table("carts", "id")),
        ({"Item": {"tags": {"L": []}, "orderId": {"N": "7"}}}, Table("carts", "orderId", "N")),
        (
            {"KeyConditionExpression": "shop = :s", "ExpressionAttributeValues": {":s": {"S": "x"}}},
            Table("carts", "shop"),
        ),
        (
            {
                "KeyConditionExpression": "#n0 = :v0 AND #n1 = :v1",
                "ExpressionAttributeNames": {"#n0": "user", "#n1": "at"},
                "ExpressionAttributeValues": {":v0": {"S": "x"}, ":v1": {"N": "1"}},
            },
            Table("carts", "user", "S", "at", "N"),
        ),
        ({}, Table("carts", "pk")),
    ],
)
def test_a_table_has_the_key_that_the_call_names(asked, table):
    assert refused("dynamodb", "GetItem", {"TableName": "carts", **asked}, DYNAMODB) == table


@pytest.mark.parametrize(
    ("service", "operation", "asked", "code", "expected"),
    [
        ("s3", "PutObject", {}, "NoSuchBucket", Bucket("files")),
        ("s3", "GetObject", {}, "NoSuchKey", None),
        ("sqs", "SendMessage", {"QueueUrl": "https://queue.example/a b"}, SQS, None),
        ("sqs", "SendMessage", {"QueueUrl": "https://queue.example/jobs"}, SQS, Thing("queue", "jobs")),
        ("sns", "Publish", {"TopicArn": TOPIC}, "NotFound", Thing("topic", "news")),
        ("sns", "Publish", {"TopicArn": TOPIC.replace("123456789012", "1")}, "NotFound", None),
        ("kinesis", "PutRecord", {"StreamName": "s"}, "ResourceNotFoundException", Thing("stream", "s")),
        (
            *("firehose", "PutRecord", {"DeliveryStreamName": "audit"}, "ResourceNotFoundException"),
            Thing("delivery_stream", "audit"),
        ),
        ("secretsmanager", "GetSecretValue", {"SecretId": "db"}, "ResourceNotFoundException", None),
        ("ssm", "GetParameter", {"Name": "/a"}, "ParameterNotFound", None),
        ("dynamodb", "PutItem", {"TableName": "t"}, "ConditionalCheckFailedException", None),
    ],
)
def test_what_may_stand_there_empty_is_told_from_what_holds_a_text(service, operation, asked, code, expected):
    assert refused(service, operation, asked, code, url="https://files.s3.amazonaws.com/key") == expected


def test_it_stands_where_the_call_went():
    found = refused("dynamodb", "GetItem", {"TableName": "t", "Key": {"k": {"S": "a"}}}, DYNAMODB, "eu-west-1")
    assert found == Table("t", "k", region="eu-west-1")


def test_a_name_that_no_bucket_can_have_is_told(tmp_path):
    file = tmp_path / "resources.json"
    file.write_text('{"buckets": ["files", "B"]}')
    with pytest.raises(ResourceError, match="B cannot be the name of a bucket"):
        read_surroundings(file)


def test_all_but_buckets_stand_in_the_region(tmp_path):
    file = tmp_path / "resources.json"
    file.write_text('{"region": "eu-west-1", "buckets": ["files"], "queues": ["q"], "parameters": {"/a": "x"}}')
    told = (Bucket("files"), Thing("queue", "q", region="eu-west-1"), Thing("parameter", "/a", "x", "eu-west-1"))
    assert read_surroundings(file) == ({}, told)


def test_a_program_that_repeats_a_difference_has_it_too():
    things = [Table("t", "k", region="eu-west-1"), Bucket("b", (("a", b"x"),)), Thing("queue", "q")]
    assert [*read_assumed([(type(each).__name__, asdict(each)) for each in things])] == things


# ---------------------------------------------------------------- as the command says it

CART = """import boto3

SEEN = {}


def handler(event, context):
    user = str(event["user"])
    boto3.resource("dynamodb").Table("carts").put_item(Item={"id": user, "item": str(event["item"])})
    SEEN[user] = str(event["item"])
    return {"seen": sorted(SEEN.values())}
"""
EVENTS = [{"user": user, "item": item} for user, item in ("ax", "by", "ax")]
CAUGHT = """import boto3
from botocore.exceptions import ClientError

SEEN = {}


def handler(event, context):
    SEEN[str(event["user"])] = str(event["item"])
    told = None
    try:
        boto3.client("s3").put_object(Bucket="files", Key="k", Body=b"x")
    except ClientError as error:
        told = error.response["Error"]["Code"]
    return {"kept": SEEN.get("a"), "error": told}
"""
POSTED = """import json
import urllib.request

SEEN = {}


def handler(event, context):
    SEEN[str(event["user"])] = str(event["item"])
    item = json.dumps(event["item"]).encode()
    request = urllib.request.Request("https://shop.example/in?x=1", item, method="POST")
    with urllib.request.urlopen(request) as answer:
        return {"status": answer.status, "said": json.load(answer), "kept": SEEN.get("a")}
"""


@pytest.fixture
def verified(tmp_path, said):
    def call(program, *options):
        folder = written(tmp_path / "app", {"app.py": program})
        (tmp_path / "given.json").write_text(json.dumps(EVENTS))
        given = ("--yes", "--events", tmp_path / "given.json", "--format", "json", "--runs", 0)
        code, out, err = said("verify", folder, *given, *options)
        assert out, err
        [result] = json.loads(out)["results"]
        return code, result

    return call


def test_what_the_program_takes_for_granted_stands_there_empty_and_is_named(verified):
    code, result = verified(CART)
    assert (code, result["verdict"]) == (0, "EQUIVALENT"), result["reason"]
    [note] = [each for each in result["notes"] if "was not there" in each]
    assert note.startswith("the table carts (key id)") and "--resources" in note


def test_an_error_that_the_program_answers_stays_an_error(verified):
    code, result = verified(CAUGHT)
    assert (code, result["verdict"]) == (0, "EQUIVALENT"), result["reason"]
    assert not any("was not there" in each for each in result["notes"])


def test_one_double_answers_for_all_hosts_and_the_report_says_so(verified, tmp_path):
    doubles = tmp_path / "http.json"
    doubles.write_text('[{"url": "*", "method": "*", "echo": true}]')
    assert verified(POSTED)[1]["verdict"] == "INCONCLUSIVE"
    code, result = verified(POSTED, "--http", doubles)
    assert (code, result["verdict"]) == (0, "EQUIVALENT"), result["reason"]
    [note] = [each for each in result["notes"] if "no real host" in each]
    assert "shop.example" in note
    code, result = verified(POSTED.replace('"said": json.load(answer)', '"said": id(request)'), "--http", doubles)
    assert result["verdict"] == "DIVERGES"
    assert re.search("shop.example", str(result["notes"]))


# ---------------------------------------------------------------- what AWS says of a request

ID, OTHER = "A1b2" * 13, "Z9y8" * 13


def answered(value):
    return seen(Observation(Event("app:h", "{}"), "c1", Outcome("reply", json.dumps(value))), Rules())


@pytest.mark.parametrize(
    "shape",
    [
        lambda id_, count: {"ResponseMetadata": {"RequestId": id_, "RetryAttempts": count}},
        lambda id_, count: str({"ResponseMetadata": {"RequestId": id_, "RetryAttempts": count}}),
        lambda id_, count: {"body": json.dumps({"HTTPHeaders": {"x-amzn-requestid": id_}})},
    ],
)
def test_ids_of_requests_are_no_difference(shape):
    assert compare(answered(shape(ID, 0)), answered(shape(OTHER, 1))) is Match.EQUAL


@pytest.mark.parametrize(
    ("one", "other"),
    [
        ({"RequestId": "job-1"}, {"RequestId": "job-2"}),
        ({"token": ID}, {"token": OTHER}),
        (
            str({"RequestId": "00000000-0000-0000-0000-000000000001"}),
            str({"RequestId": "00000000-0000-0000-0000-2"}),
        ),
    ],
)
def test_ids_of_the_program_are_one(one, other):
    assert compare(answered(one), answered(other)) is Match.DIFFERENT
