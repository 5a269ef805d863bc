"""The processes that everything is forked from: fork servers of the user's interpreter, and moto's."""

import contextlib
import hashlib
import importlib.util
import os
import shutil
import signal
import subprocess
import sys
import tempfile
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from types import TracebackType
from typing import Any, Self

from statelift.verify.machine.inside.wire import Wire, pair
from statelift.verify.machine.simulator import Simulator
from statelift.verify.values import CodeTree

_INSIDE = Path(__file__).parent / "inside"
_PREFIX = "statelift-verify-"
_START_SECONDS = 60.0
_KEPT = ("PATH", "LD_LIBRARY_PATH", "DYLD_LIBRARY_PATH", "SYSTEMROOT")
_BOOT = """
import sys
if sys.version_info < (3, 9):
    sys.exit("it is older than Python 3.9. Name a newer one with --python.")
import importlib.util
sys.path.pop(0)
place = sys.argv[1]
spec = importlib.util.spec_from_file_location(
    "_statelift_inside", place + "/__init__.py", submodule_search_locations=[place])
package = importlib.util.module_from_spec(spec)
sys.modules["_statelift_inside"] = package
spec.loader.exec_module(package)
from _statelift_inside.server import main
main(int(sys.argv[2]), sys.argv[3] == "yes")
"""
_WITHOUT_NAMESPACES = (
    "This system gives no namespaces: connections that libraries in C open (database drivers) are not stopped.",
    "The private folder for temporary files holds for Python's own functions, not for SQLite or other programs.",
    "The program can write wherever you can write.",
)


class VerifySetupError(Exception):
    """Verification cannot start; the text says why and what to do."""


@dataclass(frozen=True, slots=True)
class Process:
    """A started server and the wire to it."""

    popen: "subprocess.Popen[bytes]"
    wire: Wire
    errors: Path


class Sandbox:
    """The servers that containers and simulators are forked from. A context manager: closes everything it made.

    When this process ends, in whichever way, the servers see their wire close, and end with all they made.
    """

    def __init__(
        self, python: str | None = None, *, hash_seeds: Sequence[int] = (0, 1), has_namespaces: bool = True
    ) -> None:
        """Use the interpreter `python`, by default the one that runs statelift. Raises VerifySetupError."""
        _require_simulator()
        self.python = _found(python or sys.executable)
        self.folder = _run_folder()
        self.started: list[Process] = []
        self._trees: dict[CodeTree, Path] = {}
        self._count = 0
        with contextlib.ExitStack() as undo:
            undo.callback(self.close)
            self.aws = self._start([sys.executable, "-m", "statelift.verify.machine.answering"], 0, [])
            wish = "yes" if has_namespaces else "no"
            self.servers = tuple(
                self._start([self.python, "-c", _BOOT, str(_INSIDE)], seed, [wish]) for seed in hash_seeds
            )
            self._greeting(self.aws)
            greetings = [self._greeting(server) for server in self.servers]
            undo.pop_all()
        self.has_namespaces = all(greeting["has_namespaces"] for greeting in greetings)
        self.boto3_version = str(greetings[0]["boto3"])
        self.limits = () if self.has_namespaces else _WITHOUT_NAMESPACES

    def simulator(self) -> Simulator:
        """A new, empty AWS."""
        wire, end = pair()
        self.aws.wire.send({"op": "fork"}, fds=[end.fileno()])
        end.close()
        return Simulator(wire)

    def new_folder(self, kind: str) -> Path:
        """An empty folder of this run."""
        self._count += 1
        folder = self.folder / f"{kind}{self._count}"
        folder.mkdir()
        return folder

    def placed(self, tree: CodeTree) -> Path:
        """The folder that holds a program's files; equal programs share it."""
        if tree not in self._trees:
            digest = hashlib.sha256(repr(tree).encode()).hexdigest()[:16]
            folder = self.folder / f"task-{digest}"
            for path, data in tree.files:
                file = folder / path
                file.parent.mkdir(parents=True, exist_ok=True)
                file.write_bytes(data)
            folder.mkdir(exist_ok=True)
            self.servers[0].wire.ask({"op": "compile", "root": str(folder)})
            self._trees[tree] = folder
        return self._trees[tree]

    def close(self) -> None:
        """End all servers, and with them every container. Remove the files of this run."""
        for process in self.started:
            with contextlib.suppress(ProcessLookupError):
                os.killpg(process.popen.pid, signal.SIGKILL)
            process.popen.wait()
            process.wire.close()
        self.started.clear()
        shutil.rmtree(self.folder, ignore_errors=True)

    def __enter__(self) -> Self:
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self.close()

    def _start(self, command: list[str], hash_seed: int, rest: list[str]) -> Process:
        wire, end = pair()
        errors = self.folder / f"errors{len(self.started)}"
        environment = {name: os.environ[name] for name in _KEPT if name in os.environ}
        environment |= {"PYTHONHASHSEED": str(hash_seed), "TZ": ":UTC"}
        if command[0] == sys.executable:
            environment["PYTHONPATH"] = os.pathsep.join(entry for entry in sys.path if entry)
        with errors.open("wb") as log:
            popen = subprocess.Popen(  # noqa: S603 - our own program, in the interpreter that the user named
                [*command, str(end.fileno()), *rest],
                stdin=subprocess.DEVNULL,
                stdout=subprocess.DEVNULL,
                stderr=log,
                env=environment,
                pass_fds=[end.fileno()],
                start_new_session=True,
                cwd=self.folder,
            )
        end.close()
        process = Process(popen, wire, errors)
        self.started.append(process)
        return process

    def _greeting(self, process: Process) -> dict[str, Any]:
        process.wire.socket.settimeout(_START_SECONDS)
        try:
            greeting, _, _ = process.wire.receive()
        except (EOFError, TimeoutError):
            told = process.errors.read_text(errors="replace").strip().splitlines()
            reason = told[-1] if told else "it said nothing"
            raise VerifySetupError(f"{self.python} could not start the sandbox: {reason}") from None
        process.wire.socket.settimeout(None)
        return greeting


def _require_simulator() -> None:
    if importlib.util.find_spec("moto") is None:
        raise VerifySetupError("verify needs the simulator of AWS: pip install 'statelift[verify]'")


def _found(python: str) -> str:
    path = shutil.which(python)
    if path is None:
        raise VerifySetupError(f"There is no Python interpreter at {python}: name another one with --python.")
    return path


def _run_folder() -> Path:
    """A new folder outside of /tmp: containers see another /tmp than this process."""
    for parent in (Path("/var/tmp"), Path.home() / ".cache"):  # noqa: S108 - a fresh name is made below it
        with contextlib.suppress(OSError):
            _sweep(parent)
            return Path(tempfile.mkdtemp(prefix=f"{_PREFIX}{os.getpid()}-", dir=parent))
    raise VerifySetupError("Neither /var/tmp nor ~/.cache can be written: verify needs a folder outside of /tmp.")


def _sweep(parent: Path) -> None:
    """Remove the folders of runs whose process was killed."""
    for folder in parent.glob(f"{_PREFIX}*-*"):
        number = folder.name.removeprefix(_PREFIX).partition("-")[0]
        if number.isdigit() and folder.stat().st_uid == os.getuid() and not _is_running(int(number)):
            shutil.rmtree(folder, ignore_errors=True)


def _is_running(pid: int) -> bool:
    try:
        os.kill(pid, 0)
    except ProcessLookupError:
        return False
    except PermissionError:
        return True
    return True
