"""Programs before and after their connections are kept: the same answers and effects, and one connection only.

The drivers here have transactions, cookies and buffers: a change that loses one of them is seen.
"""

import contextlib
import importlib
import sys
import threading
import time
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from types import ModuleType

import pytest

from statelift.compose import compose_changes
from statelift.discover import read_file
from statelift.model import Options, Tier
from statelift.planning import make_plan


class World:
    """What a server sees: opened connections, rows that were committed, cookies that were sent, records."""

    def __init__(self):
        self.opened, self.rows, self.sent, self.delivered, self.alive = [], [], [], [], set()

    def kill_all(self):
        self.alive.clear()


class DriverError(Exception):
    """What a driver raises."""


class Sql:
    """A connection with a transaction. `effect` is what its with statement does."""

    effect = "close"

    def __init__(self, world, arguments):
        self.world, self.pending = world, []
        world.opened.append(arguments)
        world.alive.add(id(self))

    def _ask(self):
        if id(self) not in self.world.alive:
            raise DriverError("the server has gone away")

    def cursor(self):
        self._ask()
        return Cursor(self)

    def execute(self, text, values=()):
        return self.cursor().execute(text, values)

    def ping(self, reconnect=False):
        assert not reconnect, "a silent reconnect would lose the transaction"
        self._ask()

    def commit(self):
        self._ask()
        self.world.rows += self.pending
        self.pending = []

    def rollback(self):
        self._ask()
        self.pending = []

    def close(self):
        self.pending = []
        self.world.alive.discard(id(self))

    def __enter__(self):
        return self

    def __exit__(self, kind, value, trace):
        if self.effect.startswith("transaction"):
            self.rollback() if kind else self.commit()
        if self.effect.endswith("close"):
            self.close()


class Cursor:
    """Statements go into the transaction; a select sees it."""

    def __init__(self, connection):
        self.connection = connection

    def execute(self, text, values=()):
        self.connection._ask()
        if text.startswith("fail"):
            raise DriverError(text)
        if text.startswith("insert"):
            self.connection.pending.append((text, tuple(values)))
        return self

    def fetchall(self):
        return [*self.connection.world.rows, *self.connection.pending]

    def close(self):
        pass

    def __enter__(self):
        return self

    def __exit__(self, *error):
        pass


def sql(name, effect):
    def make(world):
        kind = type("Connection", (Sql,), {"effect": effect})
        return {name: {"connect": lambda *a, **k: kind(world, (a, tuple(sorted(k.items())))), "Error": DriverError}}

    return make


class Client:
    """An HTTP client with a cookie jar."""

    def __init__(self, world, options):
        self.world, self.cookies, self.is_closed = world, {}, False
        world.opened.append(options)

    def get(self, url, **options):
        if self.is_closed:
            raise DriverError("closed")
        self.world.sent.append((url, dict(self.cookies)))
        self.cookies["session"] = url
        return url

    def close(self):
        self.is_closed = True

    def __enter__(self):
        return self

    def __exit__(self, *error):
        self.close()


class Producer:
    """Keeps records until they are flushed."""

    def __init__(self, world):
        self.world, self.records, self.is_closed = world, [], False
        world.opened.append(())

    def send(self, topic, value):
        if self.is_closed:
            raise DriverError("closed")
        self.records.append((topic, value))

    def flush(self, timeout=None):
        self.world.delivered += self.records
        self.records = []

    def close(self, timeout=None):
        self.flush()
        self.is_closed = True


def http(world):
    names = {"Client": lambda **options: Client(world, options), "get": lambda url: Client(world, {}).get(url)}
    return {"httpx": names, "requests": {**names, "Session": lambda: Client(world, {})}}


def kafka(world):
    return {"kafka": {"KafkaProducer": lambda **options: Producer(world)}}


class Mongo(Client):
    """A client without cookies."""

    def get(self, key):
        if self.is_closed:
            raise DriverError("closed")
        self.world.sent.append(key)
        return key


def mongo(world):
    return {"pymongo": {"MongoClient": lambda *a, **k: Mongo(world, k)}}


DRIVERS = (
    sql("pymysql", "close"), sql("psycopg2", "transaction"), sql("psycopg", "transaction-close"), http, kafka, mongo
)  # fmt: skip
PROGRAMS = {
    "close": """
        import pymysql
        def handler(event, context):
            db = pymysql.connect(host="db")
            with db.cursor() as cursor:
                cursor.execute(event["sql"])
                rows = cursor.fetchall()
            if event.get("commit"):
                db.commit()
            db.close()
            return rows
        """,
    "finally": """
        import pymysql
        def handler(event, context):
            db = pymysql.connect(host="db")
            try:
                db.cursor().execute(event["sql"])
                if event.get("commit"):
                    db.commit()
                return db.cursor().fetchall()
            finally:
                db.close()
        """,
    "with that closes": """
        import pymysql
        def handler(event, context):
            with pymysql.connect(host="db") as db:
                cursor = db.cursor()
                cursor.execute(event["sql"])
                if event.get("commit"):
                    db.commit()
                return cursor.fetchall()
        """,
    "with that commits": """
        import psycopg2
        def handler(event, context):
            with psycopg2.connect("dbname=shop") as db, db.cursor() as cursor:
                cursor.execute(event["sql"])
                return cursor.fetchall()
        """,
    "with that commits and closes": """
        import psycopg
        def handler(event, context):
            with psycopg.connect("dbname=shop") as db:
                return db.execute(event["sql"]).fetchall()
        """,
    "with on a variable": """
        import psycopg
        def handler(event, context):
            db = psycopg.connect("dbname=shop")
            with db:
                return db.execute(event["sql"]).fetchall()
        """,
    "closing": """
        from contextlib import closing
        import psycopg2
        def handler(event, context):
            with closing(psycopg2.connect("dbname=shop")) as db:
                db.cursor().execute(event["sql"])
                if event.get("commit"):
                    db.commit()
                return db.cursor().fetchall()
        """,
    "closing on a variable": """
        import contextlib
        import psycopg2
        def handler(event, context):
            db = psycopg2.connect("dbname=shop")
            with contextlib.closing(db):
                with db:
                    db.cursor().execute(event["sql"])
                return db.cursor().fetchall()
        """,
    "stack": """
        from contextlib import ExitStack, closing
        import pymysql
        def handler(event, context):
            with ExitStack() as stack:
                db = stack.enter_context(closing(pymysql.connect(host="db")))
                cursor = stack.enter_context(db.cursor())
                cursor.execute(event["sql"])
                if event.get("commit"):
                    db.commit()
                return cursor.fetchall()
        """,
    "helper": """
        import pymysql
        def connect():
            return pymysql.connect(host="db")
        def write(text):
            db = connect()
            db.cursor().execute(text)
            db.commit()
            db.close()
        def read():
            db = connect()
            try:
                return db.cursor().fetchall()
            finally:
                db.close()
        def handler(event, context):
            if event.get("commit"):
                write(event["sql"])
            return read()
        """,
    "context manager": """
        from contextlib import contextmanager
        import psycopg2
        @contextmanager
        def database():
            db = psycopg2.connect("dbname=shop")
            try:
                yield db
                db.commit()
            finally:
                db.close()
        def handler(event, context):
            with database() as db:
                db.cursor().execute(event["sql"])
                return db.cursor().fetchall()
        """,
    "client": """
        import httpx
        def handler(event, context):
            with httpx.Client(timeout=3) as client:
                client.get("login")
                return client.get(event["sql"])
        """,
    "session": """
        import requests
        def handler(event, context):
            session = requests.Session()
            try:
                return session.get(event["sql"])
            finally:
                session.close()
        """,
    "implicit": """
        import requests
        def handler(event, context):
            return [requests.get(event["sql"]), requests.get("again")]
        """,
    "producer": """
        from kafka import KafkaProducer
        def handler(event, context):
            producer = KafkaProducer(bootstrap_servers="b")
            try:
                producer.send("orders", event["sql"])
            finally:
                producer.close(timeout=3)
        """,
    "mongo": """
        from pymongo import MongoClient
        def handler(event, context):
            with MongoClient("mongodb://db") as client:
                found = client.get(event["sql"])

                # nothing more
                return found
        """,
    "mongo by another name": """
        from pymongo import MongoClient
        def handler(event, context):
            client, name = MongoClient("mongodb://db"), event["sql"]
            other = client
            found = client.get(name)
            other.close()
            return found
        """,
}
EVENTS = [
    {"sql": "insert 1", "commit": True},
    {"sql": "insert 2"},
    {"sql": "select"},
    {"sql": "fail"},
    {"sql": "insert 3", "commit": True},
    {"sql": "select"},
]


def lines(program):
    head = len(program) - len(program.lstrip()) - 1
    return "".join(f"{line[head:]}\n" for line in program.strip("\n").splitlines())


def migrate(folder, select=("SL",)):
    """Write all SAFE and REVIEW changes."""
    plan = make_plan([folder], Options(select=select))
    changes = [change for change in plan.changes if change.tier is not Tier.MANUAL]
    assert changes, [(each.symbol, each.reasons) for each in plan.findings]
    for write in compose_changes(changes, lambda path: read_file(folder, path)):
        (folder / write.path).write_bytes(write.after)


@contextlib.contextmanager
def imported(folder, world):
    """The program of a folder, in a container of its own."""
    before = dict(sys.modules)
    for driver in DRIVERS:
        for name, members in driver(world).items():
            sys.modules[name] = ModuleType(name)
            vars(sys.modules[name]).update(members)
    for name in ("app", "statelift_state"):
        sys.modules.pop(name, None)
    sys.path.insert(0, str(folder))
    importlib.invalidate_caches()
    try:
        yield importlib.import_module("app")
    finally:
        sys.path.remove(str(folder))
        for name in set(sys.modules) - set(before):
            del sys.modules[name]
        sys.modules.update(before)


def run(folder, kills=()):
    """Replies of all events, and the world behind them. `kills`: the events before which the server restarts."""
    world, replies = World(), []
    with imported(folder, world) as app:
        for number, event in enumerate(EVENTS):
            if number in kills:
                world.kill_all()
            try:
                replies.append(app.handler(dict(event), None))
            except DriverError as error:
                replies.append(str(error))
    return replies, world


@pytest.fixture
def folder(tmp_path):
    def writing(program):
        made = tmp_path / "code"
        made.mkdir(exist_ok=True)
        (made / "app.py").write_text(lines(program))
        sys.dont_write_bytecode = True
        return made

    return writing


@pytest.mark.parametrize("name", PROGRAMS)
def test_a_kept_connection_does_what_a_new_one_did(name, folder):
    place = folder(PROGRAMS[name])
    replies, world = run(place)
    migrate(place)
    for kills in ((), (1, 4), range(len(EVENTS))):
        after, kept = run(place, kills)
        assert after == replies
        assert (kept.rows, kept.sent, kept.delivered) == (world.rows, world.sent, world.delivered)
        if not kills:
            assert len(kept.opened) == 1 < len(world.opened)


def test_a_rotated_password_opens_another_connection(folder):
    place = folder("""
        import psycopg2
        import vault
        def handler(event, context):
            secret = vault.read()
            db = psycopg2.connect(user="app", password=secret["password"])
            try:
                return db.cursor().fetchall()
            finally:
                db.close()
        """)
    migrate(place)
    world = World()
    sys.modules["vault"] = ModuleType("vault")
    passwords = iter(["one", "one", "two", "two"])
    sys.modules["vault"].read = lambda: {"password": next(passwords)}
    try:
        with imported(place, world) as app:
            for _ in range(4):
                app.handler({}, None)
    finally:
        del sys.modules["vault"]
    assert [dict(options)["password"] for _, options in world.opened] == ["one", "two"]
    assert len(world.alive) == 1, "the connection with the old password is closed"


def test_a_closed_connection_that_the_container_keeps_is_left_open(folder):
    place = folder("""
        import psycopg2
        db = None
        def handler(event, context):
            global db
            if db is None:
                db = psycopg2.connect("dbname=shop")
            with db:
                db.cursor().execute(event["sql"])
            rows = db.cursor().fetchall()
            db.close()
            return rows
        """)
    broken, _ = run(place)
    assert broken[1] == "the server has gone away"
    migrate(place)
    replies, world = run(place)
    assert "the server has gone away" not in replies
    assert len(world.opened) == 1


def test_a_connection_that_is_opened_at_import_is_asked_in_every_call(folder):
    place = folder("""
        import pymysql
        db = pymysql.connect(host="db")
        def rows():
            with db.cursor() as cursor:
                return cursor.fetchall()
        def handler(event, context):
            db.cursor().execute(event["sql"])
            if event.get("commit"):
                db.commit()
            else:
                db.rollback()
            return rows()
        """)
    replies, world = run(place)
    assert "the server has gone away" in run(place, kills=(2,))[0]
    migrate(place)
    for kills in ((), (0, 2), range(len(EVENTS))):
        after, kept = run(place, kills)
        assert (after, kept.rows) == (replies, world.rows)
        assert len(kept.opened) <= 1 + len(kills)


def test_a_connection_that_is_opened_in_a_try_still_fails_at_import(folder):
    place = folder("""
        import pymysql
        try:
            db = pymysql.connect(host="db")
        except pymysql.Error:
            raise SystemExit("no database")
        def handler(event, context):
            return db.cursor().fetchall()
        """)
    migrate(place)
    world = World()
    with imported(place, world) as app:
        assert len(world.opened) == 1
        assert [app.handler({}, None) for _ in range(2)] == [[], []]
        world.kill_all()
        assert app.handler({}, None) == []
    assert len(world.opened) == 2


IMAGE = {
    "template.yaml": """\
Transform: AWS::Serverless-2016-10-31
Resources:
  Orders:
    Type: AWS::Serverless::Function
    Properties:
      PackageType: Image
    Metadata:
      Dockerfile: Dockerfile
      DockerContext: .
""",
    "Dockerfile": 'FROM public.ecr.aws/lambda/python:3.12\nCOPY app.py ./\nCMD ["app.handler"]\n',
}


def test_where_an_image_takes_no_new_file_the_slot_stands_in_the_module(folder):
    place = folder(PROGRAMS["finally"])
    replies, world = run(place)
    for name, text in IMAGE.items():
        (place / name).write_text(text)
    migrate(place)
    assert not (place / "statelift_state.py").exists()
    for kills in ((), (1, 4), range(len(EVENTS))):
        after, kept = run(place, kills)
        assert (after, kept.rows) == (replies, world.rows)
    assert len(run(place)[1].opened) == 1
    assert make_plan([place], Options()).changes == ()


SECRET = """
    from pymongo import MongoClient
    import vault
    def handler(event, context):
        secret = vault.read()
        client = MongoClient("mongodb://db", username=secret["user"], password=secret["password"])
        found = client.get(event["sql"])
        client.close()
        return found
    """


def test_a_client_with_a_secret_is_kept_until_that_changes(folder):
    place = folder(SECRET)
    migrate(place)
    world, secrets = World(), iter([("a", "1"), ("a", "1"), ("a", "2"), (["no", "key"], "2"), (["no", "key"], "2")])
    sys.modules["vault"] = ModuleType("vault")
    sys.modules["vault"].read = lambda: dict(zip(("user", "password"), next(secrets), strict=True))
    try:
        with imported(place, world) as app:
            assert [app.handler({"sql": number}, None) for number in range(5)] == [*range(5)]
    finally:
        del sys.modules["vault"]
    assert [(each["username"], each["password"]) for each in world.opened] == [
        ("a", "1"), ("a", "2"), (["no", "key"], "2"),
    ]  # fmt: skip


OPENERS = {
    "in the handler": """
        def handler(event, context):
            secret = vault.get_secret("db")
            db = {}
            rows = db.cursor().fetchall()
            db.close()
            return rows
        """,
    "in a function": """
        def connect():
            "Opens the shop."
            secret = vault.get_secret("db")
            return {}
        def handler(event, context):
            db = connect()
            rows = db.cursor().fetchall()
            db.close()
            return rows
        """,
    "in a try": """
        def handler(event, context):
            try:
                secret = vault.get_secret("db")
                db = {}
            except KeyError:
                return "no secret"
            rows = db.cursor().fetchall()
            db.close()
            return rows
        """,
}
BY_SECRET = 'psycopg2.connect(host=secret["host"], user="app", password=secret["password"])'


@contextlib.contextmanager
def asked_vault(*passwords):
    """A module that is asked for secrets; gives what it was asked."""
    asked, left = [], iter(passwords)
    sys.modules["vault"] = ModuleType("vault")

    def get_secret(name):
        asked.append(name)
        return {"host": "h", "password": next(left)}

    sys.modules["vault"].get_secret = get_secret
    try:
        yield asked
    finally:
        del sys.modules["vault"]


@pytest.mark.parametrize("where", OPENERS)
def test_a_secret_is_read_where_a_connection_is_opened(where, folder):
    place = folder("\n        import psycopg2\n        import vault" + OPENERS[where].format(BY_SECRET))
    migrate(place)
    assert "secret = " not in (place / "app.py").read_text()
    world = World()
    with asked_vault("one", "two") as asked, imported(place, world) as app:
        for _ in range(3):
            app.handler({}, None)
    assert asked == ["db"] and len(world.opened) == 1


def test_a_rotated_secret_opens_the_next_connection(folder):
    place = folder("\n        import psycopg2\n        import vault" + OPENERS["in the handler"].format(BY_SECRET))
    migrate(place)
    world = World()
    with asked_vault("one", "two") as asked, imported(place, world) as app:
        app.handler({}, None)
        world.kill_all()
        app.handler({}, None)
        app.handler({}, None)
    assert len(asked) == 2
    assert [dict(options)["password"] for _, options in world.opened] == ["one", "two"]


def test_a_secret_that_cannot_be_read_raises_where_it_did(folder):
    place = folder("\n        import psycopg2\n        import vault" + OPENERS["in a try"].format(BY_SECRET))
    migrate(place)
    with asked_vault() as asked, imported(place, World()) as app:
        sys.modules["vault"].get_secret = {}.__getitem__
        assert app.handler({}, None) == "no secret" and not asked


KEYED = {
    "it is used elsewhere": ('print(secret["host"])', BY_SECRET),
    "it is read under a test": (
        "",
        BY_SECRET.replace('secret["host"]', '"h" if event.get("x") else secret["host"]'),
    ),
    "another local": ("name = context.name", BY_SECRET.replace('"app"', "name")),
}


@pytest.mark.parametrize("why", KEYED)
def test_a_secret_that_more_depends_on_is_read_in_every_call(why, folder):
    line, call = KEYED[why]
    body = (
        OPENERS["in the handler"]
        .format(call)
        .replace("            db =", f"            {line}\n            db =", 1)
    )
    place = folder("\n        import psycopg2\n        import vault" + body)
    changes = make_plan([place], Options()).changes
    written = {each.path: each.after for each in compose_changes(changes, lambda path: read_file(place, path))}
    text = written.get("app.py", (place / "app.py").read_bytes())
    assert b'secret = vault.get_secret("db")' in text
    assert bool(changes) is (why == "it is used elsewhere")


def test_a_client_that_reconnects_by_itself_is_given_its_secret_in_every_call(folder):
    place = folder("""
        import redis
        import vault
        def handler(event, context):
            client = redis.Redis(host="h", password=vault.get_secret("r")["password"])
            return client.get("a")
        """)
    (change,) = make_plan([place], Options()).changes
    assert change.tier is Tier.REVIEW
    migrate(place)
    assert 'vault.get_secret("r")' in (place / "app.py").read_text().partition("def handler")[2].replace("'", '"')


def test_a_token_that_is_made_in_every_call_keeps_nothing(folder):
    place = folder("""
        import boto3
        import pymysql
        rds = boto3.client("rds")
        def token():
            return rds.generate_db_auth_token(DBHostname="h", Port=3306, DBUsername="u")
        def handler(event, context):
            db = pymysql.connect(host="h", user="u", password=token())
            rows = db.cursor().fetchall()
            db.close()
            return rows
        """)
    plan = make_plan([place], Options())
    assert [(each.symbol, each.tier) for each in plan.findings] == [("pymysql.connect", Tier.MANUAL)]


# ---------------------------------------------------------------- http.client, with a server


class Answering(BaseHTTPRequestHandler):
    """Counts connections; hangs up where the path says so."""

    protocol_version = "HTTP/1.1"

    def setup(self):
        super().setup()
        self.server.opened += 1

    def do_GET(self):
        self.send_response(200)
        self.send_header("Content-Length", "2")
        self.end_headers()
        self.wfile.write(b"ok")
        self.close_connection = self.path == "/last"

    def log_message(self, *given):
        pass


@pytest.fixture
def server():
    with ThreadingHTTPServer(("127.0.0.1", 0), Answering) as running:
        running.opened, running.daemon_threads = 0, True
        thread = threading.Thread(target=running.serve_forever, daemon=True)
        thread.start()
        yield running
        running.shutdown()
        thread.join()


def test_a_kept_http_connection_is_replaced_where_it_cannot_serve(folder, server, monkeypatch):
    place = folder("""
        import http.client
        import os
        def handler(event, context):
            connection = http.client.HTTPConnection("127.0.0.1", int(os.environ["PORT"]))
            connection.request("GET", event["path"])
            answer = connection.getresponse()
            text = answer.read() if event["read"] else b""
            connection.close()
            return answer.status, text
        """)
    monkeypatch.setenv("PORT", str(server.server_port))
    migrate(place)
    told = []
    with imported(place, World()) as app:
        for path, is_read in [("/", True), ("/", True), ("/", False), ("/", True), ("/last", True), ("/", True)]:
            reply = app.handler({"path": path, "read": is_read}, None)
            assert reply == (200, b"ok" if is_read else b"")
            told.append(server.opened)
            time.sleep(0.05)  # the server needs a moment to hang up
    assert told == [1, 1, 1, 2, 2, 3], "new after an answer that was not read, and after the server has hung up"


# ---------------------------------------------------------------- what is not written

LEFT = {
    "never closed": """
        import pymysql
        def connect():
            return pymysql.connect(host="db")
        def handler(event, context):
            return connect().cursor().fetchall()
        """,
    "closed through a part": """
        from pymongo import MongoClient
        def handler(event, context):
            shop = MongoClient("mongodb://db").shop
            found = shop.orders.find_one(event)
            shop.client.close()
            return found
        """,
    "close as a value": """
        from pymongo import MongoClient
        def handler(event, context):
            client = MongoClient("mongodb://db")
            end = client.close
            found = client.shop.find_one(event)
            end()
            return found
        """,
    "hook through a table": """
        import boto3
        def handler(event, context):
            table = boto3.resource("dynamodb").Table("t")
            table.meta.client.meta.events.register("before-sign", lambda **given: print(event))
            return table.scan()
        """,
    "hook on a session": """
        import boto3
        def handler(event, context):
            session = boto3.Session()
            session.events.register("before-sign", lambda **given: print(event))
            return session.client("s3").list_buckets()
        """,
    "another database": """
        import redis
        def handler(event, context):
            cache = redis.Redis(host="cache")
            cache.execute_command("SELECT", event["tenant"])
            return cache.get("k")
        """,
    "pool": """
        from psycopg2.pool import SimpleConnectionPool
        def handler(event, context):
            pool = SimpleConnectionPool(1, 1, "dbname=shop")
            return pool.getconn().cursor().fetchall()
        """,
    "pool whose connection nobody gives back": """
        from psycopg_pool import ConnectionPool
        def handler(event, context):
            with ConnectionPool("dbname=shop") as pool:
                return pool.getconn().execute("select 1").fetchall()
        """,
    "pool that others get": """
        from psycopg_pool import ConnectionPool
        def rows(pool):
            return pool.getconn().execute("select 1").fetchall()
        def handler(event, context):
            with ConnectionPool("dbname=shop") as pool:
                return rows(pool)
        """,
    "pool that is opened by hand": """
        from psycopg_pool import ConnectionPool
        def handler(event, context):
            pool = ConnectionPool("dbname=shop", open=False)
            with pool:
                with pool.connection() as db:
                    return db.execute("select 1").fetchall()
        """,
    "pool of sessions that are changed": """
        import oracledb
        def handler(event, context):
            pool = oracledb.create_pool(user="app", dsn="db/shop")
            with pool.acquire() as db:
                db.cursor().execute("ALTER SESSION SET CURRENT_SCHEMA = " + event["tenant"])
                return db.cursor().execute("select 1 from dual").fetchall()
        """,
}


@pytest.mark.parametrize("name", LEFT)
def test_what_cannot_be_kept_is_not_rewritten(name, folder):
    plan = make_plan([folder(LEFT[name])], Options())
    assert plan.findings or plan.left_alone
    assert [change for change in plan.changes if change.tier is not Tier.MANUAL] == []


def test_a_connection_that_is_open_while_another_is_opened_is_not_kept(folder):
    place = folder("""
        import pymysql
        def audit(text):
            db = pymysql.connect(host="db")
            db.cursor().execute(text)
            db.commit()
            db.close()
        def handler(event, context):
            db = pymysql.connect(host="db")
            db.cursor().execute(event["sql"])
            audit("insert audit")
            if event.get("commit"):
                db.commit()
            db.close()
        """)
    replies, world = run(place)
    migrate(place)
    after, kept = run(place)
    assert (after, kept.rows) == (replies, world.rows)
    assert 1 < len(kept.opened) < len(world.opened)


INHERITED = {
    "a session": """
        import boto3
        def handler(event, context):
            region = "eu-west-1"
            session = boto3.Session(profile_name="shop")
            return session.client(service_name="s3", region_name=region)
        """,
    "a session of a local import": """
        def handler(event, context):
            import boto3
            region = "eu-west-1"
            session = boto3.Session(profile_name="shop")
            return session.client("s3", region_name=region)
        """,
    "a session in place": """
        import boto3
        def handler(event, context):
            region = "eu-west-1"
            return boto3.Session(profile_name="shop").client("s3", region_name=region)
        """,
    "a partial": """
        import functools
        import boto3
        make = functools.partial(boto3.client, "s3")
        def handler(event, context):
            region = "eu-west-1"
            return make(region_name=region)
        """,
}


@pytest.mark.parametrize("name", INHERITED)
def test_what_a_client_is_made_of_is_given_once(name, folder, monkeypatch):
    """Its session's arguments, or those of a partial, were once repeated in the call of the getter."""

    class Session:
        def __init__(self, profile_name=""):
            self.profile_name = profile_name

        def client(self, service_name, region_name=""):
            return self.profile_name, service_name, region_name

    stub = ModuleType("boto3")
    stub.Session, stub.client = Session, Session().client
    monkeypatch.setitem(sys.modules, "boto3", stub)
    place = folder(INHERITED[name])

    def answer():
        sys.modules.pop("app", None)
        monkeypatch.syspath_prepend(str(place))
        importlib.invalidate_caches()
        return importlib.import_module("app").handler({}, None)

    before = answer()
    migrate(place)
    assert "_client(region)" in (place / "app.py").read_text()
    assert answer() == before
    sys.modules.pop("app", None)
