"""What is suggested for state that no change moves: which findings ask for what, and skeletons that deploy."""

import json

import pytest
import yaml
from repositories import written
from test_infra_validators import findings

from statelift.cli.plan import SKELETONS as NAMES
from statelift.infra.suggestions import SKELETONS, skeleton, suggestions
from statelift.infra.validators import MODULE, new_findings
from statelift.infra.values import long_form, value_of
from statelift.model import Options
from statelift.planning import make_plan

DATABASE = """import sqlite3


def handler(event, context):
    with sqlite3.connect("/tmp/a.db") as database:
        database.execute("insert into notes values (?)", [event["note"]])
        return database.execute("select * from notes").fetchall()
"""
CONNECTION = """import psycopg2


def handler(event, context):
    with psycopg2.connect("host=db") as connection, connection.cursor() as cursor:
        cursor.execute("select 1")
        return cursor.fetchone()
"""
QUEUE = """import queue

JOBS = queue.Queue()


def handler(event, context):
    if "job" in event:
        JOBS.put(event["job"])
        return None
    return JOBS.get_nowait()
"""
STEPS = """ORDER_STEPS = {}


def handler(event, context):
    done = ORDER_STEPS.get(event["order"], 0)
    ORDER_STEPS[event["order"]] = done + 1
    return done
"""
METRIC = """calls = 0


def handler(event, context):
    global calls
    calls += 1
    return event["x"]
"""
STORE = STEPS.replace("ORDER_STEPS", "SESSIONS")
ASKING = {
    "file-system": (DATABASE, "/tmp/a.db"),
    "database-proxy": (CONNECTION, "psycopg2.connect"),
    "cache": (QUEUE, "JOBS"),
    "workflow": (STEPS, "ORDER_STEPS"),
    "dashboard": (METRIC, "calls"),
}


def found(folder, program):
    return [*suggestions(make_plan([written(folder, {"app.py": program})], Options()).findings)]


@pytest.mark.parametrize("name", SKELETONS)
def test_a_finding_asks_for_it(tmp_path, name):
    program, symbol = ASKING[name]
    [told] = found(tmp_path, program)
    assert (told.skeleton, told.symbol) == (name, symbol)
    assert told.sentence.endswith(f"; statelift infra --skeleton {name}")


def test_what_a_table_holds_asks_for_nothing(tmp_path):
    assert found(tmp_path, STORE) == []


@pytest.mark.parametrize("name", SKELETONS)
def test_the_skeleton_is_a_stack_without_findings(name):
    text = skeleton(name)
    assert findings(text) == []
    pytest.importorskip(MODULE, reason="the extra validate is not installed")
    assert new_findings(b'{"Resources": {}}', text.encode()) == ()


@pytest.mark.parametrize("name", [name for name in SKELETONS if name != "dashboard"])
def test_its_rights_name_single_actions_and_what_is_made_there(name):
    resources = long_form(value_of(yaml.compose(skeleton(name), Loader=yaml.SafeLoader)))["Resources"]
    [statement] = resources["Rights"]["Properties"]["PolicyDocument"]["Statement"]
    assert "*" not in json.dumps(statement)


def test_the_command_prints_it_and_knows_no_other(said, tmp_path):
    assert tuple(SKELETONS) == NAMES
    code, out, _ = said("infra", "--skeleton", "cache")
    assert (code, out) == (0, skeleton("cache"))
    root = written(tmp_path / "project", {"app.py": CONNECTION})
    _, out, err = said("infra", root)
    assert out == ""
    assert "psycopg2.connect: connections that containers share (RDS Proxy)" in err


def test_what_is_printed_can_go_to_a_file(said, tmp_path):
    root = written(tmp_path / "project", {"app.py": STORE})
    _, printed, _ = said("infra", root, "--target", "terraform")
    code, out, err = said("infra", root, "--target", "terraform", "--output", root / "infra" / "state.tf")
    assert (code, out) == (0, "")
    assert (root / "infra" / "state.tf").read_text() == printed
    assert "Written to" in err
    code, _, err = said("infra", root, "--output", root)
    assert code == 2


ENGINE = """import sqlalchemy


def handler(event, context):
    engine = sqlalchemy.create_engine("postgresql://db/shop")
    with engine.connect() as connection:
        return str(connection.execute(sqlalchemy.text("select 1")).all())
"""
IMPORTED = """import psycopg2

connection = psycopg2.connect("dbname=shop")


def handler(event, context):
    with connection.cursor() as cursor:
        cursor.execute("select 1")
        return cursor.fetchall()
"""
CLOSED = """import psycopg2


def handler(event, context):
    connection = psycopg2.connect("dbname=shop")
    cursor = connection.cursor()
    cursor.execute("select 1")
    row = cursor.fetchone()
    connection.close()
    return row
"""


@pytest.mark.parametrize("program", [ENGINE, IMPORTED, CLOSED])
def test_a_kept_database_connection_says_that_the_server_counts_them(tmp_path, said, program):
    made = make_plan([written(tmp_path, {"app.py": program})], Options())
    [change] = made.changes
    [reason] = [each for each in change.reasons if "max_connections" in each]
    assert "RDS Proxy" in reason and reason in made.findings[0].reasons
    _, out, _ = said("plan", tmp_path)
    assert reason in out
    _, out, _ = said("plan", tmp_path, "--format", "json")
    assert reason in json.loads(out)["findings"][0]["reasons"]


def test_other_clients_say_nothing_of_it(tmp_path):
    program = "import boto3\n\n\ndef handler(event, context):\n    return boto3.client('s3').list_buckets()\n"
    [change] = make_plan([written(tmp_path, {"app.py": program})], Options()).changes
    assert not any("max_connections" in each for each in change.reasons)
