"""Drivers on a real PostgreSQL: psycopg2's connection of each call and the kept one give the same answers and rows.

Steps are drawn at random: reads, writes with and without commit, errors, a server that hangs up, other writers. The
double of test_connections_kept.py is quicker; this is what says that the double is right. asyncpg's connections are
never kept: here stands why.
"""

import importlib
import random
import sys

import pytest
import real_servers
from postgresql import MissingServerError, postgresql

from statelift.compose import compose_changes
from statelift.discover import read_file
from statelift.model import Options, Tier
from statelift.planning import make_plan

asyncpg = pytest.importorskip("asyncpg")
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


# ---------------------------------------------------------------- connections that belong to an event loop

ASYNC = """\
import asyncio
import os
import asyncpg

async def fetch(sql):
    db = await asyncpg.connect(os.environ["URL"])
    try:
        return [list(row) for row in await db.fetch(sql)]
    finally:
        await db.close()

def handler(event, context):
    return asyncio.run(fetch(event["sql"]))
"""
ASYNC_SHARED = """\
import asyncio
import os
import asyncpg

KEPT = []

async def fetch(sql):
    if not KEPT:
        KEPT.append(await asyncpg.connect(os.environ["URL"]))
    return [list(row) for row in await KEPT[0].fetch(sql)]

def handler(event, context):
    return asyncio.run(fetch(event["sql"]))
"""
OWN_LOOP = """\
import asyncio
import os
import asyncpg

LOOP = asyncio.new_event_loop()
POOL = None

async def fetch(sql):
    global POOL
    if POOL is None:
        POOL = await asyncpg.create_pool(os.environ["URL"], min_size=1, max_size=2)
    return [list(row) for row in await POOL.fetch(sql)]

def handler(event, context):
    return LOOP.run_until_complete(fetch(event["sql"]))
"""


def imported(folder, program, server, monkeypatch):
    """A program as a module, with the server's address in its environment."""
    (folder / "app.py").write_text(program)
    monkeypatch.setenv(
        "URL", "postgresql://{user}:{password}@{host}:{port}/{dbname}?sslmode=disable".format_map(server)
    )
    monkeypatch.syspath_prepend(str(folder))
    importlib.invalidate_caches()
    sys.modules.pop("app", None)
    return importlib.import_module("app")


def test_a_connection_of_a_loop_is_left_to_each_call_and_answers_again_and_again(server, tmp_path, monkeypatch):
    app = imported(tmp_path, ASYNC, server, monkeypatch)
    plan = make_plan([tmp_path], Options())
    assert [each.tier for each in plan.findings] == [Tier.MANUAL] and not plan.changes
    assert any("event loop" in reason for reason in plan.findings[0].reasons)
    assert [app.handler({"sql": f"SELECT {number}"}, None) for number in range(3)] == [[[0]], [[1]], [[2]]]
    with pytest.raises(asyncpg.DivisionByZeroError):
        app.handler({"sql": "SELECT 1 / 0"}, None)
    with pytest.raises(asyncpg.PostgresError):
        app.handler({"sql": SQL["die"]}, None)
    assert app.handler({"sql": "SELECT 'again'"}, None) == [["again"]]


def test_a_kept_connection_does_not_outlive_the_loop_of_its_call(server, tmp_path, monkeypatch):
    """Why none is kept: asyncio.run() closes the loop that the connection listens on."""
    app = imported(tmp_path, ASYNC_SHARED, server, monkeypatch)
    assert app.handler({"sql": "SELECT 1"}, None) == [[1]]
    with pytest.raises((RuntimeError, asyncpg.InterfaceError)):
        app.handler({"sql": "SELECT 2"}, None)


def test_a_pool_on_a_loop_that_the_container_keeps_is_fine(server, tmp_path, monkeypatch):
    app = imported(tmp_path, OWN_LOOP, server, monkeypatch)
    assert not make_plan([tmp_path], Options()).changes
    pids = [app.handler({"sql": "SELECT pg_backend_pid()"}, None) for _ in range(3)]
    assert pids[0] == pids[1] == pids[2]
    app.LOOP.run_until_complete(app.POOL.close())
    app.LOOP.close()
