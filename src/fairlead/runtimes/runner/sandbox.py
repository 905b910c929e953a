"""Locks the calling process in: no network, no files but the named ones, bounded resources.

Standalone: the standard library only. Linux does it with Landlock, seccomp and resource limits,
none of which needs a privilege; elsewhere only the limits hold, and `seal` says so. It must be
called before any thread is started: the locks bind the calling thread and what it starts.
"""

from __future__ import annotations

import ctypes
import os
import pwd
import resource
import sys
from contextlib import suppress

from fairlead.runtimes.runner import landlock, seccomp

_NO_NEW_PRIVS, _SET_DUMPABLE = 38, 4
_NEVER_READ_WHOLE = frozenset(
    ("/", "/home", "/root", "/etc", "/proc", "/sys", "/dev", "/tmp", "/var", "/run", "/srv", "/mnt")  # noqa: S108
)
_SYSTEM = (
    "/lib", "/lib64", "/usr/lib", "/usr/lib64", "/usr/local/lib", "/usr/share/zoneinfo",
    "/etc/ld.so.cache", "/etc/localtime", "/etc/nsswitch.conf", "/etc/passwd",
    "/proc/cpuinfo", "/proc/meminfo", "/proc/stat", "/proc/self", "/proc/filesystems",
    "/proc/sys/vm/overcommit_memory", "/sys/devices/system", "/sys/fs/cgroup",
    "/dev/zero", "/dev/random", "/dev/urandom",
)  # fmt: skip
_CAPABILITIES_3 = 0x20080522
_MAY_READ_ALL = 1 << 2  # CAP_DAC_READ_SEARCH: whose file it is does not matter, where it lies does


def seal(
    read: list[str],
    write: list[str],
    *,
    memory: int = 0,
    cpu_s: int = 0,
    file_bytes: int = 0,
) -> dict[str, bool]:
    """Locks this process in for good and says which locks hold.

    read, write: files and folders that stay readable or writable; what Python and its libraries
    need is added. memory: bytes that it may have for itself; cpu_s: seconds of processor time;
    file_bytes: the largest file it may write; 0 leaves each unlimited.

    Returns {"files", "network", "processes"}: whether each is cut off.
    """
    _limit(memory, cpu_s, file_bytes)
    open_ = {"files": False, "network": False, "processes": False}
    if not sys.platform.startswith("linux") or _threads() != 1:
        return open_
    libc = ctypes.CDLL(None, use_errno=True)
    _die_first()
    _drop_capabilities(libc)
    libc.prctl(_SET_DUMPABLE, 0, 0, 0, 0)
    if libc.prctl(_NO_NEW_PRIVS, 1, 0, 0, 0) != 0:
        return open_
    files = landlock.close_files(libc, [*_needed(), *read], write)
    calls = seccomp.close_calls(libc)
    return {"files": files, "network": calls, "processes": calls}


def _threads() -> int:
    """Threads of this process, 1 where that cannot be known."""
    try:
        return len(os.listdir("/proc/self/task"))
    except OSError:
        return 1


def _die_first() -> None:
    """When memory runs out, Linux is to end this process and none that others depend on."""
    with suppress(OSError), open("/proc/self/oom_score_adj", "w", encoding="ascii") as file:
        file.write("1000")


def _drop_capabilities(libc: ctypes.CDLL) -> None:
    """Root's rights over the machine go; reading files of others stays, for a trained file."""
    if not hasattr(libc, "capset"):
        return
    head = (ctypes.c_uint32 * 2)(_CAPABILITIES_3, 0)
    sets = (ctypes.c_uint32 * 6)()  # effective, permitted, inheritable; lower halves, then upper
    if libc.capget(head, sets) == 0:
        kept = sets[1] & _MAY_READ_ALL
        libc.capset(head, (ctypes.c_uint32 * 6)(kept, kept, 0, 0, 0, 0))


def _limit(memory: int, cpu_s: int, file_bytes: int) -> None:
    asked = [
        (resource.RLIMIT_CORE, 0, True),
        (resource.RLIMIT_NOFILE, 512, True),
        # Address space is cheap, and frameworks reserve more of it than they ever use.
        (resource.RLIMIT_DATA, memory, memory > 0),
        (resource.RLIMIT_AS, 4 * memory, memory > 0),
        (resource.RLIMIT_CPU, cpu_s, cpu_s > 0),
        (resource.RLIMIT_FSIZE, file_bytes, file_bytes > 0),
    ]
    for kind, most, wanted in asked:
        if wanted:
            hard = resource.getrlimit(kind)[1]
            bound = most if hard == resource.RLIM_INFINITY else min(most, hard)
            # Two seconds between the signal that says why and the one that cannot be ignored.
            top = bound + 2 if kind == resource.RLIMIT_CPU and hard != bound else bound
            # macOS refuses some limits; what can be bounded is.
            with suppress(ValueError, OSError):
                resource.setrlimit(kind, (bound, top))


def _needed() -> list[str]:
    """What the interpreter and its libraries read, never a folder that holds people's files."""
    own = [sys.prefix, sys.base_prefix, sys.exec_prefix, *sys.path, *_house()]
    never = _NEVER_READ_WHOLE | {os.path.realpath(_home())}
    return [p for p in (*own, *_SYSTEM) if p and os.path.realpath(p) not in never]


def _home() -> str:
    try:
        return pwd.getpwuid(os.getuid()).pw_dir
    except KeyError:
        return "/"


def _house() -> list[str]:
    house = sys.modules.get("fairlead")
    return list(getattr(house, "__path__", []))
