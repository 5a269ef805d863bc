"""psycopg2 on a real PostgreSQL: a connection of each call and the kept one give the same answers and rows.

Steps are drawn at random: reads, writes with and without commit, errors, a server that hangs up, other writers. The
double of test_connections_kept.py is quicker; this is what says that the double is right.
"""

import importlib
import random
import sys

import pytest
import real_servers
from postgresql import MissingServerError, postgresql

from statelift.compose import compose_changes
from statelift.discover import read_file
from statelift.model import Options
from statelift.planning import make_plan

psycopg2 = pytest.importorskip("psycopg2")
STEPS = 150
PROGRAMS = {
    "finally": """\
import os
import psycopg2

def handler(event, context):
    db = psycopg2.connect(os.environ["DSN"])
    try:
        cursor = db.cursor()
        cursor.execute(event["sql"])
        rows = cursor.fetchall() if cursor.description else None
        if event["commit"]:
            db.commit()
        return rows
    finally:
        db.close()
""",
    "with that commits": """\
import contextlib
import os
import psycopg2

def handler(event, context):
    with contextlib.closing(psycopg2.connect(os.environ["DSN"])) as db:
        with db.cursor() as cursor:
            cursor.execute(event["sql"])
            rows = cursor.fetchall() if cursor.description else None
        if event["commit"]:
            db.commit()
    return rows
""",
}
SQL = {
    "read": "SELECT n, text FROM items ORDER BY n, text",
    "write": "INSERT INTO items VALUES ({0}, 'new')",
    "change": "UPDATE items SET text = 'changed {0}' WHERE n = 1",
    "fail": "SELECT 1 / 0",
    "die": "SELECT pg_terminate_backend(pg_backend_pid())",  # the server hangs up during the call
}


@pytest.fixture(scope="module")
def server():
    try:
        with postgresql() as running:
            yield running
    except MissingServerError:
        real_servers.missing("PostgreSQL (the Debian package postgresql)")


class Side:
    """One program on tables of its own."""

    def __init__(self, server, folder, name, monkeypatch):
        self.name, self.monkeypatch = name, monkeypatch
        self.admin = psycopg2.connect(**server)
        self.admin.autocommit = True
        self.ask(f"DROP SCHEMA IF EXISTS {name} CASCADE; CREATE SCHEMA {name}; SET search_path = {name}")
        self.ask(
            "SET lock_timeout = '2s'; CREATE TABLE items (n int, text text); INSERT INTO items VALUES (1, 'a')"
        )
        settings = " ".join(f"{key}={value}" for key, value in server.items())
        self.dsn = f"{settings} application_name={name} options='-c search_path={name}'"
        monkeypatch.syspath_prepend(str(folder))
        importlib.invalidate_caches()
        for module in ("app", "statelift_state"):
            sys.modules.pop(module, None)
        self.app = importlib.import_module("app")
        sys.path.remove(str(folder))

    def ask(self, sql):
        with self.admin.cursor() as cursor:
            cursor.execute(sql)
            return cursor.fetchall() if cursor.description else None

    def call(self, sql, *, is_committed):
        self.monkeypatch.setenv("DSN", self.dsn)
        try:
            return self.app.handler({"sql": sql, "commit": is_committed}, None)
        except psycopg2.Error as error:
            return type(error).__name__

    def hang_up(self):
        self.ask(f"SELECT pg_terminate_backend(pid) FROM pg_stat_activity WHERE application_name = '{self.name}'")


def migrated(folder):
    changes = make_plan([folder], Options()).changes
    assert changes
    for write in compose_changes(changes, lambda path: read_file(folder, path)):
        (folder / write.path).write_bytes(write.after)


def stepped(side, kind, number):
    """What one step gives: the outside writer must not be kept waiting."""
    if kind == "hang up":
        return side.hang_up()
    if kind == "outside":
        side.ask(
            f"UPDATE items SET text = 'outside {number}' WHERE n = 1; INSERT INTO items VALUES ({number}, 'o')"
        )
        return None
    return side.call(SQL[kind].format(number), is_committed=number % 3 != 0)


@pytest.mark.parametrize("name", PROGRAMS)
def test_a_kept_connection_agrees_with_one_of_each_call(name, server, tmp_path, monkeypatch):
    sides = []
    for side in ("before", "after"):
        folder = tmp_path / side
        folder.mkdir()
        (folder / "app.py").write_text(PROGRAMS[name])
        if side == "after":
            migrated(folder)
        sides.append(Side(server, folder, side, monkeypatch))
    opened = []
    genuine = psycopg2.connect
    monkeypatch.setattr(psycopg2, "connect", lambda *given: opened.append(given) or genuine(*given))
    draw = random.Random(7)
    kinds = [draw.choice([*SQL, "write", "read", "outside", "hang up"]) for _ in range(STEPS)]
    for number, kind in enumerate(kinds, 2):
        before, after = (stepped(side, kind, number) for side in sides)
        assert before == after, (number, kind)
    assert sides[0].ask("SELECT * FROM items ORDER BY n, text") == sides[1].ask(
        "SELECT * FROM items ORDER BY n, text"
    )
    count = {side.name: sum(side.dsn in given for given in opened) for side in sides}
    assert count["before"] == sum(kind in SQL for kind in kinds)
    assert count["after"] <= 1 + kinds.count("hang up") + kinds.count("die") < count["before"] / 2
    for side in sides:
        side.admin.close()
