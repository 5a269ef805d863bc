"""Containers and worlds: what a program sees in them, and what it cannot do."""

import json
import os
import signal
import subprocess
import sys
import textwrap
import time
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest

from statelift.verify.machine.sandbox import Sandbox, VerifySetupError
from statelift.verify.machine.world import Setting, World
from statelift.verify.values import Canned, CodeTree, Event, Fault, Faults, Observation, Table


@pytest.fixture(scope="module")
def sandbox() -> Iterator[Sandbox]:
    with Sandbox() as made:
        yield made


@pytest.fixture(scope="module", params=[True, False], ids=["namespaces", "fallback"])
def any_sandbox(request: pytest.FixtureRequest, sandbox: Sandbox) -> Iterator[Sandbox]:
    """What has to hold with namespaces, and where the system gives none."""
    if request.param:
        yield sandbox
        return
    with Sandbox(hash_seeds=(0,), has_namespaces=False) as made:
        yield made


def program(text: str, **more: str) -> CodeTree:
    files = {"app.py": text, **{name.replace("__", "/") + ".py": part for name, part in more.items()}}
    return CodeTree(tuple((name, textwrap.dedent(part).encode()) for name, part in files.items()))


def event(payload: Any = None, seed: int = 1, at: float = 1_700_000_000.0, call: str = "app:handler") -> Event:
    return Event(call, json.dumps(payload), seed=seed, at=at)


def once(sandbox: Sandbox, text: str, payload: Any = None, **setting: Any) -> Observation:
    with World(sandbox, program(text), Setting(**setting)) as world:
        return world.run([(world.start_container(["app"]), event(payload))])[0]


def reply(observation: Observation) -> Any:
    assert observation.outcome.kind == "reply", (observation.outcome, observation.trace)
    return json.loads(observation.outcome.payload)


NO_JSON = "is not JSON serializable"
COUNTER = """
    SEEN = []
    def handler(event, context):
        SEEN.append(event)
        return SEEN
"""


def test_a_container_keeps_its_memory_and_another_one_does_not_see_it(any_sandbox: Sandbox) -> None:
    with World(any_sandbox, program(COUNTER), Setting()) as world:
        first, second = world.start_container(["app"]), world.start_container(["app"])
        seen = [reply(world.run([(place, event(n))])[0]) for n, place in enumerate((first, first, second))]
    assert seen == [[0], [0, 1], [2]]


def test_each_container_has_a_tmp_of_its_own_that_dies_with_it(any_sandbox: Sandbox) -> None:
    text = """
        import os, pathlib, tempfile
        def handler(event, context):
            found = sorted(name for name in os.listdir("/tmp") if os.path.isfile(f"/tmp/{name}"))
            found.append(os.path.exists("/tmp/first"))
            open(f"/tmp/{event}", "w").write("x")
            pathlib.Path("/tmp/p").write_text("y")
            with tempfile.NamedTemporaryFile() as file:
                assert file.name.startswith("/tmp/")
            return found
    """
    with World(any_sandbox, program(text), Setting()) as world:
        first, second = world.start_container(), world.start_container()
        assert reply(world.run([(first, event("first"))])[0]) == [False]
        assert reply(world.run([(first, event("again"))])[0]) == ["first", "p", True]
        assert reply(world.run([(second, event("second"))])[0]) == [False]
        folder = first.tmp
        assert folder.exists()
        first.recycle()
        assert not folder.exists() and not Path("/tmp/first").exists()


def test_managed_instances_share_one_tmp(sandbox: Sandbox) -> None:
    text = """
        import os
        def handler(event, context):
            open(f"/tmp/{event}", "w").close()
            return sorted(name for name in os.listdir("/tmp") if os.path.isfile(f"/tmp/{name}"))
    """
    with World(sandbox, program(text), Setting()) as world:
        first = world.start_container()
        second = world.start_container(shares_tmp_of=first)
        world.run([(first, event("a"))])
        assert reply(world.run([(second, event("b"))])[0]) == ["a", "b"]


def test_a_branch_goes_its_own_way_in_memory_files_and_open_files(any_sandbox: Sandbox) -> None:
    text = """
        SEEN, LOG = [], open("/tmp/log", "a+")
        def handler(event, context):
            SEEN.append(event)
            LOG.write(event)
            LOG.flush()
            return [SEEN, open("/tmp/log").read()]
    """
    with World(any_sandbox, program(text), Setting()) as world:
        world.run([(world.start_container(["app"]), event("a"))])
        with world.branch() as left, world.branch() as right:
            assert reply(left.run([(left.containers[0], event("b"))])[0]) == [["a", "b"], "ab"]
            with left.branch() as leaf:
                assert reply(leaf.run([(leaf.containers[0], event("e"))])[0]) == [["a", "b", "e"], "abe"]
            assert reply(right.run([(right.containers[0], event("c"))])[0]) == [["a", "c"], "ac"]
            assert reply(world.run([(world.containers[0], event("d"))])[0]) == [["a", "d"], "ad"]


def test_a_branch_outlives_the_world_it_came_from(sandbox: Sandbox) -> None:
    world = World(sandbox, program(COUNTER), Setting())
    world.run([(world.start_container(), event(1))])
    with world.branch() as branch:
        world.close()
        assert reply(branch.run([(branch.containers[0], event(2))])[0]) == [1, 2]


def test_a_world_that_is_closed_twice_takes_nothing_from_its_branches(sandbox: Sandbox) -> None:
    with World(
        sandbox, program("def handler(event, context):\n    pass"), Setting(resources=(Table("t"),))
    ) as world:
        with world.branch() as one, world.branch() as other:
            for _ in range(3):
                one.close()
            assert other.snapshot_state() == {"t": {}}
        assert world.snapshot_state() == {"t": {}}


def test_time_stands_still_and_sleeping_moves_it(any_sandbox: Sandbox) -> None:
    text = """
        import datetime, time
        from datetime import datetime as moment
        from time import time as clock, sleep
        def handler(event, context):
            before = [time.time(), clock(), time.time_ns(), time.perf_counter(), time.monotonic()]
            sleep(2.5)
            return [before, clock(), moment.now().isoformat(), str(datetime.datetime.now(datetime.timezone.utc)),
                    moment.now(tz=None).isoformat(), moment.utcnow().isoformat(), str(datetime.date.today()),
                    time.strftime("%H:%M:%S"), time.gmtime().tm_year, type(moment.now()) is moment,
                    context.get_remaining_time_in_millis()]
    """
    began = time.monotonic()
    at = 1_600_000_000.5
    with World(any_sandbox, program(text), Setting()) as world:
        found = reply(world.run([(world.start_container(), event(at=at))])[0])
    assert time.monotonic() - began < 2.4
    moment = "2020-09-13T12:26:43"
    assert found[0] == [at, at, 1_600_000_000_500_000_000, at, at]
    assert found[1:] == [
        at + 2.5, moment, "2020-09-13 12:26:43+00:00", moment, moment, "2020-09-13", "12:26:43", 2020, True, 27500,
    ]  # fmt: skip


def test_waiting_by_libraries_and_by_a_deadline_ends(sandbox: Sandbox) -> None:
    text = """
        import asyncio, queue, threading, time
        def handler(event, context):
            asyncio.run(asyncio.sleep(0.01))
            try:
                queue.Queue().get(timeout=0.01)
            except queue.Empty:
                pass
            done = threading.Event()
            threading.Timer(0.01, done.set).start()
            done.wait(1)
            deadline = time.time() + 1
            while time.time() < deadline:
                pass
            return done.is_set()
    """
    assert reply(once(sandbox, text)) is True


RANDOM = """
    import os, random, secrets, string, tempfile, uuid, json
    OWN = random.Random()
    FIXED = random.Random(7)
    def handler(event, context):
        if event:
            noise()
        mine = random.Random()
        return [str(uuid.uuid4()), str(uuid.uuid1()), os.urandom(4).hex(), secrets.token_hex(4), random.random(),
                secrets.choice("abcdefgh"), random.sample(range(100), 3), OWN.random(), mine.random(),
                FIXED.random() >= 0, random.SystemRandom().random(), next(tempfile._get_candidate_names())]
    def noise():
        import boto3
        client = boto3.client("dynamodb", region_name="eu-west-1")
        try:
            client.get_item(TableName="nothing", Key={"pk": {"S": "a"}})
        except client.exceptions.ResourceNotFoundException:
            pass
"""


def test_random_numbers_come_from_the_event_in_every_container(any_sandbox: Sandbox) -> None:
    with World(any_sandbox, program(RANDOM), Setting()) as world:
        old, new = world.start_container(["app"]), world.start_container(["app"], hash_seed=1)
        first = reply(world.run([(old, event(seed=5))])[0])
        other = reply(world.run([(old, event(seed=6))])[0])
        again = reply(world.run([(new, event(seed=6))])[0])
    assert again == other
    assert [a for a, b in zip(first, other, strict=True) if a == b] == [True]


def test_what_the_sdk_draws_does_not_shift_what_the_program_draws(sandbox: Sandbox) -> None:
    with World(sandbox, program(RANDOM), Setting()) as world:
        place = world.start_container(["app"])
        quiet = world.run([(place, event(False, seed=5))])[0]
        noisy = world.run([(place, event(True, seed=5))])[0]
    assert [effect.operation for effect in noisy.effects] == ["GetItem"]
    assert reply(noisy) == reply(quiet)


def test_what_the_generated_helper_draws_does_not_shift_it_either(sandbox: Sandbox) -> None:
    tree = program(
        "import random, statelift_state\ndef handler(event, context):\n"
        "    if event: statelift_state.token()\n    return random.random()\n",
        statelift_state="import uuid, random\ndef token():\n    random.random()\n    return uuid.uuid4().hex\n",
    )
    with World(sandbox, tree, Setting()) as world:
        place = world.start_container()
        assert reply(world.run([(place, event(True))])[0]) == reply(world.run([(place, event(False))])[0])


def test_set_order_depends_on_the_server(sandbox: Sandbox) -> None:
    text = "def handler(event, context):\n    return list({'alpha', 'beta', 'gamma', 'delta', 'epsilon'})\n"
    with World(sandbox, program(text), Setting()) as world:
        orders = [reply(world.run([(world.start_container(hash_seed=n), event())])[0]) for n in (0, 0, 1)]
    assert orders[0] == orders[1] != orders[2]


def test_the_environment_is_lambdas_and_nothing_of_ours(
    any_sandbox: Sandbox, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("AWS_SECRET_ACCESS_KEY", "real")
    monkeypatch.setenv("AWS_PROFILE", "real")
    monkeypatch.setenv("SOME_TOKEN", "real")
    text = """
        import os
        def handler(event, context):
            return [dict(os.environ), context.function_name, os.getcwd()]
    """
    found, name, folder = reply(once(any_sandbox, text, environment={"TABLE": "t"}))
    assert "real" not in found.values() and found["TABLE"] == "t"
    assert (found["AWS_REGION"], found["LAMBDA_TASK_ROOT"], folder) == ("us-east-1", "/var/task", "/var/task")
    assert found["AWS_LAMBDA_FUNCTION_NAME"] == name
    assert set(found) <= {"TABLE", "PATH", "LD_LIBRARY_PATH", "HOME", "LANG", "TZ", "LAMBDA_TASK_ROOT"} | {
        key for key in found if key.startswith("AWS_")
    }


def test_the_context_is_lambdas(sandbox: Sandbox) -> None:
    text = """
        import logging
        logging.getLogger().setLevel("INFO")
        def handler(event, context):
            context.log("plain")
            logging.info("told %s", event)
            print("printed")
            return [context.aws_request_id, context.function_version, context.memory_limit_in_mb,
                    context.invoked_function_arn.split(":")[5:], context.identity.cognito_identity_id,
                    context.client_context]
    """
    seen = once(sandbox, text, "x")
    number = event().request_id
    assert reply(seen) == [number, "$LATEST", "512", ["function", "function"], None, None]
    assert seen.stdout == f"plain[INFO]\t2023-11-14T22:13:20.000Z\t{number}\ttold x\nprinted\n"


def test_output_is_seen_whichever_way_it_is_written(sandbox: Sandbox) -> None:
    text = """
        import os, subprocess, sys
        def handler(event, context):
            print("one")
            os.write(1, b"two\\n")
            subprocess.run(["echo", "three"], check=True)
            print("four", file=sys.stderr)
    """
    seen = once(sandbox, text)
    assert (seen.outcome.payload, seen.stdout, seen.stderr) == ("null", "one\ntwo\nthree\n", "four\n")


@pytest.mark.parametrize(
    ("body", "error", "message"),
    [
        ("raise KeyError('k')", "KeyError", "'k'"),
        ("return {1, 2}", "Runtime.MarshalError", f"Unable to marshal response: Object of type set {NO_JSON}"),
        ("import sys; sys.exit(3)", "Runtime.ExitError", "Runtime exited with error: exit status 3"),
        ("raise type('Odd', (Exception,), {'__str__': lambda s: 1/0})", "Odd", "<the exception has no text>"),
    ],
)  # fmt: skip
def test_what_a_handler_raises_is_its_answer(sandbox: Sandbox, body: str, error: str, message: str) -> None:
    outcome = once(sandbox, f"def handler(event, context):\n    {body}\n").outcome
    assert (outcome.kind, outcome.error, outcome.message) == ("exception", error, message)


@pytest.mark.parametrize(
    ("files", "call", "error", "words"),
    [
        ({"app": "import nowhere"}, "app:handler", "Runtime.ImportModuleError", "No module named 'nowhere'"),
        ({"app": "def"}, "app:handler", "Runtime.UserCodeSyntaxError", "Syntax error in module 'app'"),
        ({"app": "1/0"}, "app:handler", "ZeroDivisionError", "division by zero"),
        ({"app": ""}, "app:handler", "Runtime.HandlerNotFound", "Handler 'handler' missing on module 'app'"),
        ({"app": ""}, "sub/web:handler", "Runtime.ImportModuleError", "Unable to import module 'sub/web'"),
    ],
)
def test_a_program_that_does_not_load_says_why(
    sandbox: Sandbox, files: dict[str, str], call: str, error: str, words: str
) -> None:
    with World(sandbox, program(files["app"]), Setting()) as world:
        place = world.start_container(["app"])
        outcomes = [world.run([(place, event(call=call))])[0].outcome for _ in range(2)]
    assert [(o.kind, o.error) for o in outcomes] == [("load-error", error)] * 2
    assert words in outcomes[0].message


def test_async_handlers_fail_as_on_lambda_and_the_note_says_so(sandbox: Sandbox) -> None:
    seen = once(sandbox, "async def handler(event, context):\n    return 1\n")
    assert seen.outcome.message == "Unable to marshal response: Object of type coroutine is not JSON serializable"
    assert seen.notes == ("app:handler is async: Lambda does not await it.",)


def test_plain_functions_take_a_list_of_arguments(sandbox: Sandbox) -> None:
    with World(sandbox, program("def add(a, b):\n    return a + b\n"), Setting()) as world:
        seen = world.run([(world.start_container(), Event("app:add", "[2, 3]", style="call"))])[0]
    assert reply(seen) == 5


def test_an_endless_event_is_stopped_and_the_container_with_it(any_sandbox: Sandbox) -> None:
    text = "def handler(event, context):\n    while event: pass\n    return 1\n"
    with World(any_sandbox, program(text), Setting(timeout=0.4)) as world:
        stuck, fine = world.start_container(), world.start_container()
        seen = world.run([(stuck, event(True)), (fine, event(False))])
        assert [one.outcome.kind for one in seen] == ["timeout", "reply"]
        assert (stuck.is_alive, world.containers) == (False, (fine,))
        assert world.run([(stuck, event(False))])[0].outcome.kind == "killed"


def test_a_process_that_ends_itself_is_reported(sandbox: Sandbox) -> None:
    seen = once(sandbox, "import os\ndef handler(event, context):\n    os._exit(0)\n")
    assert (seen.outcome.kind, seen.outcome.message) == ("killed", "The process ended by itself.")


def test_an_endless_import_and_one_that_exits_leave_a_dead_container(sandbox: Sandbox) -> None:
    for text in ("while True: pass\n", "raise SystemExit\n"):
        with World(sandbox, program(text), Setting(timeout=0.3)) as world:
            assert not world.start_container(["app"]).is_alive


def test_the_lines_that_ran_are_known_per_event(sandbox: Sandbox) -> None:
    tree = program(
        """
        import part
        def handler(event, context):
            if event:
                return part.double(event)
            return 0
        """,
        part="def double(x):\n    return x * 2\ndef other():\n    return 1\n",
    )
    with World(sandbox, tree, Setting()) as world:
        place = world.start_container(["app"])
        first = world.run([(place, event(0))])[0].lines
        second = world.run([(place, event(2))])[0].lines
        third = world.run([(place, event(2))])[0].lines
    imported = {("app.py", 2), ("app.py", 3), ("part.py", 1), ("part.py", 3)}
    assert first == imported | {("app.py", 4), ("app.py", 6)}
    assert second == third == {("app.py", 4), ("app.py", 5), ("part.py", 2)}


OUTSIDE = {
    "socket": "import socket\n    socket.create_connection(('192.0.2.7', 8080), 1)",
    "name": "import urllib.request\n    urllib.request.urlopen('https://api.example.com/x')",
    "loopback": "import socket\n    socket.create_connection(('127.0.0.1', 2773), 1)",
    "datagram": "import socket\n    socket.socket(type=socket.SOCK_DGRAM).sendto(b'x', ('192.0.2.9', 53))",
}
HOSTS = {
    "socket": "192.0.2.7:8080", "name": "api.example.com:443",
    "loopback": "127.0.0.1:2773", "datagram": "192.0.2.9:53",
}  # fmt: skip


@pytest.mark.parametrize("way", OUTSIDE)
def test_a_connection_out_is_refused_and_named(any_sandbox: Sandbox, way: str) -> None:
    seen = once(any_sandbox, f"def handler(event, context):\n    {OUTSIDE[way]}\n")
    assert seen.outcome.kind == "exception"
    assert [(effect.target, effect.is_inconclusive) for effect in seen.effects] == [(HOSTS[way], True)]


def test_a_connection_that_no_hook_sees_is_stopped_and_noticed(sandbox: Sandbox) -> None:
    if sandbox.limits:
        pytest.skip("without namespaces the sandbox says that it cannot do this")
    command = "import socket; socket.create_connection(('192.0.2.7', 80), 3)"
    text = f"""
        import subprocess, sys
        def handler(event, context):
            return subprocess.run([sys.executable, "-c", {command!r}], capture_output=True).stderr.decode()[-40:]
    """
    seen = once(sandbox, text)
    assert "unreachable" in reply(seen)
    assert [effect.target for effect in seen.effects] == ["a host that a library in C wanted to reach"]


def test_a_server_of_its_own_can_be_reached(any_sandbox: Sandbox) -> None:
    text = """
        import socket, threading
        def handler(event, context):
            server = socket.create_server(("127.0.0.1", 0))
            threading.Thread(target=lambda: server.accept()[0].sendall(b"hello")).start()
            return socket.create_connection(server.getsockname()).recv(9).decode()
    """
    seen = once(any_sandbox, text)
    assert (reply(seen), seen.effects) == ("hello", ())


def test_the_fallback_says_what_it_does_not_cover() -> None:
    with Sandbox(hash_seeds=(0,), has_namespaces=False) as made:
        assert len(made.limits) == 3 and "libraries in C" in made.limits[0]


@pytest.mark.parametrize("library", ["urllib", "urllib3"])
def test_requests_get_the_answers_of_the_users_file(sandbox: Sandbox, library: str) -> None:
    ways = {
        "urllib": "import urllib.request as r\n    return r.urlopen(event).read().decode()",
        "urllib3": "import urllib3\n    return urllib3.PoolManager().request('GET', event).data.decode()",
    }  # fmt: skip
    canned = (Canned("https://api.example.com/rate*", b"1.25"),)
    text = f"def handler(event, context):\n    {ways[library]}\n"
    seen = once(sandbox, text, "https://api.example.com/rate?a=1", canned=canned)
    assert reply(seen) == "1.25"
    assert [(e.kind, e.operation, e.target, e.is_inconclusive) for e in seen.effects] == [
        ("canned", "GET", "https://api.example.com/rate?a=1", False)
    ]


def test_a_request_without_an_answer_names_its_url(sandbox: Sandbox) -> None:
    text = (
        "import urllib.request as r\ndef handler(event, context):\n    r.urlopen('http://api.example.com/other')\n"
    )
    seen = once(sandbox, text, canned=(Canned("http://api.example.com/rate"),))
    assert seen.outcome.kind == "exception"
    assert [(effect.kind, effect.target) for effect in seen.effects] == [
        ("outside", "http://api.example.com/other")
    ]


def test_files_outside_of_tmp_cannot_be_written(sandbox: Sandbox, tmp_path: Path) -> None:
    if sandbox.limits:
        pytest.skip("without namespaces the sandbox says that it cannot do this")
    text = "def handler(event, context):\n    open(event, 'w')\n"
    for place in (Path.home() / "x", "/var/tmp/x", "app.py"):
        assert once(sandbox, text, str(place)).outcome.message.startswith("[Errno 30] Read-only file system")


def test_memory_and_files_are_bounded(sandbox: Sandbox) -> None:
    hoard = "def handler(event, context):\n    return len(bytearray(5 << 30))\n"
    assert once(sandbox, hoard).outcome.error == "MemoryError"


def test_a_missing_interpreter_is_told_kindly() -> None:
    with pytest.raises(VerifySetupError, match="no Python interpreter at /nowhere/python"):
        Sandbox("/nowhere/python")


def test_an_interpreter_that_does_not_start_says_why(tmp_path: Path) -> None:
    python = tmp_path / "python"
    python.write_text("#!/bin/sh\necho 'it has no time' >&2\nexit 1\n")
    python.chmod(0o755)
    with pytest.raises(VerifySetupError, match="python could not start the sandbox: it has no time"):
        Sandbox(str(python))


def test_folders_of_killed_runs_are_removed_and_those_of_others_stay(sandbox: Sandbox) -> None:
    ended = subprocess.Popen(["true"])
    ended.wait()
    left = sandbox.folder.parent / f"statelift-verify-{ended.pid}-left"
    left.mkdir()
    with Sandbox(hash_seeds=(0,)) as made:
        assert not left.exists() and sandbox.folder.exists()
    assert not made.folder.exists() and sandbox.folder.exists()


def processes_of(folder: str) -> list[str]:
    found = []
    for entry in Path("/proc").iterdir():
        try:
            if entry.name.isdigit() and folder in (entry / "environ").read_text(errors="replace"):
                found.append((entry / "cmdline").read_text(errors="replace"))
        except OSError:
            continue
    return found


LONG = """
import sys
from statelift.verify.machine.sandbox import Sandbox
from statelift.verify.values import CodeTree, Event
from statelift.verify.machine.world import Setting, World
escape = b"import subprocess\\nsubprocess.Popen(['sleep', '300'], start_new_session=True)\\n"
text = b"def handler(event, context):\\n    while True: pass\\n"
has_namespaces = sys.argv[1] == "yes"
with Sandbox(has_namespaces=has_namespaces) as sandbox:
    has_namespaces = has_namespaces and not sandbox.limits
    program = CodeTree((("app.py", escape + text if has_namespaces else text),))
    with World(sandbox, program, Setting(timeout=300)) as world:
        first, second = world.start_container(["app"]), world.start_container(["app"])
        branch = world.branch()
        print("ready", flush=True)
        world.run([(first, Event("app:handler", "1"))])
"""


@pytest.mark.skipif(not Path("/proc").is_dir(), reason="looks at /proc")
@pytest.mark.parametrize("has_namespaces", ["yes", "no"])
@pytest.mark.parametrize("end", [signal.SIGINT, signal.SIGKILL])
def test_no_process_stays_when_the_driver_is_stopped(
    end: signal.Signals, has_namespaces: str, tmp_path: Path
) -> None:
    # The mark is a folder on the PATH: every process of the sandbox inherits that variable, and only that.
    mark = str(tmp_path / "mark")
    environment = {**os.environ, "PATH": f"{os.environ['PATH']}:{mark}"}
    driver = subprocess.Popen(
        [sys.executable, "-c", LONG, has_namespaces],
        stdout=subprocess.PIPE, stderr=subprocess.DEVNULL, text=True, env=environment,
    )  # fmt: skip
    assert driver.stdout is not None
    assert driver.stdout.readline() == "ready\n" and len(processes_of(mark)) > 4
    time.sleep(0.2)
    driver.send_signal(end)
    driver.wait(10)
    deadline = time.monotonic() + 5
    while processes_of(mark) and time.monotonic() < deadline:
        time.sleep(0.05)
    assert processes_of(mark) == []


def test_the_same_seed_gives_the_same_transcript(sandbox: Sandbox) -> None:
    text = """
        import boto3
        T = boto3.client("dynamodb")
        def handler(event, context):
            n = len(T.scan(TableName="numbers")["Items"])
            T.put_item(TableName="numbers", Item={"pk": {"S": str(n)}})
            T.get_item(TableName="numbers", Key={"pk": {"S": str(n)}})
            return n
    """
    setting = Setting(resources=(Table("numbers"),))
    faults = Faults(stale=0.3, throttled=0.1, error=0.1, lost=0.1, kill=0.1)

    def transcript(seed: int, faults: Faults) -> tuple[tuple[str, ...], tuple[Fault, ...]]:
        with World(sandbox, program(text), setting, faults=faults, seed=seed) as world:
            places = [world.start_container(["app"]) for _ in range(3)]
            world.run([(place, event(seed=n)) for n, place in enumerate(places)])
            world.run([(place, event(seed=n)) for n, place in enumerate(world.containers)])
            return world.log, world.injected

    first = transcript(4, faults)
    assert first == transcript(4, faults) == transcript(4, Faults(plan=first[1]))
    assert first != transcript(5, faults)
