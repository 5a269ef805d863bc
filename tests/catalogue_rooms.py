"""Runs programs of the catalogue in rooms of their own. Started as a process: jobs on stdin, answers on stdout.

A room is a forked process with an empty /tmp that nobody else sees (a mount namespace; only root may make one),
/mnt for the program and its durable files, and doubles for every client library.
"""

import ctypes
import importlib
import json
import os
import shutil
import signal
import subprocess
import sys
from pathlib import Path

from catalogue_container import SECONDS, context_of, set_clock
from catalogue_doubles import constructed, install

COMMON = (
    "asyncio", "concurrent.futures", "csv", "dataclasses", "dbm.dumb", "email.message", "gzip", "http.client",
    "logging.config", "logging.handlers", "mimetypes", "pickle", "shelve", "smtplib", "sqlite3", "ssl",
    "subprocess", "tarfile", "tempfile", "typing", "urllib.request", "uuid", "zipfile",
)  # fmt: skip
NEW_MOUNTS = 0x20000
RECURSIVE_PRIVATE = 0x4000 | 0x40000


class Rooms:
    """The other end: what a test holds."""

    def __init__(self):
        command = [sys.executable, "-B", __file__]
        self._process = subprocess.Popen(command, stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True)

    def run(self, root, steps, *, is_fresh):
        """Replies of all steps, and connections opened (at import, by events), in one room or one per step."""
        return self._ask({"root": str(root), "steps": steps, "fresh": is_fresh})

    def are_private(self):
        """Whether this machine lets us give each room a /tmp of its own."""
        return self._ask({"root": None})

    def _ask(self, job):
        self._process.stdin.write(json.dumps(job) + "\n")
        self._process.stdin.flush()
        return json.loads(self._process.stdout.readline())

    def close(self):
        self._process.stdin.close()
        self._process.wait(timeout=SECONDS)


def serve():
    """One job after the other until stdin ends. What many programs import is loaded once, before they start."""
    for name in COMMON:
        importlib.import_module(name)
    for line in sys.stdin:
        job = json.loads(line)
        done = forked(lambda job=job: worked(job)) if job["root"] else forked(lambda: mounted("/tmp"))
        print(json.dumps(done), flush=True)


def forked(work):
    """What work gives in a process of its own, or None where that died."""
    reader, writer = os.pipe()
    child = os.fork()
    if child == 0:
        os.close(reader)
        signal.alarm(SECONDS)
        with os.fdopen(writer, "w") as pipe:
            pipe.write(json.dumps(work(), default=repr))
        os._exit(0)
    os.close(writer)
    with os.fdopen(reader) as pipe:
        told = pipe.read()
    os.waitpid(child, 0)
    return json.loads(told) if told else None


def mounted(folder):
    """Put an empty folder that only this process and its children see in place of one; False if not allowed."""
    system = ctypes.CDLL(None, use_errno=True)
    return (
        system.unshare(NEW_MOUNTS) == 0
        and system.mount(b"none", b"/", None, RECURSIVE_PRIVATE, None) == 0
        and system.mount(b"tmpfs", folder.encode(), b"tmpfs", 0, None) == 0
    )


def worked(job):
    """Inside of a machine: the program in /mnt/task, and one room or a room per step."""
    root = job["root"]
    if mounted("/mnt"):
        root = shutil.copytree(root, "/mnt/task")
        Path("/mnt/efs").mkdir()
    numbered = list(enumerate(job["steps"]))
    groups = [[pair] for pair in numbered] if job["fresh"] else [numbered]
    return [answer for group in groups for answer in forked(lambda group=group: live(root, group)) or [None]]


def live(root, numbered):
    """Inside of a room: import everything, then invoke."""
    mounted("/tmp")
    sys.path.insert(0, str(root))
    os.chdir(root)
    silence = os.open(os.devnull, os.O_WRONLY)
    os.dup2(silence, 1)
    os.dup2(silence, 2)
    install([path.read_text() for path in Path(root).rglob("*.py")])
    done = []
    for number, step in numbered:
        set_clock(number)
        module, _, function = step["call"].partition(":")
        program = __import__(module)
        at_import = constructed()
        done.append([replied(getattr(program, function), step, number), at_import, constructed()])
    return done


def replied(function, step, number):
    """The reply of one step as JSON."""
    try:
        arguments = [context_of(number) if each is None else each for each in step["args"]]
        return ["answer", json.loads(json.dumps(function(*arguments), default=repr))]
    except Exception as error:  # noqa: BLE001 - what the program raises is what is compared
        return ["error", type(error).__name__, str(error)]


if __name__ == "__main__":
    serve()
