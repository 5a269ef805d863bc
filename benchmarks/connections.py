"""What keeping a connection saves: constructor calls and time per call, before and after, on a real PostgreSQL.

Usage: connections.py [COUNT]    (default: 200 invocations of each program)

Every program is run as it is, and as statelift rewrites it with all SAFE and REVIEW changes, each in a process of
its own, one after the other. The server runs on this machine and asks for a password, without TLS; over a network
the difference is larger. The drivers (psycopg2-binary, psycopg[binary], sqlalchemy) may be installed or not.
"""

import contextlib
import importlib.util
import json
import subprocess
import sys
import tempfile
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path

from statelift.compose import compose_changes
from statelift.discover import read_file
from statelift.model import Options, Tier
from statelift.planning import make_plan

TOOLS = Path(__file__).parents[1] / "tools"


@dataclass(frozen=True, slots=True)
class Program:
    """A handler; `constructor` is counted, `needs` the packages without which it cannot run."""

    title: str
    constructor: str
    needs: tuple[str, ...]
    text: str


PROGRAMS = (
    Program(
        "psycopg2, `close()` in `finally`",
        "psycopg2.connect",
        ("psycopg2",),
        """
import os

import psycopg2


def save(order):
    connection = psycopg2.connect(os.environ["DSN"])
    try:
        cursor = connection.cursor()
        cursor.execute("INSERT INTO orders (number) VALUES (%s)", (order,))
        connection.commit()
        cursor.execute("SELECT count(*) FROM orders")
        return cursor.fetchone()[0]
    finally:
        connection.close()


def handler(event, context):
    return save(event["number"])
""",
    ),
    Program(
        "psycopg, `with`",
        "psycopg.connect",
        ("psycopg",),
        """
import os

import psycopg


def handler(event, context):
    with psycopg.connect(os.environ["DSN"]) as connection:
        connection.execute("INSERT INTO orders (number) VALUES (%s)", (event["number"],))
        return connection.execute("SELECT count(*) FROM orders").fetchone()[0]
""",
    ),
    Program(
        "SQLAlchemy, `create_engine`",
        "sqlalchemy.create_engine",
        ("sqlalchemy", "psycopg2"),
        """
import os

import sqlalchemy
from sqlalchemy import text


def handler(event, context):
    engine = sqlalchemy.create_engine(os.environ["URL"])
    with engine.begin() as connection:
        connection.execute(text("INSERT INTO orders (number) VALUES (:number)"), {"number": event["number"]})
        found = connection.execute(text("SELECT count(*) FROM orders")).scalar()
    engine.dispose()
    return found
""",
    ),
    Program(
        'boto3, `client("s3")` and a signed address',
        "boto3.client",
        ("boto3",),
        """
import boto3


def handler(event, context):
    s3 = boto3.client("s3")
    return s3.generate_presigned_url("get_object", Params={"Bucket": "b", "Key": str(event["number"])})
""",
    ),
)

RUN = """
import importlib, json, statistics, sys, time
sys.dont_write_bytecode = True
folder, constructor, count = sys.argv[1], sys.argv[2], int(sys.argv[3])
library, _, name = constructor.rpartition(".")
module, opened = importlib.import_module(library), []
genuine = getattr(module, name)
setattr(module, name, lambda *given, **named: (opened.append(1), genuine(*given, **named))[1])
sys.path.insert(0, folder)
app, spent, answers = importlib.import_module("app"), [], []
for number in range(count):
    began = time.perf_counter()
    answers.append(app.handler({"number": number}, None))
    spent.append((time.perf_counter() - began) * 1000)
spread = statistics.quantiles(spent[1:], n=20)
print(json.dumps([len(opened), spent[0], statistics.median(spent[1:]), spread[-1], len(answers)]))
"""


@dataclass(frozen=True, slots=True)
class Figures:
    """Of one program: how often it opens for one invocation, and milliseconds of an invocation."""

    opened: float
    first: float
    median: float
    slow: float  # 95 % are quicker

    @property
    def cells(self) -> tuple[str, str, str, str]:
        """As a row of a table shows them."""
        return f"{self.opened:g}", f"{self.first:.1f}", f"{self.median:.2f}", f"{self.slow:.2f}"


def migrate(folder: Path) -> None:
    """Write all SAFE and REVIEW changes."""
    changes = [change for change in make_plan([folder], Options()).changes if change.tier is not Tier.MANUAL]
    assert changes, f"no change for {folder}"
    for write in compose_changes(changes, lambda path: read_file(folder, path)):
        (folder / write.path).write_bytes(write.after)


def measure(folder: Path, program: Program, environment: dict[str, str], count: int) -> Figures:
    """Run one program in a process of its own."""
    command = [sys.executable, "-c", RUN, str(folder), program.constructor, str(count)]
    done = subprocess.run(command, capture_output=True, text=True, env=environment, check=False)
    assert done.returncode == 0, done.stderr
    opened, first, median, slow, answered = json.loads(done.stdout)
    assert answered == count
    return Figures(round(opened / count, 3), first, median, slow)


def rows(server: dict[str, str], count: int) -> Iterator[tuple[str, Figures, Figures]]:
    """Title of each program that can run, with its figures before and after."""
    place = "{user}:{password}@{host}:{port}/{dbname}".format(**server)
    environment = {
        "PATH": "/usr/bin:/bin",
        "DSN": f"postgresql://{place}",
        "URL": f"postgresql+psycopg2://{place}",
        "AWS_DEFAULT_REGION": "eu-west-1",
        "AWS_ACCESS_KEY_ID": "nobody",
        "AWS_SECRET_ACCESS_KEY": "nothing",
    }
    for program in PROGRAMS:
        if any(importlib.util.find_spec(name) is None for name in program.needs):
            print(f"left out, not installed: {', '.join(program.needs)}", file=sys.stderr)
            continue
        with tempfile.TemporaryDirectory() as name:
            folder = Path(name)
            (folder / "app.py").write_text(program.text.lstrip())
            make_table(server)
            before = measure(folder, program, environment, count)
            migrate(folder)
            make_table(server)
            yield program.title, before, measure(folder, program, environment, count)


def main(count: int) -> None:
    """Print a table, one row per program."""
    sys.path.insert(0, str(TOOLS))
    from postgresql import MissingServerError, postgresql

    try:
        running = contextlib.ExitStack()
        server = running.enter_context(postgresql())
    except MissingServerError as error:
        sys.exit(str(error))
    with running:
        print("| program | opened per call | first call, ms | median, ms | 95 % below, ms |\n|---|---|---|---|---|")
        for title, before, after in rows(server, count):
            cells = [f"{old} → {new}" for old, new in zip(before.cells, after.cells, strict=True)]
            print(f"| {title} | {' | '.join(cells)} |")


def make_table(server: dict[str, str]) -> None:
    """The table that the programs write to, empty."""
    import psycopg2

    connection = psycopg2.connect(**server)
    connection.cursor().execute("DROP TABLE IF EXISTS orders; CREATE TABLE orders (number int)")
    connection.commit()
    connection.close()


if __name__ == "__main__":
    main(int(sys.argv[1]) if len(sys.argv) > 1 else 200)
