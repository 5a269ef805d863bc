"""Runs programs of the catalogue for real. Started as a process of its own: jobs on stdin, answers on stdout.

A container is a fork of this process that has imported nothing of the program yet. Clock, `uuid4` and the
module-level random numbers give step n of both runs the same values.
"""

import contextlib
import importlib
import io
import itertools
import json
import logging
import os
import random
import signal
import subprocess
import sys
import time
import uuid
from pathlib import Path
from types import SimpleNamespace

# Imported before the forks: most programs want them, and they hold nothing of a program.
WARM = (
    "asyncio base64 collections concurrent.futures copy dataclasses datetime decimal enum functools gzip hashlib "
    "hmac logging queue re statistics string threading typing".split()
)
STAND_INS = Path(__file__).parent / "stand_ins"
SECONDS = 10


class Containers:
    """The other end: what a test holds."""

    def __init__(self):
        command = [sys.executable, "-B", __file__]
        self._process = subprocess.Popen(command, stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True)

    def run(self, root, steps, *, is_fresh):
        """The replies and the outputs of all steps, in one process or in a fresh process per step."""
        self._process.stdin.write(json.dumps({"root": str(root), "steps": steps, "fresh": is_fresh}) + "\n")
        self._process.stdin.flush()
        done = json.loads(self._process.stdout.readline())
        return [each["reply"] for each in done], [each["output"] for each in done]

    def close(self):
        self._process.stdin.close()
        self._process.wait(timeout=SECONDS)


def serve():
    """One job after the other until stdin ends."""
    sys.path.insert(0, str(STAND_INS))
    for name in WARM:
        importlib.import_module(name)
    for line in sys.stdin:
        job = json.loads(line)
        numbered = list(enumerate(job["steps"]))
        groups = [[pair] for pair in numbered] if job["fresh"] else [numbered]
        done = [answer for group in groups for answer in in_container(job["root"], group)]
        print(json.dumps(done), flush=True)


def in_container(root, numbered):
    """Run steps in a forked process."""
    reader, writer = os.pipe()
    child = os.fork()
    if child == 0:
        os.close(reader)
        signal.alarm(SECONDS)
        with os.fdopen(writer, "w") as pipe:
            pipe.write(json.dumps(live(root, numbered), default=str))
        os._exit(0)
    os.close(writer)
    with os.fdopen(reader) as pipe:
        told = pipe.read()
    os.waitpid(child, 0)
    died = [{"reply": ["died"], "output": ""}] * len(numbered)
    return json.loads(told) if told else died


def live(root, numbered):
    """Inside of the container: import on the first step, then invoke."""
    sys.path.insert(0, root)
    os.chdir(root)
    logging.getLogger().addHandler(Said())
    return [step_done(number, step) for number, step in numbered]


class Said(logging.Handler):
    """The root handler that the runtime of a container brings: to where output goes now."""

    def emit(self, record):
        print(f"[{record.levelname}] {record.getMessage()}")


def step_done(number, step):
    """Reply (with everything done outside) and output of one step."""
    set_clock(number)
    import outside

    outside.CALLS.clear()
    module, _, function = step["call"].partition(":")
    said = io.StringIO()
    with contextlib.redirect_stdout(said), contextlib.redirect_stderr(said):
        # The arguments are copied: what a program does to its event is not seen by the next step.
        arguments = [context_of(number) if each is None else each for each in json.loads(json.dumps(step["args"]))]
        try:
            for _ in range(step.get("repeat", 1)):
                answer = getattr(importlib.import_module(module), function)(*arguments)
            reply = ["answer", json.loads(json.dumps(answer, default=repr))]
        except Exception as error:  # noqa: BLE001 - what the program raises is what is compared
            reply = ["error", type(error).__name__, str(error)]
    return {"reply": [*reply, list(outside.CALLS)], "output": said.getvalue()}


def set_clock(number):
    """Same values for step n in any container."""
    drawn = itertools.count(1)
    ticks = itertools.count(1)
    random.seed(number)
    uuid.uuid4 = lambda: uuid.UUID(int=(number << 32) + next(drawn), version=4)
    time.time = lambda: 1_700_000_000.0 + 60 * number
    time.monotonic = lambda: 1000.0 + 60 * number
    time.perf_counter = lambda: 1000.0 + 60 * number + next(ticks) / 1000


def context_of(number):
    """What Lambda gives beside the event."""
    return SimpleNamespace(
        aws_request_id=f"request-{number}",
        function_name="catalogue",
        function_version="$LATEST",
        memory_limit_in_mb="256",
        log_stream_name="2024/01/01/[$LATEST]0",
        get_remaining_time_in_millis=lambda: 3000,
    )


if __name__ == "__main__":
    serve()
