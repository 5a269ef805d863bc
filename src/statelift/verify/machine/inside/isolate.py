"""Namespaces and limits by the kernel's own calls: no network, a private /tmp, files that cannot be written.

Where the system refuses namespaces, nothing here raises: `enter` answers False and the caller falls back.
"""

from __future__ import annotations

import contextlib
import ctypes
import fcntl
import os
import resource
import signal
import socket
import struct
import sys

_NEW_MOUNTS, _NEW_USER, _NEW_PIDS, _NEW_NET = 0x00020000, 0x10000000, 0x20000000, 0x40000000
_BIND, _RECURSIVE, _PRIVATE = 0x1000, 0x4000, 0x40000
_DETACH = 2
_SET_DEATH_SIGNAL = 1
_MOUNT_SETATTR, _AT_FDCWD, _AT_RECURSIVE, _READ_ONLY = 442, -100, 0x8000, 1
_SET_FLAGS = 0x8914
_IS_UP = 0x41
_TMP = "/tmp"  # noqa: S108 - it is the subject here
_MEGABYTE = 1 << 20

_libc = ctypes.CDLL(None, use_errno=True)


def enter() -> bool:
    """Move this process, and a new child that goes on, into namespaces of their own.

    The caller's process waits here for that child and leaves with its status. False where the system refuses.
    """
    if not sys.platform.startswith("linux"):
        return False
    user, group = os.getuid(), os.getgid()
    spaces = _NEW_MOUNTS | _NEW_NET | _NEW_PIDS
    if _libc.unshare(_NEW_USER | spaces) == 0:
        _map_ids(user, group)
    elif _libc.unshare(spaces) != 0:
        return False
    child = os.fork()
    if child:
        _wait_for(child)
    die_with_parent()
    _mount("none", "/", _RECURSIVE | _PRIVATE)
    with contextlib.suppress(OSError):  # refused inside some containers: then /proc shows the host's numbers
        _mount("proc", "/proc", 0, "proc")
    _loopback_up()
    return True


def _map_ids(user: int, group: int) -> None:
    for name, text in (("setgroups", "deny"), ("uid_map", f"{user} {user} 1"), ("gid_map", f"{group} {group} 1")):
        with open(f"/proc/self/{name}", "w") as file:
            file.write(text)


def _wait_for(child: int) -> None:
    """Keep nothing open but the terminal's files; leave as the child leaves."""
    os.closerange(3, 256)
    _, status = os.waitpid(child, 0)
    os._exit(os.waitstatus_to_exitcode(status) & 0xFF)


def _loopback_up() -> None:
    with socket.socket(socket.AF_INET, socket.SOCK_DGRAM) as end:
        fcntl.ioctl(end, _SET_FLAGS, struct.pack("16sh14x", b"lo", _IS_UP))


def own_mounts() -> None:
    """Give this process a view of the files that is its own to change. Needs `enter` before."""
    if _libc.unshare(_NEW_MOUNTS) != 0:
        raise OSError(ctypes.get_errno(), "unshare")


def show_tmp(folder: str) -> None:
    """Give this process `folder` as its /tmp, and everything else to read only. Needs `own_mounts` before."""
    _show_as_tmp(folder)
    _set_read_only("/", on=True)
    _set_read_only(_TMP, on=False)


def exchange_tmp(folder: str) -> None:
    """Give a forked copy of a container another /tmp: files open in the old one are opened again in the new."""
    if _libc.unshare(_NEW_MOUNTS) != 0 or _libc.umount2(_TMP.encode(), _DETACH) != 0:
        raise OSError(ctypes.get_errno(), "exchanging /tmp")
    opened = opened_below(_TMP)
    _show_as_tmp(folder)
    _set_read_only(_TMP, on=False)
    reopen(opened)


def _show_as_tmp(folder: str) -> None:
    for path in interpreters_own():
        place = folder + path[len(_TMP) :]
        os.makedirs(place, exist_ok=True)
        _mount(path, place, _BIND)
    _mount(folder, _TMP, _BIND | _RECURSIVE)


def interpreters_own() -> list[str]:
    """The folders below /tmp that the interpreter itself is made of, where a build put it there."""
    wanted = {os.path.realpath(path) for path in (sys.prefix, sys.base_prefix, *sys.path) if path}
    below = [path for path in sorted(wanted) if path.startswith(_TMP + "/") and os.path.isdir(path)]
    return [path for path in below if not any(path.startswith(other + "/") for other in below)]


def opened_below(folder: str) -> list[tuple[int, str, int, int]]:
    """The open files below a folder: descriptor, path, flags, position. None where the system does not tell."""
    found: list[tuple[int, str, int, int]] = []
    if not os.path.isdir("/proc/self/fd"):
        return found
    for name in os.listdir("/proc/self/fd"):
        with contextlib.suppress(OSError):
            path = os.readlink(f"/proc/self/fd/{name}")
            if path.startswith(folder + "/"):
                flags = fcntl.fcntl(int(name), fcntl.F_GETFL)
                found.append((int(name), path, flags, os.lseek(int(name), 0, os.SEEK_CUR)))
    return found


def reopen(files: list[tuple[int, str, int, int]], old: str = "", new: str = "") -> None:
    """Let the descriptors point to the files of these names as they are now, in `new` if they were in `old`."""
    for number, path, flags, position in files:
        with contextlib.suppress(OSError):
            again = os.open(new + path[len(old) :], flags & ~(os.O_CREAT | os.O_TRUNC | os.O_EXCL))
            os.lseek(again, position, os.SEEK_SET)
            os.dup2(again, number)
            os.close(again)


def _mount(source: str, target: str, flags: int, kind: str = "none") -> None:
    if _libc.mount(source.encode(), target.encode(), kind.encode(), flags, None) != 0:
        raise OSError(ctypes.get_errno(), f"mounting {source} on {target}")


def _set_read_only(target: str, *, on: bool) -> None:
    attributes = struct.pack("QQQQ", _READ_ONLY if on else 0, 0 if on else _READ_ONLY, 0, 0)
    depth = _AT_RECURSIVE if on else 0
    # Kernels before 5.12 do not know the call: then the program can write where the user can.
    _libc.syscall(_MOUNT_SETATTR, _AT_FDCWD, target.encode(), depth, attributes, len(attributes))


def die_with_parent() -> None:
    """Ask the kernel to end this process when the one that made it ends."""
    if sys.platform.startswith("linux"):
        _libc.prctl(_SET_DEATH_SIGNAL, signal.SIGKILL)


def limit_resources() -> None:
    """Bounds near Lambda's own: no core files, 1024 open files, 512 MB a file, 4 GB of address space."""
    for kind, most in (
        (resource.RLIMIT_CORE, 0),
        (resource.RLIMIT_NOFILE, 1024),
        (resource.RLIMIT_FSIZE, 512 * _MEGABYTE),
        (resource.RLIMIT_AS, 4096 * _MEGABYTE),
        (resource.RLIMIT_CPU, 900),
    ):
        _, hard = resource.getrlimit(kind)
        bound = most if hard == resource.RLIM_INFINITY else min(most, hard)
        with contextlib.suppress(ValueError, OSError):  # macOS refuses some of them
            resource.setrlimit(kind, (bound, bound))


def outside_packets() -> int:
    """How often this network namespace tried to reach something that is not there, hooks or no hooks."""
    try:
        with open("/proc/self/net/snmp") as file:
            rows = [line.split() for line in file]
    except OSError:
        return 0
    total = 0
    for names, values in zip(rows[::2], rows[1::2]):
        counts = dict(zip(names[1:], values[1:]))
        total += int(counts.get("OutNoRoutes", 0)) + int(counts.get("AttemptFails", 0))
    return total
