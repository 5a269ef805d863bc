"""Drivers on real servers: a connection of each call and the kept one give the same answers and rows.

150 steps drawn at random: reads, writes with and without commit, errors, a server that hangs up, another writer who
must not be kept waiting. psycopg2 has a file of its own, test_real_postgresql.py.
"""

import importlib
import random
import sys

import pytest
from postgresql import MissingServerError, postgresql
from real_databases import driver, mariadb, redis_server
from real_servers import missing

from statelift.compose import compose_changes
from statelift.discover import read_file
from statelift.model import Options
from statelift.planning import make_plan

pytestmark = pytest.mark.xdist_group("databases")  # one server of each kind is enough
STEPS = 150
USING = """\
import os
import {module}

def handler(event, context):
    db = {module}.connect({arguments})
    try:
        cursor = db.cursor()
        cursor.execute(event["sql"])
        rows = cursor.fetchall() if cursor.description else None
        if event["commit"]:
            db.commit()
        return rows
    finally:
        db.close()
"""
CLOSING = """\
import contextlib
import os
import {module}

def run(db, event):
    cursor = db.cursor()
    cursor.execute(event["sql"])
    rows = cursor.fetchall() if cursor.description else None
    if event["commit"]:
        db.commit()
    return rows

def handler(event, context):
    with contextlib.closing({module}.connect({arguments})) as db:
        return run(db, event)
"""
ENGINE = """\
import os
from sqlalchemy import create_engine, text

def handler(event, context):
    engine = create_engine(os.environ["ENGINE"])
    try:
        with engine.connect() as db:
            found = db.execute(text(event["sql"]))
            rows = [list(row) for row in found] if found.returns_rows else None
            if event["commit"]:
                db.commit()
            return rows
    finally:
        engine.dispose()
"""
BY_NAME = (
    'host=os.environ["DB_HOST"], port=int(os.environ["DB_PORT"]), user=os.environ["DB_USER"],'
    ' password=os.environ["DB_PASSWORD"], database=os.environ["DB_NAME"]'
)
PLAIN = f"{BY_NAME}, ssl_disabled=True"  # it reads all certificates of the machine for each connection otherwise
REDIS = """\
import os
import redis

def handler(event, context):
    client = redis.Redis(host=os.environ["DB_HOST"], port=int(os.environ["DB_PORT"]), db=int(os.environ["DB_NAME"]))
    try:
        match event["op"]:
            case "get":
                return client.get("a"), client.lrange("rows", 0, -1)
            case "add":
                return client.incr("a"), client.rpush("rows", event["n"])
            case "fail":
                return client.execute_command("NOSUCH")
            case "queue":
                with client.pipeline() as queued:
                    queued.set("a", event["n"])
                    return queued.execute() if event["commit"] else None
    finally:
        client.close()
"""
TO_POSTGRESQL = f"{BY_NAME}, ssl_context=False"  # as above
TO_MYSQL = BY_NAME.replace("password=", "passwd=").replace("database=", "db=")
NATIVE = f"""\
import os
import pg8000.native

def handler(event, context):
    db = pg8000.native.Connection({TO_POSTGRESQL})
    try:
        if not event["commit"]:
            db.run("BEGIN")
        return db.run(event["sql"])
    finally:
        db.close()
"""
POOL = """\
import os
import psycopg_pool

def handler(event, context):
    with psycopg_pool.ConnectionPool(os.environ["DSN"], min_size=1) as pool:
        with pool.connection() as db:
            cursor = db.execute(event["sql"])
            rows = cursor.fetchall() if cursor.description else None
            if not event["commit"]:
                db.rollback()
            return rows
"""
# Name: the driver, the program, the server.
SQL_DRIVERS = {
    "pymysql": ("pymysql", USING.format(module="pymysql", arguments=PLAIN), "mariadb"),
    "pymysql, closing": ("pymysql", CLOSING.format(module="pymysql", arguments=PLAIN), "mariadb"),
    "mysql.connector": ("mysql.connector", USING.format(module="mysql.connector", arguments=BY_NAME), "mariadb"),
    "mysqlclient": ("MySQLdb", USING.format(module="MySQLdb", arguments=TO_MYSQL), "mariadb"),
    "mysqlclient, closing": ("MySQLdb", CLOSING.format(module="MySQLdb", arguments=TO_MYSQL), "mariadb"),
    "psycopg": ("psycopg", USING.format(module="psycopg", arguments='os.environ["DSN"]'), "postgresql"),
    "psycopg, closing": ("psycopg", CLOSING.format(module="psycopg", arguments='os.environ["DSN"]'), "postgresql"),
    "psycopg_pool": ("psycopg_pool", POOL, "postgresql"),
    "pg8000": ("pg8000", USING.format(module="pg8000", arguments=TO_POSTGRESQL), "postgresql"),
    "pg8000.dbapi": ("pg8000.dbapi", CLOSING.format(module="pg8000.dbapi", arguments=TO_POSTGRESQL), "postgresql"),
    "pg8000.native": ("pg8000.native", NATIVE, "postgresql"),
    "sqlalchemy": ("psycopg", ENGINE, "postgresql"),
    "sqlalchemy, pymysql": ("pymysql", ENGINE, "mariadb"),
}
MAKERS = {"pg8000.native": "Connection", "psycopg_pool": "__init__"}
# The rest of what differs in nothing but the form that closes: `make test-all`.
COMPLETE = {name for name in SQL_DRIVERS if ", closing" in name} | {"sqlalchemy, pymysql"}
KINDS = {
    "read": "SELECT n, text FROM items ORDER BY n, text",
    "write": "INSERT INTO items VALUES ({0}, 'new')",
    "change": "UPDATE items SET text = 'changed {0}' WHERE n = 1",
    "fail": "SELECT n FROM nowhere",
    "die": None,  # the server hangs up during the call: each has its own words for that
}
MADE = "CREATE TABLE {0}.items (n int, text varchar(40)){1}"


class MariaDB:
    """A database for each side; the administrator is nobody's customer."""

    KILLED = "KILL CONNECTION_ID()"

    def __init__(self, settings):
        self.settings = settings
        self.admin = driver("pymysql").connect(**settings, autocommit=True)
        self.ask("SET innodb_lock_wait_timeout = 2")

    def ask(self, sql):
        with self.admin.cursor() as cursor:
            cursor.execute(sql)
            return cursor.fetchall() if cursor.description else None

    def make(self, name):
        self.ask(f"DROP DATABASE IF EXISTS {name}")
        self.ask(f"CREATE DATABASE {name}")
        self.ask(MADE.format(name, " ENGINE=InnoDB"))

    def environment(self, name):
        given = {key.upper(): str(value) for key, value in (self.settings | {"name": name}).items()}
        place = "{user}:{password}@{host}:{port}".format(**self.settings)
        return {f"DB_{key}": value for key, value in given.items()} | {"ENGINE": f"mysql+pymysql://{place}/{name}"}

    def hang_up(self, name):
        gone = driver("pymysql").constants.ER.NO_SUCH_THREAD  # one that its client has closed just now
        for (number,) in self.ask(f"SELECT id FROM information_schema.processlist WHERE db = '{name}'"):
            try:
                self.ask(f"KILL {number}")
            except driver("pymysql").OperationalError as error:
                if error.args[0] != gone:
                    raise


class PostgreSQL:
    """A user with tables of its own for each side."""

    KILLED = "SELECT pg_terminate_backend(pg_backend_pid())"

    def __init__(self, settings):
        self.settings = settings
        self.admin = driver("psycopg").connect(**settings, autocommit=True)
        self.ask("SET lock_timeout = '2s'")

    def ask(self, sql):
        found = self.admin.execute(sql)
        return found.fetchall() if found.description else None

    def make(self, name):
        self.hang_up(name)
        self.ask(f"DROP SCHEMA IF EXISTS {name} CASCADE")
        self.ask(f"DROP ROLE IF EXISTS {name}")
        self.ask(f"CREATE ROLE {name} LOGIN SUPERUSER PASSWORD '{self.settings['password']}'")
        self.ask(f"ALTER ROLE {name} SET search_path = {name}")
        self.ask(f"CREATE SCHEMA {name}")
        self.ask(MADE.format(name, ""))

    def environment(self, name):
        given = self.settings | {"user": name, "name": self.settings["dbname"]}
        place = "{user}:{password}@{host}:{port}/{name}".format(**given)
        return {f"DB_{key.upper()}": value for key, value in given.items()} | {
            "DSN": f"postgresql://{place}?sslmode=disable",
            "ENGINE": f"postgresql+psycopg://{place}?sslmode=disable",
        }

    def hang_up(self, name):
        self.ask(f"SELECT pg_terminate_backend(pid) FROM pg_stat_activity WHERE usename = '{name}'")


@pytest.fixture(scope="module")
def databases():
    """By name: a server that is started when it is first asked for."""
    running, made = [], {"mariadb": (mariadb, MariaDB), "postgresql": (postgresql, PostgreSQL)}

    def database(name):
        if not isinstance(made[name], tuple):
            return made[name]
        start, kind = made[name]
        server = start()
        try:
            settings = server.__enter__()
        except MissingServerError:
            missing("PostgreSQL (the Debian package postgresql)")
        running.append(server)
        made[name] = kind(settings)
        return made[name]

    yield database
    for each in made.values():
        if not isinstance(each, tuple):
            each.admin.close()
    for server in running:
        server.__exit__(None, None, None)


def loaded(folder, monkeypatch):
    monkeypatch.syspath_prepend(str(folder))
    importlib.invalidate_caches()
    for module in ("app", "statelift_state"):
        sys.modules.pop(module, None)
    app = importlib.import_module("app")
    sys.path.remove(str(folder))
    return app


def both(program, tmp_path, monkeypatch):
    """The handlers of the program as it is, and as it becomes."""
    found = []
    for side in ("before", "after"):
        folder = tmp_path / side
        folder.mkdir()
        (folder / "app.py").write_text(program)
        if side == "after":
            changes = make_plan([folder], Options()).changes
            assert changes
            for write in compose_changes(changes, lambda path, folder=folder: read_file(folder, path)):
                (folder / write.path).write_bytes(write.after)
        found.append(loaded(folder, monkeypatch).handler)
    return found


def answer(handler, event):
    """The reply, or the kind of error and its number: the texts hold numbers of connections."""
    try:
        reply = handler(event, None)
    except Exception as error:  # noqa: BLE001 - each driver has its own
        return type(error).__name__, *(each for each in error.args if isinstance(each, int))
    return [list(row) if isinstance(row, tuple) else row for row in reply] if isinstance(reply, list) else reply


@pytest.mark.parametrize(
    "name", [pytest.param(name, marks=pytest.mark.complete) if name in COMPLETE else name for name in SQL_DRIVERS]
)
def test_a_kept_connection_agrees_with_one_of_each_call(name, databases, tmp_path, monkeypatch):
    module, program, server = SQL_DRIVERS[name]
    opening, database = driver(module), databases(server)
    handlers = both(program, tmp_path, monkeypatch)
    sides = dict(zip(("side_before", "side_after"), handlers, strict=True))
    opening = opening.ConnectionPool if module == "psycopg_pool" else opening
    maker = MAKERS.get(module, "connect")
    opened, genuine = [], getattr(opening, maker)
    monkeypatch.setattr(opening, maker, lambda *args, **given: opened.append(side) or genuine(*args, **given))
    for side in sides:
        database.make(side)
    draw = random.Random(11)
    kinds = [draw.choice([*KINDS, "write", "read", "outside", "hang up"]) for _ in range(STEPS)]
    for number, kind in enumerate(kinds):
        told = []
        for side, handler in sides.items():
            for key, value in database.environment(side).items():
                monkeypatch.setenv(key, value)
            match kind:
                case "hang up":
                    told.append(database.hang_up(side))
                case "outside":
                    database.ask(f"UPDATE {side}.items SET text = 'outside' WHERE n = 1")
                    told.append(database.ask(f"INSERT INTO {side}.items VALUES ({number % 5}, 'outside')"))
                case _:
                    sql = (KINDS[kind] or database.KILLED).format(number % 7)
                    event = {"sql": sql, "commit": number % 3 != 0}
                    told.append(answer(handler, event))
        assert told[0] == told[1], (number, kind)
    rows = [database.ask(f"SELECT * FROM {side}.items ORDER BY n, text") for side in sides]
    assert rows[0] == rows[1] and len(rows[0]) > 10
    calls = sum(kind in KINDS for kind in kinds)
    assert opened.count("side_before") == calls
    assert opened.count("side_after") <= 1 + kinds.count("hang up") + kinds.count("die") < calls / 2


def test_a_kept_redis_client_agrees_with_one_of_each_call(tmp_path, monkeypatch):
    redis = driver("redis")
    with redis_server() as settings:
        admins = [redis.Redis(**settings, db=number) for number in range(2)]
        handlers = both(REDIS, tmp_path, monkeypatch)
        made = []
        genuine = redis.Redis.__init__
        monkeypatch.setattr(
            redis.Redis, "__init__", lambda self, *args, **given: made.append(side) or genuine(self, *args, **given)
        )
        monkeypatch.setenv("DB_HOST", settings["host"])
        monkeypatch.setenv("DB_PORT", str(settings["port"]))
        draw = random.Random(3)
        for number in range(STEPS):
            kind, told = draw.choice(["get", "get", "add", "queue", "fail", "outside", "hang up"]), []
            for side, handler in enumerate(handlers):
                monkeypatch.setenv("DB_NAME", str(side))
                match kind:
                    case "hang up":
                        told.append(hang_up(admins[side], side))
                    case "outside":
                        told.append(admins[side].set("a", 100 * number))
                    case _:
                        told.append(answer(handler, {"op": kind, "n": number, "commit": number % 3 != 0}))
            assert told[0] == told[1], (number, kind)
        assert admins[0].lrange("rows", 0, -1) == admins[1].lrange("rows", 0, -1) != []
        assert made.count(1) == 1 < made.count(0)
        for admin in admins:
            admin.close()


def hang_up(admin, number):
    """Drops all connections to a database but the administrator's."""
    own = admin.client_id()
    for each in admin.client_list():
        if each["db"] == str(number) and each["id"] != str(own):
            admin.client_kill_filter(_id=each["id"])  # no error where its client has closed it just now
