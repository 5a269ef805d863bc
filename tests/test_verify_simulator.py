"""The simulated AWS: what its gate lets pass, in which order, and each mishap that it can bring."""

import collections
import decimal
import enum
import json
import math
import textwrap
from collections.abc import Iterator
from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest
import simplejson
from hypothesis import given, settings
from hypothesis import strategies as st

from statelift.model import EnsureEnv, EnsureResource
from statelift.verify.machine.calls import Call, canonical, is_weak_read, target_of
from statelift.verify.machine.faults import Moment, choose_fault
from statelift.verify.machine.inside.marshal import MarshalError, marshal_reply
from statelift.verify.machine.sandbox import Sandbox
from statelift.verify.machine.world import Setting, World
from statelift.verify.resources import ResourceError, environment_of, read_canned, read_tree, resources_of
from statelift.verify.values import Bucket, CodeTree, Event, Fault, Faults, Observation, Table, Thing

COUNTER = """
    import boto3
    from botocore.config import Config
    import os
    config = Config(retries={"total_max_attempts": int(os.environ.get("ATTEMPTS", "5"))})
    T = boto3.client("dynamodb", config=config)
    def add(event, context):
        found = T.update_item(TableName="numbers", Key={"pk": {"S": "n"}}, ReturnValues="UPDATED_NEW",
            UpdateExpression="ADD n :one", ExpressionAttributeValues={":one": {"N": "1"}})
        return int(found["Attributes"]["n"]["N"])
    def get(event, context):
        found = T.get_item(TableName="numbers", Key={"pk": {"S": "n"}}, ConsistentRead=bool(event))
        return int(found.get("Item", {"n": {"N": "0"}})["n"]["N"])
    def scan(event, context):
        return [item["n"]["N"] for item in T.scan(TableName="numbers")["Items"]]
    def racy(event, context):
        now = get(True, context) + 1
        T.put_item(TableName="numbers", Item={"pk": {"S": "n"}, "n": {"N": str(now)}})
        return now
"""
SETTING = Setting(resources=(Table("numbers"),))


@pytest.fixture(scope="module")
def sandbox() -> Iterator[Sandbox]:
    with Sandbox(hash_seeds=(0,)) as made:
        yield made


def tree(text: str) -> CodeTree:
    return CodeTree((("app.py", textwrap.dedent(text).encode()),))


def event(name: str, payload: Any = None, seed: int = 0) -> Event:
    return Event(f"app:{name}", json.dumps(payload), seed=seed)


def reply(observation: Observation) -> Any:
    assert observation.outcome.kind == "reply", (observation.outcome, observation.trace)
    return json.loads(observation.outcome.payload)


def value(world: World) -> int:
    (item,) = world.snapshot_state()["numbers"].values()
    return int(json.loads(item)["n"]["N"])


def play(
    sandbox: Sandbox, names: list[str], *plan: Fault, payload: Any = None, **env: str
) -> tuple[list[Any], World]:
    """The observations of events one after the other in one container, and the world, closed by the test."""
    setting = Setting(env, SETTING.resources)
    world = World(sandbox, tree(COUNTER), setting, faults=Faults(plan=plan))
    place = world.start_container(["app"])
    seen = []
    for name in names:
        place = next(iter(world.containers), place)
        seen += world.run([(place, event(name, payload))])
    return seen, world


def test_concurrent_adds_are_exact_and_racy_ones_lose_in_some_order(sandbox: Sandbox) -> None:
    lost = 0
    for seed in range(4):
        with World(sandbox, tree(COUNTER), SETTING, seed=seed) as world:
            places = [world.start_container(["app"]) for _ in range(3)]
            answers = [reply(one) for one in world.run([(place, event("add")) for place in places])]
            assert sorted(answers) == [1, 2, 3]
            seen = world.run([(place, event("racy")) for place in places])
            lost += value(world) < 6
            last = max(seen, key=lambda one: one.last_call)
            assert reply(last) == value(world)
    assert lost


def test_calls_are_recorded_with_what_they_asked(sandbox: Sandbox) -> None:
    (added, got, sure), world = play(sandbox, ["add", "get", "get"])
    with world:
        effect = added.effects[0]
        assert (effect.kind, effect.service, effect.operation, effect.target) == (
            "aws", "dynamodb", "UpdateItem", "numbers",
        )  # fmt: skip
        assert json.loads(effect.request)["Key"] == {"pk": {"S": "n"}}
        assert (effect.is_write, effect.has_weak_read, effect.status) == (True, False, 200)
        assert [(e.is_write, e.has_weak_read) for e in got.effects + sure.effects] == [(False, True)] * 2
        assert world.log[0] == "event 0 c1 dynamodb.UpdateItem numbers passes 200"


def test_a_weak_read_can_be_stale_and_a_strong_one_never_is(sandbox: Sandbox) -> None:
    names = ["get", "add", "get", "scan", "get"]
    seen, world = play(sandbox, names, Fault("stale", 2, 0), Fault("stale", 3, 0))
    with world:
        assert [reply(one) for one in seen] == [0, 1, 0, [], 1]
        assert [one.effects[0].fault for one in seen] == [None, None, "stale", "stale", None]
    strong, other = play(sandbox, names, Fault("stale", 2, 0), payload=True)
    with other:
        assert [reply(one) for one in strong] == [0, 1, 1, ["1"], 1]


@pytest.mark.parametrize("kind", ["throttled", "error"])
def test_a_refused_call_did_nothing_and_the_sdk_tries_again(sandbox: Sandbox, kind: Any) -> None:
    (seen,), world = play(sandbox, ["add"], Fault(kind, 0, 0), Fault(kind, 0, 1))
    with world:
        assert reply(seen) == 1
        assert [effect.fault for effect in seen.effects] == [kind, kind, None]
        assert world.injected == (Fault(kind, 0, 0), Fault(kind, 0, 1))


def test_the_pauses_between_tries_do_not_show_in_the_programs_times(sandbox: Sandbox) -> None:
    text = """
        import boto3, time
        T = boto3.client("dynamodb")
        def handler(event, context):
            T.put_item(TableName="numbers", Item={"pk": {"S": "n"}})
            time.sleep(1)
            return time.time()
    """
    faults = Faults(plan=(Fault("throttled", 0, 0), Fault("error", 0, 1)))
    with World(sandbox, tree(text), SETTING, faults=faults) as world:
        seen = world.run([(world.start_container(), event("handler"))])[0]
    assert (reply(seen), len(seen.effects)) == (1_700_000_001.0, 3)


def test_a_refused_call_reaches_a_program_that_does_not_try_again(sandbox: Sandbox) -> None:
    (seen,), world = play(sandbox, ["add"], Fault("throttled", 0, 0), ATTEMPTS="1")
    with world:
        assert (seen.outcome.kind, seen.outcome.error) == ("exception", "ProvisionedThroughputExceededException")


def test_a_lost_answer_comes_after_the_write(sandbox: Sandbox) -> None:
    (seen,), world = play(sandbox, ["add"], Fault("lost", 0, 0))
    with world:
        assert (reply(seen), value(world)) == (2, 2)  # the SDK's own second try adds twice
    (seen,), world = play(sandbox, ["add"], Fault("lost", 0, 0), ATTEMPTS="1")
    with world:
        assert (seen.outcome.error, value(world)) == ("ReadTimeoutError", 1)


def test_what_the_original_uses_itself_is_spared() -> None:
    moment = Moment(event=0, call=0, in_a_row=0, was_killed=False, has_old_states=True)
    put, read = (
        Call("dynamodb", name, "POST", "https://dynamodb.us-east-1.amazonaws.com", (), b'{"TableName": "T"}', 0)
        for name in ("PutItem", "GetItem")
    )
    for call, kind in ((put, "lost"), (read, "stale")):
        faults = Faults(**{kind: 1.0})
        assert choose_fault(faults, 0, moment, call) == kind
        assert choose_fault(replace(faults, spared=("other",)), 0, moment, call) == kind
        assert choose_fault(replace(faults, spared=("other", "T")), 0, moment, call) is None
        # A smaller script has other calls at the numbers of a plan.
        planned = Faults(plan=(Fault(kind, 0, 0),))
        assert choose_fault(planned, 0, moment, call) == kind
        assert choose_fault(replace(planned, spared=("T",)), 0, moment, call) is None
    assert choose_fault(Faults(throttled=1.0, spared=("T",)), 0, moment, put) == "throttled"


def test_a_killed_container_dies_between_two_calls_and_the_event_comes_again(sandbox: Sandbox) -> None:
    (seen, after), world = play(sandbox, ["racy", "get"], Fault("kill", 0, 1), payload=True)
    with world:
        assert (reply(seen), reply(after), value(world)) == (2, 2, 2)
        (first,) = seen.earlier
        assert (first.outcome.kind, first.container, seen.container) == ("killed", "c1", "c2")
        assert [e.operation for e in first.effects] == [e.operation for e in seen.effects] == ["GetItem", "PutItem"]
        assert seen.event.request_id == first.event.request_id
        assert [one.name for one in world.containers] == ["c2"]


def test_a_kill_leaves_the_other_events_of_a_batch_alone(sandbox: Sandbox) -> None:
    faults = Faults(plan=(Fault("kill", 1, 0),))
    with World(sandbox, tree(COUNTER), SETTING, faults=faults) as world:
        places = [world.start_container(["app"]) for _ in range(3)]
        seen = world.run([(place, event("add")) for place in places])
        assert [len(one.earlier) for one in seen] == [0, 1, 0]
        assert (sorted(reply(one) for one in seen)[-1], value(world)) == (4, 4)


@settings(max_examples=12, deadline=None)
@given(
    shares=st.lists(st.sampled_from([0.0, 0.2, 0.5]), min_size=5, max_size=5),
    seed=st.integers(0, 1000),
    names=st.lists(st.sampled_from(["add", "get", "scan", "racy"]), min_size=2, max_size=5),
)
def test_mishaps_of_any_kind_never_break_the_machinery(
    sandbox: Sandbox, shares: list[float], seed: int, names: list[str]
) -> None:
    faults = Faults(*shares)
    with World(sandbox, tree(COUNTER), SETTING, faults=faults, seed=seed) as world:
        pairs = [(world.start_container(["app"]), event(name)) for name in names[:3]]
        seen = world.run(pairs)
        assert all(one.outcome.kind == "reply" for one in seen)
        refused = {"throttled", "error"}
        done = [e for one in seen for part in (one, *one.earlier) for e in part.effects if e.fault not in refused]
        adds = sum(effect.operation == "UpdateItem" for effect in done)
        if "racy" not in names[:3] and adds:
            assert value(world) == adds


def test_a_branch_has_an_aws_of_its_own(sandbox: Sandbox) -> None:
    _, world = play(sandbox, ["add"])
    with world, world.branch() as left, world.branch() as right:
        for one in (left, right, left):
            one.run([(one.containers[0], event("add"))])
        assert (value(left), value(right), value(world)) == (3, 2, 1)
        world.run([(world.containers[0], event("add"))])
        assert (value(left), value(right), value(world)) == (3, 2, 2)


def test_two_worlds_do_not_share_tables_or_buckets(sandbox: Sandbox) -> None:
    setting = Setting(resources=(Table("numbers"), Bucket("files", (("a", b"\xff"),))))
    with World(sandbox, tree(COUNTER), setting) as one, World(sandbox, tree(COUNTER), setting) as other:
        one.run([(one.start_container(), event("add"))])
        assert value(one) == 1
        assert other.snapshot_state()["numbers"] == {}
        assert list(other.snapshot_state()["files"]) == ["a"]


TRANSACTION = """
    import boto3
    T = boto3.client("dynamodb")
    def pay(event, context):
        token = {"ClientRequestToken": event["token"]} if "token" in event else {}
        T.transact_write_items(TransactItems=[{"Update": {"TableName": "numbers", "Key": {"pk": {"S": "n"}},
            "UpdateExpression": "ADD n :d", "ExpressionAttributeValues": {":d": {"N": str(event["by"])}}}}],
            **token)
"""


def test_a_transaction_with_the_token_of_a_done_one_is_not_done_again(sandbox: Sandbox) -> None:
    with World(sandbox, tree(TRANSACTION), SETTING, faults=Faults(plan=(Fault("lost", 0, 0),))) as world:
        place = world.start_container()
        for payload, amount in (({"by": 1}, 1), ({"by": 5, "token": "t"}, 6), ({"by": 5, "token": "t"}, 6)):
            reply(world.run([(place, event("pay", payload, seed=amount))])[0])
            assert value(world) == amount
        torn = world.run([(place, event("pay", {"by": 7, "token": "t"}))])[0]
        assert (torn.outcome.error, value(world)) == ("IdempotentParameterMismatchException", 6)
        assert "ClientRequestToken" not in torn.effects[0].request


FILES = """
    import boto3, io
    S = boto3.client("s3")
    def handler(event, context):
        S.put_object(Bucket="files", Key="a b", Body=b"one")
        S.upload_fileobj(io.BytesIO(b"x" * 100), "files", "up")
        body = S.get_object(Bucket="files", Key="a b")["Body"].read().decode()
        try:
            S.put_object(Bucket="files", Key="a b", Body=b"two", IfNoneMatch="*")
        except S.exceptions.ClientError as error:
            body += error.response["Error"]["Code"]
        try:
            S.get_object(Bucket="files", Key="none")
        except S.exceptions.NoSuchKey:
            body += " none"
        size = sum(len(part) for part in S.get_object(Bucket="files", Key="up")["Body"].iter_chunks())
        return [body, size, sorted(o["Key"] for o in S.list_objects_v2(Bucket="files")["Contents"])]
"""


def test_objects_go_through_the_sdk_as_they_are(sandbox: Sandbox) -> None:
    setting = Setting(resources=(Bucket("files"),))
    with World(sandbox, tree(FILES), setting, faults=Faults(throttled=0.3), seed=1) as world:
        seen = world.run([(world.start_container(), event("handler"))])[0]
    assert reply(seen) == ["onePreconditionFailed none", 100, ["a b", "up"]]
    assert {effect.target for effect in seen.effects} == {"files"}
    assert "PUT /files/a%20b one" in {effect.request for effect in seen.effects}
    assert "throttled" in {effect.fault for effect in seen.effects}


def test_other_services_and_endpoints_of_the_programs_own(sandbox: Sandbox) -> None:
    text = """
        import boto3
        def handler(event, context):
            boto3.client("sns").publish(TopicArn="arn:aws:sns:us-east-1:123456789012:alerts", Message="hi")
            queues = boto3.client("sqs")
            queues.send_message(QueueUrl=queues.get_queue_url(QueueName="jobs")["QueueUrl"], MessageBody="hi")
            local = boto3.client("dynamodb", endpoint_url="http://localhost:8000")
            local.put_item(TableName="numbers", Item={"pk": {"S": "n"}, "n": {"N": "4"}})
            secret = boto3.client("secretsmanager").get_secret_value(SecretId="password")["SecretString"]
            name = boto3.client("ssm").get_parameter(Name="/name")["Parameter"]["Value"]
            return [secret, name, boto3.client("sts").get_caller_identity()["Account"]]
    """
    things = (Thing("topic", "alerts"), Thing("queue", "jobs"), Thing("secret", "password", "s"))
    setting = Setting(resources=(*things, Thing("parameter", "/name", "p"), Table("numbers")))
    with World(sandbox, tree(text), setting) as world:
        seen = world.run([(world.start_container(), event("handler"))])[0]
        assert reply(seen) == ["s", "p", "123456789012"]
        assert value(world) == 4
    writes = [(effect.service, effect.operation, effect.target) for effect in seen.effects if effect.is_write]
    assert writes[:3] == [
        ("sns", "Publish", "alerts"),
        ("sqs", "SendMessage", "jobs"),
        ("dynamodb", "PutItem", "numbers"),
    ]


def test_what_the_simulator_cannot_do_is_inconclusive(sandbox: Sandbox) -> None:
    text = """
        import boto3
        def handler(event, context):
            boto3.client("chime-sdk-voice").list_voice_connectors()
    """
    with World(sandbox, tree(text), Setting()) as world:
        seen = world.run([(world.start_container(), event("handler"))])[0]
    assert [(effect.kind, effect.is_inconclusive) for effect in seen.effects] == [("unsupported", True)]


def test_threads_of_a_program_call_one_after_the_other(sandbox: Sandbox) -> None:
    text = """
        import boto3
        from concurrent.futures import ThreadPoolExecutor
        T = boto3.client("dynamodb")
        def put(n):
            T.put_item(TableName="numbers", Item={"pk": {"S": str(n)}, "blob": {"S": "x" * 200_000}})
            return len(T.get_item(TableName="numbers", Key={"pk": {"S": str(n)}})["Item"]["blob"]["S"])
        def handler(event, context):
            with ThreadPoolExecutor(4) as pool:
                return sum(pool.map(put, range(6)))
    """
    with World(sandbox, tree(text), SETTING) as world:
        seen = world.run([(world.start_container(), event("handler")) for _ in range(2)])
        assert [reply(one) for one in seen] == [1_200_000] * 2
        assert [len(one.effects) for one in seen] == [12, 12]


def test_calls_of_the_import_belong_to_the_first_event(sandbox: Sandbox) -> None:
    text = """
        import boto3
        FOUND = boto3.client("dynamodb").get_item(TableName="numbers", Key={"pk": {"S": "n"}})
        def handler(event, context):
            return "Item" in FOUND
    """
    resources = (Table("numbers", items=('{"pk": {"S": "n"}}',)),)
    with World(sandbox, tree(text), Setting(resources=resources)) as world:
        place = world.start_container(["app"])
        first, second = (world.run([(place, event("handler"))])[0] for _ in range(2))
    assert (reply(first), len(first.effects), len(second.effects)) == (True, 1, 0)
    assert (first.is_cold, second.is_cold) == (True, False)


def test_a_thread_that_calls_after_the_reply_does_not_confuse_the_next_event(sandbox: Sandbox) -> None:
    text = """
        import boto3, threading
        T = boto3.client("dynamodb")
        def later(n):
            T.put_item(TableName="numbers", Item={"pk": {"S": str(n)}})
        def handler(event, context):
            threading.Thread(target=later, args=(event,)).start()
            return [event, "Item" in T.get_item(TableName="numbers", Key={"pk": {"S": "none"}})]
    """
    with World(sandbox, tree(text), SETTING) as world:
        place = world.start_container()
        assert [reply(world.run([(place, event("handler", n))])[0]) for n in range(4)] == [
            [n, False] for n in range(4)
        ]


# ---------------------------------------------------------------- requests and resources


def call(operation: str, body: object, service: str = "dynamodb", url: str = "https://x.amazonaws.com/") -> Call:
    return Call(service, operation, "POST", url, (), json.dumps(body).encode(), 0)


@pytest.mark.parametrize(
    ("operation", "body", "is_weak"),
    [
        ("GetItem", {"TableName": "t"}, True),
        ("GetItem", {"TableName": "t", "ConsistentRead": True}, False),
        ("Scan", {"TableName": "t"}, True),
        ("BatchGetItem", {"RequestItems": {"t": {"Keys": []}}}, True),
        ("BatchGetItem", {"RequestItems": {"t": {"Keys": [], "ConsistentRead": True}}}, False),
        ("TransactGetItems", {"TransactItems": []}, False),
        ("ExecuteStatement", {"Statement": "select * from t"}, True),
        ("ExecuteStatement", {"Statement": "update t"}, False),
        ("PutItem", {"TableName": "t"}, False),
    ],
)
def test_weak_reads(operation: str, body: object, is_weak: bool) -> None:
    assert is_weak_read(call(operation, body)) is is_weak


def test_targets() -> None:
    items = [{"Put": {"TableName": "b"}}, {"ConditionCheck": {"TableName": "a"}}]
    assert target_of(call("TransactWriteItems", {"TransactItems": items})) == "a,b"
    assert target_of(call("BatchWriteItem", {"RequestItems": {"t": []}})) == "t"
    assert target_of(call("Publish", {"TopicArn": "arn:aws:sns:us-east-1:1:alerts"}, "sns")) == "alerts"
    assert target_of(call("GetObject", {}, "s3", "https://s3.amazonaws.com/files/a/b")) == "files"
    assert target_of(call("GetObject", {}, "s3", "https://files.s3.eu-west-1.amazonaws.com/a/b")) == "files"


def test_equal_requests_have_equal_texts() -> None:
    one = call("PutItem", {"a": 1, "b": 2, "ClientRequestToken": "x"})
    assert canonical(one) == canonical(call("PutItem", {"b": 2, "a": 1, "ClientRequestToken": "y"}))
    assert canonical(one) != canonical(call("PutItem", {"b": 2, "a": 2}))


def test_a_plans_operations_become_resources_and_variables() -> None:
    operations = [
        EnsureResource("UsersTable", "table"),
        EnsureResource("TmpBucket", "bucket"),
        EnsureResource("UsersTable", "table"),
        EnsureResource("Hits", "metric"),
        EnsureEnv("f", "USERS", "UsersTable"),
        EnsureEnv("f", "FILES", "TmpBucket", "arn"),
    ]
    assert resources_of(operations) == (Bucket("tmpbucket"), Table("UsersTable"))
    assert environment_of(operations) == {"USERS": "UsersTable", "FILES": "arn:aws:s3:::tmpbucket"}


def test_a_tree_is_read_with_its_changes(tmp_path: Path) -> None:
    (tmp_path / "lib").mkdir()
    (tmp_path / "__pycache__").mkdir()
    for name in ("app.py", "old.py", "lib/data.bin", "__pycache__/app.pyc"):
        (tmp_path / name).write_bytes(name.encode())
    found = read_tree(tmp_path, {"app.py": b"new", "old.py": None, "helper.py": b"h"})
    assert dict(found.files) == {"app.py": b"new", "helper.py": b"h", "lib/data.bin": b"lib/data.bin"}


def test_canned_answers_are_read_strictly(tmp_path: Path) -> None:
    file = tmp_path / "answers.json"
    file.write_text('[{"url": "https://a.example/", "method": "post", "body": {"a": 1}, "headers": {"X": 1}}]')
    (answer,) = read_canned(file)
    assert (answer.method, answer.body, answer.status, answer.headers) == ("POST", b'{"a": 1}', 200, (("X", "1"),))
    wrong = {"[": "not JSON", "{}": "a list", '[{"url": "ftp://x"}]': "answer 1: it needs", '[{"urls": 1}]': "urls"}
    for text, words in wrong.items():
        file.write_text(text)
        with pytest.raises(ResourceError, match=words):
            read_canned(file)


# ---------------------------------------------------------------- replies


class LambdaEncoder(simplejson.JSONEncoder):
    """What Lambda's runtime does with a reply, on the library that it uses."""

    def __init__(self) -> None:
        super().__init__(use_decimal=False, allow_nan=True)

    def default(self, o: Any) -> Any:
        if isinstance(o, decimal.Decimal):
            return math.nan if o.is_nan() else simplejson.raw_json.RawJSON(str(o))
        return super().default(o)


Point = collections.namedtuple("Point", "x y")


class Number(enum.IntEnum):
    ONE = 1


class Word(enum.StrEnum):
    A = "a"


def told(encode: Any, reply: Any) -> str:
    try:
        return str(encode(reply))
    except (TypeError, ValueError, MarshalError) as error:
        return str(error).removeprefix("Unable to marshal response: ")


LEAVES = (
    st.none() | st.booleans() | st.integers() | st.floats() | st.text() | st.decimals() | st.binary(max_size=3)
    | st.sampled_from([Number.ONE, Word.A, Point(1, b"x"), {1}, object, 10**30, -0.0, 1e22, range(2), bytearray()])
)  # fmt: skip
PLAIN_KEYS = st.text(max_size=2) | st.binary(max_size=2) | st.integers() | st.floats() | st.booleans()
KEYS = PLAIN_KEYS | st.sampled_from([None, Number.ONE, Word.A])


@settings(max_examples=300)
@given(
    st.recursive(
        LEAVES,
        lambda inner: st.lists(inner, max_size=3) | st.dictionaries(KEYS, inner, max_size=3) | st.tuples(inner),
    ).filter(lambda value: not isinstance(value, bytes))
)
def test_replies_are_encoded_as_lambdas_runtime_does(value: Any) -> None:
    assert told(marshal_reply, value) == told(LambdaEncoder().encode, value)


def test_bytes_go_out_as_they_are_and_circles_do_not() -> None:
    assert marshal_reply(b"\xffa") == '"\\u00ffa"'
    circle: list[Any] = []
    circle.append(circle)
    with pytest.raises(MarshalError, match="Circular reference detected"):
        marshal_reply(circle)
