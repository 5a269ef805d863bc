"""`statelift verify` as a process: what it shows on a terminal, whom it talks to, and what it leaves behind."""

import contextlib
import os
import pty
import signal
import subprocess
import sys
import time
from collections.abc import Callable, Iterator
from pathlib import Path

import pytest
from repositories import copied

SEEDS = Path(__file__).parents[1] / "fixtures" / "seeds"
LOOPBACK = ("0100007F", "00000000", "0" * 24 + "01000000", "0" * 32)

pytestmark = pytest.mark.skipif(not Path("/proc/self/stat").exists(), reason="looks at the processes in /proc")


@pytest.fixture
def sessions(tmp_path):
    return copied(SEEDS / "sessions_inline_sam" / "before", tmp_path / "login")


def command(folder: Path, *options: str) -> list[str]:
    return [sys.executable, "-m", "statelift", "verify", str(folder), "--yes", *options]


def descendants(pid: int) -> set[int]:
    parents = {}
    for folder in Path("/proc").iterdir():
        with contextlib.suppress(OSError):
            if folder.name.isdigit():
                parents[int(folder.name)] = int((folder / "stat").read_text().rpartition(")")[2].split()[1])
    found = {pid}
    while more := {child for child, parent in parents.items() if parent in found} - found:
        found |= more
    return found - {pid}


def is_running(pid: int) -> bool:
    try:
        return Path(f"/proc/{pid}/stat").read_text().rpartition(")")[2].split()[0] != "Z"
    except OSError:
        return False


def opened(pid: int) -> Iterator[str]:
    for each in Path(f"/proc/{pid}/fd").iterdir():
        with contextlib.suppress(OSError):
            yield str(each.readlink())


def strangers(pid: int) -> set[str]:
    """The addresses beyond loopback that a process has a socket to, as the kernel spells them."""
    found: set[str] = set()
    with contextlib.suppress(OSError):
        sockets = set(opened(pid))
        for kind in ("tcp", "tcp6", "udp", "udp6"):
            for line in Path(f"/proc/{pid}/net/{kind}").read_text().splitlines()[1:]:
                remote, inode = line.split()[2].partition(":")[0], line.split()[9]
                if f"socket:[{inode}]" in sockets and remote not in LOOPBACK:
                    found.add(remote)
    return found


@pytest.fixture
def started() -> Iterator[Callable[[list[str]], subprocess.Popen[bytes]]]:
    """Starts a process, and ends it should the test fail."""
    with contextlib.ExitStack() as stack:

        def start(words: list[str]) -> subprocess.Popen[bytes]:
            running = subprocess.Popen(
                words, stdout=subprocess.PIPE, stderr=subprocess.PIPE, start_new_session=True
            )  # fmt: skip
            stack.callback(running.kill)
            return running

        yield start


def test_ctrl_c_leaves_no_process_and_no_folder_behind_and_nobody_was_called(sessions, started):
    running = started(command(sessions, "--runs", "500"))
    seen: set[int] = set()
    talked: set[str] = set()
    until = time.monotonic() + 60
    while time.monotonic() < until and len(seen) < 12:
        alive = descendants(running.pid)
        seen |= alive
        talked |= {address for pid in (running.pid, *alive) for address in strangers(pid)}
        time.sleep(0.02)
    assert len(seen) >= 12
    folders = list(Path("/var/tmp").glob(f"statelift-verify-{running.pid}-*"))
    assert folders
    os.kill(running.pid, signal.SIGINT)
    seen |= descendants(running.pid)
    _, err = running.communicate(timeout=60)
    assert running.returncode == 130, err.decode()
    until = time.monotonic() + 5
    while any(map(is_running, seen)) and time.monotonic() < until:
        time.sleep(0.05)
    assert [pid for pid in seen if is_running(pid)] == []
    assert [folder for folder in folders if folder.exists()] == []
    assert talked == set()


def test_sockets_to_strangers_would_be_seen():
    import socket

    with socket.socket(socket.AF_INET, socket.SOCK_DGRAM) as end:
        end.connect(("192.0.2.7", 9))  # a datagram socket: nothing is sent
        assert strangers(os.getpid()) == {"070200C0"}


def test_a_terminal_gets_a_progress_bar_and_a_pipe_does_not(sessions):
    ours, theirs = pty.openpty()
    running = subprocess.Popen(
        command(sessions, "--runs", "2"), stdout=subprocess.PIPE, stderr=theirs, env={**os.environ, "TERM": "xterm"}
    )
    os.close(theirs)
    said = b""
    with contextlib.suppress(OSError):  # the terminal is gone when the process ends
        while data := os.read(ours, 65536):
            said += data
    out, _ = running.communicate(timeout=60)
    assert (running.returncode, out.decode().startswith(".: EQUIVALENT")) == (0, True)
    for words in ("original", "containers reused", "done", "0:00:0"):
        assert words in said.decode(errors="replace")
    done = subprocess.run(command(sessions, "--runs", "1"), capture_output=True, text=True, timeout=60)
    assert (done.returncode, done.stderr) == (0, "")
