"""Programs whose connections were once kept although one call's settings would have served the next."""

from pathlib import Path

import pytest

from statelift.model import Finding, Options, Tier, Verdict
from statelift.planning import make_plan

TEMPLATE = """Transform: AWS::Serverless-2016-10-31
Resources:
  AppFunction:
    Type: AWS::Serverless::Function
    Properties:
      Handler: app.handler
      Runtime: python3.12
      CodeUri: src/
"""
S3 = "    s3 = boto3.client('s3', region_name={})\n    return s3.list_buckets()\n"


def connection_of(folder: Path, source: str, **others: str) -> Finding:
    """What is said of the last connection of the program; `tests` is a test file, others are its modules."""
    (folder / "src").mkdir()
    (folder / "src" / "app.py").write_text(source)
    (folder / "template.yaml").write_text(TEMPLATE)
    for name, text in others.items():
        path = folder / "tests" / "test_app.py" if name == "tests" else folder / "src" / f"{name}.py"
        path.parent.mkdir(exist_ok=True)
        path.write_text(text)
    plan = make_plan([folder], Options())
    found = [each for each in (*plan.findings, *plan.left_alone) if each.rule in ("SL401", "SL402")]
    assert found, [(each.rule, each.symbol) for each in (*plan.findings, *plan.left_alone)]
    return found[-1]


def asking(argument: str, *lines: str, above: str = "") -> str:
    """A handler that runs these lines, and then builds a client with an argument."""
    body = "".join(f"    {line}\n" for line in lines)
    head = f"import os\nimport sys\nimport boto3\n{above}\n\n\ndef handler(event, context):\n"
    return f"{head}{body}{S3.format(argument)}"


SETTINGS = (
    "class Settings:\n    region = 'eu'\n    def load(self, event):\n        self.region = event['r']\n"
    "cfg = Settings()\n"
)
POWERTOOLS = (
    "from aws_lambda_powertools.event_handler import APIGatewayRestResolver\napp = APIGatewayRestResolver()\n"
)
BUILT = "class Settings:\n    def __init__(self, region):\n        self.region = region\ncfg = Settings('eu')\n"
SPACE = "from types import SimpleNamespace\nctx = SimpleNamespace(region='eu')\n"
BY_REQUEST = {
    "a field that a method sets": asking("cfg.region", "cfg.load(event)", above=SETTINGS),
    "another name of the object": asking("c.region", "cfg.load(event)", above=f"{SETTINGS}c = cfg\n"),
    "a property of such a field": asking(
        "cfg.name",
        "cfg.region = event['r']",
        above=SETTINGS.replace("cfg =", "    @property\n    def name(self):\n        return self.region\ncfg ="),
    ),
    "an object of a library that is configured": asking(
        "cfg.ENDPOINT", "cfg.configure(env=event['s'])", above="from dynaconf import Dynaconf\ncfg = Dynaconf()\n"
    ),
    "setattr": asking("ctx.region", "setattr(ctx, 'region', event['r'])", above=SPACE),
    "vars": asking("ctx.region", "vars(ctx)['region'] = event['r']", above=SPACE),
    "__dict__": asking("ctx.region", "ctx.__dict__.update(event)", above=SPACE),
    "setattr on self": asking(
        "cfg.region",
        "cfg.load(event)",
        above=SETTINGS.replace("self.region = event['r']", "[setattr(self, k, v) for k, v in event.items()]"),
    ),
    "the own module": asking("REGION", "sys.modules[__name__].REGION = event['r']", above="REGION = 'eu'\n"),
    "what a framework has of the call": asking(
        "app.current_event.region",
        "app.resolve(event, context)",
        above=POWERTOOLS,
    ),
    "an item of what a framework has": asking(
        "app.context['region']",
        "app.append_context(region=event['r'])",
        above=POWERTOOLS,
    ),
    "a variable of the context": asking(
        "REGION.get()",
        "REGION.set(event['r'])",
        above="from contextvars import ContextVar\nREGION = ContextVar('r', default='eu')\n",
    ),
    "a match": asking("r", "r = ''", "match event:", "    case {'r': r}:", "        pass"),
    "a caught error": asking("str(r)", "r = ''", "try:", "    int(event['r'])", "except OSError as r:", "    pass"),
    "the environment, added to": asking("'eu'", "os.environ |= event['env']"),
    "the environment, handed on": asking(
        "'eu'", "put(os.environ, event)", above="def put(env, event):\n    env['AWS_REGION'] = event['r']\n"
    ),
    "the environment, patched": asking(
        "'eu'", "with patch.dict(os.environ, event['env']):", "    pass", above="from unittest.mock import patch\n"
    ),
    "the environment, out of a file": asking(
        "os.environ['R']", "load_dotenv('.env.' + event['stage'])", above="from dotenv import load_dotenv\n"
    ),
    "what a test in a function reads": asking(
        "region()",
        "FLAG['eu'] = event['eu']",
        above="FLAG = {}\ndef region():\n    if FLAG['eu']:\n        return 'a'\n    return 'b'\n",
    ),
    "a function of a table": (
        "import boto3\n\n\ndef run(key, secret):\n    s3 = boto3.client('s3', aws_access_key_id=key,"
        " aws_secret_access_key=secret)\n    return s3.list_buckets()\n\n\nOPS = {'run': run}\n\n\n"
        "def handler(event, context):\n    run('a', 'b')\n    return OPS['run'](event['k'], event['s'])\n"
    ),
    "a method that super() calls": (
        "import boto3\n\n\nclass A:\n    def run(self, r):\n        s3 = boto3.client('s3', region_name=r)\n"
        "        return s3.list_buckets()\n\n\nclass B(A):\n    def run(self, r):\n        return super().run(r)\n"
        "\n\ndef handler(event, context):\n    A().run('eu')\n    return B().run(event['r'])\n"
    ),
    "a parser that is told": asking(
        "cfg['aws']['region']",
        "cfg.set('aws', 'region', event['r'])",
        above="import configparser\ncfg = configparser.ConfigParser()\n",
    ),
    "fields that are set from each other": asking(
        "cfg.region", "cfg.region = cfg.other", "cfg.other = cfg.region", above="from lib import Box\ncfg = Box()\n"
    ),
    "a library with another name": asking(
        "'eu'", "global boto3", "if event['test']:", "    boto3 = Fake()", above="class Fake:\n    pass\n"
    ),
}  # fmt: skip


@pytest.mark.parametrize("name", BY_REQUEST)
def test_what_calls_change_is_no_constant(tmp_path: Path, name: str) -> None:
    assert connection_of(tmp_path, BY_REQUEST[name]).verdict is Verdict.EVENT_DEPENDENT


OTHER_MODULE = {
    "globals of the module": ("settings.use(event)", "def use(event):\n    globals()['REGION'] = event['r']\n"),
    "setattr with any name": ("for k, v in event.items():\n        setattr(settings, k, v)", ""),
    "its dict of names": ("settings.__dict__.update(event)", ""),
    "a setter of the module": (
        "settings.put('REGION', event['r'])",
        "import sys\n\n\ndef put(name, value):\n    setattr(sys.modules[__name__], name, value)\n",
    ),
    "a module that answers for itself": ("settings.now = event", "def __getattr__(name):\n    return now[name]\n"),
    "a module that is loaded again": ("import importlib\n    importlib.reload(settings)", ""),
}


@pytest.mark.parametrize("name", OTHER_MODULE)
def test_variables_of_a_module_that_is_changed_by_name_are_no_constants(tmp_path: Path, name: str) -> None:
    line, module = OTHER_MODULE[name]
    source = asking("settings.REGION", line, above="import settings\n")
    region = "" if "__getattr__" in module else "REGION = 'eu'\n"
    assert connection_of(tmp_path, source, settings=f"{region}{module}").verdict is Verdict.EVENT_DEPENDENT


CONSTANT = {
    "a field that the constructor sets": asking(
        "cfg.region",
        above=BUILT,
    ),
    "a file that is read at import": asking(
        "cfg['region']", above="import json\nwith open('c.json') as f:\n    cfg = json.load(f)\n"
    ),
    "a module that is only read": asking(
        "settings.REGION", "print(getattr(settings, event['name'], None))", above="import settings\n"
    ),
    "an environment that is only read": asking("'eu'", "print(dict(os.environ), os.environ.get('X'))"),
    "an environment that goes to a tool": asking(
        "'eu'", "subprocess.run(['true'], env=os.environ)", above="import subprocess\n"
    ),
    "a function that reads settings": asking(
        "region()",
        above="def region():\n    stage = os.environ.get('S', 'x')\n"
        "    return 'a' if stage == 'p' else os.environ['R']\n",
    ),
    "a constant of the library": asking(
        "'eu', config=Config(signature_version=UNSIGNED)",
        above="from botocore import UNSIGNED\nfrom botocore.config import Config\n",
    ),
    "a library that is imported late": asking("'eu'", "global boto3", "import boto3"),
}


@pytest.mark.parametrize("name", CONSTANT)
def test_what_no_call_changes_is_a_constant(tmp_path: Path, name: str) -> None:
    found = connection_of(tmp_path, CONSTANT[name], settings="REGION = 'eu'\n")
    assert (found.verdict, found.tier) == (Verdict.PER_CALL, Tier.SAFE)


def test_what_an_argument_does_in_every_call_is_told(tmp_path: Path) -> None:
    source = asking("region()", above="def region():\n    print('picking')\n    return 'eu'\n")
    found = connection_of(tmp_path, source)
    assert (found.verdict, found.tier) == (Verdict.PER_CALL, Tier.REVIEW)
    assert any("print" in reason for reason in found.reasons)


NOWHERE_ELSE = {
    "a mangled name": "Repo.__region",
    "super": "super().region",
    "the variables of a function": "locals()['region']",
}


@pytest.mark.parametrize("name", NOWHERE_ELSE)
def test_what_means_something_else_in_a_getter_is_left_to_people(tmp_path: Path, name: str) -> None:
    made = f"boto3.client('s3', region_name={NOWHERE_ELSE[name]})"
    method = f"    def run(self):\n        return {made}.list_buckets()\n"
    source = f"import boto3\n\n\nclass Repo(Base):\n    __region = 'eu'\n\n{method}"
    handler = "\n\ndef handler(event, context):\n    return Repo().run()\n"
    assert connection_of(tmp_path, f"{source}{handler}").tier is Tier.MANUAL


CLIENT = (
    "import boto3\n\n\ndef handler(event, context):\n    s3 = boto3.client('s3')\n    return s3.list_buckets()\n"
)
TESTS = {
    "monkeypatch": "def test_a(monkeypatch):\n    monkeypatch.setattr(app.boto3, 'client', Fake)\n",
    "an assignment": "def test_a():\n    app.boto3 = Mock()\n",
    "a stub": "from botocore.stub import Stubber\nimport boto3\n",
}


@pytest.mark.parametrize("name", TESTS)
def test_a_test_that_replaces_the_library_is_told(tmp_path: Path, name: str) -> None:
    found = connection_of(tmp_path, CLIENT, tests=f"import app\n\n\n{TESTS[name]}")
    assert (found.verdict, found.tier) == (Verdict.PER_CALL, Tier.REVIEW)
    assert any("tests/test_app.py" in reason for reason in found.reasons)


def test_a_test_with_several_environments_is_told(tmp_path: Path) -> None:
    source = asking("os.environ['R']")
    lines = "    monkeypatch.setenv('R', 'a')\n    monkeypatch.setenv('R', 'b')\n"
    tests = f"import app\n\n\ndef test_a(monkeypatch):\n{lines}"
    found = connection_of(tmp_path, source, tests=tests)
    assert (found.verdict, found.tier) == (Verdict.PER_CALL, Tier.REVIEW)


def test_a_test_with_one_environment_is_no_obstacle(tmp_path: Path) -> None:
    tests = "import app\n\n\ndef test_a(monkeypatch):\n    monkeypatch.setenv('R', 'a')\n"
    assert connection_of(tmp_path, asking("os.environ['R']"), tests=tests).tier is Tier.SAFE


CONDITIONAL = (
    "import os\nimport boto3\n\nif os.environ.get('X'):\n    def get():\n        return boto3.client('s3')\n"
    "else:\n    def get():\n        return boto3.client('s3', region_name='eu')\n\n{}\n\n"
    "def handler(event, context):\n    return get().list_buckets()\n"
)


@pytest.mark.parametrize(("line", "tier"), [("print(get().meta.region_name)", Tier.MANUAL), ("", Tier.SAFE)])
def test_a_getter_has_to_stand_above_its_first_use(tmp_path: Path, line: str, tier: Tier) -> None:
    assert connection_of(tmp_path, CONDITIONAL.format(line)).tier is tier


def using(imports: str, made: str, *lines: str, above: str = "") -> str:
    """A handler that opens a connection `c` and runs these lines."""
    body = "".join(f"    {line}\n" for line in lines)
    return f"{imports}\n{above}\n\ndef handler(event, context):\n    c = {made}\n{body}"


PSYCOPG = ("import psycopg2", "psycopg2.connect('dbname=x')")
MYSQL = ("import pymysql", "pymysql.connect(host='x')")
REDIS = ("import redis", "redis.Redis()")
REQUESTS = ("import requests", "requests.Session()")
SET_BY_REQUEST = {
    "a copy, which shares its hooks": using(
        "import copy\nimport boto3",
        "copy.copy(boto3.client('s3'))",
        "c.meta.events.register('x', lambda **k: event)",
        "return c.list_buckets()",
    ),
    "its dict": using("import boto3", "boto3.client('s3')", "c.__dict__.update(event)", "return c.list_buckets()"),
    "a variable of the library": using(
        "import urllib3",
        "urllib3.PoolManager()",
        "urllib3.util.connection.HAS_IPV6 = event['v6']",
        "return c.request('GET', 'x').status",
    ),
    "the first of two settings": using(
        "import httpx", "httpx.Client()", "c.auth = ('u', event['p'])", "c.timeout = 3", "return c.get('x').text"
    ),
    "a login": using(*REDIS, "c.auth(event['p'])", "return c.get('x')"),
    "a callback": using(*REDIS, "c.set_response_callback('GET', lambda v: (event, v))", "return c.get('x')"),
    "a login of a part": using(
        "from pymongo import MongoClient", "MongoClient('x')", "c.admin.authenticate(event['u'], event['p'])"
    ),
    "a setting": using(
        "import clickhouse_connect",
        "clickhouse_connect.get_client(host='x')",
        "c.set_client_setting('role', event['t'])",
    ),
    "an adapter": using(*REQUESTS, "c.mount('https://', Adapter(event['t']))", "return c.get('x').json()"),
    "the first part of a transaction": using(
        "from kafka import KafkaProducer",
        "KafkaProducer(transactional_id='t')",
        "c.init_transactions()",
        "c.close()",
    ),
}


@pytest.mark.parametrize("name", SET_BY_REQUEST)
def test_what_is_set_for_one_request_is_not_kept(tmp_path: Path, name: str) -> None:
    assert connection_of(tmp_path, SET_BY_REQUEST[name]).verdict is Verdict.EVENT_DEPENDENT


END = ("c.commit()", "c.close()")
CURSOR = "cur = c.cursor()"
SESSION = {
    "two of them at once": (
        "import psycopg2\nfrom contextlib import closing\n\n\n"
        "def connect(name):\n    return psycopg2.connect(dbname=name)\n\n\n"
        "def handler(event, context):\n    with closing(connect('a')) as a, closing(connect('b')) as b:\n"
        "        a.cursor().execute('select 1')\n        b.cursor().execute('select 1')\n"
    ),
    "a callback that some calls remove": using(
        *REDIS, "if event.get('raw'):", "    c.response_callbacks.pop('GET', None)", "return c.get('x')"
    ),
    "checks that some calls leave out": using(
        *REQUESTS, "if event.get('insecure'):", "    c.verify = False", "return c.get('x').json()"
    ),
    "a setting in some calls": using(*PSYCOPG, "if event.get('fast'):", "    c.autocommit = True", CURSOR, *END),
    "a second setting in some calls": using(
        *PSYCOPG, "c.autocommit = False", "if event.get('fast'):", "    c.autocommit = True", CURSOR, *END
    ),
    "set_config": using(
        *PSYCOPG, CURSOR, "cur.execute(\"SELECT set_config('app.t', %s, false)\", (event['t'],))", *END
    ),
    "a channel": using(*PSYCOPG, CURSOR, "cur.execute('LISTEN jobs')", *END),
    "a channel of the request": using(*PSYCOPG, CURSOR, "cur.execute('LISTEN ' + event['t'])", *END),
    "another database": using(*MYSQL, CURSOR, "cur.execute('USE `%s`' % event['t'])", *END),
    "a role, out of an f-string": using(*PSYCOPG, CURSOR, "cur.execute(f'SET ROLE {event[\"t\"]}')", *END),
    "a variable of the session": using(*MYSQL, CURSOR, "cur.execute('SELECT @t := %s', (event['t'],))", *END),
    "what the session inserted last": using(*MYSQL, CURSOR, "cur.execute('SELECT LAST_INSERT_ID()')", *END),
    "a pool's connection": using(
        "from sqlalchemy import create_engine, text",
        "create_engine('postgresql://x')",
        "with c.connect() as one:",
        "    one.execute(text('set search_path to ' + event['t']))",
        "    one.commit()",
    ),
    "more than its close ends": using(
        "from cassandra.cluster import Cluster",
        "Cluster(['x'])",
        "try:",
        "    return c.connect('ks').execute('select 1')",
        "finally:",
        "    c.shutdown()",
    ),
}


@pytest.mark.parametrize("name", SESSION)
def test_what_stays_with_a_session_is_left_to_people(tmp_path: Path, name: str) -> None:
    found = connection_of(tmp_path, SESSION[name])
    assert (found.verdict, found.tier) == (Verdict.PER_CALL, Tier.MANUAL)


def test_a_setting_in_another_file_counts(tmp_path: Path) -> None:
    source = using(*PSYCOPG, CURSOR, "cur.execute(TENANT, (event['t'],))", *END, above="from sqls import TENANT")
    assert connection_of(tmp_path, source, sqls="TENANT = 'SET ROLE %s'\n").tier is Tier.MANUAL


@pytest.mark.parametrize(("folder", "tier"), [("psycopg2", Tier.REVIEW), ("database", Tier.MANUAL)])
def test_what_a_driver_says_that_lies_beside_the_program_is_its_own(
    tmp_path: Path, folder: str, tier: Tier
) -> None:
    source = using(*PSYCOPG, CURSOR, "cur.execute('select 1')", *END)
    text = "MODE = 'SET SESSION CHARACTERISTICS AS %s'\n"
    beside = {f"{folder}/__init__": "", f"{folder}/extensions": text}
    assert connection_of(tmp_path, source, **beside).tier is tier


def test_a_docstring_sets_nothing(tmp_path: Path) -> None:
    source = using(*PSYCOPG, CURSOR, "cur.execute('select 1')", *END).replace(
        "    c =", '    """Set the order to done."""\n    c ='
    )
    assert connection_of(tmp_path, source).tier is Tier.REVIEW


ADDED = {
    "to a text": "'UPDATE users ' + 'SET name = %s ' + 'WHERE id = 1'",
    "to a text, formatted": "'UPDATE users ' + 'SET name = {} '.format(event['t'])",
    "behind a name": "f\"UPDATE {event['t']} SET name = 1\"",
}


@pytest.mark.parametrize("name", ADDED)
def test_a_set_that_goes_on_with_an_update_sets_no_variable(tmp_path: Path, name: str) -> None:
    source = using(*PSYCOPG, CURSOR, f"cur.execute({ADDED[name]})", *END)
    assert connection_of(tmp_path, source).tier is Tier.REVIEW


@pytest.mark.parametrize(
    "sql", ["'select 1; ' + 'SET ROLE x'", "event['t'] + 'SET ROLE x'", "f\"{event['t']} SET ROLE x\""]
)
def test_a_set_that_may_begin_a_statement_is_left_to_people(tmp_path: Path, sql: str) -> None:
    source = using(*PSYCOPG, CURSOR, f"cur.execute({sql})", *END)
    assert connection_of(tmp_path, source).tier is Tier.MANUAL


TELLING = {
    "a procedure": (using(*MYSQL, CURSOR, "cur.callproc('t', (event['t'],))", *END), "procedures"),
    "notices": (using(*PSYCOPG, CURSOR, "cur.execute('select f()')", "print(c.notices)", *END), "notices"),
    "notifications": (using(*PSYCOPG, CURSOR, "c.poll()", "print(c.notifies)", *END), "notifies"),
}


@pytest.mark.parametrize("name", TELLING)
def test_what_may_stay_with_a_session_is_told(tmp_path: Path, name: str) -> None:
    source, word = TELLING[name]
    found = connection_of(tmp_path, source)
    assert found.tier is Tier.REVIEW
    assert any(word in reason for reason in found.reasons)


HOOKING = "def a(client, event):\n    client.meta.events.register('x', lambda **k: event)\n\n\nACTIONS = {'a': a}\n"
HANDED_ON = {
    "to a stub": using(
        "import boto3\nfrom botocore.stub import Stubber", "boto3.client('s3')", "Stubber(c).activate()"
    ),
    "to a function that is not there": using(
        "import boto3\nfrom tenants import add_header", "boto3.client('s3')", "add_header(c, event['t'])"
    ),
    "its events": using(
        "import boto3\nfrom tenants import add_header",
        "boto3.client('s3')",
        "add_header(c.meta.events, event['t'])",
    ),
    "to one of a table": using(
        "import boto3", "boto3.client('s3')", "ACTIONS[event['op']](c, event)", above=HOOKING
    ),
    "to one of a table, without the request": using(
        "import boto3",
        "boto3.client('s3')",
        "ACTIONS['a'](c)",
        above=HOOKING.replace("client, event", "client").replace("k: event", "k: 1"),
    ),
    "to children": using(
        "import os\nfrom pymongo import MongoClient", "MongoClient('x')", "os.fork()", "return c.a.b.find_one()"
    ),
    "to other threads": using(
        "import _thread\nimport boto3",
        "boto3.resource('s3')",
        "_thread.start_new_thread(lambda: c.Bucket('b').load(), ())",
    ),
}


@pytest.mark.parametrize("name", HANDED_ON)
def test_a_client_that_goes_to_code_which_may_change_it_is_not_safe(tmp_path: Path, name: str) -> None:
    assert connection_of(tmp_path, HANDED_ON[name]).tier is not Tier.SAFE


def test_operations_of_aws_are_no_settings(tmp_path: Path) -> None:
    source = using("import boto3", "boto3.client('sqs')", "c.set_queue_attributes(QueueUrl='x', Attributes=event)")
    assert connection_of(tmp_path, source).tier is Tier.SAFE


HOOK = (
    "import boto3\n\ns3 = boto3.client('s3')\n\n\ndef hook(**_):\n    print(1)\n\n\n"
    "def handler(event, context):\n"
    "    s3.meta.events.register('before-sign.s3', hook)\n    try:\n        return s3.list_buckets()\n"
    "    finally:\n"
    "        {}\n"
)


@pytest.mark.parametrize(
    ("ended", "count"), [("s3.meta.events.unregister('before-sign.s3', hook)", 0), ("pass", 1)]
)
def test_a_hook_that_is_taken_out_again_does_not_gather(tmp_path: Path, ended: str, count: int) -> None:
    (tmp_path / "src").mkdir()
    (tmp_path / "src" / "app.py").write_text(HOOK.format(ended))
    (tmp_path / "template.yaml").write_text(TEMPLATE)
    found = [each for each in make_plan([tmp_path], Options()).findings if each.rule == "SL405"]
    assert len(found) == count


FETCH = (
    "import requests\n\n\ndef fetch(url):\n    return requests.get(url{}).text\n\n\n"
    "def handler(event, context):\n    {}\n"
)
ONE = "return fetch(event['url'])"
POOL = (
    "from concurrent.futures import ThreadPoolExecutor\n"
    "    return list(ThreadPoolExecutor().map(fetch, event['urls']))"
)
ASKED = [("", ONE, Tier.REVIEW), (", verify=False", ONE, Tier.MANUAL), ("", POOL, Tier.MANUAL)]


@pytest.mark.parametrize(("argument", "body", "tier"), ASKED)
def test_one_session_for_all_requests(tmp_path: Path, argument: str, body: str, tier: Tier) -> None:
    (tmp_path / "src").mkdir()
    (tmp_path / "src" / "app.py").write_text(FETCH.format(argument, body))
    (tmp_path / "template.yaml").write_text(TEMPLATE)
    plan = make_plan([tmp_path], Options(select=("SL404",)))
    assert [each.tier for each in plan.findings if each.rule == "SL404"] == [tier]


def test_a_hook_that_a_part_of_it_gets_elsewhere_is_told(tmp_path: Path) -> None:
    table = "def table():\n    return boto3.resource('dynamodb').Table('orders')\n"
    hook = "    found.meta.client.meta.events.register('before-send', print)\n"
    handler = f"def handler(event, context):\n    found = table()\n{hook}    return found.scan()\n"
    source = f"import boto3\n\n\n{table}\n\n{handler}"
    assert connection_of(tmp_path, source).tier is Tier.REVIEW
    (tmp_path / "plain").mkdir()
    assert connection_of(tmp_path / "plain", source.replace(hook, "")).tier is Tier.SAFE


def test_what_is_set_on_the_session_inside_of_a_session_is_not_kept(tmp_path: Path) -> None:
    lines = (
        "    session = boto3.Session()",
        "    session._session.set_config_variable('region', event['r'])",
        "    return session.client('s3').list_buckets()",
    )
    source = "import boto3\n\n\ndef handler(event, context):\n" + "\n".join(lines) + "\n"
    assert connection_of(tmp_path, source).verdict is Verdict.EVENT_DEPENDENT


def test_a_session_of_botocore_inside_of_one_of_boto3_is_told(tmp_path: Path) -> None:
    lines = (
        "    session = boto3.Session(botocore_session=botocore.session.get_session())",
        "    session._session.set_config_variable('region', event['r'])",
        "    return session.client('s3').list_buckets()",
    )
    source = "import boto3\nimport botocore.session\n\n\ndef handler(event, context):\n" + "\n".join(lines) + "\n"
    (tmp_path / "app.py").write_text(source)
    plan = make_plan([tmp_path], Options())
    assert {each.tier for each in plan.changes} <= {Tier.REVIEW, Tier.MANUAL}
