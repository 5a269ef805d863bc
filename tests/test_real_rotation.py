"""A password out of Secrets Manager that rotates: a kept connection goes on, a new one is opened with the new word.

On a real PostgreSQL that asks for the password. Secrets Manager is simulated.
"""

import json
import random

import boto3
import pytest
from moto import mock_aws
from postgresql import MissingServerError, postgresql
from real_databases import driver
from real_servers import missing
from test_real_databases import PostgreSQL, answer, both

pytestmark = pytest.mark.xdist_group("databases")
STEPS = 60
READING = """\
import json
import os
import boto3
import psycopg2
import sqlalchemy

client = boto3.client("secretsmanager")

def secret():
    found = client.get_secret_value(SecretId=os.environ["SECRET"])
    return json.loads(found["SecretString"])
"""
PLACE = 'host=os.environ["DB_HOST"], port=os.environ["DB_PORT"], dbname=os.environ["DB_NAME"]'
ASKED = """\
    try:
        cursor = db.cursor()
        cursor.execute(event["sql"])
        db.commit()
        return cursor.fetchall() if cursor.description else None
    finally:
        db.close()
"""
PROGRAMS = {
    "read by the handler": f"""{READING}
def handler(event, context):
    found = secret()
    db = psycopg2.connect({PLACE}, user=found["username"], password=found["password"])
{ASKED}""",
    "read by a helper": f"""{READING}
def connect():
    found = client.get_secret_value(SecretId=os.environ["SECRET"])["SecretString"]
    password = json.loads(found)["password"]
    return psycopg2.connect({PLACE}, user=os.environ["DB_USER"], password=password)

def handler(event, context):
    db = connect()
{ASKED}""",
    "read in the call": f"""{READING}
def handler(event, context):
    db = psycopg2.connect({PLACE}, user=os.environ["DB_USER"], password=secret()["password"])
{ASKED}""",
    "part of a URL": f"""{READING}
def handler(event, context):
    found = secret()
    place = f"{{os.environ['DB_HOST']}}:{{os.environ['DB_PORT']}}/{{os.environ['DB_NAME']}}"
    engine = sqlalchemy.create_engine(f"postgresql+psycopg2://{{found['username']}}:{{found['password']}}@{{place}}")
    with engine.begin() as db:
        found = db.execute(sqlalchemy.text(event["sql"]))
        rows = [list(row) for row in found] if found.returns_rows else None
    engine.dispose()
    return rows
""",
}
SQL = (
    "SELECT n, text FROM items ORDER BY n, text",
    "INSERT INTO items VALUES ({0}, 'new')",
    "SELECT n FROM nowhere",
)


@pytest.fixture(scope="module")
def server():
    driver("sqlalchemy")
    try:
        with postgresql() as settings:
            database = PostgreSQL(settings)
            yield database
            database.admin.close()
    except MissingServerError:
        missing("PostgreSQL (the Debian package postgresql)")


@pytest.fixture
def secrets(monkeypatch):
    for name in ("AWS_ACCESS_KEY_ID", "AWS_SECRET_ACCESS_KEY"):
        monkeypatch.setenv(name, "testing")
    monkeypatch.setenv("AWS_DEFAULT_REGION", "eu-west-1")
    with mock_aws():
        yield boto3.client("secretsmanager")


def rotate(server, secrets, side, password):
    server.ask(f"ALTER ROLE {side} PASSWORD '{password}'")
    secrets.put_secret_value(SecretId=side, SecretString=json.dumps({"username": side, "password": password}))


@pytest.mark.parametrize("name", PROGRAMS)
def test_a_password_rotates(name, server, secrets, tmp_path, monkeypatch):
    psycopg2 = driver("psycopg2")
    for side in ("side_before", "side_after"):
        server.make(side)
        secrets.create_secret(Name=side)
        rotate(server, secrets, side, "first")
    sides = dict(zip(("side_before", "side_after"), both(PROGRAMS[name], tmp_path, monkeypatch), strict=True))
    opened, genuine = [], psycopg2.connect
    monkeypatch.setattr(psycopg2, "connect", lambda *args, **given: opened.append(side) or genuine(*args, **given))
    draw = random.Random(5)
    kinds = [draw.choice([*SQL, *SQL, "rotate", "hang up", "both"]) for _ in range(STEPS)]
    for number, kind in enumerate(kinds):
        told = []
        for side, handler in sides.items():
            for key, value in {**server.environment(side), "SECRET": side}.items():
                monkeypatch.setenv(key, value)
            if kind in ("rotate", "both"):
                rotate(server, secrets, side, f"word-{number}")
            if kind in ("hang up", "both"):
                server.hang_up(side)
            if kind in SQL:
                told.append(answer(handler, {"sql": kind.format(number)}))
        assert not told or told[0] == told[1], (number, kind)
        assert told[:1] != [("OperationalError",)], (number, kind)
    calls = sum(kind in SQL for kind in kinds)
    assert opened.count("side_before") == calls > 30
    assert 1 < opened.count("side_after") <= 1 + STEPS - calls
    rows = [server.ask(f"SELECT * FROM {side}.items ORDER BY n") for side in sides]
    assert rows[0] == rows[1] != []
